"""Takes the verdicts of a report into a baseline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date

from bucket_conformance.conformance.contract import ConformanceError
from bucket_conformance.conformance.expectations import Expectation
from bucket_conformance.conformance.gate.baseline import (
    PLAIN,
    Accepted,
    Baseline,
    FlakeBudget,
    ProviderBaseline,
    verdict_text,
)
from bucket_conformance.conformance.report.document import Section
from bucket_conformance.conformance.report.merge import clause_position
from bucket_conformance.conformance.verdict import Verdict


class AcceptError(ConformanceError):
    """Raised for what cannot be accepted; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptanceOptions:
    """Options for everything that is accepted at once. ``at_most`` is needed where a clause is inconclusive."""

    reason: str
    today: date
    review_by: date
    link: str = ""
    at_most: FlakeBudget | None = None
    renew: bool = False
    """Take reason and day of review also where the accepted verdict stays as it was; with ``at_most``, also what
    conforms becomes a flaky clause."""


@dataclass(slots=True)
class Changes:
    """What an acceptance did: one line per change, and what it left alone."""

    lines: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    added: int = 0
    """New clauses that need no reason, such as those that conform."""
    kept: int = 0


def accept(
    sections: Sequence[Section],
    baseline: Baseline,
    options: AcceptanceOptions,
    *,
    wanted: Callable[[str], bool],
    whole: bool,
) -> Changes:
    """Change ``baseline`` in place to the verdicts of the sections, for the clauses ``wanted``; return what changed.

    An expectation that still holds keeps its reason and dates unless ``options.renew``. With ``whole``, clauses that a
    section does not hold are dropped. Errors are never accepted. Raises :class:`AcceptError`, having changed nothing.
    """
    _check(sections, baseline, options, wanted)
    changes = Changes()
    for section in sections:
        head = section.header
        provider = baseline.setdefault(section.provider, ProviderBaseline(backend="", contract=""))
        provider.backend = head.backend.title
        provider.contract = head.contract
        for result in section.results:
            if wanted(result.clause):
                _take(section.provider, provider, result.clause, result.verdict, options, changes)
        if whole:
            judged = {result.clause for result in section.results}
            for clause in sorted(provider.clauses() - judged, key=clause_position):
                provider.plain.pop(clause, None)
                provider.entries.pop(clause, None)
                changes.lines.append(f"{section.provider} {clause}: dropped, no longer judged")
    return changes


def _check(
    sections: Sequence[Section], baseline: Baseline, options: AcceptanceOptions, wanted: Callable[[str], bool]
) -> None:
    if options.at_most is not None:
        return
    for section in sections:
        entries = baseline[section.provider].entries if section.provider in baseline else {}
        undecided = [
            result.clause
            for result in section.results
            if result.verdict is Verdict.INCONCLUSIVE
            and wanted(result.clause)
            and not (result.clause in entries and Verdict.INCONCLUSIVE in entries[result.clause].expectation.verdicts)
        ]
        if undecided:
            raise AcceptError(
                f"{section.provider}: {', '.join(undecided)} inconclusive: say how often that may be "
                "(--at-most '1 of 10'), or leave them out (--clause)"
            )


def _take(
    name: str, provider: ProviderBaseline, clause: str, verdict: Verdict, options: AcceptanceOptions, changes: Changes
) -> None:
    if verdict is Verdict.ERROR:
        changes.refused.append(f"{name} {clause}: error says nothing about the backend; left as it was")
        return
    old = provider.entries.get(clause)
    before = verdict_text(old.expectation.verdicts) if old else str(provider.plain.get(clause, "new"))
    declared_flaky = options.at_most is not None and options.renew and verdict is Verdict.CONFORMS
    if verdict in PLAIN and not declared_flaky:
        flaky = old is not None and verdict in old.expectation.verdicts
        if provider.plain.get(clause) is verdict or (flaky and not options.renew):
            changes.kept += 1
            return
        provider.entries.pop(clause, None)
        provider.plain[clause] = verdict
        if before == "new":
            changes.added += 1
        else:
            changes.lines.append(f"{name} {clause}: {before} → {verdict}")
        return
    holds = old is not None and verdict in old.expectation.verdicts
    if holds and not options.renew:
        changes.kept += 1
        return
    wanted = frozenset({verdict} if verdict is Verdict.DEVIATES else {Verdict.CONFORMS, Verdict.INCONCLUSIVE})
    verdicts = old.expectation.verdicts if old is not None and holds else wanted
    at_most = (options.at_most or (old.at_most if old else None)) if Verdict.INCONCLUSIVE in verdicts else None
    provider.plain.pop(clause, None)
    provider.entries[clause] = Accepted(
        expectation=Expectation(
            clause=clause,
            verdicts=verdicts,
            reason=options.reason,
            since=old.expectation.since if old is not None and holds else options.today,
            review_by=options.review_by,
            link=options.link,
        ),
        at_most=at_most,
    )
    changes.lines.append(f"{name} {clause}: {before} → {verdict_text(verdicts)}: {options.reason}")
