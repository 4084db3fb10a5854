"""How long one large file takes up and down, next to ``aws s3 cp`` on the same server, each as a command.

``BENCHMARK_MIB`` sets the sizes in MiB (``256,1024`` by default).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.peers import Cost, Place, peers, print_ratios, repeats, run, running_server, take_turns

BUCKET: Final = "benchmark-transfer"
WANTED: Final = {"aws s3 cp": 0.9}


def _make(path: Path, mib: int) -> None:
    with path.open("wb") as file:
        for _ in range(mib):
            file.write(os.urandom(1024 * 1024))


def _measured(place: Place, command: list[str], source: Path | None, made: Path | None) -> Callable[[int], Cost]:
    def measure(turn: int) -> Cost:
        if made is not None:
            made.unlink(missing_ok=True)
        cost, _ = run(command, place.environ(BUCKET))
        if made is not None and source is not None and made.stat().st_size != source.stat().st_size:
            raise SystemExit(f"{made.stat().st_size} of {source.stat().st_size} bytes came")
        return cost

    return measure


def main() -> None:
    with running_server() as place:
        place.client.create_bucket(Bucket=BUCKET)
        found = peers("aws")
        for mib in map(int, os.environ.get("BENCHMARK_MIB", "256,1024").split(",")):
            source, made = place.folder / "source", place.folder / "made"
            _make(source, mib)
            key, theirs = "project/p/FILE/large", f"s3://{BUCKET}/aws/large"
            ways: dict[str, dict[str, tuple[list[str], Path | None]]] = {
                "put": {
                    "storage": (place.storage("put", "--quiet", str(source), key), None),
                    "aws s3 cp": (place.aws("s3", "cp", "--only-show-errors", str(source), theirs), None),
                },
                "get": {
                    "storage": (place.storage("get", "--quiet", key, str(made)), made),
                    "aws s3 cp": (place.aws("s3", "cp", "--only-show-errors", theirs, str(made)), made),
                },
            }
            for what, commands in ways.items():
                measured = {
                    name: _measured(place, command, source, path)
                    for name, (command, path) in commands.items()
                    if name == "storage" or found
                }
                print_ratios(f"{what} of {mib} MiB", take_turns(measured, times=repeats()), wanted=WANTED)
            source.unlink()
            made.unlink(missing_ok=True)
