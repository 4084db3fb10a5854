"""What a listing of 1,000,000 keys takes, and counting their usage, next to the bare paginator of boto3.

``BENCHMARK_KEYS`` sets the number. The server (:mod:`listing_server`) makes the pages as they are asked for. Each way
runs in a process of its own; it is printed by how much the memory of that grows.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import boto3
from botocore.config import Config

from benchmarks.peers import Cost, print_ratios, repeats, take_turns
from bucket_conformance.reference_impl.s3 import S3Storage
from bucket_conformance.reference_impl.s3_client import make_client
from bucket_conformance.reference_impl.usage import usage


def _bare(url: str) -> int:
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=Config(s3={"addressing_style": "path"}),
    )
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="files")
    return sum(1 for page in pages for _ in page.get("Contents", []))


def _storage(url: str) -> S3Storage:
    return S3Storage(make_client(endpoint=url, region="us-east-1", access_key="key", secret_key="secret"), "files")


WAYS: dict[str, Callable[[str], int]] = {
    "list": lambda url: sum(1 for _ in _storage(url).list()),
    "usage": lambda url: usage(_storage(url)).total.files,
    "bare paginator": _bare,
}


def measure(way: str, url: str) -> None:
    """Print what one way takes in this process, as JSON: seconds, and MiB before and at most."""
    _storage(url)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started, cpu_s = time.perf_counter(), time.process_time()
    found = WAYS[way](url)
    wall_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu_s
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"keys": found, "wall_s": wall_s, "cpu_s": cpu_s, "before": before, "most": most}))


@contextmanager
def _server(keys: int) -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.listing_server", str(keys)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def _run(way: str, url: str, keys: int) -> tuple[Cost, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.listing", way, url], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    if found["keys"] != keys:
        raise SystemExit(f"{way} found {found['keys']} of {keys} keys")
    return Cost(wall_s=found["wall_s"], cpu_s=found["cpu_s"], peak_mib=found["most"]), found["most"] - found["before"]


def main() -> None:
    keys = int(os.environ.get("BENCHMARK_KEYS", "1000000"))
    with _server(keys // 10) as url:
        short = {way: _run(way, url, keys // 10)[1] for way in WAYS}
    grown: dict[str, float] = {}
    with _server(keys) as url:

        def measured(way: str) -> Callable[[int], Cost]:
            def run(_: int) -> Cost:
                cost, grown[way] = _run(way, url, keys)
                return cost

            return run

        costs = take_turns({way: measured(way) for way in WAYS}, times=repeats())
    pair = {name: costs[name] for name in ("list", "bare paginator")}
    print_ratios(f"listing of {keys} keys", pair, wanted={"bare paginator": 1.05})
    pair = {name: costs[name] for name in ("usage", "list")}
    print_ratios(f"usage of {keys} keys", pair, wanted={"list": 1.1})
    for way in WAYS:
        print(f"memory, {way}: +{short[way]:.1f} MiB for {keys // 10} keys, +{grown[way]:.1f} MiB for {keys}")


if __name__ == "__main__":
    measure(*sys.argv[1:])
