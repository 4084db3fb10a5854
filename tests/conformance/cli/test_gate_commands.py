"""``accept``, ``gate``, ``compare`` and ``merge`` on the command line: exit codes and output."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bucket_conformance.conformance.cli import gate_markdown
from bucket_conformance.conformance.cli.main import main
from bucket_conformance.conformance.gate.comparison import BaselineStatus, GateResult
from bucket_conformance.conformance.report.document import read
from tests.conformance.report.documents import section, write

BEFORE = {"KEY-001": "conforms", "KEY-002": "deviates", "URL-001": "conforms"}


@pytest.fixture
def report(tmp_path: Path) -> str:
    return write(tmp_path / "report.jsonl", section(BEFORE))


@pytest.fixture
def baseline(tmp_path: Path, report: str, capsys: pytest.CaptureFixture[str]) -> str:
    path = str(tmp_path / "baseline.toml")
    assert main(["accept", report, "--baseline", path, "--reason", "known since 1.0"]) == 0
    assert "2 added without deviation, 1 changed" in capsys.readouterr().out
    return path


def test_the_report_that_was_accepted_passes(report: str, baseline: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gate", report, "--baseline", baseline]) == 0
    assert capsys.readouterr().out == "3 expected\ngate: passed\n"


def test_a_regression_fails_with_one_line_and_the_path_of_its_reproducer(
    tmp_path: Path, baseline: str, capsys: pytest.CaptureFixture[str]
) -> None:
    worse = write(tmp_path / "worse.jsonl", section({**BEFORE, "URL-001": "deviates"}, version="1.1"))
    folder = tmp_path / "reproducers"
    assert main(["gate", worse, "--baseline", baseline, "--reproducers", str(folder)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "acme: Acme 1.1; the baseline was accepted with Acme 1.0",
        "✗ regression        acme URL-001: conforms → deviates: promised status 403, observed status 200 for URL-001 "
        f"[{folder}/acme/URL-001.py]",
        "1 regression, 2 expected",
        "gate: failed (exit code 1)",
    ]
    assert (folder / "acme" / "URL-001.py").read_text() == "print('URL-001')\n"
    assert (folder / "acme" / "KEY-002.py").exists()


def test_what_could_not_be_judged_ends_in_the_exit_code_of_the_harness(tmp_path: Path, baseline: str) -> None:
    broken = write(tmp_path / "broken.jsonl", section({**BEFORE, "URL-001": "error", "KEY-001": "deviates"}))
    assert main(["gate", broken, "--baseline", baseline]) == 3


def test_strict_fails_on_a_stale_expectation(tmp_path: Path, baseline: str, capsys: pytest.CaptureFixture[str]) -> None:
    better = write(tmp_path / "better.jsonl", section({**BEFORE, "KEY-002": "conforms"}))
    assert main(["gate", better, "--baseline", baseline]) == 0
    assert "  stale expectation acme KEY-002: conforms, though deviates is expected" in capsys.readouterr().out
    assert main(["gate", better, "--baseline", baseline, "--strict"]) == 1
    assert "✗ stale expectation acme KEY-002" in capsys.readouterr().out


def test_a_job_that_judged_one_provider_gates_only_that_one(tmp_path: Path) -> None:
    both = write(tmp_path / "both.jsonl", section(BEFORE), section(BEFORE, provider="other"))
    path = str(tmp_path / "baseline.toml")
    assert main(["accept", both, "--baseline", path, "--reason", "first look"]) == 0
    only = write(tmp_path / "only.jsonl", section(BEFORE))
    assert main(["gate", only, "--baseline", path]) == 1
    assert main(["gate", only, "--baseline", path, "--provider", "acme"]) == 0
    assert main(["gate", only, "--baseline", path, "--partial"]) == 0
    assert main(["gate", only, "--baseline", path, "--provider", "unheard"]) == 2


def test_earlier_reports_tell_how_often_a_flaky_clause_was_undecided(tmp_path: Path) -> None:
    flaky = write(tmp_path / "now.jsonl", section({"CON-001": "inconclusive"}))
    earlier = [
        write(tmp_path / f"{day}.jsonl", section({"CON-001": verdict}, started=f"2026-10-0{day}T00:00:00+00:00"))
        for day, verdict in enumerate(("inconclusive", "conforms", "inconclusive"), 1)
    ]
    path = str(tmp_path / "baseline.toml")
    accepted = ["accept", flaky, "--baseline", path, "--reason", "slow disk"]
    assert main(accepted) == 2
    assert main([*accepted, "--at-most", "1 of 3"]) == 0
    assert main(["gate", flaky, "--baseline", path]) == 0
    history = [part for name in earlier for part in ("--history", name)]
    assert main(["gate", flaky, "--baseline", path, *history]) == 1
    assert main(["gate", flaky, "--baseline", path, *history[2:4]]) == 0


def test_the_gate_prints_its_results_as_json(tmp_path: Path, baseline: str, capsys: pytest.CaptureFixture[str]) -> None:
    worse = write(tmp_path / "worse.jsonl", section({**BEFORE, "URL-001": "deviates"}))
    assert main(["gate", worse, "--baseline", baseline, "--json"]) == 1
    findings = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert findings[0] == {
        "provider": "acme",
        "clause": "URL-001",
        "standing": "regression",
        "verdict": "deviates",
        "fails": True,
        "overdue": False,
        "reason": "conforms → deviates: promised status 403, observed status 200 for URL-001",
        "reproducer": None,
    }
    assert [finding["standing"] for finding in findings] == ["regression", "expected", "expected"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gate", "REPORT", "--baseline", "nowhere.toml"], "there is no baseline nowhere.toml; `conformance accept"),
        (["gate", "nowhere.jsonl", "--baseline", "b.toml"], "there is no report nowhere.jsonl"),
        (["accept", "REPORT", "--baseline", "b.toml", "--reason", "  "], "--reason is empty"),
        (["accept", "REPORT", "--baseline", "b.toml", "--reason", "x", "--review-by", "soon"], "write a date"),
        (["accept", "REPORT", "--baseline", "b.toml", "--reason", "x", "--review-by", "2020-01-01"], "is past"),
        (["accept", "REPORT", "--baseline", "b.toml", "--reason", "x", "--clause", "NOPE"], "nothing was accepted"),
        (["accept", "REPORT", "--baseline", "b.toml", "--reason", "x", "--at-most", "often"], "no limit"),
        (["compare", "REPORT", "nowhere.jsonl"], "there is no report"),
    ],
)
def test_wrong_usage_ends_in_one_line(
    report: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([report if part == "REPORT" else part for part in arguments]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert len(printed.err.splitlines()) == 1
    assert not (tmp_path / "b.toml").exists()


def test_accepting_without_a_reason_is_refused(report: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["accept", report, "--baseline", str(tmp_path / "b.toml")])
    assert ended.value.code == 2


def test_a_report_that_was_cut_off_is_refused_by_name(
    tmp_path: Path, report: str, baseline: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = tmp_path / "cut.jsonl"
    cut.write_text("".join(Path(report).read_text().splitlines(keepends=True)[:-1]))
    assert main(["gate", str(cut), "--baseline", baseline]) == 3
    assert f"{cut}: cut off: no footer for 'acme' after 3 results" in capsys.readouterr().err


def test_compare_shows_changes_only_and_fails_where_something_got_worse(
    tmp_path: Path, report: str, capsys: pytest.CaptureFixture[str]
) -> None:
    new = {"KEY-001": "deviates", "KEY-002": "conforms", "URL-002": "conforms"}
    after = write(tmp_path / "after.jsonl", section(new, version="2.0", sdk="botocore 2.0"))
    assert main(["compare", report, after]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "acme",
        "  backend: Acme 1.0 → Acme 2.0",
        "  sdk: botocore 1.44.5 → botocore 2.0",
        "  worse  KEY-001: conforms → deviates: promised status 403, observed status 200 for KEY-001",
        "  better KEY-002: deviates → conforms",
        "  new    URL-002: not judged → conforms",
        "  gone   URL-001: conforms → not judged",
        "  1 worse, 1 better, 1 new, 1 gone, 0 unchanged",
    ]
    assert main(["compare", after, report, "--json"]) == 1
    assert [json.loads(line)["direction"] for line in capsys.readouterr().out.splitlines()] == [
        "better", "worse", "new", "gone",
    ]  # fmt: skip
    assert main(["compare", report, report]) == 0


def test_compare_matches_providers_and_names_those_without_a_partner(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = write(tmp_path / "old.jsonl", section(BEFORE, provider="a"), section(BEFORE, provider="b"))
    new = write(tmp_path / "new.jsonl", section(BEFORE, provider="b"), section(BEFORE, provider="c"))
    assert main(["compare", old, new]) == 0
    assert capsys.readouterr().out.splitlines() == ["b", "  3 unchanged", "", "only in one of the reports: a, c"]
    alien = write(tmp_path / "alien.jsonl", section(BEFORE, provider="x"), section(BEFORE, provider="y"))
    assert main(["compare", old, alien]) == 3


def test_shards_are_merged_by_a_process_of_its_own(tmp_path: Path) -> None:
    one = write(tmp_path / "1.jsonl", section({"KEY-001": "conforms"}))
    two = write(tmp_path / "2.jsonl", section({"URL-001": "deviates"}), section(BEFORE, provider="b"))
    command = [sys.executable, "-m", "bucket_conformance.conformance.cli.main", "merge", one, two]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    merged = tmp_path / "merged.jsonl"
    merged.write_text(done.stdout)
    assert [(s.provider, len(s.results)) for s in read(merged)] == [("acme", 2), ("b", 3)]
    assert main(["merge", one, one, "-o", str(tmp_path / "twice.jsonl")]) == 3
    assert not (tmp_path / "twice.jsonl").exists()


def test_the_summary_of_a_gate_names_what_fails_first_and_cannot_be_broken_out_of(
    tmp_path: Path, baseline: str, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = {"verdict": "deviates", "observation": {"promised": "a | b", "observed": "</td>`<b>"}}
    worse = write(tmp_path / "worse.jsonl", section({**BEFORE, "KEY-002": "conforms", "URL-001": hostile}))
    summary = tmp_path / "new folder" / "gate.md"
    capsys.readouterr()
    assert main(["gate", worse, "--baseline", baseline, "--markdown", str(summary)]) == 1
    assert "gate: failed (exit code 1)" in capsys.readouterr().out
    lines = summary.read_text("utf-8").splitlines()
    assert lines[0] == "## ✗ Gate failed"
    assert "1 regression, 1 stale expectation, 1 expected" in lines
    rows = [line for line in lines if line.startswith("|")][2:]
    assert [row.split(" | ")[3] for row in rows] == ["URL-001", "KEY-002"]
    assert rows[0].startswith("| ✗ | regression | acme |")
    assert "``conforms → deviates: promised a \\| b, observed </td>`<b>``" in rows[0]
    assert main(["gate", worse, "--baseline", baseline, "--markdown", "-"]) == 1
    assert capsys.readouterr().out == summary.read_text("utf-8")


def test_the_summary_of_a_gate_that_passes_is_short(
    report: str, baseline: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["gate", report, "--baseline", baseline, "--markdown", "-"]) == 0
    assert capsys.readouterr().out == "## ✓ Gate passed\n\n3 expected\n\n"


def test_the_summary_of_a_gate_keeps_within_what_a_job_may_show(tmp_path: Path) -> None:
    findings = [
        GateResult(
            provider="acme", clause=f"KEY-{n:03}", status=BaselineStatus.REGRESSION, reason="ü" * 300, fails=True
        )
        for n in range(100)
    ]
    text = gate_markdown.render(findings, passed=False, max_bytes=10_000)
    assert len(text.encode("utf-8")) <= 10_000
    shown = text.count("| regression |")
    assert 5 < shown < 100
    assert text.endswith(f"{100 - shown} more did not fit into this summary.\n")


def test_a_comparison_names_the_sdk_and_each_setting_that_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings: dict[str, object] = {"region": "us-east-1", "checksums": "when_required"}
    old = write(tmp_path / "old", section({"RT-001": "conforms"}, settings=settings, sdk="botocore 1.35.99"))
    more = {"region": "us-east-1", "checksums": "when_supported", "tls": True}
    new = write(tmp_path / "new", section({"RT-001": "deviates"}, settings=more))
    assert main(["compare", str(old), str(new)]) == 1
    shown = capsys.readouterr().out
    assert "  sdk: botocore 1.35.99 → botocore 1.44.5\n  checksums: when_required → when_supported\n" in shown
    assert "tls" not in shown, "the older report does not say"
    assert "worse  RT-001: conforms → deviates" in shown


SECRET = "signature-left-out-and-served"
ATTACK = {
    "verdict": "deviates",
    "observation": {"promised": "403", "observed": SECRET, "harm": "bypasses authentication"},
    "evidence": {"example": SECRET, "transcript": f"> GET /{SECRET}", "reproducer": f"print({SECRET!r})\n"},
}


def test_the_summary_withholds_an_attack_that_upstream_does_not_know_and_says_where_it_is(
    tmp_path: Path, baseline: str, capsys: pytest.CaptureFixture[str]
) -> None:
    worse = write(tmp_path / "worse.jsonl", section({**BEFORE, "KEY-001": "deviates", "URL-001": ATTACK}))
    summary = tmp_path / "gate.md"
    capsys.readouterr()
    assert main(["gate", worse, "--baseline", baseline, "--markdown", str(summary)]) == 1
    assert SECRET in capsys.readouterr().out, "the terminal is the reader's own"
    text = summary.read_text("utf-8")
    assert SECRET not in text
    assert "| ✗ | regression | acme | URL-001 | `conforms → deviates: promised What URL-001 promises holds., " in text
    assert "observed withheld until the project of the backend has been told; see SECURITY.md" in text
    assert "- Some evidence is withheld until the project of the backend has been told; see SECURITY.md. " in text
    assert "It is in the report: worse.jsonl\n" in text
    assert str(tmp_path) not in text
    assert "observed status 200 for KEY-001" in text, "a deviation that is no attack is shown"


def test_a_public_gate_withholds_it_everywhere_and_ends_the_same(
    tmp_path: Path, baseline: str, capsys: pytest.CaptureFixture[str]
) -> None:
    worse = write(tmp_path / "worse.jsonl", section({**BEFORE, "URL-001": ATTACK}))
    folder = tmp_path / "reproducers"
    command = ["gate", worse, "--baseline", baseline, "--public", "--reproducers", str(folder)]
    capsys.readouterr()
    for form in ([], ["--json"], ["--markdown", "-"]):
        assert main([*command, *form]) == 1
        printed = capsys.readouterr().out
        assert SECRET not in printed
        assert "withheld" in printed
    assert [path.name for path in folder.rglob("*.py")] == ["KEY-002.py"]


@pytest.mark.parametrize("knows", ["report", "baseline"])
def test_the_summary_shows_an_attack_that_upstream_has_written_down(tmp_path: Path, knows: str) -> None:
    link = "https://example.com/issues/2"
    known = {"reason": "a mock", "link": link, "since": "2026-11-01", "review_by": "2027-05-01"}
    attack = {**ATTACK, "expectation": known} if knows == "report" else ATTACK
    report = write(tmp_path / "report.jsonl", section({**BEFORE, "URL-001": attack}))
    path, summary = tmp_path / "baseline.toml", tmp_path / "gate.md"
    accept = ["accept", report, "--baseline", str(path), "--reason", "a mock"]
    assert main([*accept, *(["--link", link] if knows == "baseline" else [])]) == 0
    if knows == "report":
        path.write_text(path.read_text().replace("URL-001", "URL-099"))
    else:
        path.write_text(re.sub(r"review_by = \S+", "review_by = 2026-11-02", path.read_text()))
    assert main(["gate", report, "--baseline", str(path), "--markdown", str(summary), "--partial"]) in (0, 1)
    text = summary.read_text("utf-8")
    assert (SECRET if knows == "report" else "URL-001") in text
    assert "withheld" not in text


def test_a_report_in_which_nothing_was_judged_is_not_accepted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = write(tmp_path / "none.jsonl", section({"URL-001": "error"}))
    path = tmp_path / "baseline.toml"
    assert main(["accept", empty, "--baseline", str(path), "--reason", "first look"]) == 2
    assert "nothing in the report was judged" in capsys.readouterr().err
    assert not path.exists()
