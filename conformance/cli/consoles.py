"""The consoles of the commands: as wide as the terminal, and silent when the reader of a pipe has ended."""

from __future__ import annotations

import io
import os
import sys
from typing import NoReturn

from rich.console import Console


class PipeConsole(Console):
    """A console that raises for a closed pipe; the one of rich would end the process with exit code 1."""

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError


def output() -> PipeConsole:
    """Return the console for results."""
    return PipeConsole(highlight=False, force_terminal=_forced())


def errors() -> PipeConsole:
    """Return the console for progress and complaints."""
    return PipeConsole(highlight=False, stderr=True, force_terminal=_forced())


def _forced() -> bool | None:
    """Return ``False`` for the log of a CI system: some give their jobs a terminal, and keep all that is sent to it."""
    return False if os.environ.get("CI") and not os.environ.get("FORCE_COLOR") else None


def tolerate_narrow_encodings() -> None:
    """Let a stream escape characters that its encoding does not have; Python would raise an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
