"""VersityGW: an S3 gateway over a POSIX file system, metadata in extended attributes."""

from __future__ import annotations

from typing import Final

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.launch.environment import Environment
from bucket_conformance.providers.launch.probe import ProbeResponse
from bucket_conformance.providers.launch.process import Command, LaunchContext, ProcessLaunch
from bucket_conformance.providers.launch.recipes import GoModule
from bucket_conformance.providers.provider import Declared, Kind, Provider

_VERSION: Final = "v1.8.0"
_SOURCE: Final = f"https://github.com/versity/versitygw/blob/{_VERSION}"
_ENVIRONMENT = Environment(
    name="versitygw",
    title="VersityGW",
    recipe=GoModule(package="github.com/versity/versitygw/cmd/versitygw", version=_VERSION),
    checks=("versitygw",),
)


def _command(context: LaunchContext) -> Command:
    return Command(
        argv=(
            str(_ENVIRONMENT.program("versitygw")),
            *("--port", context.address),
            *("--region", "us-east-1"),
            *(("--cert", str(context.tls.certificate), "--key", str(context.tls.key)) if context.tls else ()),
            *("posix", str(context.data)),
        ),
        env={"ROOT_ACCESS_KEY": context.access_key, "ROOT_SECRET_KEY": context.secret_key},
    )


def _version(_: ProbeResponse) -> str:
    return _VERSION


PROVIDER = Provider(
    id="versitygw",
    title="VersityGW",
    homepage="https://github.com/versity/versitygw",
    licence="Apache-2.0",
    kind=Kind.SERVER,
    launches=(
        ProcessLaunch(
            name="versitygw",
            title="VersityGW",
            environment=_ENVIRONMENT,
            command=_command,
            version=_version,
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
    limits={
        # A segment is a file name.
        "segment_bytes": Declared(value=255, source="https://docs.kernel.org/filesystems/ext4/directory.html"),
        "url_life_s": Declared(value=604_800, source=f"{_SOURCE}/s3err/presigned-urls.go"),
        "part_min_bytes": Declared(value=5 * 1024**2, source=f"{_SOURCE}/backend/common.go"),
        "put_bytes": Declared(value=5 * 1024**3, source=f"{_SOURCE}/s3api/utils/chunk-reader.go"),
    },
    notes=(
        "Over its POSIX backend: a key must be a valid path; the folder must support extended attributes.",
        "Conditional writes, with one condition at a time: https://github.com/versity/versitygw/issues/2183",
        "Versioning needs a separate folder (--versioning-dir) and is not switched on.",
        "No statement about surviving a kill was found, so durability is not declared.",
    ),
)
