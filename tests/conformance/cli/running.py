"""Runs the command as a user does: in a separate process, with its own folder and environment."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

KEYS = {"AWS_ACCESS_KEY_ID": "exemplar", "AWS_SECRET_ACCESS_KEY": "exemplar-secret"}


def environment(folder: Path, **more: str) -> dict[str, str]:
    dull = ("AWS_", "AP_", "CONFORMANCE_", "COLUMNS", "PYTEST_", "CI", "FORCE_COLOR")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(dull)}
    return {**clean, "CONFORMANCE_STATE": str(folder / "state"), "TMPDIR": str(folder), **more}


def conformance(folder: Path, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run to the end; return exit code and both outputs."""
    return subprocess.run(
        [sys.executable, "-m", "bucket_conformance.conformance.cli.main", *args],
        cwd=folder,
        env=environment(folder, **environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def in_a_terminal(folder: Path, *args: str, **environ: str) -> str:
    """Run to the end with a terminal for all three streams; return the output."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "bucket_conformance.conformance.cli.main", *args],
        cwd=folder,
        env=environment(folder, TERM="xterm", **environ),
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    seen, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([leader], [], [], 0.2)[0]:
            try:
                seen += os.read(leader, 65536)
            except OSError:
                break
        elif process.poll() is not None:
            break
    os.close(leader)
    assert process.wait(10) == 0
    return seen.decode("utf-8")


@contextlib.contextmanager
def started(folder: Path, *args: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """Start in a new process group, and end it in any case."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bucket_conformance.conformance.cli.main", *args],
        cwd=folder,
        env=environment(folder, **environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def until(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Poll until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.05)
