"""How put, list, usage and rm on local disk grow with the number of files of one project.

``BENCHMARK_LOCAL`` sets the most (100,000 by default). Operations are measured at a sixteenth, a fourth and all.
The exponent is the slope of log time over log number: 1 is linear. Operations on one key are measured at each number
too, where the exponent is to be 0: none of them reads the tree.
"""

from __future__ import annotations

import math
import os
import statistics
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.peers import Cost, timed
from bucket_conformance.reference_impl.local import LocalStorage
from bucket_conformance.reference_impl.usage import usage

BODY: Final = b"x" * 64
ONE_KEY: Final = 500
"""Calls that are measured together for an operation on one key."""


def _key(number: int) -> str:
    return f"project/p/FILE/f{number:07}"


def _each(action: Callable[[str], object], keys: Iterable[str]) -> Callable[[], None]:
    def run() -> None:
        for key in keys:
            action(key)

    return run


def _measure(files: int) -> dict[str, Cost]:
    with tempfile.TemporaryDirectory() as folder:
        storage = LocalStorage(Path(folder))
        storage.upload(_key(files), BODY)
        storage.delete_files([_key(files)])
        names = [_key(number) for number in range(files)]
        step = max(1, files // ONE_KEY)
        some = names[::step][:ONE_KEY]
        costs = {"put": timed(_each(lambda key: storage.upload(key, BODY), names))}
        costs["list"] = timed(lambda: sum(1 for _ in storage.list("project/p/")))
        costs["usage"] = timed(lambda: usage(storage))
        costs["put one key"] = timed(_each(lambda key: storage.upload(key, BODY), some))
        costs["get one key"] = timed(_each(storage.download, some))
        costs["stat one key"] = timed(_each(storage.stat, some))
        costs["missing key"] = timed(_each(lambda key: storage.exists(f"{key}-"), some))
        costs["rm one key"] = timed(_each(lambda key: storage.delete_files([key]), some))
        for key in some:
            storage.upload(key, BODY)
        costs["rm"] = timed(lambda: storage.delete_files(names))
        if any(storage.list()):
            raise SystemExit("rm left something behind")
        return costs


def _exponent(numbers: Sequence[int], seconds: Sequence[float]) -> float:
    logs = [math.log(number) for number in numbers]
    return statistics.linear_regression(logs, [math.log(max(value, 1e-6)) for value in seconds]).slope


def main() -> None:
    most = int(os.environ.get("BENCHMARK_LOCAL", "100000"))
    numbers = [most // 16, most // 4, most]
    measured = [_measure(number) for number in numbers]
    for name in measured[0]:
        costs = [costs[name] for costs in measured]
        cpu, wall = ([getattr(cost, field) for cost in costs] for field in ("cpu_s", "wall_s"))
        shown = ", ".join(f"{number}: {cost.cpu_s:.2f} s" for number, cost in zip(numbers, costs, strict=True))
        goal = 0 if name.endswith("key") else 1
        print(
            f"{name:12} {shown}; exponent {_exponent(numbers, cpu):.2f} of processor time, "
            f"{_exponent(numbers, wall):.2f} of wall time; wanted about {goal}",
            flush=True,
        )
