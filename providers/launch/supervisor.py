"""Supervises a server: ends it with all its children, and removes its directory, when its parent process is gone.

Run as a separate program (``python -I -S supervisor.py FOLDER PARENT_PID``), so only the standard library is used and
nothing of the project is imported. Messages come as JSON lines on standard input; the response to each is a JSON line:
``{"op": "start", "argv", "env", "cwd", "log"}``, ``{"op": "status"}`` and ``{"op": "kill"}`` answer
``{"pid", "alive", "code", "error"}``. Each has a number as ``order``, which its response repeats. End of input, a
termination signal or the parent's death ends everything.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
KILL_DEADLINE_S = 10.0
PARENT_CHECK_S = 0.5
EXTERNAL_FILES = "external_files"


def main(folder: Path, parent: int) -> None:
    """Handle messages until the input ends; then kill the server, remove ``folder``, and exit."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    for number in (signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    keeper = ServerSupervisor()
    try:
        for line in _lines(parent):
            order = json.loads(line)
            reply = json.dumps({**keeper.handle(order), "order": order["order"]}) + "\n"
            os.write(sys.stdout.fileno(), reply.encode())
    except (OSError, SystemExit):
        pass
    finally:
        keeper.kill()
        _remove(folder)


class ServerSupervisor:
    """One server at a time, with all its child processes."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._error = ""

    def handle(self, order: dict[str, Any]) -> dict[str, Any]:
        if order["op"] == "start":
            self.kill()
            self._start(order)
        elif order["op"] == "kill":
            self.kill()
        process = self._process
        code = process.poll() if process else None
        return {
            "pid": process.pid if process else None,
            "alive": process is not None and code is None,
            "code": code,
            "error": self._error,
        }

    def _start(self, order: dict[str, Any]) -> None:
        self._error = ""
        self._process = None
        try:
            with Path(order["log"]).open("ab") as log:
                self._process = subprocess.Popen(
                    order["argv"],
                    env=order["env"],
                    cwd=order["cwd"],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=_die_with_parent,
                )
        except OSError as error:
            self._error = f"{order['argv'][0]}: {error.strerror or error}"

    def kill(self) -> None:
        """SIGKILL the server's session and every descendant, also those that left the session, until none is left."""
        deadline = time.monotonic() + KILL_DEADLINE_S
        while time.monotonic() < deadline:
            # After the leader is reaped, another process group may get its id, so the group is killed before that.
            if self._process is not None and self._process.returncode is None:
                with contextlib.suppress(OSError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            orphans = _descendants(os.getpid())
            if not orphans:
                return
            for pid in orphans:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            _reap()
            time.sleep(0.005)


def _lines(parent: int) -> Any:
    pending = b""
    source = sys.stdin.fileno()
    while True:
        if not select.select([source], [], [], PARENT_CHECK_S)[0]:
            # A child that the parent forked may hold the other end of the pipe open, so check the parent itself, too.
            if os.getppid() != parent:
                return
            continue
        piece = os.read(source, 65536)
        if not piece:
            return
        pending += piece
        while b"\n" in pending:
            line, _, pending = pending.partition(b"\n")
            yield line


def _descendants(root: int) -> list[int]:
    """Return every living process below ``root``; none without /proc (then only the process group is killed)."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = entry.read_text(errors="replace").rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found: list[int] = []
    queue = [root]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def remove_external_files(folder: Path) -> None:
    """Remove the files that the server made elsewhere; ``EXTERNAL_FILES`` in the run folder lists their paths."""
    with contextlib.suppress(OSError):
        for path in (folder / EXTERNAL_FILES).read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(OSError):
                Path(path).unlink()


def _remove(folder: Path) -> None:
    remove_external_files(folder)
    # A killed server's last file may still appear while the tree is being walked: try again a few times.
    for _ in range(5):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.05)


def _die_with_parent() -> None:
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _leave(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
