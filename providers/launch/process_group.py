"""Runs a backend of several programs as one: it ends when any of them ends.

Run as a separate program (``python -I -S process_group.py PLAN``) below the supervisor, which ends everything.
``PLAN`` is a JSON file: a list of steps to run in order, each with ``argv`` and optionally ``env`` (added to the
current environment)::

    {"argv": […], "once": "name"}     run to the end; skipped if an earlier start on the same folder has done it
    {"argv": […], "daemon": true, "port": 1234}     left running; the next step waits until the port accepts connections

Only the standard library is used and nothing of the project is imported.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

STEP_DEADLINE_S = 60.0
POLL_S = 0.02


class StepFailed(Exception):
    """Raised if a program ended too early or did not start. The message names the program."""


def main(plan: Path) -> int:
    """Run the steps of ``plan``, then wait for the first daemon to end; return its exit code (0 is a failure too)."""
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        for step in json.loads(plan.read_text(encoding="utf-8")):
            if step.get("daemon"):
                daemons.append(_begin(step, daemons))
            else:
                _run(step, plan.parent)
        while True:
            _all_alive(daemons)
            time.sleep(POLL_S * 5)
    except StepFailed as failed:
        print(f"ensemble: {failed}", file=sys.stderr, flush=True)
        return 1


def _run(step: dict[str, Any], folder: Path) -> None:
    marker = folder / f"done-{step['once']}" if step.get("once") else None
    if marker is not None and marker.exists():
        return
    name = Path(step["argv"][0]).name
    try:
        code = subprocess.run(step["argv"], env=_environment(step), timeout=STEP_DEADLINE_S, check=False).returncode
    except subprocess.TimeoutExpired:
        raise StepFailed(f"{name} did not end within {STEP_DEADLINE_S:g} s") from None
    if code:
        raise StepFailed(f"{name} ended with exit code {code}")
    if marker is not None:
        marker.touch()


def _begin(step: dict[str, Any], others: list[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(step["argv"], env=_environment(step), stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + STEP_DEADLINE_S
    while step.get("port") and not _listens(step["port"]):
        _all_alive([*others, process])
        if time.monotonic() > deadline:
            raise StepFailed(f"{Path(step['argv'][0]).name} does not listen on port {step['port']}")
        time.sleep(POLL_S)
    return process


def _all_alive(daemons: list[subprocess.Popen[bytes]]) -> None:
    for process in daemons:
        if process.poll() is not None:
            assert isinstance(process.args, list)
            raise StepFailed(f"{Path(process.args[0]).name} ended with exit code {process.returncode}")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _environment(step: dict[str, Any]) -> dict[str, str]:
    return {**os.environ, **step.get("env", {})}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
