"""Sign with a shifted clock, so that clauses test an expiry at its boundary without waiting for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Final

import time_machine

TOLERANCE_S: Final = 2
"""Seconds between a boundary and what clauses try on each side: signatures count whole seconds, and requests travel."""


@contextmanager
def shifted(seconds: float) -> Iterator[None]:
    """Make the wall clock of this process run ``seconds`` ahead (negative: behind) inside the block.

    Every signature made inside uses that clock, also those of an SDK or of third-party code. Put only
    the signing into the block, because every thread of the process sees the shift.
    """
    with time_machine.travel(time.time() + seconds, tick=True):
        yield


def server_offset(date_header: str | None) -> float:
    """Return how many seconds the server's clock is ahead of ours; 0 where it is less than ``TOLERANCE_S``.

    ``date_header`` is the value of a ``Date`` header. Its resolution is one second, so that a small difference means
    nothing. A missing or malformed header gives 0.
    """
    if not date_header:
        return 0.0
    try:
        offset = parsedate_to_datetime(date_header).timestamp() - time.time()
    except (TypeError, ValueError):
        return 0.0
    return offset if abs(offset) > TOLERANCE_S else 0.0
