"""Compares a report with a baseline: what is as accepted, what got worse or better, what is missing in the baseline."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from msgspec.structs import replace

from bucket_conformance.conformance.contract import Level
from bucket_conformance.conformance.expectations import is_expected
from bucket_conformance.conformance.gate.baseline import Accepted, Baseline, ProviderBaseline, verdict_text
from bucket_conformance.conformance.report.compare import BADNESS, is_worse
from bucket_conformance.conformance.report.disclosure import is_withheld
from bucket_conformance.conformance.report.document import Result, Section, expectation_record
from bucket_conformance.conformance.report.merge import clause_position
from bucket_conformance.conformance.verdict import Verdict


class BaselineStatus(enum.StrEnum):
    """How a verdict compares with the baseline."""

    ERROR = "error"
    REGRESSION = "regression"
    VANISHED = "vanished clause"
    NEW = "new clause"
    STALE = "stale expectation"
    IMPROVEMENT = "improvement"
    EXPECTED = "expected"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """One clause of one provider, or a whole provider (``clause`` is empty) that is new or gone."""

    provider: str
    clause: str
    status: BaselineStatus
    reason: str
    fails: bool
    verdict: Verdict | None = None
    overdue: bool = False
    """Accepted, but the day to look again is past."""
    result: Result | None = None

    @property
    def quiet(self) -> bool:
        """Return whether there is nothing to report: as accepted, or new and conforming."""
        if self.fails or self.overdue:
            return False
        return self.status is BaselineStatus.EXPECTED or (
            self.status is BaselineStatus.NEW and self.verdict is Verdict.CONFORMS
        )


def tally(findings: Sequence[GateResult]) -> str:
    """Return how many there are of each standing, in one line."""
    seen = Counter(finding.status for finding in findings)
    parts = []
    for status in BaselineStatus:
        if n := seen[status]:
            plural = "s" if n > 1 and status is not BaselineStatus.EXPECTED else ""
            parts.append(f"{n} {status}{plural}")
    return ", ".join(parts) or "nothing to gate"


def compare_with_baseline(
    sections: Sequence[Section],
    baseline: Baseline,
    *,
    history: Sequence[Sequence[Section]] = (),
    today: date,
    strict: bool = False,
    partial: bool = False,
) -> list[GateResult]:
    """Return a finding for each clause, the most serious first.

    ``history`` holds earlier reports, the newest first: they show how often a flaky clause was inconclusive. With
    ``strict``, stale and overdue expectations fail too. With ``partial``, what the report leaves out is not missed.
    """
    findings: list[GateResult] = []
    for section in sections:
        accepted = baseline.get(section.provider)
        earlier = [one for report in history for one in report if one.provider == section.provider]
        findings += _of_section(section, accepted, earlier, today=today, strict=strict)
        if accepted is not None and not partial:
            findings += _vanished(section, accepted)
    if not partial:
        judged = {section.provider for section in sections}
        findings += [
            GateResult(
                provider=name,
                clause="",
                status=BaselineStatus.VANISHED,
                reason=f"the baseline has {len(baseline[name].clauses())} clauses of it, the report has none",
                fails=True,
            )
            for name in sorted(set(baseline) - judged)
        ]
    order = list(BaselineStatus)
    return sorted(findings, key=lambda f: (order.index(f.status), f.provider, clause_position(f.clause)))


def _of_section(
    section: Section, accepted: ProviderBaseline | None, earlier: list[Section], *, today: date, strict: bool
) -> list[GateResult]:
    found = []
    for result in section.results:
        clause, verdict = result.clause, result.verdict
        overdue = False
        if verdict is Verdict.ERROR:
            status, reason, fails = BaselineStatus.ERROR, f"could not be judged: {result.reason or 'no reason'}", True
        elif accepted is None or clause not in accepted.clauses():
            status, reason = BaselineStatus.NEW, f"{verdict}, not in the baseline{_seen(result)}"
            fails = verdict is Verdict.DEVIATES and result.level is Level.MUST
        elif clause in accepted.entries:
            entry = accepted.entries[clause]
            status, reason = _against_entry(verdict, entry, clause, earlier, result)
            overdue = status is BaselineStatus.EXPECTED and entry.expectation.is_due(today)
            if overdue:
                reason += f" (to be reviewed by {entry.expectation.review_by})"
            fails = status is BaselineStatus.REGRESSION or (strict and (overdue or status is BaselineStatus.STALE))
        else:
            status, reason = _against_plain(verdict, accepted.plain[clause], result)
            fails = status is BaselineStatus.REGRESSION
        found.append(
            GateResult(
                provider=section.provider,
                clause=clause,
                status=status,
                reason=reason,
                fails=fails,
                verdict=verdict,
                overdue=overdue,
                result=result,
            )
        )
    return found


def _against_plain(verdict: Verdict, before: Verdict, result: Result) -> tuple[BaselineStatus, str]:
    if verdict is before:
        return BaselineStatus.EXPECTED, f"{verdict}, as accepted"
    if is_worse(verdict, before):
        return BaselineStatus.REGRESSION, f"{before} → {verdict}{_seen(result)}"
    return BaselineStatus.IMPROVEMENT, f"{before} → {verdict}"


def _against_entry(
    verdict: Verdict, entry: Accepted, clause: str, earlier: list[Section], result: Result
) -> tuple[BaselineStatus, str]:
    expectation = entry.expectation
    if verdict in expectation.verdicts:
        if entry.at_most is not None:
            runs = [verdict, *_earlier_verdicts(earlier, clause)][: entry.at_most.of]
            times = sum(one is Verdict.INCONCLUSIVE for one in runs)
            if times > entry.at_most.times:
                return (
                    BaselineStatus.REGRESSION,
                    f"inconclusive in {times} of {len(runs)} runs; accepted: {entry.at_most}",
                )
            if times == 0 and len(runs) == entry.at_most.of:
                return BaselineStatus.STALE, f"not once inconclusive in {len(runs)} runs; accepted as {entry.at_most}"
        return BaselineStatus.EXPECTED, f"{verdict}: {expectation.reason}"
    best = min(expectation.verdicts, key=BADNESS.index)
    worst = max(expectation.verdicts, key=BADNESS.index)
    if is_worse(verdict, worst) or (is_worse(verdict, best) and Verdict.DEVIATES not in expectation.verdicts):
        return BaselineStatus.REGRESSION, f"{verdict_text(expectation.verdicts)} → {verdict}{_seen(result)}"
    return (
        BaselineStatus.STALE,
        f"{verdict}, though {verdict_text(expectation.verdicts)} is expected since {expectation.since}: "
        f"{expectation.reason}",
    )


def _earlier_verdicts(earlier: list[Section], clause: str) -> list[Verdict]:
    return [section.verdicts()[clause] for section in earlier if clause in section.verdicts()]


def _vanished(section: Section, accepted: ProviderBaseline) -> list[GateResult]:
    judged = {result.clause for result in section.results}
    return [
        GateResult(
            provider=section.provider,
            clause=clause,
            status=BaselineStatus.VANISHED,
            reason="in the baseline, but not judged in this report",
            fails=True,
        )
        for clause in accepted.clauses() - judged
    ]


def _seen(result: Result) -> str:
    if (seen := result.observation) is not None:
        return f": promised {seen.promised}, observed {seen.observed}"
    return f": {result.reason}" if result.reason else ""


def annotated(sections: Sequence[Section], baseline: Baseline) -> list[Section]:
    """Return the sections with ``expected`` and ``expectation`` as a baseline has them, not as the provider's file.

    Sections that are to be published are given as :func:`published` returns them: what
    it withheld stays withheld.
    """
    out = []
    for section in sections:
        accepted = baseline.get(section.provider)
        results = []
        for result in section.results:
            entry = accepted.entries.get(result.clause) if accepted is not None else None
            expectation = entry.expectation if entry is not None else None
            expected = is_expected(result.verdict, expectation)
            if accepted is not None and (before := accepted.plain.get(result.clause)) is not None:
                expected = not is_worse(result.verdict, before)
            # What is withheld says nothing more, with any entry in the baseline.
            known = expectation_record(expectation) if expectation is not None else None
            shown = result.expectation if is_withheld(result) else known
            results.append(replace(result, expected=expected, expectation=shown))
        out.append(Section(header=section.header, results=results, footer=section.footer))
    return out
