"""Ids of runs: they separate the names of runs, and hold the time at which a run began."""

from __future__ import annotations

import re
import secrets
import time
from typing import Final

RUN_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{6}")
"""Seconds since 1970 and random digits, both in hexadecimal. Every release since the first can read it."""


def new_run_id() -> str:
    """Return an id for the names of a run: sortable by time, and unlike any other."""
    return f"{int(time.time()):x}-{secrets.token_hex(3)}"


def begun_at(run_id: str) -> float:
    """Return when a run began by the clock of the machine that it ran on, in seconds since 1970.

    Raises ``ValueError`` where ``run_id`` is none.
    """
    if RUN_ID.fullmatch(run_id) is None:
        raise ValueError(f"{run_id!r} is no id of a run; one looks like {new_run_id()}")
    return float(int(run_id[:8], 16))
