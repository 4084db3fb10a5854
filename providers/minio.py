"""MinIO: the last published source, built by ``go install`` (upstream ships no binaries), or ``minio`` on the PATH."""

from __future__ import annotations

import mmap
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.launch.container import ContainerLaunch, Image
from bucket_conformance.providers.launch.environment import Environment
from bucket_conformance.providers.launch.probe import ProbeResponse
from bucket_conformance.providers.launch.process import Command, LaunchContext, ProcessLaunch
from bucket_conformance.providers.launch.recipes import GoModule
from bucket_conformance.providers.provider import Declared, Kind, Provider

_ENVIRONMENT = Environment(
    name="minio",
    title="MinIO",
    recipe=GoModule(package="github.com/minio/minio", version="v0.0.0-20260212201848-7aac2a2c5b7c"),
    checks=("minio",),
    on_path="minio",
)
_SOURCE = "https://github.com/minio/minio/blob/7aac2a2c5b7c"
_LIMITS = "https://docs.min.io/community/minio-object-store/operations/concepts/thresholds.html"


def _variables(access_key: str, secret_key: str) -> Mapping[str, str]:
    return {
        "MINIO_ROOT_USER": access_key,
        "MINIO_ROOT_PASSWORD": secret_key,
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
    }


def _command(context: LaunchContext) -> Command:
    program = str(_ENVIRONMENT.program("minio"))
    console = f"127.0.0.1:{context.ports[1]}"
    # The folder holds certificate and key under the names that MinIO looks for.
    certificates = ("--certs-dir", str(context.tls.certificate.parent)) if context.tls else ()
    return Command(
        argv=(
            program,
            "server",
            "--address",
            context.address,
            "--console-address",
            console,
            *certificates,
            str(context.data),
        ),
        env=_variables(context.access_key, context.secret_key),
    )


def _version(_: ProbeResponse) -> str:
    program = _ENVIRONMENT.program("minio")
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"minio version (\S+)", said)
    version = found[1] if found else "unknown"
    # A binary made by ``go install`` contains no release, but Go writes the module's version into it.
    return _module_version(program) or version if version.startswith("DEVELOPMENT") else version


def _module_version(program: Path) -> str | None:
    with program.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = re.search(rb"\nmod\tgithub\.com/minio/minio\t(v[0-9A-Za-z.+-]+)", content)
        return found[1].decode() if found else None


PROVIDER = Provider(
    id="minio",
    title="MinIO",
    homepage="https://github.com/minio/minio",
    licence="AGPL-3.0",
    kind=Kind.SERVER,
    launches=(
        ProcessLaunch(
            name="minio",
            title="MinIO",
            environment=_ENVIRONMENT,
            command=_command,
            version=_version,
            ports=2,
            https=True,
        ),
        ContainerLaunch(
            name="minio",
            title="MinIO",
            image=Image(
                name="minio/minio",
                tag="RELEASE.2025-09-07T16-13-09Z",
                digest="sha256:14cea493d9a34af32f524e538b8346cf79f3321eff8e708c1e2960462bd8936e",
                variable="CONFORMANCE_MINIO_IMAGE",
            ),
            port=9000,
            environment=_variables,
            version_command=("minio", "--version"),
            command=lambda access_key, secret_key: ("server", "/data"),
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
            Capability.DURABLE,
        }
    ),
    limits={
        "batch_keys": Declared(value=1000, source=f"{_SOURCE}/cmd/api-response.go"),
        "key_bytes": Declared(value=1024, source=_LIMITS),
        "segment_bytes": Declared(value=255, source=_LIMITS),
        "url_life_s": Declared(value=604_800, source=f"{_SOURCE}/cmd/signature-v4-parser.go"),
        "url_ahead_s": Declared(value=900, source=f"{_SOURCE}/cmd/globals.go"),
        "page_keys": Declared(value=1000, source=f"{_SOURCE}/docs/minio-limits.md"),
        "parts": Declared(value=10_000, source=_LIMITS),
        "part_min_bytes": Declared(value=5 * 1024**2, source=_LIMITS),
        "put_bytes": Declared(value=5 * 1024**4, source=_LIMITS),
    },
    notes=(
        "No longer maintained upstream; source only, so installing means building it (about five minutes).",
        "Conditional writes since February 2023: https://github.com/minio/minio/pull/16551",
        "`a/b` and `a/b/c` may not both exist: https://github.com/minio/minio/blob/master/docs/minio-limits.md",
        "The container image is the last published; older than the source that `conformance install minio` builds.",
    ),
)
