"""Cloudflare R2."""

from __future__ import annotations

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.declared_file import S3_CAPABILITIES
from bucket_conformance.providers.launch.remote import RemoteLaunch, Variables
from bucket_conformance.providers.provider import Declared, Kind, Provider

_DOCS = "https://developers.cloudflare.com/r2"

PROVIDER = Provider(
    id="r2",
    title="Cloudflare R2",
    homepage=f"{_DOCS}/",
    licence="proprietary",
    kind=Kind.SERVICE,
    launches=(RemoteLaunch(title="Cloudflare R2", variables=Variables.of("r2"), region="auto"),),
    capabilities=S3_CAPABILITIES | {Capability.CONDITIONAL_PUT, Capability.LIFECYCLE, Capability.DURABLE},
    limits={
        "batch_keys": Declared(value=1000, source=f"{_DOCS}/platform/release-notes/"),
        "key_bytes": Declared(value=1024, source=f"{_DOCS}/platform/limits/"),
        "put_bytes": Declared(value=5 * 1024**3 - 5 * 1024**2, source=f"{_DOCS}/platform/limits/"),
        "parts": Declared(value=10_000, source=f"{_DOCS}/platform/limits/"),
        "part_min_bytes": Declared(value=5 * 1024**2, source=f"{_DOCS}/objects/upload-objects/"),
        "url_life_s": Declared(value=604_800, source=f"{_DOCS}/api/s3/presigned-urls/"),
    },
    notes=(
        f"The endpoint holds the account: https://ACCOUNT.r2.cloudflarestorage.com ({_DOCS}/api/s3/api/)",
        f"Keys are normalised to NFC: {_DOCS}/reference/unicode-interoperability/",
        f"Strong consistency, except through a cached custom domain: {_DOCS}/reference/consistency/",
        f"One write per second to one key; more gets 429: {_DOCS}/platform/limits/",
        "Batches: 128 keys before July 2022; 999 keys once gave 500: https://github.com/apache/opendal/issues/2227",
        "Region `auto`, also written us-east-1 or empty; with a jurisdiction: https://ACCOUNT.eu.r2.cloudflarestorage.com",
        "No versioning. Parts of a multipart upload must be of equal size, but for the last.",
    ),
)
