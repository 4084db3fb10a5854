"""Storj."""

from __future__ import annotations

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.declared_file import S3_CAPABILITIES
from bucket_conformance.providers.launch.remote import RemoteLaunch, Variables
from bucket_conformance.providers.provider import Declared, Kind, Provider

_COMPATIBILITY = "https://storj.dev/dcs/api/s3/s3-compatibility"

PROVIDER = Provider(
    id="storj",
    title="Storj",
    homepage="https://www.storj.io/",
    licence="proprietary",
    kind=Kind.SERVICE,
    launches=(
        RemoteLaunch(
            title="Storj", variables=Variables.of("storj"), endpoint="https://gateway.storjshare.io", region="us-east-1"
        ),
    ),
    capabilities=S3_CAPABILITIES | {Capability.VERSIONING},
    limits={
        "page_keys": Declared(value=1000, source=_COMPATIBILITY),
        "parts": Declared(value=10_000, source=_COMPATIBILITY),
        "part_min_bytes": Declared(value=5 * 1024**2, source=_COMPATIBILITY),
    },
    notes=(
        "Lists in the order of encrypted paths, not of keys.",
        "No copy of parts: https://github.com/rclone/rclone/tree/master/backend/s3/provider/Storj.yaml",
        "No limit to one PUT. The limit applies to encrypted names (1280 bytes), so no limit of keys is declared.",
        f"Supported calls, without lifecycle: {_COMPATIBILITY}",
        "Versioning: https://storj.dev/dcs/buckets/object-versioning",
    ),
)
