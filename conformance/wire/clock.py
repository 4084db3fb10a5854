"""Signing with a shifted clock: expiry is tested at its boundary without waiting for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Final

import time_machine

TOLERANCE_S: Final = 2
"""Boundaries are tried this many seconds to either side: signatures date in whole seconds, and answers travel."""


@contextmanager
def shifted(seconds: float) -> Iterator[None]:
    """Let the wall clock of this process run ``seconds`` ahead (negative: behind) inside the block.

    Whatever signs inside, ours or a third party's, in Python or through an SDK, dates its signature by that clock.
    Keep the block to the signing alone: every thread of the process sees the shift.
    """
    with time_machine.travel(time.time() + seconds, tick=True):
        yield


def server_offset(date_header: str | None) -> float:
    """Return how far the server's clock is ahead of ours, in seconds; 0 where that is less than the tolerance.

    ``Date`` headers have a resolution of one second, so a small difference means nothing.
    """
    if not date_header:
        return 0.0
    try:
        offset = parsedate_to_datetime(date_header).timestamp() - time.time()
    except (TypeError, ValueError):
        return 0.0
    return offset if abs(offset) > TOLERANCE_S else 0.0
