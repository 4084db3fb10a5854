"""The kill table (``docs/power.md``). Making it takes hours, so pages link to it only where it exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parent.parent / "power.md"
COMMAND: Final = "python -m tests.fault_coverage --markdown docs/power.md"

_ROW: Final = re.compile(r"^\| (?P<shown>\[?`(?P<fault>[a-z0-9-]+)`[^|]*) \|", re.MULTILINE)


def is_there() -> bool:
    return PAGE.exists()


def faults() -> frozenset[str]:
    """Return the faults that have a row in the table; an empty set where there is no table."""
    return (
        frozenset(row["fault"] for row in _ROW.finditer(PAGE.read_text(encoding="utf-8")))
        if is_there()
        else frozenset()
    )


def with_anchors(markdown: str) -> str:
    """Return the table with an anchor and a CSS class in the row of each fault."""
    return _ROW.sub(lambda row: f"| {row['shown']}{{ #{row['fault']} .fault }} |", markdown)
