"""Garage: the geo-distributed object store in Rust, as a single node."""

from __future__ import annotations

import secrets
from typing import Final

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.launch.environment import Environment
from bucket_conformance.providers.launch.probe import ProbeResponse
from bucket_conformance.providers.launch.process import Command, LaunchContext, ProcessLaunch
from bucket_conformance.providers.launch.recipes import Crate
from bucket_conformance.providers.provider import Declared, Kind, Provider

_VERSION: Final = "2.5.0"
_SOURCE: Final = f"https://git.deuxfleurs.fr/Deuxfleurs/garage/src/tag/v{_VERSION}/src/api"
_BUCKET: Final = "conformance-garage"
_ENVIRONMENT = Environment(
    name="garage",
    title="Garage",
    recipe=Crate(name="garage", version=_VERSION),
    checks=("garage",),
    on_path="garage",
)
_CONFIGURATION: Final = """\
metadata_dir = "{data}/meta"
data_dir = "{data}/data"
db_engine = "sqlite"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:{rpc}"
rpc_public_addr = "127.0.0.1:{rpc}"
rpc_secret = "{secret}"

[s3_api]
s3_region = "garage"
api_bind_addr = "127.0.0.1:{port}"
"""


def _command(context: LaunchContext) -> Command:
    port, rpc = context.ports
    config = context.work / "garage.toml"
    text = _CONFIGURATION.format(data=context.data, rpc=rpc, port=port, secret=secrets.token_hex(32))
    config.write_text(text, encoding="utf-8")
    config.chmod(0o600)
    return Command(
        argv=(str(_ENVIRONMENT.program("garage")), "-c", str(config), "server", "--single-node", "--default-bucket"),
        env={
            "GARAGE_DEFAULT_ACCESS_KEY": context.access_key,
            "GARAGE_DEFAULT_SECRET_KEY": context.secret_key,
            "GARAGE_DEFAULT_BUCKET": _BUCKET,
        },
    )


def _keys() -> tuple[str, str]:
    """Return credentials in the form that Garage requires: GK and 24 hexadecimal digits; 64 hexadecimal digits."""
    return f"GK{secrets.token_hex(12)}", secrets.token_hex(32)


def _version(_: ProbeResponse) -> str:
    return _VERSION


PROVIDER = Provider(
    id="garage",
    title="Garage",
    homepage="https://garagehq.deuxfleurs.fr/",
    licence="AGPL-3.0",
    kind=Kind.SERVER,
    launches=(
        ProcessLaunch(
            name="garage",
            title="Garage",
            environment=_ENVIRONMENT,
            command=_command,
            version=_version,
            no_https="Garage serves http only and leaves https to a proxy in front of it",
            ports=2,
            region="garage",
            bucket=_BUCKET,
            make_credentials=_keys,
        ),
    ),
    capabilities=frozenset(
        {
            Capability.WIRE,
            Capability.SIGNED_URLS,
            Capability.SIGNED_UPLOADS,
            Capability.OWN_VIEW,
            Capability.FAULT_INJECTION,
            Capability.MULTIPART,
            Capability.LIFECYCLE,
            Capability.COPY,
        }
    ),
    limits={
        "url_life_s": Declared(value=604_800, source=f"{_SOURCE}/common/signature/payload.rs"),
        "page_keys": Declared(value=1000, source=f"{_SOURCE}/s3/api_server.rs"),
    },
    notes=(
        "Installing it means building it (about twenty minutes on two cores).",
        "The default credentials may not create buckets, so the suite stays inside the default bucket.",
        "No versioning; lifecycle: expiry and abort of uploads: https://garagehq.deuxfleurs.fr/documentation/reference-manual/s3-compatibility/",
        "Region `garage`, as its configuration says.",
    ),
)
