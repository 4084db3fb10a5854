"""nanio: a small S3 server in Python over a folder."""

from __future__ import annotations

from typing import Final

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.launch.environment import Environment
from bucket_conformance.providers.launch.probe import ProbeResponse
from bucket_conformance.providers.launch.process import Command, LaunchContext, ProcessLaunch
from bucket_conformance.providers.launch.recipes import PyPI
from bucket_conformance.providers.provider import Declared, Kind, Provider

_ENVIRONMENT = Environment(
    name="nanio",
    title="nanio",
    recipe=PyPI(requirements=("nanio==0.1.7",)),
    checks=("python", "nanio"),
)
_SOURCE: Final = "https://github.com/apocas/nanio"


def _command(context: LaunchContext) -> Command:
    place = ("--host", "127.0.0.1", "--port", str(context.ports[0]), "--data-dir", str(context.data))
    return Command(
        argv=(str(_ENVIRONMENT.program("nanio")), "serve", *place, "--no-access-log"),
        env={"NANIO_ACCESS_KEY": context.access_key, "NANIO_SECRET_KEY": context.secret_key},
    )


def _version(_: ProbeResponse) -> str:
    return _ENVIRONMENT.distribution_version("nanio")


PROVIDER = Provider(
    id="nanio",
    title="nanio",
    homepage="https://github.com/apocas/nanio",
    licence="Apache-2.0",
    kind=Kind.SERVER,
    launches=(
        ProcessLaunch(
            name="nanio",
            title="nanio",
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
    limits={
        "batch_keys": Declared(value=1000, source=_SOURCE),
        "key_bytes": Declared(value=1024, source=_SOURCE),
        "page_keys": Declared(value=1000, source=_SOURCE),
        "url_life_s": Declared(value=604_800, source=_SOURCE),
    },
)
