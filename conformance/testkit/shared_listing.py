"""So many objects that a listing needs a second page: stored once in a session, for every clause that looks at them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bucket_conformance.conformance.wire.exchange import Exchange

CROWD_SIZE: Final = 1001
"""One more than the largest page of S3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """``CROWD_SIZE`` keys of the layout, all below ``prefix`` and nothing else there, and how they were stored."""

    prefix: str
    keys: tuple[str, ...]
    stored_by: tuple[Exchange, ...]
