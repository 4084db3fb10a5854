"""The texts of Markdown, JUnit, badges and the site, for summaries, CI systems and lists of badges."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from bucket_conformance.conformance.clause_words import CORE_PROMISES
from bucket_conformance.conformance.cli.main import main
from bucket_conformance.conformance.report import badge, junit, markdown
from bucket_conformance.conformance.report.columns import keyed
from bucket_conformance.conformance.report.document import Section, read
from bucket_conformance.conformance.report.site import build
from tests.conformance.report.documents import section, write

SNAPSHOTS = Path(__file__).parent / "snapshots"
KNOWN = {
    "verdict": "deviates",
    "expected": True,
    "expectation": {"reason": "issue 12", "link": "", "since": "2026-01-01", "review_by": "2027-01-01"},
}
WHOLE = dict.fromkeys(sorted(CORE_PROMISES), "conforms")
ALL = len(WHOLE)
HARMFUL = {
    "verdict": "deviates",
    "profile": "s3",
    "observation": {"promised": "a", "observed": "b", "harm": "loses data"},
}
SECTIONS = [
    section(
        {
            "KEY-001": "conforms",
            "KEY-002": {"verdict": "deviates", "level": "SHOULD"},
            "URL-001": {"verdict": "deviates", "statement": "A | pipe, <b>markup</b> and `ticks`."},
            "URL-002": KNOWN,
            "DEL-001": "inconclusive",
        }
    ),
    section({"KEY-001": "unsupported", "URL-001": "error", "DEL-001": "skipped"}, provider="bo_lt", version="2.0"),
]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("summary.md", markdown.render(keyed(SECTIONS))),
        ("junit.xml", junit.render(keyed(SECTIONS))),
        ("badge.svg", badge.svg(keyed(SECTIONS)[0])),
    ],
)
def test_a_rendering_equals_its_snapshot(name: str, text: str) -> None:
    assert text == (SNAPSHOTS / name).read_text(encoding="utf-8")


def test_a_summary_never_outgrows_its_bound_and_says_what_it_left_out() -> None:
    many = {f"{family}-{n:03}": "deviates" for family in ("KEY", "URL", "DEL") for n in range(200)}
    text = markdown.render(keyed([section(many)]), max_bytes=20_000)
    assert len(text.encode("utf-8")) <= 20_000
    shown = text.count("<details>")
    assert f"{600 - shown} more did not fit" in text
    assert 0 < shown < 600


def test_a_summary_lists_unexpected_deviations_first() -> None:
    text = markdown.render(keyed([section({"KEY-001": KNOWN, "KEY-002": "deviates"})]))
    assert text.index("<b>KEY-002</b>") < text.index("<b>KEY-001</b>")


def test_a_summary_lists_the_error_of_many_clauses_once() -> None:
    dead = {"verdict": "error", "reason": "it is dead"}
    found: dict[str, str | dict[str, Any]] = {
        "KEY-001": "deviates",
        "KEY-002": dead,
        "KEY-003": dead,
        "KEY-004": {**dead, "reason": "another"},
    }
    text = markdown.render(keyed([section(found)]))
    assert "**acme**: 2 clauses could not be judged: `it is dead`" in text
    assert text.count("it is dead") == 1
    assert "because: `another`" in text
    assert "<b>KEY-001</b>" in text


def test_counts_of_junit_agree_with_its_cases() -> None:
    root = Xml.fromstring(junit.render(keyed(SECTIONS)))
    for suite in root.iter("testsuite"):
        for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"), ("tests", None)):
            cases = [case for case in suite.iter("testcase") if tag is None or case.find(tag) is not None]
            assert suite.get(name) == str(len(cases))
    assert [root.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["8", "1", "1", "5"]


def test_junit_carries_what_xml_cannot() -> None:
    wild = {"promised": "nothing", "observed": "\x00\x1b[31m\ufffe\ud800 ]]> <&"}
    text = junit.render(keyed([section({"KEY-001": {"verdict": "deviates", "observation": wild}})]))
    [failure] = Xml.fromstring(text.encode("utf-8")).iter("failure")
    assert "]]> <&" in (failure.get("message") or "")


@pytest.mark.parametrize(
    ("verdicts", "said", "colour"),
    [
        (WHOLE, f"fit, {ALL} of {ALL}", "brightgreen"),
        ({**WHOLE, "LIST-001": {"verdict": "deviates", "profile": "s3"}}, f"fit, {ALL} of {ALL}", "brightgreen"),
        ({**WHOLE, "LIST-001": HARMFUL}, f"fit, {ALL} of {ALL}", "yellow"),
        ({**WHOLE, "KEY-001": KNOWN}, f"unfit, 1 of {ALL} broken", "red"),
        ({**WHOLE, "KEY-001": "unsupported"}, f"fit, {ALL - 1} of {ALL - 1}", "brightgreen"),
        ({**WHOLE, "KEY-001": "inconclusive"}, f"not decided, {ALL - 1} of {ALL} kept", "lightgrey"),
        ({"KEY-001": "conforms"}, f"not decided, 1 of {ALL} kept", "lightgrey"),
        ({"KEY-001": "error"}, "not judged", "lightgrey"),
    ],
)
def test_a_badge_says_fit_or_unfit(verdicts: dict[str, object], said: str, colour: str) -> None:
    [column] = keyed([section(verdicts)])  # type: ignore[arg-type]
    found = json.loads(badge.endpoint(column))
    assert (found["schemaVersion"], found["label"], found["message"], found["color"]) == (
        1,
        "conformance",
        said,
        colour,
    )
    assert Xml.fromstring(badge.svg(column)).get("aria-label") == f"conformance: {said}"


def test_one_command_writes_every_rendering(tmp_path: Path) -> None:
    report = write(tmp_path / "r.jsonl", *SECTIONS)
    out = tmp_path / "out"
    arguments = ["report", report, "--html", f"{out}/r.html", "--markdown", f"{out}/r.md", "--junit", f"{out}/r.xml"]
    assert main([*arguments, "--badge", f"{out}/badges", "--reproducers", f"{out}/repro"]) == 0
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()) == [
        "badges/acme.json",
        "badges/acme.svg",
        "badges/bo_lt.json",
        "badges/bo_lt.svg",
        "r.html",
        "r.md",
        "r.xml",
        "repro/acme/KEY-002.py",
        "repro/acme/URL-001.py",
        "repro/acme/URL-002.py",
    ]
    assert main(["report", report]) == 2


def test_a_baseline_decides_what_the_renderings_call_expected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = write(tmp_path / "r.jsonl", section({"KEY-001": "deviates"}))
    baseline = str(tmp_path / "b.toml")
    assert main(["accept", report, "--baseline", baseline, "--reason", "seen in the lab"]) == 0
    capsys.readouterr()
    assert main(["report", report, "--markdown", "-", "--baseline", baseline]) == 0
    assert "known: `seen in the lab`" in capsys.readouterr().out


def _at(day: int, verdicts: dict[str, str], version: str = "1.0") -> Section:
    return section(verdicts, version=version, started=f"2026-11-{day:02}T10:00:00+00:00")


def test_a_site_shows_which_verdicts_changed_when(tmp_path: Path) -> None:
    build(tmp_path, [_at(2, {"KEY-001": "deviates", "KEY-002": "conforms"}, "1.1")])
    build(tmp_path, [_at(1, {"KEY-001": "conforms"}), section({"KEY-001": "conforms"}, provider="other")])
    build(tmp_path, [_at(3, {"KEY-001": "conforms", "KEY-002": "conforms"}, "1.2")])
    page = (tmp_path / "providers" / "acme.html").read_text()
    assert page.index("2026-11-03") < page.rindex("2026-11-02") < page.rindex("2026-11-01")
    assert "backend: Acme 1.0 → Acme 1.1" in page
    assert "<b>KEY-001</b> conforms → deviates" in page
    assert "<b>KEY-001</b> deviates → conforms" in page
    changes = (tmp_path / "changes.html").read_text()
    assert changes.index("deviates → conforms") < changes.index("conforms → deviates")
    assert "Acme 1.2" in (tmp_path / "index.html").read_text()
    assert (tmp_path / "badges" / "other.svg").exists()


def test_a_site_stores_a_report_once_and_keeps_evidence_of_the_newest_only(tmp_path: Path) -> None:
    old, new = _at(1, {"KEY-001": "deviates"}), _at(2, {"KEY-001": "deviates"})
    build(tmp_path, [old])
    build(tmp_path, [new])
    build(tmp_path, [old])
    first, second = sorted((tmp_path / "data" / "acme").iterdir())
    [light], [whole] = read(first), read(second)
    assert light.results[0].evidence is None
    assert light.results[0].observation
    assert whole.results[0].reproducer


def test_a_damaged_store_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(tmp_path, [_at(1, {"KEY-001": "deviates"})])
    [stored] = (tmp_path / "data" / "acme").iterdir()
    stored.write_text(stored.read_text()[:-40])
    build(tmp_path, [_at(2, {"KEY-001": "deviates"})])
    assert f"left out of the site: {stored}" in capsys.readouterr().err


def test_the_command_needs_a_report_at_first_and_none_later(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = write(tmp_path / "r.jsonl", *SECTIONS)
    folder = str(tmp_path / "site")
    assert main(["site", folder]) == 2
    assert main(["site", folder, report]) == 0
    assert main(["site", folder]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{folder}/index.html: 2 providers"] * 2
