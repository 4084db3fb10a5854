"""How long the command takes on one backend, from start to exit, by mode, and which clauses take the longest."""

from __future__ import annotations

import os
from typing import Final

from benchmarks.backends import timed_run

BACKENDS: Final = ("local_disk", "gofakes3", "rclone", "versitygw", "minio", "seaweedfs")
MODES: Final = {"core": ("--profile", "core"), "quick": ("--quick",), "default": ()}
EMBEDDED: Final = ("local_disk", "seaweedfs")
"""People who try the suite for the first time wait for the core profile of these."""


def main() -> None:
    for mode, options in MODES.items():
        for provider in EMBEDDED if mode == "core" else BACKENDS:
            for jobs in sorted({1, os.cpu_count() or 1}):
                print(_measured(provider, mode, jobs, options), flush=True)


def _measured(provider: str, mode: str, jobs: int, options: tuple[str, ...]) -> str:
    total, lines = timed_run(provider, *options, "--seed", "1", "--jobs", str(jobs))
    results = [line for line in lines if line["type"] == "result"]
    if any(result["verdict"] == "error" for result in results):
        return f"{provider:12} {mode:8} could not be judged"
    costs = sorted(((result["duration_s"], result["clause"]) for result in results), reverse=True)
    slowest = ", ".join(f"{clause} {cost:.1f}" for cost, clause in costs[:4])
    decided = sum(result["verdict"] != "unsupported" for result in results)
    requests = sum(lines[-1]["requests"].values())
    return (
        f"{provider:12} {mode:8} {jobs} at once {total:6.1f} s  {decided:3} of {len(results)} clauses  "
        f"{requests:6} requests  slowest: {slowest}"
    )
