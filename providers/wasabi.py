"""Wasabi."""

from __future__ import annotations

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.declared_file import S3_CAPABILITIES
from bucket_conformance.providers.launch.remote import RemoteLaunch, Variables
from bucket_conformance.providers.provider import Declared, Kind, Provider

PROVIDER = Provider(
    id="wasabi",
    title="Wasabi",
    homepage="https://wasabi.com/",
    licence="proprietary",
    kind=Kind.SERVICE,
    launches=(
        RemoteLaunch(title="Wasabi", variables=Variables.of("wasabi"), endpoint="https://s3.{region}.wasabisys.com"),
    ),
    capabilities=S3_CAPABILITIES | {Capability.VERSIONING, Capability.LIFECYCLE},
    limits={
        # Its own response to customers, as they quote it.
        "put_bytes": Declared(value=5_000_000_000, source="https://github.com/pglombardo/PasswordPusher/issues/1895"),
    },
    notes=(
        "Endpoints and regions, such as eu-central-1: https://github.com/rclone/rclone/tree/master/backend/s3/provider/Wasabi.yaml",
        "Uploads in parts as Amazon documents them: https://docs.wasabi.com/docs/how-does-wasabi-handle-multipart-uploads",
        "No page read states in numbers a limit of keys, batches, parts or of the life of URLs; none is declared.",
        "Versioning: https://docs.wasabi.com/docs/versioning",
        "Lifecycle: https://docs.wasabi.com/apidocs/lifecycle-policy",
    ),
)
