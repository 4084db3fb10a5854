"""What is known of a backend beside its answers: whether it works at all."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Health(enum.Enum):
    """What became of a backend since it was last asked."""

    ALIVE = enum.auto()
    REVIVED = enum.auto()
    """It works again; what was judged before that may rest on the time in which it did not."""
    DEAD = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """``why``: what was seen of a backend that does not work; '' for one that does. ``silent``: it answered nothing."""

    health: Health
    why: str = ""
    silent: bool = False
