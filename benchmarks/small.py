"""What 2,000 uploads and downloads of 1 KiB take, next to a loop around a bare boto3 client on the same server.

``BENCHMARK_OBJECTS`` sets the number. They are measured 100 at a time, in turns. The bare client is the one that boto3
makes for the endpoint, with no settings but path-style addresses; it checks and hashes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import boto3
from botocore.config import Config

from benchmarks.peers import Cost, Place, print_ratios, running_server, take_turns, timed
from bucket_conformance.reference_impl.s3 import S3Storage

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SIZE: Final = 1024
THREADS: Final = 8
AT_A_TIME: Final = 100
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


def _keys(turn: int) -> list[str]:
    return [f"project/p/FILE/f{turn * AT_A_TIME + number:06}" for number in range(AT_A_TIME)]


def _loop(action: Callable[[str], object]) -> Callable[[int], Cost]:
    return lambda turn: timed(lambda: [action(key) for key in _keys(turn)])


def _threads(pool: ThreadPoolExecutor, action: Callable[[str], object]) -> Callable[[int], Cost]:
    return lambda turn: timed(lambda: list(pool.map(action, _keys(turn))))


def main() -> None:
    turns = max(2, int(os.environ.get("BENCHMARK_OBJECTS", "2000")) // AT_A_TIME)
    body = os.urandom(SIZE)
    with running_server() as place, ThreadPoolExecutor(THREADS) as pool:
        place.client.create_bucket(Bucket=BUCKET)
        storage, bare = S3Storage(place.client, BUCKET), _bare(place)
        bulk = storage.bulk_uploads()
        puts = {
            "storage": _loop(lambda key: storage.upload(key, body)),
            f"storage, {THREADS} threads": _threads(pool, lambda key: storage.upload(key, body)),
        }
        if isinstance(bulk, str):
            print(f"by boto3 alone: {bulk}")
        else:
            puts[f"bulk, {THREADS} threads"] = _threads(pool, lambda key: bulk.upload(key, body))
        gets = {
            "storage": _loop(storage.download),
            f"storage, {THREADS} threads": _threads(pool, storage.download),
        }
        loops: dict[str, tuple[dict[str, Callable[[int], Cost]], Callable[[str], object]]] = {
            "puts": (puts, lambda key: bare.put_object(Bucket=BUCKET, Key=key, Body=body)),
            "gets": (gets, lambda key: bare.get_object(Bucket=BUCKET, Key=key)["Body"].read()),
        }
        for what, (ours, theirs) in loops.items():
            costs = take_turns({**ours, "bare boto3": _loop(theirs)}, times=turns)
            for name in ours:
                wanted = {"bare boto3": 0.5 if "threads" in name else 1.05}
                compared = {name: costs[name], "bare boto3": costs["bare boto3"]}
                print_ratios(f"{AT_A_TIME} {what} of {SIZE} bytes, {turns} times", compared, wanted=wanted)
