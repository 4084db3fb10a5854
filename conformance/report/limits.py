"""The limits that a run found, compared with the declared ones: one list for every format."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import UNSET

from bucket_conformance.conformance.backend.limits import LIMITS
from bucket_conformance.conformance.report.document import FoundLimit, Section


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownLimit:
    """One limit: its title, what was found and what is declared in words; ``agrees`` is ``None`` where it is open."""

    title: str
    words: str
    agrees: bool | None

    @property
    def sign(self) -> str:
        return {True: "✓", False: "✗", None: " "}[self.agrees]


def limits_of(section: Section) -> list[ShownLimit]:
    """Return the limits in the order of every report; none where the run did not search."""
    found = section.footer.limits if section.footer is not None else {}
    return [
        ShownLimit(title=limit.title, words=_words(found[limit.name]), agrees=_agrees(found[limit.name]))
        for limit in LIMITS
        if limit.name in found
    ]


def _agrees(seen: FoundLimit) -> bool | None:
    return None if seen.agrees is UNSET else seen.agrees


def _words(seen: FoundLimit) -> str:
    if seen.found is None:
        text = f"not found: {seen.note}"
    else:
        text = f"{'at least ' if seen.open_end else ''}{seen.found} {seen.unit}"
    if seen.declared is UNSET:
        return f"{text} (not declared)"
    return f"{text} (as declared)" if _agrees(seen) else f"{text} (declared: {seen.declared})"
