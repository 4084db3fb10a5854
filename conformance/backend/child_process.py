"""Starts and talks to child processes of the suite: JSON lines in, JSON lines out, with deadlines.

A message is one JSON object on one line. A message that expects a reply carries a number as ``order``, and its
replies repeat it: a reply that comes after its deadline is never taken for the reply to a later message.
Only the standard library is imported, and little of it: a worker starts its helpers before it loads anything else.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import IO, Any, Final, Self

ORDER: Final = "order"
"""The field of a message, and of every reply to it, that holds the number of the message."""

_PIECE_BYTES: Final = 65536


class ChildError(Exception):
    """Raised where a child process does not answer; the message says why."""


class ChildEnded(ChildError):
    """Raised where the child process has ended, or has closed its standard output."""


class ChildTimeout(ChildError):
    """Raised where the child process runs, but does not answer before the deadline."""


def python_module(module: str, *args: str) -> list[str]:
    """Return the command that runs a module with this interpreter and never imports from the working directory.

    Without ``-P`` the working directory comes first: a ``json.py`` or a ``providers/`` of a user's project would be
    imported instead of the right module.
    """
    return [sys.executable, "-P", "-m", module, *args]


class ChildProcess:
    """A child process that reads JSON lines from its standard input and writes JSON lines to its standard output.

    ``command``: program and arguments; see :func:`python_module`. ``errors``: a file for its standard error; without
    one it shares ours. ``new_session``: it leads a new session, a terminal's interrupt does not reach it, and
    :meth:`kill` ends all processes of its group. ``env``, ``cwd`` and ``pass_fds`` are those of ``subprocess.Popen``.

    One thread may send while another receives. As a context manager it is killed and reaped at the end of the block.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        errors: IO[Any] | None = None,
        new_session: bool = False,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self._new_session = new_session
        self._received = bytearray()
        self._orders = 0
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=new_session,
            env=env,
            cwd=cwd,
            pass_fds=pass_fds,
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> int | None:
        """Return its exit code (negative: the signal that ended it), or ``None`` while it runs."""
        return self._process.poll()

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message that expects no reply, or many. Raises ``ChildEnded`` where nobody reads it."""
        rest = memoryview(json.dumps(message).encode("ascii") + b"\n")
        try:
            while rest:  # an unbuffered pipe may take a part
                rest = rest[self._input.write(rest) :]
        except (BrokenPipeError, ValueError):  # ValueError: our end is closed
            raise ChildEnded("the child process no longer reads its standard input") from None

    def order(self, message: Mapping[str, Any]) -> int:
        """Send a message that expects replies; return its number, for :meth:`reply`. Raises ``ChildEnded``."""
        self._orders += 1
        self.send({**message, ORDER: self._orders})
        return self._orders

    def reply(self, number: int, deadline_s: float) -> dict[str, Any]:
        """Return the next reply to the message of this number; replies to earlier ones are dropped.

        Raises ``ChildTimeout`` where none comes within ``deadline_s`` seconds, ``ChildEnded`` where none can come.
        """
        until = time.monotonic() + deadline_s
        while True:
            try:
                message = self.receive(max(0.0, until - time.monotonic()))
            except ChildTimeout:
                raise ChildTimeout(f"the child process did not answer within {deadline_s:g} s") from None
            if message.get(ORDER) == number:
                return message

    def request(self, message: Mapping[str, Any], deadline_s: float) -> dict[str, Any]:
        """Send a message and return its reply. Raises as :meth:`reply` does."""
        return self.reply(self.order(message), deadline_s)

    def receive(self, deadline_s: float | None = None) -> dict[str, Any]:
        """Return the next message, a reply to any message; ``None``: wait for as long as the child lives.

        Raises ``ChildTimeout`` and ``ChildEnded``. Half a line, left by a child that was killed, is dropped.
        """
        line = self.receive_line(deadline_s)
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise ChildEnded(f"the child process wrote a line that is no JSON object: {line[:200]!r}")
        return value

    def receive_line(self, deadline_s: float | None = None) -> bytes:
        """Return the next line as it was written, for those who check it themselves. Raises as :meth:`receive` does."""
        until = None if deadline_s is None else time.monotonic() + deadline_s
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            if until is not None and not self._readable(max(0.0, until - time.monotonic())):
                raise ChildTimeout(f"the child process did not answer within {deadline_s:g} s")
            try:
                piece = os.read(self._output.fileno(), _PIECE_BYTES)
            except ValueError:  # our end is closed
                piece = b""
            if not piece:
                raise ChildEnded("the child process has ended")
            self._received += piece
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line

    def _readable(self, timeout_s: float) -> bool:
        with selectors.DefaultSelector() as waiting:  # select() refuses descriptors from 1024 on
            waiting.register(self._output, selectors.EVENT_READ)
            return bool(waiting.select(timeout_s))

    def close_input(self) -> None:
        """Close its standard input: no further message follows."""
        with contextlib.suppress(OSError):
            self._input.close()

    def terminate(self) -> None:
        """Send SIGTERM, without waiting for its end."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    def wait(self, deadline_s: float | None = None) -> int:
        """Return its exit code once it has ended; ``None``: wait for as long as that takes. Raises ``ChildTimeout``."""
        try:
            return self._process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise ChildTimeout(f"the child process did not end within {deadline_s:g} s") from None

    def end(self, wait_s: float) -> int:
        """Close its input, wait ``wait_s`` seconds for it to end, and otherwise kill it. Return its exit code.

        What it still writes is dropped.
        """
        self.close_input()
        until = time.monotonic() + wait_s
        try:
            # Before it is reaped: its output ends when the last process that it forked has closed it, too.
            while True:
                self._received.clear()
                self.receive(max(0.0, until - time.monotonic()))
        except ChildEnded:
            with contextlib.suppress(ChildTimeout):
                self.wait(max(0.0, until - time.monotonic()))
        except ChildTimeout:
            pass
        code = self.kill()
        self.close()
        return code

    def kill(self) -> int:
        """Kill it (SIGKILL) if it still runs, and reap it. Return its exit code.

        What it has written can still be received.
        """
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                # It is not reaped yet, so that its id can name nobody else's group.
                os.killpg(self.pid, signal.SIGKILL) if self._new_session else self._process.kill()
        return self._process.wait()

    def close(self) -> None:
        """Close both pipes."""
        self.close_input()
        self._output.close()
