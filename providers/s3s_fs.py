"""s3s-fs: the sample server of the Rust library s3s, over a folder."""

from __future__ import annotations

from typing import Final

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.launch.environment import Environment
from bucket_conformance.providers.launch.probe import ProbeResponse
from bucket_conformance.providers.launch.process import Command, LaunchContext, ProcessLaunch
from bucket_conformance.providers.launch.recipes import Crate
from bucket_conformance.providers.provider import Kind, Provider

_VERSION: Final = "0.14.1"
_ENVIRONMENT = Environment(
    name="s3s-fs",
    title="s3s-fs",
    recipe=Crate(name="s3s-fs", version=_VERSION, features=("binary",)),
    checks=("s3s-fs",),
)


def _command(context: LaunchContext) -> Command:
    place = ("--host", "127.0.0.1", "--port", str(context.ports[0]))
    keys = ("--access-key", context.access_key, "--secret-key", context.secret_key)
    return Command(argv=(str(_ENVIRONMENT.program("s3s-fs")), *place, *keys, str(context.data)))


def _version(_: ProbeResponse) -> str:
    return _VERSION


PROVIDER = Provider(
    id="s3s-fs",
    title="s3s-fs",
    homepage="https://github.com/Nugine/s3s",
    licence="Apache-2.0",
    kind=Kind.SERVER,
    launches=(
        ProcessLaunch(
            name="s3s-fs",
            title="s3s-fs",
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
            Capability.COPY,
        }
    ),
    notes=(
        "Its authors intend it for tests, not for production: https://github.com/Nugine/s3s",
        "The key in base64 is part of one file name, so keys over about 140 bytes cannot be stored.",
        "Reads its credentials from the command line only; each run makes new ones.",
    ),
)
