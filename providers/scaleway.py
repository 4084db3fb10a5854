"""Scaleway Object Storage."""

from __future__ import annotations

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.declared_file import S3_CAPABILITIES
from bucket_conformance.providers.launch.remote import RemoteLaunch, Variables
from bucket_conformance.providers.provider import Declared, Kind, Provider

_CALLS = "https://www.scaleway.com/en/docs/object-storage/api-cli/using-api-call-list"
_MULTIPART = "https://www.scaleway.com/en/docs/object-storage/api-cli/multipart-uploads/"

PROVIDER = Provider(
    id="scaleway",
    title="Scaleway Object Storage",
    homepage="https://www.scaleway.com/en/object-storage/",
    licence="proprietary",
    kind=Kind.SERVICE,
    launches=(
        RemoteLaunch(
            title="Scaleway Object Storage",
            variables=Variables.of("scaleway"),
            endpoint="https://s3.{region}.scw.cloud",
            checksums="when_supported",
        ),
    ),
    capabilities=S3_CAPABILITIES | {Capability.CONDITIONAL_PUT, Capability.VERSIONING, Capability.LIFECYCLE},
    limits={
        "batch_keys": Declared(value=1000, source=_CALLS),
        "page_keys": Declared(value=1000, source=_CALLS),
        "parts": Declared(value=1000, source=_MULTIPART),
        "part_min_bytes": Declared(value=5_000_000, source=_MULTIPART),
    },
    notes=(
        "Regions fr-par, it-mil, nl-ams, pl-waw: https://github.com/rclone/rclone/tree/master/backend/s3/provider/Scaleway.yaml",
        "Conditional writes: https://www.scaleway.com/en/docs/object-storage/api-cli/using-conditional-writes",
        f"Supported calls, including versioning: {_CALLS}",
        "Trailing CRC32 of the SDK's defaults is taken: all 30 uploads of its provider for Terraform, 2025-02 to "
        "2026-08: https://github.com/scaleway/terraform-provider-scaleway internal/services/object/testdata",
        "Rules are read back under <Configuration> without a namespace; a bucket without versions says "
        "<Status></Status>; a 304 carries a checksum (2026-04-27): https://github.com/earth-mover/icechunk/issues/2094",
        "No page read states a limit of keys, of one PUT or of the life of URLs; none is declared.",
    ),
)
