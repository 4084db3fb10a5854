"""S3Proxy: an S3 gateway over jclouds' blob stores, here over its in-memory one."""

from __future__ import annotations

from typing import Final

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.launch.certificates import PASSWORD
from bucket_conformance.providers.launch.environment import Environment
from bucket_conformance.providers.launch.probe import ProbeResponse
from bucket_conformance.providers.launch.process import Command, LaunchContext, ProcessLaunch
from bucket_conformance.providers.launch.recipes import MavenJar
from bucket_conformance.providers.provider import Kind, Provider

_VERSION: Final = "4.0.0"
_ENVIRONMENT = Environment(
    name="s3proxy",
    title="S3Proxy",
    recipe=MavenJar(coordinates=f"org.gaul:s3proxy:{_VERSION}:jar:jar-with-dependencies"),
    checks=("s3proxy.jar",),
)


def _command(context: LaunchContext) -> Command:
    settings = {
        "s3proxy.authorization": "aws-v2-or-v4",
        "s3proxy.identity": context.access_key,
        "s3proxy.credential": context.secret_key,
        **_endpoint(context),
        "jclouds.provider": "transient-nio2",
        "jclouds.identity": "unused",
        "jclouds.credential": "unused",
    }
    properties = context.work / "s3proxy.properties"
    properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="utf-8")
    properties.chmod(0o600)
    jar = str(_ENVIRONMENT.program("s3proxy.jar"))
    scratch = f"-Djava.io.tmpdir={context.scratch}"
    return Command(argv=("java", scratch, "-Xmx512m", "-jar", jar, "--properties", str(properties)))


def _endpoint(context: LaunchContext) -> dict[str, str]:
    if context.tls is None:
        return {"s3proxy.endpoint": f"http://{context.address}"}
    return {
        "s3proxy.secure-endpoint": f"https://{context.address}",
        "s3proxy.keystore-path": str(context.tls.keystore),
        "s3proxy.keystore-password": PASSWORD,
    }


def _version(_: ProbeResponse) -> str:
    return _VERSION


PROVIDER = Provider(
    id="s3proxy",
    title="S3Proxy",
    homepage="https://github.com/gaul/s3proxy",
    licence="Apache-2.0",
    kind=Kind.SERVER,
    launches=(
        ProcessLaunch(
            name="s3proxy",
            title="S3Proxy",
            environment=_ENVIRONMENT,
            command=_command,
            version=_version,
            deadline_s=240.0,
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
            Capability.COPY,
        }
    ),
    notes=(
        "In memory (transient-nio2); another blob store below it may behave differently.",
        "Conditional writes hold within one process only: https://github.com/gaul/s3proxy#limitations; "
        "over this store If-None-Match did, If-Match did not.",
    ),
)
