"""Measures how much memory a call holds at a time, in this process."""

from __future__ import annotations

import tracemalloc
from types import TracebackType
from typing import Final, Self

_FRAMES: Final = 24
_WORTH_COUNTING: Final = 16 * 1024


class HeldMemory:
    """Counts, inside its ``with`` block, the bytes that calls from one file allocated and still hold.

    ``file`` is the ``__file__`` of the caller, and ``every`` says at which calls of :meth:`sample` it counts. Only
    allocations below functions of that file count, because other threads of this process (such as a server under test)
    allocate too. Memory that a storage allocates in its own threads is therefore not counted. ``most`` is the largest
    sample, in bytes.
    """

    def __init__(self, file: str, *, every: int = 1) -> None:
        self.most = 0
        self._file = file
        self._every = every
        self._calls = 0
        self._before = 0
        self._started = False

    def __enter__(self) -> Self:
        if not tracemalloc.is_tracing():
            tracemalloc.start(_FRAMES)
            self._started = True
        self._before = self._now()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._started:
            tracemalloc.stop()

    def sample(self) -> None:
        """Count now; with ``every=n`` only at every n-th call."""
        self._calls += 1
        if self._calls % self._every == 0:
            self.most = max(self.most, self._now() - self._before)

    def _now(self) -> int:
        return sum(
            trace.size
            for trace in tracemalloc.take_snapshot().traces
            if trace.size >= _WORTH_COUNTING and any(frame.filename == self._file for frame in trace.traceback)
        )
