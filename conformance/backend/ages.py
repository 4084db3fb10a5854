"""Reads spans of time such as ``1d``, ``6h``, ``90m`` and ``0``."""

from __future__ import annotations

import re
from typing import Final

DAY_S: Final = 86_400.0
_UNITS_S: Final = {"d": DAY_S, "h": 3600.0, "m": 60.0, "s": 1.0}
_SPAN: Final = re.compile(r"(\d{1,9})([dhms])")


def seconds_of(text: str) -> float:
    """Return a span in seconds: a whole number with ``d``, ``h``, ``m`` or ``s``, or ``0``. Raises ``ValueError``."""
    if text == "0":
        return 0.0
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no span of time; write a whole number with d, h, m or s, as 1d or 6h, or 0")
    return int(found[1]) * _UNITS_S[found[2]]


def span(seconds: float) -> str:
    """Return a span in its largest whole unit: ``"2 d"``, ``"35 min"``, ``"0 s"``."""
    for length, unit in ((DAY_S, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"
