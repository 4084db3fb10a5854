"""Adobe S3Mock: a mock of S3 for integration tests, in Java over a folder."""

from __future__ import annotations

from typing import Final

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.launch.certificates import PASSWORD, Certificates
from bucket_conformance.providers.launch.environment import Environment
from bucket_conformance.providers.launch.probe import ProbeResponse
from bucket_conformance.providers.launch.process import Command, LaunchContext, ProcessLaunch
from bucket_conformance.providers.launch.recipes import MavenJar
from bucket_conformance.providers.provider import Kind, Provider

_VERSION: Final = "4.11.0"
_ENVIRONMENT = Environment(
    name="s3mock",
    title="Adobe S3Mock",
    recipe=MavenJar(coordinates=f"com.adobe.testing:s3mock:{_VERSION}:jar:exec"),
    checks=("s3mock.jar",),
)


def _command(context: LaunchContext) -> Command:
    jar = str(_ENVIRONMENT.program("s3mock.jar"))
    port, other = context.ports
    return Command(
        argv=(
            *("java", f"-Djava.io.tmpdir={context.scratch}", "-Xmx768m", "-jar", jar),
            "--server.address=127.0.0.1",
            *_listen(port, other, context.tls),
        ),
        env={"COM_ADOBE_TESTING_S3MOCK_STORE_ROOT": str(context.data)},
    )


def _listen(port: int, other: int, tls: Certificates | None) -> tuple[str, ...]:
    """Return the options for its ports: it always serves both schemes, http on its own port."""
    if tls is None:
        return (f"--server.port={other}", f"--com.adobe.testing.s3mock.httpPort={port}")
    return (
        f"--server.port={port}",
        f"--com.adobe.testing.s3mock.httpPort={other}",
        f"--server.ssl.key-store=file:{tls.keystore}",
        f"--server.ssl.key-store-password={PASSWORD}",
        "--server.ssl.key-store-type=PKCS12",
        "--server.ssl.key-alias=server",
        f"--server.ssl.key-password={PASSWORD}",
    )


def _version(_: ProbeResponse) -> str:
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
            deadline_s=300.0,
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
            Capability.CONDITIONAL_PUT,
            Capability.VERSIONING,
            Capability.LIFECYCLE,
            Capability.COPY,
        }
    ),
    notes=(
        "A mock: checks no signatures, neither of headers nor of URLs, and serves expired ones: "
        "https://github.com/adobe/S3Mock#presigned-urls",
        "Conditional writes since 4.0.0: https://github.com/adobe/S3Mock/issues/2084",
        "Its authors publish it as a container image; this is the same program as a jar.",
    ),
)
