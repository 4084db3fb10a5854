"""The health of a backend: whether it works at all, apart from whether its responses are right."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Health(enum.Enum):
    """What happened to a backend since its last check."""

    ALIVE = enum.auto()
    REVIVED = enum.auto()
    """It works again. Results from before may come from the time in which it did not work."""
    DEAD = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """The result of a check of a backend.

    ``why`` says why it does not work; '' for one that works. ``silent``: no request got a response.
    """

    health: Health
    why: str = ""
    silent: bool = False
