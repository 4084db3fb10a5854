"""What the commands print: results on stdout, for people or as JSON; everything else on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

REFRESH_S: Final = 0.1
REFRESH_PLAIN_S: Final = 5.0
"""Seconds between two lines of progress, on a terminal and elsewhere."""


class UsageError(Exception):
    """The command cannot be carried out as it was given; the text says what to do instead. Exit code 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """Where a command prints. With ``as_json`` stdout holds one JSON object per result and nothing else."""

    as_json: bool = False
    quiet: bool = False

    def result(self, document: Mapping[str, object], lines: Sequence[str]) -> None:
        """Print one result: ``document`` as JSON, or ``lines``."""
        if self.as_json:
            print(json.dumps(document, ensure_ascii=True))
            return
        for line in lines:
            print(line)

    def note(self, text: str) -> None:
        """Print one line for people on stderr."""
        print(plain(text), file=sys.stderr, flush=True)

    def progress(self) -> ProgressLine:
        """Return a line of progress: redrawn on a terminal, now and then a new line elsewhere, none when quiet."""
        return ProgressLine(show=not self.quiet, redraw=sys.stderr.isatty())


class ProgressLine:
    """One line on stderr that changes. Control characters are written to a terminal only."""

    def __init__(self, *, show: bool, redraw: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._show = show
        self._redraw = redraw
        self._clock = clock
        self._next = clock() + (0.0 if redraw else REFRESH_PLAIN_S)
        self._drawn = False

    def update(self, make: Callable[[], str]) -> None:
        """Show ``make()``, unless the last line is too recent."""
        if not self._show or self._clock() < self._next:
            return
        self._next = self._clock() + (REFRESH_S if self._redraw else REFRESH_PLAIN_S)
        if self._redraw:
            print(f"\r\x1b[K{make()}", end="", file=sys.stderr, flush=True)
            self._drawn = True
        else:
            print(make(), file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the terminal with an empty line."""
        if self._drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._drawn = False


def plain(text: str) -> str:
    """Return ``text`` on one line without control characters, so that no key or response controls a terminal."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def amount(size: int) -> str:
    """Return a size in bytes as people read it: ``"512 B"``, ``"1.5 MiB"``."""
    if size < 1024:
        return f"{size} B"
    value = float(size)
    for unit in ("KiB", "MiB", "GiB"):
        value /= 1024
        if value < 1024:
            return f"{value:.1f} {unit}"
    return f"{value / 1024:.1f} TiB"


def count(number: int, noun: str) -> str:
    """Return ``"1 file"``, ``"2 files"``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
