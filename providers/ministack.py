"""MiniStack: a small simulator of AWS; S3 is one of its services."""

from __future__ import annotations

from typing import Final

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.launch.environment import Environment
from bucket_conformance.providers.launch.probe import ProbeResponse
from bucket_conformance.providers.launch.process import Command, LaunchContext, ProcessLaunch
from bucket_conformance.providers.launch.recipes import PyPI
from bucket_conformance.providers.provider import Declared, Kind, Provider

_ENVIRONMENT = Environment(
    name="ministack",
    title="MiniStack",
    recipe=PyPI(requirements=("ministack==1.5.33",)),
    checks=("python", "ministack"),
)
_SOURCE: Final = "https://github.com/ministackorg/ministack/blob/main/ministack/services/s3.py"


def _command(context: LaunchContext) -> Command:
    tls = {}
    if context.tls:
        files = {"MINISTACK_SSL_CERT": str(context.tls.certificate), "MINISTACK_SSL_KEY": str(context.tls.key)}
        tls = {"USE_SSL": "1", **files}
    return Command(
        argv=(str(_ENVIRONMENT.program("ministack")),),
        env={
            "GATEWAY_PORT": str(context.ports[0]),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "SERVICES": "s3,iam,sts",
            "AUTH": "true",
            **tls,
        },
    )


def _version(_: ProbeResponse) -> str:
    return _ENVIRONMENT.distribution_version("ministack")


PROVIDER = Provider(
    id="ministack",
    title="MiniStack",
    homepage="https://github.com/ministackorg/ministack",
    licence="MIT",
    kind=Kind.SIMULATOR,
    launches=(
        ProcessLaunch(
            name="ministack",
            title="MiniStack",
            environment=_ENVIRONMENT,
            command=_command,
            version=_version,
            fixed_credentials=("test", "test"),
            https=True,
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
            Capability.LIFECYCLE,
            Capability.COPY,
        }
    ),
    limits={
        "url_life_s": Declared(value=604_800, source=_SOURCE),
    },
    notes=(
        "Started with AUTH=true, so that it checks signatures.",
        "Keeps everything in memory; a restart loses it.",
    ),
)
