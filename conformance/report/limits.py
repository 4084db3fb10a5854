"""The limits that a run searched for, held against those declared: one list for every form of report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bucket_conformance.conformance.backend.limits import LIMITS
from bucket_conformance.conformance.report.document import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundLimit:
    """One limit: its title, what was found and what is declared in words; ``agrees`` is ``None`` where it is open."""

    title: str
    words: str
    agrees: bool | None

    @property
    def sign(self) -> str:
        return {True: "✓", False: "✗", None: " "}[self.agrees]


def limits_of(section: Section) -> list[FoundLimit]:
    """Return the limits in the order of every report; none where the run did not search."""
    found: Mapping[str, Mapping[str, Any]] = (section.footer or {}).get("limits") or {}
    return [
        FoundLimit(title=limit.title, words=_words(found[limit.name]), agrees=found[limit.name].get("agrees"))
        for limit in LIMITS
        if limit.name in found
    ]


def _words(seen: Mapping[str, Any]) -> str:
    if seen["found"] is None:
        text = f"not found: {seen.get('note', '')}"
    else:
        text = f"{'at least ' if seen['open_end'] else ''}{seen['found']} {seen['unit']}"
    if "declared" not in seen:
        return f"{text} (not declared)"
    return f"{text} (as declared)" if seen.get("agrees") else f"{text} (declared: {seen['declared']})"
