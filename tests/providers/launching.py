"""Starts the tiny server through the real process launch. As a program it starts one and waits, to be killed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from bucket_conformance.providers.launch.process import Command, LaunchContext, ProcessLaunch

ELSEWHERE = "made-elsewhere-"
SERVER = Path(__file__).with_name("tiny_server.py")


def tiny(mode: str, *more: str, deadline_s: float = 20.0) -> ProcessLaunch:
    def command(context: LaunchContext) -> Command:
        # Like some servers, it makes a file outside of its folder, here in the state folder.
        elsewhere = context.data.parents[2] / f"{ELSEWHERE}{context.ports[0]}"
        elsewhere.touch()
        argv = (sys.executable, "-S", str(SERVER), mode, str(context.ports[0]), str(context.data), *more)
        return Command(argv=argv, external_files=(elsewhere,))

    return ProcessLaunch(
        name="tiny", title="Tiny", command=command, version=lambda answer: answer.server, deadline_s=deadline_s
    )


def wait_until(what: str, happened: Callable[[], bool], *, deadline_s: float = 15.0) -> None:
    deadline = time.monotonic() + deadline_s
    while not happened():
        if time.monotonic() > deadline:
            raise AssertionError(f"did not happen within {deadline_s} s: {what}")
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Return whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def pids_below(state: Path) -> list[int]:
    return [int(line) for file in state.glob("runs/*/data/pids") for line in file.read_text().split()]


if __name__ == "__main__":
    with tiny(sys.argv[1]).start(lambda line: None) as running:
        print("up", flush=True)
        time.sleep(600)
