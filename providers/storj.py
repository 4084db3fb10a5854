"""Storj."""

from __future__ import annotations

from conformance.contract import Capability
from providers.declared_file import S3_CAPABILITIES
from providers.launch.remote import RemoteLaunch, Variables
from providers.provider import Kind, Provider

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
    notes=(
        "Lists in the order of encrypted paths, not of keys.",
        "No copy of parts: https://github.com/rclone/rclone/tree/master/backend/s3/provider/Storj.yaml",
        "Supported calls, lifecycle not among them: https://storj.dev/dcs/api/s3/s3-compatibility",
        "Versioning: https://storj.dev/dcs/buckets/object-versioning",
    ),
)
