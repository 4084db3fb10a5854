"""What a run prints at its end: the answer first, then causes, within its width, and nothing that a terminal obeys."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bucket_conformance.conformance.catalogue import entries
from bucket_conformance.conformance.clause_words import CORE_PROMISES
from bucket_conformance.conformance.report import terminal
from bucket_conformance.conformance.report.document import Section
from tests.conformance.report.documents import section


def printed(*sections: Section, verbose: bool = False, width: int = 80) -> str:
    out = io.StringIO()
    console = Console(file=out, highlight=False, width=width)
    terminal.answers(sections, console)
    terminal.deviations(sections, console, verbose=verbose)
    terminal.matrix(sections, console)
    return out.getvalue()


def test_the_matrix_of_the_whole_contract_fits_and_no_figure_is_cut() -> None:
    verdicts = dict.fromkeys(entries(), "deviates")
    many = [section(verdicts, provider=f"a-provider-with-a-long-name-{number:02}") for number in range(12)]
    shown = printed(*many)
    assert max(map(len, shown.splitlines())) <= 80
    for family in {clause.partition("-")[0] for clause in entries()}:
        total = sum(clause.startswith(f"{family}-") for clause in entries())
        assert shown.count(f"✗0/{total}") >= 12, family


DEVIATES = {"verdict": "deviates", "observation": {"promised": "403", "observed": "200"}, "evidence": {}}
S3 = {"profile": "s3"}


def test_the_first_line_says_fit_or_unfit_and_the_settings_are_below() -> None:
    whole = dict.fromkeys(CORE_PROMISES, "conforms")
    fit = section(
        {**whole, "RT-006": {**DEVIATES, **S3}}, settings={"region": "eu-1", "addressing": "path", "tls": True}
    )
    lines = printed(fit, width=100).splitlines()
    assert lines[0] == f"✓ acme fit for this storage: {len(whole)} of {len(whole)} core promises kept"
    assert lines[1].strip() == "Acme 1.0; region eu-1, path-style addresses, TLS; quick run of 2026-11-01"
    unfit = section({**whole, "URL-001": DEVIATES, "URL-002": {**DEVIATES, "expected": True}})
    shown = printed(unfit, width=120)
    assert shown.startswith(f"✗ acme unfit for this storage: 2 of {len(whole)} core promises broken\n")
    # Also where somebody expected it.
    assert "broken: Signed URLs download the file (URL-001), URLs live to their end (URL-002)\n" in shown


@pytest.mark.parametrize("verdict", ["inconclusive", "error", "skipped"])
def test_what_is_not_decided_is_never_called_fit(verdict: str) -> None:
    whole = dict.fromkeys(CORE_PROMISES, "conforms")
    first = printed(section({**whole, "DUR-001": verdict})).splitlines()[0]
    assert first.startswith(f"? acme not decided: {len(whole) - 1} of {len(whole)} core promises kept, 1 could not be")
    assert printed(section({"URL-001": "conforms"})).startswith(
        f"? acme not decided: 1 of {len(whole)} core promises kept, {len(whole) - 1} not judged"
    )


def test_a_cause_shows_its_clearest_example_and_the_others_by_name() -> None:
    longer = {**DEVIATES, **S3, "evidence": {"transcript": "> GET /a/b/c\n< 200", "example": "key='abc'"}}
    shorter = {**DEVIATES, **S3, "evidence": {"transcript": "> GET /a", "example": "key='a'"}}
    shown = printed(section({"KEY-010": longer, "KEY-015": shorter, "KEY-009": {**longer, "level": "SHOULD"}}))
    assert "acme: 3 deviations, 1 cause" in shown
    assert "✗ Keys are treated like file names\n" in shown
    assert "    KEY-015 MUST  `a` and `a/b` live side by side\n" in shown
    assert "      promised  403\n      observed  200\n      example   key='a'\n" in shown
    assert "also KEY-010, KEY-009 (-v shows them)" in shown
    assert "key='abc'" not in shown
    assert "key='abc'" in printed(section({"KEY-010": longer, "KEY-015": shorter}), verbose=True)


def test_harm_comes_before_core_promises_and_these_before_the_rest() -> None:
    harmful = {**DEVIATES, **S3, "observation": {"promised": "1", "observed": "2", "harm": "loses data"}}
    shown = printed(section({"LIST-001": {**DEVIATES, **S3}, "URL-001": DEVIATES, "KEY-010": harmful}))
    assert "harm: loses data" in shown.splitlines()[2]
    places = [shown.index(f"    {clause} ") for clause in ("KEY-010", "URL-001", "LIST-001")]
    assert places == sorted(places)
    assert "[loses data]" in shown
    assert "[core promise]" in shown


def test_an_observation_is_never_cut() -> None:
    seen = " ".join(f"word{number}" for number in range(400))
    shown = printed(section({"URL-001": {**DEVIATES, "observation": {"promised": "403", "observed": seen}}}))
    assert seen in " ".join(shown.split())


def test_an_expected_deviation_is_listed_in_short_and_whole_with_verbose() -> None:
    known = {"reason": "issue 12", "link": "", "since": "2026-01-01", "review_by": "2027-01-01"}
    found = section({"URL-001": {**DEVIATES, "expected": True, "expectation": known}, "URL-002": DEVIATES})
    shown = printed(found)
    assert "acme: 1 deviation is expected" in shown
    assert "    URL-001" not in shown
    verbose = printed(found, verbose=True)
    assert "known     issue 12" in verbose
    assert "Signed URLs download the file (expected)" in verbose
    assert "acme: 1 deviation is expected" not in verbose


def test_what_a_backend_says_does_not_reach_the_terminal_as_a_command() -> None:
    nasty = "\x1b[2J[bold]x[/]\x07\r\x9b31m\u202e"
    shown = printed(
        section({"URL-001": {"verdict": "deviates", "observation": {"promised": nasty, "observed": nasty}}}),
        section({"URL-001": {"verdict": "inconclusive", "reason": nasty}}, provider="bolt"),
    )
    assert "[bold]x[/]" in shown
    assert [char for char in shown if char != "\n" and not char.isprintable()] == []


def test_one_error_of_many_clauses_is_listed_once_next_to_earlier_verdicts() -> None:
    dead = {"verdict": "error", "reason": "the backend stopped working during URL-002"}
    first = {**dead, "reason": f"{dead['reason']}; its log ends:\nout of memory"}
    found = {"URL-001": {"verdict": "deviates", "observation": {"promised": "403", "observed": "200"}}}
    shown = printed(section({**found, "URL-002": first, "URL-003": dead, "URL-004": dead, "URL-005": dead}))
    assert "! acme 3 clauses could not be judged: the backend stopped working during" in shown
    assert " ".join(shown.split()).count("the backend stopped working during URL-002") == 2
    assert "out of memory" in shown
    assert "observed  200" in shown
    assert "URL-003, URL-004, URL-005" in shown
