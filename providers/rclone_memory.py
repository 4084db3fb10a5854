"""rclone serve s3 over its in-memory backend: the same gateway as `rclone`, without a file system below it."""

from __future__ import annotations

from bucket_conformance.providers import rclone
from bucket_conformance.providers.launch.process import Command, LaunchContext, ProcessLaunch
from bucket_conformance.providers.provider import Kind, Provider


def _command(context: LaunchContext) -> Command:
    return rclone.serve(context, ":memory:")


PROVIDER = Provider(
    id="rclone-memory",
    title="rclone serve s3, in memory",
    homepage=rclone.PROVIDER.homepage,
    licence=rclone.PROVIDER.licence,
    kind=Kind.SERVER,
    launches=(
        ProcessLaunch(
            name="rclone-memory",
            title="rclone serve s3, in memory",
            environment=rclone.ENVIRONMENT,
            command=_command,
            version=rclone.version,
            https=True,
        ),
    ),
    capabilities=rclone.PROVIDER.capabilities,
    limits=rclone.PROVIDER.limits,
    notes=(
        "Experimental by its own documentation, which names copy of parts and versioning as unsupported.",
        "Keeps objects in memory: what deviates on `rclone` and not here comes from file names and directories.",
    ),
)
