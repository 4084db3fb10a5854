"""Google Cloud Storage (XML API)."""

from __future__ import annotations

from bucket_conformance.providers.declared_file import S3_CAPABILITIES
from bucket_conformance.providers.launch.remote import RemoteLaunch, Variables
from bucket_conformance.providers.provider import Declared, Kind, Provider

_QUOTAS = "https://cloud.google.com/storage/quotas"

PROVIDER = Provider(
    id="gcs",
    title="Google Cloud Storage (XML API)",
    homepage="https://cloud.google.com/storage",
    licence="proprietary",
    kind=Kind.SERVICE,
    launches=(
        RemoteLaunch(
            title="Google Cloud Storage (XML API)",
            variables=Variables.of("gcs"),
            endpoint="https://storage.googleapis.com",
            region="auto",
        ),
    ),
    capabilities=S3_CAPABILITIES,
    limits={
        "key_bytes": Declared(value=1024, source="https://cloud.google.com/storage/docs/naming-objects"),
        "put_bytes": Declared(value=5 * 1024**4, source=f"{_QUOTAS}#objects"),
        "parts": Declared(value=10_000, source=f"{_QUOTAS}#requests"),
        "part_min_bytes": Declared(value=5 * 1024**2, source=f"{_QUOTAS}#requests"),
        # As in its own client library.
        "url_life_s": Declared(
            value=604_800,
            source="https://github.com/googleapis/python-storage/blob/main/google/cloud/storage/_signing.py",
        ),
    },
    notes=(
        "Needs HMAC keys; region `auto`.",
        "Batch delete: 1000 keys by https://docs.cloud.google.com/storage/docs/xml-api/post-bucket; operators got 400 "
        "NotImplemented (2026-03-07, 2026-04-06: not every time): https://github.com/supabase/storage/issues/898",
        "An expired URL is 400 ExpiredToken, not 403: https://github.com/floci-io/floci-gcp/issues/33 (2026-06-08)",
        "No copy of parts, and Accept-Encoding must not be signed: https://github.com/rclone/rclone/tree/master/backend/s3/provider/GCS.yaml",
        "Names with CR or LF, `.`, `..` and some prefixes are refused: https://cloud.google.com/storage/docs/naming-objects",
        "Versioning and lifecycle differ in form from S3 and are not declared.",
    ),
)
