"""How long a migration from disk to S3 takes, next to ``aws s3 sync`` and ``rclone copy`` on the same server.

``BENCHMARK_FILES`` sets the number of files of 4 KiB (2,000 by default). The migration is measured with obstore, where
it is installed, and with boto3 alone.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.peers import Cost, Place, peers, print_ratios, repeats, run, running_server, take_turns

SIZE: Final = 4096
DEFAULT_FILES: Final = 2000


def _fill(root: Path, files: int) -> None:
    chance = random.Random(1)
    for number in range(files):
        path = root / f"project/p{number % 20}/FILE/f{number:06}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(SIZE))


def _measured(place: Place, root: Path, name: str, files: int) -> Callable[[int], Cost]:
    def measure(turn: int) -> Cost:
        bucket = f"benchmark-{name}-{turn}"
        place.client.create_bucket(Bucket=bucket)
        if name == "aws":
            command = place.aws("s3", "sync", "--only-show-errors", str(root), f"s3://{bucket}/")
        elif name == "rclone":
            command = place.rclone("copy", str(root), f":s3:{bucket}/")
        else:
            command = place.storage("migrate", "--json", "--from-root", str(root))
            command += ["--no-bulk"] if name == "boto3" else []
        cost, printed = run(command, place.environ(bucket))
        if name in ("obstore", "boto3") and (moved := json.loads(printed)["moved"]) != files:
            raise SystemExit(f"{moved} of {files} files were moved")
        return cost

    return measure


def main() -> None:
    files = int(os.environ.get("BENCHMARK_FILES", str(DEFAULT_FILES)))
    with running_server() as place:
        root = place.folder / "source"
        _fill(root, files)
        found = peers("aws", "rclone")
        ways = ["obstore", "boto3"] if importlib.util.find_spec("obstore") else ["boto3"]
        measured = {name: _measured(place, root, name, files) for name in (*ways, *found)}
        costs = take_turns(measured, times=repeats())
        words = {"aws": "aws s3 sync", "rclone": "rclone copy"}
        for way in ways:
            compared = {f"migrate by {way}": costs[way], **{words[name]: costs[name] for name in found}}
            wanted = {"aws s3 sync": 0.5, "rclone copy": 1.5}
            print_ratios(f"{files} files of {SIZE} bytes", compared, wanted=wanted)
        again, _ = run(
            place.storage("migrate", "--json", "--no-journal", "--from-root", str(root)),
            place.environ(f"benchmark-{ways[0]}-0"),
        )
        print(f"compared again, nothing sent: {again.wall_s:.2f} s")
