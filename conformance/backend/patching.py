"""Replaces an attribute for the time of a block.

``unittest.mock`` does this and far more, and loads asyncio for it, in every process that judges.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def replaced(holder: object, name: str, value: Any) -> Iterator[None]:
    """Let ``holder.name`` be ``value`` inside the block. Raises ``AttributeError`` where there is no such attribute."""
    own = name in vars(holder)
    before = getattr(holder, name)
    setattr(holder, name, value)
    try:
        yield
    finally:
        if own:
            setattr(holder, name, before)
        else:  # what an instance has from its class, or a module from elsewhere, is found there again
            delattr(holder, name)
