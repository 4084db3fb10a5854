"""DigitalOcean Spaces."""

from __future__ import annotations

from conformance.contract import Capability
from providers.declared_file import S3_CAPABILITIES
from providers.launch.remote import RemoteLaunch, Variables
from providers.provider import Kind, Provider

_DOCS = "https://docs.digitalocean.com"

PROVIDER = Provider(
    id="spaces",
    title="DigitalOcean Spaces",
    homepage=f"{_DOCS}/products/spaces/",
    licence="proprietary",
    kind=Kind.SERVICE,
    launches=(
        RemoteLaunch(
            title="DigitalOcean Spaces",
            variables=Variables.of("spaces"),
            endpoint="https://{region}.digitaloceanspaces.com",
        ),
    ),
    capabilities=S3_CAPABILITIES | {Capability.VERSIONING, Capability.LIFECYCLE},
    notes=(
        f"Conditions are documented for reads and copies only: {_DOCS}/reference/api/spaces-api/",
        f"Lifecycle: expiry and abort of uploads, no rules by tag. Limits: {_DOCS}/products/spaces/details/limits/",
        "Neither a limit of keys per batch nor a statement about consistency was found.",
    ),
)
