"""How the gate compares verdicts with a baseline, and how accepting changes it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from bucket_conformance.conformance.expectations import Expectation
from bucket_conformance.conformance.gate.acceptance import AcceptanceOptions, AcceptError, accept
from bucket_conformance.conformance.gate.baseline import (
    Accepted,
    Baseline,
    BaselineError,
    FlakeBudget,
    ProviderBaseline,
    read_baseline,
    render_baseline,
)
from bucket_conformance.conformance.gate.comparison import (
    BaselineStatus,
    GateResult,
    annotated,
    compare_with_baseline,
    tally,
)
from bucket_conformance.conformance.report.document import Section
from bucket_conformance.conformance.verdict import Verdict
from tests.conformance.report.documents import section

TODAY = date(2026, 11, 22)


def _entry(
    clause: str, *verdicts: str, at_most: FlakeBudget | None = None, review_by: date = date(2027, 1, 1)
) -> Accepted:
    return Accepted(
        expectation=Expectation(
            clause=clause,
            verdicts=frozenset(Verdict(verdict) for verdict in verdicts),
            reason="the backend's issue 12",
            since=date(2026, 1, 1),
            review_by=review_by,
        ),
        at_most=at_most,
    )


def _baseline(plain: dict[str, str] | None = None, *entries: Accepted) -> Baseline:
    return {
        "acme": ProviderBaseline(
            backend="Acme 1.0",
            contract="2026.11",
            plain={clause: Verdict(verdict) for clause, verdict in (plain or {}).items()},
            entries={entry.expectation.clause: entry for entry in entries},
        )
    }


def test_the_tally_counts_in_plain_language() -> None:
    report = [section({"RT-001": "deviates", "RT-002": "deviates", "RT-003": "conforms", "DEL-001": "conforms"})]
    known = _baseline({"RT-001": "conforms", "RT-003": "conforms"})
    found = compare_with_baseline(report, known, today=TODAY)
    assert tally(found) == "1 regression, 2 new clauses, 1 expected"
    assert tally([]) == "nothing to gate"


def _one(sections: list[Section], baseline: Baseline, **options: Any) -> GateResult:
    [finding] = compare_with_baseline(sections, baseline, today=TODAY, **options)
    return finding


@pytest.mark.parametrize(
    ("before", "now", "standing", "fails"),
    [
        ("conforms", "conforms", BaselineStatus.EXPECTED, False),
        ("conforms", "deviates", BaselineStatus.REGRESSION, True),
        ("conforms", "inconclusive", BaselineStatus.REGRESSION, True),
        ("conforms", "unsupported", BaselineStatus.REGRESSION, True),
        ("conforms", "skipped", BaselineStatus.REGRESSION, True),
        ("unsupported", "deviates", BaselineStatus.REGRESSION, True),
        ("unsupported", "conforms", BaselineStatus.IMPROVEMENT, False),
        ("skipped", "unsupported", BaselineStatus.IMPROVEMENT, False),
        ("conforms", "error", BaselineStatus.ERROR, True),
    ],
)
def test_a_verdict_is_compared_with_the_accepted_one(
    before: str, now: str, standing: BaselineStatus, fails: bool
) -> None:
    finding = _one([section({"KEY-001": now})], _baseline({"KEY-001": before}))
    assert (finding.status, finding.fails) == (standing, fails)


def test_an_accepted_deviation_is_expected_and_says_why() -> None:
    finding = _one([section({"KEY-001": "deviates"})], _baseline(None, _entry("KEY-001", "deviates")))
    assert (finding.status, finding.fails) == (BaselineStatus.EXPECTED, False)
    assert finding.reason == "deviates: the backend's issue 12"


@pytest.mark.parametrize("strict", [False, True])
def test_a_deviation_that_is_gone_is_a_stale_expectation_and_fails_only_when_strict(strict: bool) -> None:
    finding = _one([section({"KEY-001": "conforms"})], _baseline(None, _entry("KEY-001", "deviates")), strict=strict)
    assert (finding.status, finding.fails) == (BaselineStatus.STALE, strict)
    assert "since 2026-01-01" in finding.reason


@pytest.mark.parametrize("strict", [False, True])
def test_an_expectation_past_its_review_is_named_and_fails_only_when_strict(strict: bool) -> None:
    entry = _entry("KEY-001", "deviates", review_by=date(2026, 11, 21))
    finding = _one([section({"KEY-001": "deviates"})], _baseline(None, entry), strict=strict)
    assert (finding.status, finding.overdue, finding.fails) == (BaselineStatus.EXPECTED, True, strict)


def test_the_day_of_review_itself_is_not_past() -> None:
    entry = _entry("KEY-001", "deviates", review_by=TODAY)
    assert not _one([section({"KEY-001": "deviates"})], _baseline(None, entry), strict=True).fails


@pytest.mark.parametrize(
    ("verdict", "level", "fails"),
    [("conforms", "MUST", False), ("deviates", "MUST", True), ("deviates", "SHOULD", False)],
)
def test_a_new_clause_fails_where_it_deviates_from_a_must(verdict: str, level: str, fails: bool) -> None:
    finding = _one([section({"KEY-002": {"verdict": verdict, "level": level}})], _baseline())
    assert (finding.status, finding.fails) == (BaselineStatus.NEW, fails)


def test_a_clause_that_is_no_longer_judged_has_vanished() -> None:
    finding = _one([section({})], _baseline({"KEY-001": "conforms"}))
    assert (finding.status, finding.clause, finding.fails) == (BaselineStatus.VANISHED, "KEY-001", True)


def test_a_provider_that_is_no_longer_judged_has_vanished_as_a_whole() -> None:
    finding = _one([], _baseline({"KEY-001": "conforms", "KEY-002": "conforms"}))
    assert (finding.status, finding.provider, finding.clause) == (BaselineStatus.VANISHED, "acme", "")
    assert "2 clauses" in finding.reason


def test_a_partial_report_misses_nothing() -> None:
    baseline = _baseline({"KEY-001": "conforms", "KEY-002": "conforms"})
    assert _one([section({"KEY-001": "conforms"})], baseline, partial=True).status is BaselineStatus.EXPECTED
    assert compare_with_baseline([], baseline, today=TODAY, partial=True) == []


def _runs(*verdicts: str) -> list[list[Section]]:
    return [[section({"CON-001": verdict})] for verdict in verdicts]


@pytest.mark.parametrize(
    ("now", "earlier", "standing"),
    [
        ("inconclusive", [], BaselineStatus.EXPECTED),
        ("inconclusive", ["inconclusive", "conforms"], BaselineStatus.EXPECTED),
        ("inconclusive", ["inconclusive", "inconclusive"], BaselineStatus.REGRESSION),
        ("conforms", ["inconclusive"] * 3, BaselineStatus.REGRESSION),
        ("conforms", ["conforms"] * 3, BaselineStatus.STALE),
        ("conforms", ["conforms"] * 2, BaselineStatus.EXPECTED),
        ("conforms", ["conforms", "conforms", "inconclusive"], BaselineStatus.EXPECTED),
        ("inconclusive", ["conforms", "conforms", "conforms", "inconclusive", "inconclusive"], BaselineStatus.EXPECTED),
        ("deviates", [], BaselineStatus.REGRESSION),
    ],
)
def test_a_flaky_clause_has_a_limit_over_its_newest_runs(
    now: str, earlier: list[str], standing: BaselineStatus
) -> None:
    entry = _entry("CON-001", "conforms", "inconclusive", at_most=FlakeBudget(times=2, of=4))
    finding = _one([section({"CON-001": now})], _baseline(None, entry), history=_runs(*earlier))
    assert finding.status is standing


def test_the_most_serious_comes_first() -> None:
    found = compare_with_baseline(
        [section({"KEY-001": "conforms", "KEY-002": "deviates", "KEY-003": "error", "KEY-004": "conforms"})],
        _baseline({"KEY-001": "conforms", "KEY-002": "conforms", "KEY-003": "conforms", "KEY-005": "conforms"}),
        today=TODAY,
    )
    assert [finding.status for finding in found] == [
        BaselineStatus.ERROR,
        BaselineStatus.REGRESSION,
        BaselineStatus.VANISHED,
        BaselineStatus.NEW,
        BaselineStatus.EXPECTED,
    ]


TERMS = AcceptanceOptions(reason="known since the upgrade", today=TODAY, review_by=date(2027, 2, 20))


def _accept(
    sections: list[Section], baseline: Baseline, terms: AcceptanceOptions = TERMS, *, whole: bool = True
) -> list[str]:
    return accept(sections, baseline, terms, wanted=lambda _: True, whole=whole).lines


def test_what_was_accepted_is_expected_afterwards(tmp_path: Path) -> None:
    sections = [section({"KEY-001": "conforms", "KEY-002": "deviates", "KEY-003": "unsupported"})]
    baseline: Baseline = {}
    _accept(sections, baseline)
    path = tmp_path / "baseline.toml"
    path.write_text(render_baseline(baseline), encoding="utf-8")
    again = read_baseline(path)
    assert again == baseline
    assert {finding.status for finding in compare_with_baseline(sections, again, today=TODAY)} == {
        BaselineStatus.EXPECTED
    }


def test_accepting_again_keeps_the_reason_of_what_still_holds() -> None:
    baseline = _baseline(None, _entry("KEY-001", "deviates"))
    assert _accept([section({"KEY-001": "deviates"})], baseline) == []
    assert baseline["acme"].entries["KEY-001"].expectation.reason == "the backend's issue 12"


def test_accepting_a_named_clause_renews_its_reason_and_keeps_the_day_it_began() -> None:
    baseline = _baseline(None, _entry("KEY-001", "deviates"))
    terms = AcceptanceOptions(reason="still open", today=TODAY, review_by=date(2027, 2, 20), renew=True)
    _accept([section({"KEY-001": "deviates"})], baseline, terms)
    expectation = baseline["acme"].entries["KEY-001"].expectation
    assert (expectation.reason, expectation.since) == ("still open", date(2026, 1, 1))
    assert expectation.review_by == date(2027, 2, 20)


def test_accepting_drops_what_is_stale_and_what_vanished() -> None:
    baseline = _baseline({"KEY-009": "conforms"}, _entry("KEY-001", "deviates"))
    assert _accept([section({"KEY-001": "conforms"})], baseline) == [
        "acme KEY-001: deviates → conforms",
        "acme KEY-009: dropped, no longer judged",
    ]
    assert baseline["acme"].entries == {}
    assert baseline["acme"].plain == {"KEY-001": Verdict.CONFORMS}


def test_an_error_is_never_accepted() -> None:
    baseline = _baseline({"KEY-001": "conforms"})
    changes = accept([section({"KEY-001": "error"})], baseline, TERMS, wanted=lambda _: True, whole=True)
    assert changes.refused == ["acme KEY-001: error says nothing about the backend; left as it was"]
    assert baseline["acme"].plain == {"KEY-001": Verdict.CONFORMS}


def test_an_undecided_clause_is_accepted_only_with_a_limit() -> None:
    baseline: Baseline = {}
    with pytest.raises(AcceptError, match="--at-most"):
        _accept([section({"CON-001": "inconclusive"})], baseline)
    assert baseline == {}
    terms = AcceptanceOptions(reason="slow disk", today=TODAY, review_by=TODAY, at_most=FlakeBudget(times=1, of=5))
    _accept([section({"CON-001": "inconclusive"})], baseline, terms)
    accepted = baseline["acme"].entries["CON-001"]
    assert accepted.expectation.verdicts == {Verdict.CONFORMS, Verdict.INCONCLUSIVE}
    assert accepted.at_most == FlakeBudget(times=1, of=5)


def test_a_clause_that_conforms_today_can_be_declared_flaky() -> None:
    baseline = _baseline({"CON-001": "conforms"})
    terms = AcceptanceOptions(
        reason="slow disk", today=TODAY, review_by=TODAY, at_most=FlakeBudget(times=1, of=5), renew=True
    )
    _accept([section({"CON-001": "conforms"})], baseline, terms)
    assert baseline["acme"].plain == {}
    assert baseline["acme"].entries["CON-001"].at_most == FlakeBudget(times=1, of=5)


GOOD = """schema = 1
[[provider]]
id = "acme"
conforms = ["KEY-001"]
[[provider.expect]]
clause = "KEY-002"
verdict = "conforms | inconclusive"
at_most = "1 of 5"
reason = "slow"
since = 2026-01-01
review_by = 2026-12-01
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("schema = 1", "schema = 2", "reads schema 1"),
        ('"KEY-001"', '"KEY-002"', "KEY-002 is there twice"),
        ('"KEY-001"', '"key"', "'key' is no clause id"),
        ('"slow"', '"  "', "a reason must be given"),
        ("2026-12-01", '"2026-12-01"', "without quotes"),
        ("conforms | inconclusive", "conforms | broken", "known: conforms"),
        ("conforms | inconclusive", "error", "error cannot be accepted"),
        ('at_most = "1 of 5"', "", "inconclusive needs a limit"),
        ("1 of 5", "6 of 5", "no limit"),
        ("conforms | inconclusive", "deviates", "at_most limits inconclusive"),
        ("reason =", "raeson =", "unknown raeson"),
        ('clause = "KEY-002"\n', "", "clause is missing"),
        ('id = "acme"\n', "", "a provider has no id"),
        ("[[provider.expect]]", "[provider.expect]", "tables in double brackets"),
        ("[[provider]]", "[[provider]]\n[[provider", "baseline.toml"),
    ],
)
def test_a_baseline_that_cannot_be_used_says_what_is_wrong(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "baseline.toml"
    path.write_text(GOOD, encoding="utf-8")
    assert set(read_baseline(path)["acme"].clauses()) == {"KEY-001", "KEY-002"}
    assert old in GOOD
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(BaselineError, match=message):
        read_baseline(path)


def test_any_reason_survives_being_written(tmp_path: Path) -> None:
    for reason in ('a "quoted" \\ back\tslash', "日本 🙂", "del \x7f and \x01", "line\nbreak"):
        baseline = _baseline()
        terms = AcceptanceOptions(reason=reason, today=TODAY, review_by=TODAY)
        _accept([section({"KEY-001": "deviates"})], baseline, terms)
        path = tmp_path / "baseline.toml"
        path.write_text(render_baseline(baseline), encoding="utf-8", newline="\n")
        assert read_baseline(path)["acme"].entries["KEY-001"].expectation.reason == reason


def test_a_report_takes_its_expectations_from_a_baseline() -> None:
    [one] = annotated(
        [section({"KEY-001": "deviates", "KEY-002": "deviates", "KEY-003": "conforms"})],
        _baseline({"KEY-002": "conforms", "KEY-003": "conforms"}, _entry("KEY-001", "deviates")),
    )
    assert [result.expected for result in one.results] == [True, False, True]
    assert one.results[0].known == "the backend's issue 12"
