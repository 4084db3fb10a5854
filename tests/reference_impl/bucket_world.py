"""A bucket of a real server (moto) in this process, as a storage, as AP_* variables and as an SDK client."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from moto.server import ThreadedMotoServer

from bucket_conformance.reference_impl.s3 import S3Storage
from bucket_conformance.reference_impl.s3_client import make_client

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "the-files"
ACCESS_KEY = "key-of-the-test"
SECRET = "secret-of-the-test-0123456789"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """The bucket and the ways to it; ``sends()`` tells how often each key was stored since it was made."""

    client: S3Client
    storage: S3Storage
    environ: dict[str, str] = field(repr=False)

    def sends(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for page in self.client.get_paginator("list_object_versions").paginate(Bucket=BUCKET):
            for version in page.get("Versions", []):
                found[version["Key"]] = found.get(version["Key"], 0) + 1
        return found


@contextmanager
def moto_server() -> Iterator[str]:
    """Serve S3 on a free port of loopback."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def fresh_bucket(url: str) -> Bucket:
    """Forget everything in the server and make one bucket that keeps every version."""
    urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", method="POST")).close()
    client = make_client(endpoint=url, region="us-east-1", access_key=ACCESS_KEY, secret_key=SECRET)
    client.create_bucket(Bucket=BUCKET)
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    environ = {
        "AP_FILE_STORAGE_LOCATION": "s3",
        "AP_S3_BUCKET": BUCKET,
        "AP_S3_ACCESS_KEY_ID": ACCESS_KEY,
        "AP_S3_SECRET_ACCESS_KEY": SECRET,
        "AP_S3_ENDPOINT": url,
    }
    return Bucket(client=client, storage=S3Storage(client, BUCKET), environ=environ)


def command_line(*arguments: str) -> list[str]:
    """The storage's command, run by this interpreter."""
    return [sys.executable, "-m", "bucket_conformance.reference_impl", *arguments]


def environment(variables: dict[str, str], home: Path) -> dict[str, str]:
    """Return an environment with these AP_* variables and no others; state is stored below ``home``."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AP_", "AWS_"))}
    return {**inherited, "HOME": str(home), "XDG_STATE_HOME": str(home / "state"), **variables}


def run(
    *arguments: str, variables: dict[str, str], home: Path, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run one command to its end."""
    return subprocess.run(
        command_line(*arguments),
        env=environment(variables, home),
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
    )
