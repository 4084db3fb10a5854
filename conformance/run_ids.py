"""What tells one run's names from those of another."""

from __future__ import annotations

import secrets
import time


def new_run_id() -> str:
    """Return an id for the names of a run: sortable by time, and unlike any other."""
    return f"{int(time.time()):x}-{secrets.token_hex(3)}"
