"""How long a migration from disk to S3 takes, next to ``aws s3 sync`` and ``rclone copy`` on the same server.

``BENCHMARK_FILES`` sets the number of files of 4 KiB (2,000 by default). The peers are those on ``PATH``, or those that
``BENCHMARK_AWS`` and ``BENCHMARK_RCLONE`` name; one that is missing is left out.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from benchmarks.backends import endpoint_of

SIZE: Final = 4096
DEFAULT_FILES: Final = 2000
BUCKETS: Final = ("storage", "aws", "rclone")


def _fill(root: Path, files: int) -> None:
    chance = random.Random(1)
    for number in range(files):
        path = root / f"project/p{number % 20}/FILE/f{number:06}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(SIZE))


def _timed(command: list[str], environ: Mapping[str, str]) -> tuple[float, float, str]:
    """Return seconds, the largest resident size of all commands so far in MiB, and what the command printed."""
    started = time.perf_counter()
    done = subprocess.run(command, env=dict(environ), capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{command[0]} ended with {done.returncode}: {done.stderr[-500:]}")
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, done.stdout


def main() -> None:
    files = int(os.environ.get("BENCHMARK_FILES", str(DEFAULT_FILES)))
    with tempfile.TemporaryDirectory() as folder, endpoint_of("versitygw") as endpoint:
        root = Path(folder, "source")
        _fill(root, files)
        from bucket_conformance.reference_impl.s3_client import make_client

        client = make_client(
            region=endpoint.region,
            endpoint=endpoint.url,
            access_key=endpoint.access_key,
            secret_key=endpoint.secret_key,
        )
        for bucket in BUCKETS:
            client.create_bucket(Bucket=f"benchmark-{bucket}")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("AP_", "AWS_", "RCLONE_"))}
        keys = {"AWS_ACCESS_KEY_ID": endpoint.access_key, "AWS_SECRET_ACCESS_KEY": endpoint.secret_key}
        storage = {
            **clean,
            "AP_S3_BUCKET": "benchmark-storage",
            "AP_S3_ACCESS_KEY_ID": endpoint.access_key,
            "AP_S3_SECRET_ACCESS_KEY": endpoint.secret_key,
            "AP_S3_ENDPOINT": endpoint.url,
            "AP_S3_REGION": endpoint.region,
            "XDG_STATE_HOME": folder,
        }
        migrate = [sys.executable, "-m", "bucket_conformance.reference_impl", "migrate", "--json"]
        migrate += ["--from-root", str(root)]
        first, peak, printed = _timed(migrate, storage)
        report = json.loads(printed)
        if report["moved"] != files:
            raise SystemExit(f"{report['moved']} of {files} files were moved")
        again, _, _ = _timed([*migrate, "--no-journal"], storage)
        print(f"{files} files of {SIZE} bytes: migrate {first:.2f} s, {peak:.0f} MiB; compare again {again:.2f} s")
        _peer("aws s3 sync", "BENCHMARK_AWS", "aws", first, lambda aws: _timed(
            [aws, "--endpoint-url", endpoint.url, "--region", endpoint.region, "s3", "sync", "--only-show-errors",
             str(root), "s3://benchmark-aws/"], clean | keys)[0])  # fmt: skip
        rclone_options = ["--s3-provider", "Other", "--s3-env-auth", "--s3-endpoint", endpoint.url]
        rclone_options += ["--s3-region", endpoint.region, "--config", os.devnull]
        _peer("rclone copy", "BENCHMARK_RCLONE", "rclone", first, lambda rclone: _timed(
            [rclone, "copy", *rclone_options, str(root), ":s3:benchmark-rclone/"], clean | keys)[0])  # fmt: skip


def _peer(name: str, variable: str, program: str, ours_s: float, run: Callable[[str], float]) -> None:
    found = os.environ.get(variable) or shutil.which(program)
    if found is None:
        print(f"{name:12} not installed; set {variable} to its path")
        return
    seconds = run(found)
    print(f"{name:12} {seconds:6.2f} s; migrate takes {ours_s / seconds:.2f} of that", flush=True)
