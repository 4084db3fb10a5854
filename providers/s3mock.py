"""Adobe S3Mock: a mock of S3 for integration tests, in Java over a folder."""

from __future__ import annotations

from typing import Final

from conformance.contract import Capability
from providers.launch.environment import Environment
from providers.launch.probe import Answer
from providers.launch.process import Command, ProcessLaunch, Room
from providers.launch.recipes import MavenJar
from providers.provider import Kind, Provider

_VERSION: Final = "4.11.0"
_ENVIRONMENT = Environment(
    name="s3mock",
    title="Adobe S3Mock",
    recipe=MavenJar(coordinates=f"com.adobe.testing:s3mock:{_VERSION}:jar:exec"),
    checks=("s3mock.jar",),
)


def _command(room: Room) -> Command:
    jar = str(_ENVIRONMENT.program("s3mock.jar"))
    port, other = room.ports
    return Command(
        argv=(
            *("java", "-Xmx768m", "-jar", jar),
            "--server.address=127.0.0.1",
            f"--server.port={other}",
            f"--com.adobe.testing.s3mock.httpPort={port}",
        ),
        env={"COM_ADOBE_TESTING_S3MOCK_STORE_ROOT": str(room.data)},
    )


def _version(_: Answer) -> str:
    return _VERSION


PROVIDER = Provider(
    id="s3mock",
    title="Adobe S3Mock",
    homepage="https://github.com/adobe/S3Mock",
    licence="Apache-2.0",
    kind=Kind.MOCK,
    launches=(
        ProcessLaunch(
            name="s3mock",
            title="Adobe S3Mock",
            environment=_ENVIRONMENT,
            command=_command,
            version=_version,
            ports=2,
            deadline_s=120.0,
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
    notes=(
        "A mock: checks no signatures, neither of headers nor of URLs, and serves expired ones.",
        "Conditional writes since 4.0.0: https://github.com/adobe/S3Mock/issues/2084",
        "The container image is the way its authors mean it to run; this is the same program as a jar.",
    ),
)
