"""DigitalOcean Spaces."""

from __future__ import annotations

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.declared_file import S3_CAPABILITIES
from bucket_conformance.providers.launch.remote import RemoteLaunch, Variables
from bucket_conformance.providers.provider import Declared, Kind, Provider

_DOCS = "https://docs.digitalocean.com"
_LIMITS = f"{_DOCS}/products/spaces/details/limits/"

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
    limits={
        "put_bytes": Declared(value=5_000_000_000, source=_LIMITS),
        "parts": Declared(value=10_000, source=_LIMITS),
        "part_min_bytes": Declared(value=5 * 1024**2, source=_LIMITS),
    },
    notes=(
        "Built on Ceph's RADOS Gateway; `ceph-rgw` is a hint, not a verdict on it.",
        "The region is the data centre, such as nyc3 or fra1. Path and virtual-host style; a bucket with dots in its "
        "name has no certificate for the latter.",
        f"Conditions are documented for reads and copies only: {_DOCS}/reference/api/spaces-api/",
        f"Lifecycle: expiry and abort of uploads, no rules by tag. Limits: {_LIMITS}",
        "Neither a limit of keys per batch nor a statement about consistency was found.",
    ),
)
