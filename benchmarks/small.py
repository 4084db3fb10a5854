"""What 2,000 uploads and downloads of 1 KiB take, next to a loop around a bare boto3 client on the same server.

``BENCHMARK_OBJECTS`` sets the number. The bare client is the one that boto3 makes for the endpoint, with no settings
but path-style addresses; it checks and hashes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import boto3
from botocore.config import Config

from benchmarks.peers import Cost, Place, print_ratios, repeats, running_server, take_turns, timed
from bucket_conformance.reference_impl.s3 import S3Storage

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SIZE: Final = 1024
THREADS: Final = 8
BUCKET: Final = "benchmark-small"


def _bare(place: Place) -> S3Client:
    return boto3.client(
        "s3",
        endpoint_url=place.endpoint.url,
        region_name=place.endpoint.region,
        aws_access_key_id=place.endpoint.access_key,
        aws_secret_access_key=place.endpoint.secret_key,
        config=Config(s3={"addressing_style": "path"}),
    )


def _loop(action: Callable[[str], object], objects: int) -> Callable[[int], Cost]:
    def run() -> None:
        for number in range(objects):
            action(f"project/p/FILE/f{number:05}")

    return lambda _: timed(run)


def _threads(action: Callable[[str], object], objects: int) -> Callable[[int], Cost]:
    def run() -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            for _ in pool.map(action, [f"project/p/FILE/f{number:05}" for number in range(objects)]):
                pass

    return lambda _: timed(run)


def main() -> None:
    objects = int(os.environ.get("BENCHMARK_OBJECTS", "2000"))
    body = os.urandom(SIZE)
    with running_server() as place:
        place.client.create_bucket(Bucket=BUCKET)
        storage, bare = S3Storage(place.client, BUCKET), _bare(place)
        bulk = storage.bulk_uploads()
        if isinstance(bulk, str):
            print(f"by boto3 in threads too: {bulk}")
        for what, ours, theirs, fast in (
            (
                "puts",
                lambda key: storage.upload(key, body),
                lambda key: bare.put_object(Bucket=BUCKET, Key=key, Body=body),
                (lambda key: storage.upload(key, body))
                if isinstance(bulk, str)
                else (lambda key: bulk.upload(key, body)),
            ),
            (
                "gets",
                storage.download,
                lambda key: bare.get_object(Bucket=BUCKET, Key=key)["Body"].read(),
                storage.download,
            ),
        ):
            measured = {
                "storage": _loop(ours, objects),
                f"storage, {THREADS} threads": _threads(ours, objects),
                f"bulk, {THREADS} threads": _threads(fast, objects),
                "bare boto3": _loop(theirs, objects),
            }
            costs = take_turns(measured, times=repeats(5))
            for name, wanted in zip(measured, (1.05, 0.5, 0.5), strict=False):
                if name == "bare boto3" or (what == "gets" and name.startswith("bulk")):
                    continue
                compared = {name: costs[name], "bare boto3": costs["bare boto3"]}
                print_ratios(f"{objects} {what} of {SIZE} bytes", compared, wanted={"bare boto3": wanted})
