"""Expectations: deviations that are known in advance, each with a reason, a date, and a date for its next review."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, get_args

from bucket_conformance.conformance.contract import ConformanceError, Harm, Level, Profile
from bucket_conformance.conformance.target import Addressing, ChecksumMode
from bucket_conformance.conformance.verdict import Verdict
from bucket_conformance.conformance.wire.safe_toml import TomlError, read_toml

NO_HARM: Final = "none"
"""In place of a harm: the clause reported one, but a manual review found none."""
CONDITIONS: Final[Mapping[str, tuple[object, ...]]] = {
    "tls": (True, False),
    "checksums": get_args(ChecksumMode),
    "addressing": get_args(Addressing),
}
"""Settings of a run that a deviation may depend on, as the header of a report names them, and their possible values."""

_REQUIRED: Final = {"clause", "verdict", "reason", "since", "review_by"}
_OPTIONAL: Final = {"when", "link", "harm", "protection", "upstream_told", "finding"}


class ExpectationError(ConformanceError):
    """Raised for an expectations file that cannot be used. The message names the file and the entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One known deviation.

    - ``verdicts``: the expected verdicts.
    - ``link``: where the project of the backend tracks it.
    - ``harm``: what it does to the users of the backend according to a manual review (``"none"``: nothing), where that
      differs from what the clause reports.
    - ``protection``: how an operator protects the application, in one or two sentences.
    - ``upstream_told``: the day on which it was reported to the project of the backend.
    - ``finding``: a name; deviations with one cause have the same name, and make one finding.
    - ``when``: the settings of a run under which the deviation is expected. Under other settings the clause must
      conform.
    """

    clause: str
    verdicts: frozenset[Verdict]
    reason: str
    since: date
    review_by: date
    link: str = ""
    harm: str = ""
    protection: str = ""
    upstream_told: date | None = None
    finding: str = ""
    when: tuple[tuple[str, object], ...] = ()

    def holds_under(self, settings: Mapping[str, Any]) -> bool:
        """Return whether a run with these settings must show it. A setting that a run does not state counts as met."""
        return all(settings.get(name, value) == value for name, value in self.when)

    def is_due(self, today: date) -> bool:
        """Return whether the review date has passed."""
        return today > self.review_by


def read_expectations(path: Path) -> dict[str, Expectation]:
    """Return the expectations of a TOML file, by clause id; an empty mapping where the file does not exist.

    Each one is a table ``[[expect]]`` with ``clause``, ``verdict`` (``"deviates"``, or several as ``"deviates |
    inconclusive"``), ``reason``, ``since``, ``review_by`` and optionally ``link``, ``harm``, ``protection``,
    ``upstream_told`` (a date), ``finding`` and ``when`` (a table of settings, such as ``{ tls = true }``).

    Raises :class:`ExpectationError`.
    """
    if not path.exists():
        return {}
    try:
        data = read_toml(path)
    except TomlError as error:
        raise ExpectationError(str(error)) from None
    if unknown := set(data) - {"expect"}:
        raise ExpectationError(f"{path}: unknown {', '.join(sorted(unknown))}; known: expect")
    entries = data.get("expect", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ExpectationError(f"{path}: expect: write tables in double brackets, [[expect]]")
    found: dict[str, Expectation] = {}
    for entry in entries:
        expectation = _expectation(entry, path)
        if expectation.clause in found:
            raise ExpectationError(f"{path}: there are two expectations for clause {expectation.clause}; keep one")
        found[expectation.clause] = expectation
    return found


def _expectation(entry: Mapping[str, Any], path: Path) -> Expectation:
    where = f"{path}: expectation for {entry.get('clause')!r}"
    for key in ("clause", "verdict", "reason", "link", "harm", "protection", "finding"):
        if not isinstance(entry.get(key, ""), str):
            raise ExpectationError(f"{where}: {key} is {entry[key]!r}; expected text in quotes")
    unknown = set(entry) - _REQUIRED - _OPTIONAL
    if unknown:
        raise ExpectationError(f"{where}: unknown {', '.join(sorted(unknown))}")
    try:
        verdicts = frozenset(Verdict(part.strip()) for part in str(entry["verdict"]).split("|"))
        since, review_by = entry["since"], entry["review_by"]
        # isinstance would also accept a date with a time of day.
        if type(since) is not date or type(review_by) is not date:
            raise ExpectationError(f"{where}: since and review_by are dates, such as 2026-11-22 (without quotes)")
        if not str(entry["reason"]).strip():
            raise ExpectationError(f"{where}: the reason is empty; write one sentence")
        upstream, harm = entry.get("upstream_told"), str(entry.get("harm", ""))
        if not (upstream is None or type(upstream) is date):
            raise ExpectationError(f"{where}: upstream_told is a date, such as 2026-11-22 (without quotes)")
        if harm not in ("", NO_HARM, *Harm):
            raise ExpectationError(f"{where}: harm is {harm!r}; known: {', '.join((NO_HARM, *Harm))}")
        return Expectation(
            when=_conditions(entry.get("when", {}), where),
            clause=str(entry["clause"]),
            verdicts=verdicts,
            reason=str(entry["reason"]),
            since=since,
            review_by=review_by,
            link=str(entry.get("link", "")),
            harm=harm,
            protection=str(entry.get("protection", "")),
            upstream_told=upstream,
            finding=str(entry.get("finding", "")),
        )
    except KeyError as error:
        raise ExpectationError(f"{where}: {error.args[0]} is missing") from None
    except ValueError as error:
        raise ExpectationError(f"{where}: {error}; known: {', '.join(Verdict)}") from None


def _conditions(given: object, where: str) -> tuple[tuple[str, object], ...]:
    known = "; ".join(f"{name}: {' or '.join(str(value) for value in values)}" for name, values in CONDITIONS.items())
    if not isinstance(given, dict):
        raise ExpectationError(f"{where}: when is {given!r}; it must be a table of {known}")
    for name, value in given.items():
        # True == 1, so compare by identity.
        if not any(value is each or (isinstance(each, str) and value == each) for each in CONDITIONS.get(name, ())):
            raise ExpectationError(f"{where}: when has {name} = {value!r}; known are {known}")
    return tuple(given.items())


def is_expected(verdict: Verdict, expectation: Expectation | None) -> bool:
    """Return whether a verdict is the expected one: the recorded one, or no deviation where none is recorded."""
    if expectation is not None:
        return verdict in expectation.verdicts
    return verdict in (Verdict.CONFORMS, Verdict.UNSUPPORTED, Verdict.SKIPPED)


def is_undecided_core(*, verdict: Verdict, level: Level, profile: Profile, expected: bool) -> bool:
    """Return whether a result makes a run end with exit code 3: a MUST of the core that could not be decided."""
    core = profile is Profile.CORE and level is Level.MUST
    return core and verdict is Verdict.INCONCLUSIVE and not expected


def fails(*, verdict: Verdict, level: Level, expected: bool) -> bool:
    """Return whether a result makes a run end with exit code 1: an unexpected deviation from a MUST."""
    return not expected and verdict is Verdict.DEVIATES and level is Level.MUST
