"""Expectations: deviations that are known in advance, each with a reason, a date and a day to look again."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from conformance.contract import Level
from conformance.verdict import Verdict


class ExpectationError(Exception):
    """An expectations file that cannot be used; names the file and the entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One known deviation. ``verdicts`` are the expected ones; ``link`` is where the backend's project tracks it."""

    clause: str
    verdicts: frozenset[Verdict]
    reason: str
    since: date
    review_by: date
    link: str = ""

    def is_due(self, today: date) -> bool:
        return today > self.review_by


def read_expectations(path: Path) -> dict[str, Expectation]:
    """Return the expectations of a TOML file by clause; none where there is no file.

    Each is a table ``[[expect]]`` with ``clause``, ``verdict`` (``"deviates"``, or several as ``"deviates |
    inconclusive"``), ``reason``, ``since``, ``review_by`` and optionally ``link``.
    """
    if not path.exists():
        return {}
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ExpectationError(f"{path}: {error}") from None
    found: dict[str, Expectation] = {}
    for entry in data.get("expect", []):
        expectation = _expectation(entry, path)
        if expectation.clause in found:
            raise ExpectationError(f"{path}: clause {expectation.clause} is expected twice")
        found[expectation.clause] = expectation
    return found


def _expectation(entry: Mapping[str, Any], path: Path) -> Expectation:
    where = f"{path}: expectation for {entry.get('clause')!r}"
    unknown = set(entry) - {"clause", "verdict", "reason", "since", "review_by", "link"}
    if unknown:
        raise ExpectationError(f"{where}: unknown {', '.join(sorted(unknown))}")
    try:
        verdicts = frozenset(Verdict(part.strip()) for part in str(entry["verdict"]).split("|"))
        since, review_by = entry["since"], entry["review_by"]
        if not (isinstance(since, date) and isinstance(review_by, date)):
            raise ExpectationError(f"{where}: since and review_by are dates, such as 2026-11-22 (without quotes)")
        if not str(entry["reason"]).strip():
            raise ExpectationError(f"{where}: a reason must be given")
        return Expectation(
            clause=str(entry["clause"]),
            verdicts=verdicts,
            reason=str(entry["reason"]),
            since=since,
            review_by=review_by,
            link=str(entry.get("link", "")),
        )
    except KeyError as error:
        raise ExpectationError(f"{where}: {error.args[0]} is missing") from None
    except ValueError as error:
        raise ExpectationError(f"{where}: {error}; known: {', '.join(Verdict)}") from None


def is_expected(verdict: Verdict, expectation: Expectation | None) -> bool:
    """Whether a verdict is what was to be expected: as recorded, or simply no deviation where none is recorded."""
    if expectation is not None:
        return verdict in expectation.verdicts
    return verdict in (Verdict.CONFORMS, Verdict.UNSUPPORTED, Verdict.SKIPPED)


def fails(*, verdict: Verdict, level: Level, expected: bool) -> bool:
    """Whether a result lets a run end with exit code 1: an unexpected deviation from a MUST."""
    return not expected and verdict is Verdict.DEVIATES and level is Level.MUST
