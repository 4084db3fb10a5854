"""What changed between two reports: a backend's upgrade, another SDK, another release of the suite."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bucket_conformance.conformance.report.document import Backend, DocumentError, Header, Result, Section, Settings
from bucket_conformance.conformance.report.merge import clause_position
from bucket_conformance.conformance.verdict import Verdict

BADNESS: Final = (
    Verdict.CONFORMS,
    Verdict.UNSUPPORTED,
    Verdict.SKIPPED,
    Verdict.INCONCLUSIVE,
    Verdict.DEVIATES,
    Verdict.ERROR,
)
"""From the best to the worst verdict, for those who rely on a backend."""


class Direction(enum.StrEnum):
    WORSE = "worse"
    BETTER = "better"
    NEW = "new"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One clause whose verdict has changed. ``old`` or ``new`` is ``None`` where the clause was not judged."""

    clause: str
    direction: Direction
    old: Result | None
    new: Result | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two sections of one provider. ``circumstances`` are the header fields that differ, as ``(name, old, new)``."""

    old: Section
    new: Section
    circumstances: tuple[tuple[str, str, str], ...]
    changes: tuple[Change, ...]
    unchanged: int


def is_worse(now: Verdict, before: Verdict) -> bool:
    """Return whether a change of verdict is for the worse."""
    return BADNESS.index(now) > BADNESS.index(before)


def compare_sections(old: Section, new: Section) -> Comparison:
    """Return the changes from one section to the other, in the order of the contract."""
    before = {result.clause: result for result in old.results}
    after = {result.clause: result for result in new.results}
    changes = []
    for clause in sorted({*before, *after}, key=clause_position):
        was, now = before.get(clause), after.get(clause)
        if was is None or now is None:
            direction = Direction.NEW if was is None else Direction.GONE
        elif was.verdict is now.verdict:
            continue
        else:
            worse = is_worse(now.verdict, was.verdict)
            direction = Direction.WORSE if worse else Direction.BETTER
        changes.append(Change(clause=clause, direction=direction, old=was, new=now))
    return Comparison(
        old=old,
        new=new,
        circumstances=_circumstances(old.header, new.header),
        changes=tuple(changes),
        unchanged=len({*before, *after}) - len(changes),
    )


def _circumstances(old: Header, new: Header) -> tuple[tuple[str, str, str], ...]:
    found: list[tuple[str, str, str]] = []
    for name in ("provider", "backend", "launch", "sdk", "suite", "contract", "mode", "seed", "settings", "machine"):
        was, now = getattr(old, name), getattr(new, name)
        if name == "settings":
            found += _settings(was, now)
        elif was != now:
            found.append((name, _text(was), _text(now)))
    return tuple(found)


def _settings(old: Settings, new: Settings) -> list[tuple[str, str, str]]:
    """Return the settings that differ, by their own names. One that an older report did not know is no difference."""
    before, after = old.to_json(), new.to_json()
    shared = [name for name in after if name in before and before[name] != after[name]]
    return [(name, _text(before[name]), _text(after[name])) for name in shared]


def _text(value: object) -> str:
    return value.title if isinstance(value, Backend) else str(value) or "none"


def pairs(old: Sequence[Section], new: Sequence[Section]) -> list[tuple[Section, Section]]:
    """Return the sections to compare: by provider, or the only two where each report has but one.

    Raises :class:`DocumentError` where the reports have no provider in common.
    """
    if len(old) == len(new) == 1:
        return [(old[0], new[0])]
    earlier = {section.provider: section for section in old}
    found = [(earlier[section.provider], section) for section in new if section.provider in earlier]
    if not found:
        names = [", ".join(section.provider for section in sections) for sections in (old, new)]
        raise DocumentError(f"the reports share no provider: {names[0]} in the old one, {names[1]} in the new one")
    return found


def alone(old: Sequence[Section], new: Sequence[Section]) -> list[str]:
    """Return the providers that only one of the reports has, where :func:`pairs` goes by provider."""
    if len(old) == len(new) == 1:
        return []
    return sorted({section.provider for section in old} ^ {section.provider for section in new})
