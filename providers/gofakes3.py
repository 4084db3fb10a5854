"""gofakes3: a fake S3 for tests, in Go and in memory."""

from __future__ import annotations

from typing import Final

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.launch.environment import Environment
from bucket_conformance.providers.launch.probe import ProbeResponse
from bucket_conformance.providers.launch.process import Command, LaunchContext, ProcessLaunch
from bucket_conformance.providers.launch.recipes import GoModule
from bucket_conformance.providers.provider import Declared, Kind, Provider

_VERSION: Final = "v1.2.0"
_ENVIRONMENT = Environment(
    name="gofakes3",
    title="gofakes3",
    recipe=GoModule(package="github.com/johannesboyne/gofakes3/cmd/gofakes3", version=_VERSION),
    checks=("gofakes3",),
)
_LIMITS: Final = "https://github.com/johannesboyne/gofakes3/blob/v1.2.0/constants.go"


def _command(context: LaunchContext) -> Command:
    return Command(argv=(str(_ENVIRONMENT.program("gofakes3")), "-host", context.address, "-backend", "mem"))


def _version(_: ProbeResponse) -> str:
    return _VERSION


PROVIDER = Provider(
    id="gofakes3",
    title="gofakes3",
    homepage="https://github.com/johannesboyne/gofakes3",
    licence="MIT",
    kind=Kind.MOCK,
    launches=(
        ProcessLaunch(
            name="gofakes3",
            title="gofakes3",
            environment=_ENVIRONMENT,
            command=_command,
            version=_version,
            no_https="its program serves http only",
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
            Capability.VERSIONING,
            Capability.COPY,
        }
    ),
    limits={
        "key_bytes": Declared(value=1024, source=_LIMITS),
        "page_keys": Declared(value=1000, source=_LIMITS),
        "parts": Declared(value=10_000, source=_LIMITS),
    },
    notes=("A fake for tests: it checks no signatures, neither in headers nor in URLs.",),
)
