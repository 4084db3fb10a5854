"""moto: a mock of AWS in memory, run as its own server in its own environment."""

from __future__ import annotations

from typing import Final

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.launch.environment import Environment
from bucket_conformance.providers.launch.probe import ProbeResponse
from bucket_conformance.providers.launch.process import Command, LaunchContext, ProcessLaunch
from bucket_conformance.providers.launch.recipes import PyPI
from bucket_conformance.providers.provider import Declared, Kind, Provider

_ENVIRONMENT = Environment(
    name="moto",
    title="moto",
    recipe=PyPI(requirements=("moto[server,s3]==5.2.5",)),
    checks=("python", "moto_server"),
)
_CONFIGURATION: Final = "https://docs.getmoto.org/en/latest/docs/services/s3.html"


def _command(context: LaunchContext) -> Command:
    program = str(_ENVIRONMENT.program("moto_server"))
    certificate = ("-c", str(context.tls.certificate), "-k", str(context.tls.key)) if context.tls else ()
    return Command(argv=(program, "-H", "127.0.0.1", "-p", str(context.ports[0]), *certificate))


def _version(_: ProbeResponse) -> str:
    return _ENVIRONMENT.distribution_version("moto")


PROVIDER = Provider(
    id="moto",
    title="moto",
    homepage="https://github.com/getmoto/moto",
    licence="Apache-2.0",
    kind=Kind.MOCK,
    launches=(
        ProcessLaunch(
            name="moto", title="moto", environment=_ENVIRONMENT, command=_command, version=_version, https=True
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
            Capability.CONDITIONAL_PUT,
            Capability.VERSIONING,
            Capability.LIFECYCLE,
            Capability.COPY,
        }
    ),
    limits={
        "part_min_bytes": Declared(value=5 * 1024**2, source=_CONFIGURATION),
    },
    notes=(
        "Checks no signatures and no expiry: a mock for tests of callers, not a server to keep data in.",
        "Keeps everything in memory; a restart loses it.",
        "Documented operations: https://docs.getmoto.org/en/latest/docs/services/s3.html",
    ),
)
