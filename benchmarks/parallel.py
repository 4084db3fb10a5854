"""Ten small backends in parallel: their total time compared with the slowest one, and the memory they need."""

from __future__ import annotations

import os
import resource
from typing import Final

from benchmarks.backends import timed_run
from bucket_conformance.providers import discover
from bucket_conformance.providers.provider import Launch, LaunchKind

SMALL: Final = (
    "local_disk",
    "moto",
    "rclone",
    "rclone-memory",
    "nanio",
    "gofakes3",
    "s3s-fs",
    "versitygw",
    "ministack",
    "s3rver-20minutes",
    "s3rver",
    "seaweedfs",
)
"""Of these, the first ten that are installed are used."""
COUNT: Final = 10


def main() -> None:
    known = discover()
    ready = [name for name in SMALL if any(_starts_at_once(launch) for launch in known[name].launches)][:COUNT]
    alone = {name: _run([name], "--jobs", "1")[0] for name in ready}
    for name, took_s in sorted(alone.items(), key=lambda item: item[1]):
        print(f"{name:18} alone {took_s:6.1f} s", flush=True)
    for jobs in (os.cpu_count() or 1, len(ready)):
        together_s, slowest_s, processor_s = _run(ready, "--jobs", str(jobs))
        print(
            f"{len(ready)} together, {jobs} at once: {together_s:.1f} s; {together_s / slowest_s:.2f} of the slowest "
            f"in that run, {together_s / max(alone.values()):.2f} of the slowest alone, "
            f"{together_s / sum(alone.values()):.2f} of one after another; "
            f"{processor_s:.1f} s of processor time, servers included, on {os.cpu_count()} cores, "
            f"largest process {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MiB",
            flush=True,
        )


def _starts_at_once(launch: Launch) -> bool:
    found = launch.availability()
    return launch.kind in (LaunchKind.EMBEDDED, LaunchKind.PROCESS) and found.ready and not found.note


def _run(names: list[str], *options: str) -> tuple[float, float, float]:
    """Judge them in quick mode; return the seconds of all, of the slowest, and of processor time with servers."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    took_s, lines = timed_run(*names, "--quick", "--seed", "1", *options)
    footers = [line for line in lines if line["type"] == "footer"]
    if len(footers) != len(names) or any(footer["counts"]["error"] for footer in footers):
        raise SystemExit(f"not all of {', '.join(names)} could be judged; the figures would mean nothing")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    slowest_s = max(footer["duration_s"] for footer in footers)
    return took_s, slowest_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
