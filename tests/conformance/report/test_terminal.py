"""What a run prints at its end: within its width, grouped, and without control sequences for a terminal."""

from __future__ import annotations

import io

from rich.console import Console

from bucket_conformance.conformance.catalogue import entries
from bucket_conformance.conformance.report import terminal
from bucket_conformance.conformance.report.document import Section
from tests.conformance.report.documents import section


def printed(*sections: Section, verbose: bool = False, width: int = 80) -> str:
    out = io.StringIO()
    console = Console(file=out, highlight=False, width=width)
    terminal.matrix(sections, console)
    terminal.deviations(sections, console, verbose=verbose)
    return out.getvalue()


def test_the_matrix_of_the_whole_contract_fits_and_no_figure_is_cut() -> None:
    verdicts = dict.fromkeys(entries(), "deviates")
    many = [section(verdicts, provider=f"a-provider-with-a-long-name-{number:02}") for number in range(12)]
    shown = printed(*many)
    assert max(map(len, shown.splitlines())) <= 80
    for family in {clause.partition("-")[0] for clause in entries()}:
        total = sum(clause.startswith(f"{family}-") for clause in entries())
        assert shown.count(f"✗0/{total}") >= 12, family


def test_equal_deviations_of_several_providers_are_listed_once_with_the_smallest_example() -> None:
    same = {"verdict": "deviates", "observation": {"promised": "403", "observed": "200"}}
    example = {**same, "evidence": {"example": "key='a'"}}
    found = [section({"URL-001": example}, provider=name) for name in ("acme", "bolt")]
    found.append(
        section({"URL-001": {**example, "observation": {"promised": "403", "observed": "500"}}}, provider="cog")
    )
    shown = printed(*found)
    assert "\n  ✗ acme, bolt\n      promised  403\n      observed  200\n      example   key='a'\n  ✗ cog\n" in shown
    assert shown.count("What URL-001 promises holds.") == 1


def test_expected_and_unexpected_deviations_are_listed_separately() -> None:
    same = {"verdict": "deviates", "observation": {"promised": "403", "observed": "200"}, "evidence": {}}
    found = [section({"URL-001": {**same, "expected": name == "bolt"}}, provider=name) for name in ("acme", "bolt")]
    shown = printed(*found, verbose=True)
    assert "  ✗ acme\n" in shown
    assert "  ✗ bolt (expected)\n" in shown


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
    assert shown.count("stopped working") == 2
    assert "out of memory" in shown
    assert "observed  200" in shown
    assert "URL-004" not in shown
