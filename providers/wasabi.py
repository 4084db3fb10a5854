"""Wasabi."""

from __future__ import annotations

from conformance.contract import Capability
from providers.declared_file import S3_CAPABILITIES
from providers.launch.remote import RemoteLaunch, Variables
from providers.provider import Kind, Provider

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
    notes=(
        "Endpoints and regions, such as eu-central-1: https://github.com/rclone/rclone/tree/master/backend/s3/provider/Wasabi.yaml",
        "Uploads in parts as Amazon documents them: https://knowledgebase.wasabi.com/hc/en-us/articles/360030872392",
        "Versioning: https://docs.wasabi.com/docs/versioning",
        "Lifecycle: https://docs.wasabi.com/apidocs/lifecycle-policy",
    ),
)
