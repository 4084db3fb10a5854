"""Commands that are measured next to each other on one server: the storage's own, ``aws`` and ``rclone``.

The peers are those on ``PATH``, or those that ``BENCHMARK_AWS`` and ``BENCHMARK_RCLONE`` name; one that is missing is
left out. ``BENCHMARK_REPEATS`` (3 by default) says how often everything is measured; the commands take turns, so that a
machine that is busy for a while affects all of them.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.backends import endpoint_of
from bucket_conformance.conformance.target import S3Endpoint
from bucket_conformance.reference_impl.s3_client import make_client

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SERVER: Final = "versitygw"
VARIABLES: Final = {"aws": "BENCHMARK_AWS", "rclone": "BENCHMARK_RCLONE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one measurement took: seconds on the clock, seconds of processor time of the client alone, and the largest
    resident size in MiB (0 where it was not measured)."""

    wall_s: float
    cpu_s: float
    peak_mib: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A running server, and how each command is told of it."""

    endpoint: S3Endpoint
    client: S3Client
    folder: Path
    """A directory for the files of the measurement."""

    def environ(self, bucket: str = "") -> dict[str, str]:
        """Return the environment of a command: no settings but those of this server."""
        # Without PYTHONDONTWRITEBYTECODE, with which programs in Python would be compiled at every start.
        foreign = ("AP_", "AWS_", "RCLONE_", "PYTHONDONTWRITEBYTECODE")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return {
            **clean,
            "AWS_ACCESS_KEY_ID": self.endpoint.access_key,
            "AWS_SECRET_ACCESS_KEY": self.endpoint.secret_key,
            "AP_FILE_STORAGE_LOCATION": "s3",
            "AP_S3_BUCKET": bucket,
            "AP_S3_ACCESS_KEY_ID": self.endpoint.access_key,
            "AP_S3_SECRET_ACCESS_KEY": self.endpoint.secret_key,
            "AP_S3_ENDPOINT": self.endpoint.url,
            "AP_S3_REGION": self.endpoint.region,
            "XDG_STATE_HOME": str(self.folder / "state"),
        }

    def storage(self, *words: str) -> list[str]:
        """Return the command line of the storage."""
        return [sys.executable, "-m", "bucket_conformance.reference_impl", *words]

    def aws(self, *words: str) -> list[str]:
        """Return the command line of the AWS CLI."""
        return [_program("aws"), "--endpoint-url", self.endpoint.url, "--region", self.endpoint.region, *words]

    def rclone(self, *words: str) -> list[str]:
        """Return the command line of rclone, whose remote is ``:s3:``."""
        options = ["--s3-provider", "Other", "--s3-env-auth", "--s3-endpoint", self.endpoint.url]
        return [_program("rclone"), *options, "--s3-region", self.endpoint.region, "--config", os.devnull, *words]


@contextmanager
def running_server() -> Iterator[Place]:
    """Start the server and yield how it is reached."""
    with tempfile.TemporaryDirectory() as folder, endpoint_of(SERVER) as endpoint:
        client = make_client(
            region=endpoint.region,
            endpoint=endpoint.url,
            access_key=endpoint.access_key,
            secret_key=endpoint.secret_key,
        )
        yield Place(endpoint=endpoint, client=client, folder=Path(folder))


def repeats(default: int = 3) -> int:
    """Return how often a measurement is repeated."""
    return int(os.environ.get("BENCHMARK_REPEATS", str(default)))


def peers(*names: str) -> list[str]:
    """Return those of ``aws`` and ``rclone`` that are installed; say which are not."""
    found = []
    for name in names:
        if _program(name):
            found.append(name)
        else:
            print(f"{name} is not installed; set {VARIABLES[name]} to its path")
    return found


def _program(name: str) -> str:
    return os.environ.get(VARIABLES[name]) or shutil.which(name) or ""


def run(command: Sequence[str], environ: Mapping[str, str]) -> tuple[Cost, str]:
    """Run a command to its end; return its cost, with that of its children, and what it printed."""
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(list(command), env=dict(environ), stdout=printed, stderr=errors)
        peaks = [0.0]
        ended = threading.Event()
        watcher = threading.Thread(target=_watch_memory, args=(process.pid, peaks, ended))
        watcher.start()
        _, status, used = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        ended.set()
        watcher.join()
        process.returncode = os.waitstatus_to_exitcode(status)
        for file in (printed, errors):
            file.seek(0)
        if process.returncode:
            raise SystemExit(f"{command[0]} ended with {process.returncode}: {errors.read()[-500:].decode()}")
        cost = Cost(wall_s=wall_s, cpu_s=used.ru_utime + used.ru_stime, peak_mib=max(peaks))
        return cost, printed.read().decode()


def _watch_memory(pid: int, peaks: list[float], ended: threading.Event) -> None:
    # The largest size that wait4 tells counts what this process had when it started the other.
    while not ended.wait(0.05):
        with contextlib.suppress(OSError, AttributeError, ProcessLookupError):
            text = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
            found = re.search(r"VmHWM:\s+([0-9]+) kB", text)
            peaks.append(int(found[1]) / 1024 if found else 0.0)


def timed(action: Callable[[], object]) -> Cost:
    """Run ``action`` in this process and return its cost."""
    started, cpu_s = time.perf_counter(), time.process_time()
    action()
    return Cost(wall_s=time.perf_counter() - started, cpu_s=time.process_time() - cpu_s)


def take_turns(actions: Mapping[str, Callable[[int], Cost]], *, times: int) -> dict[str, list[Cost]]:
    """Run every action ``times`` times, one after the other, each second round in reverse; return their costs."""
    costs: dict[str, list[Cost]] = {name: [] for name in actions}
    for turn in range(times):
        for name in sorted(actions, reverse=bool(turn % 2), key=list(actions).index):
            costs[name].append(actions[name](turn))
    return costs


def print_ratios(what: str, costs: Mapping[str, Sequence[Cost]], *, wanted: Mapping[str, float]) -> None:
    """Print the first of ``costs`` as ratios of the others: the median of the ratios of each round, for wall time and
    for the processor time of the client. ``wanted``: the goal for the ratio of wall times."""
    (ours, measured), *others = costs.items()
    print(f"{what}: {ours} {_shown(measured)}", flush=True)
    for name, theirs in others:
        wall = statistics.median(one.wall_s / other.wall_s for one, other in zip(measured, theirs, strict=True))
        cpu = statistics.median(one.cpu_s / other.cpu_s for one, other in zip(measured, theirs, strict=True))
        goal = f"; wanted at most {wanted[name]}" if name in wanted else ""
        print(f"  {name} {_shown(theirs)}; ratio {wall:.2f} (processor time {cpu:.2f}){goal}", flush=True)


def _shown(costs: Sequence[Cost]) -> str:
    wall, cpu = (
        statistics.median(values) for values in zip(*((cost.wall_s, cost.cpu_s) for cost in costs), strict=True)
    )
    peak = max(cost.peak_mib for cost in costs)
    return f"{wall:.2f} s, processor {cpu:.2f} s" + (f", {peak:.0f} MiB" if peak else "")
