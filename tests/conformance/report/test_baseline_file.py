"""Accepting changes a baseline in place: comments and order stay, and the file is whole at any moment."""

from __future__ import annotations

import stat
from pathlib import Path
from unittest import mock

import pytest

from bucket_conformance.conformance.cli import report_files
from bucket_conformance.conformance.cli.main import main
from bucket_conformance.conformance.endpoint_options import UsageError
from bucket_conformance.conformance.gate.baseline import ProviderBaseline, read_baseline, render_baseline
from bucket_conformance.conformance.verdict import Verdict
from tests.conformance.report.documents import section, write

BEFORE = """# Our gate; ask storage@example.com.
schema = 1

# What we run.
[[provider]]
id = "zeta"  # first on purpose
backend = "Zeta 1.0"
contract = "2026.11"

# What we try.
[[provider]]
id = "acme"
backend = "Acme 1.0"
contract = "2026.11"
conforms = [
  "KEY-001",  # matters to us
  "KEY-003",
]

# The tracker knows.
[[provider.expect]]
verdict = "deviates"  # seen daily
clause = "DEL-001"
reason = "known"
since = 2026-11-01
review_by = 2999-01-01
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "baseline.toml"
    path.write_text(BEFORE, encoding="utf-8")
    return path


def test_a_baseline_that_says_the_same_is_the_same_text(path: Path) -> None:
    assert render_baseline(read_baseline(path), BEFORE) == BEFORE


def test_accepting_keeps_comments_and_order(path: Path, tmp_path: Path) -> None:
    verdicts = {"KEY-001": "conforms", "KEY-002": "conforms", "KEY-003": "conforms", "DEL-001": "deviates"}
    report = write(tmp_path / "r.jsonl", section({**verdicts, "URL-001": "deviates"}, version="2.0"))
    assert main(["accept", report, "--baseline", str(path), "--reason", 'new "one"']) == 0
    text = path.read_text(encoding="utf-8")
    for comment in (line[line.index("#") :] for line in BEFORE.splitlines() if "#" in line):
        assert comment in text
    assert text.index('"zeta"') < text.index('"acme"')
    assert text.index("verdict = ") < text.index('clause = "DEL-001"')
    assert '"KEY-001",  # matters to us\n  "KEY-002",\n  "KEY-003",' in text
    found = read_baseline(path)["acme"]
    assert found.backend == "Acme 2.0"
    assert found.plain == {f"KEY-00{number}": Verdict.CONFORMS for number in (1, 2, 3)}
    assert found.entries["URL-001"].expectation.reason == 'new "one"'
    assert found.entries["DEL-001"].expectation.reason == "known"


def test_a_form_that_cannot_be_changed_in_place_is_written_anew(path: Path) -> None:
    inline = 'schema = 1\nprovider = [{id = "acme", backend = "", contract = ""}]\n'
    path.write_text(inline, encoding="utf-8")
    baseline = read_baseline(path)
    baseline["acme"].plain["KEY-001"] = Verdict.CONFORMS
    path.write_text(render_baseline(baseline, inline), encoding="utf-8")
    assert read_baseline(path) == baseline


@pytest.mark.parametrize("text", ['"', "\\", "a\nb", "\x7f\x00\x1b", "'''", '"""', "\ud800", "[[x]]\n[[y]]", "é\u2028"])
def test_any_text_goes_into_a_baseline_as_text(path: Path, text: str) -> None:
    baseline = {f"p{text}": ProviderBaseline(backend=f"b{text}", contract=text, plain={"KEY-001": Verdict.CONFORMS})}
    path.write_text(render_baseline(baseline), encoding="utf-8", newline="\n")
    [found] = read_baseline(path).values()
    clean = text.replace("\ud800", "\ufffd")
    assert (found.backend, found.contract, found.plain) == (f"b{clean}", clean, {"KEY-001": Verdict.CONFORMS})


def test_a_write_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    with (
        mock.patch("os.fsync", side_effect=OSError(28, "No space left on device")),
        pytest.raises(UsageError, match="No space left"),
    ):
        report_files.write("--baseline", str(path), "half")
    assert path.read_text(encoding="utf-8") == BEFORE
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_is_replaced_keeps_its_mode_and_a_link_stays_one(path: Path) -> None:
    path.chmod(0o640)
    link = path.with_name("link.toml")
    link.symlink_to(path)
    report_files.write("--baseline", str(link), "x = 1\n")
    assert link.is_symlink()
    assert path.read_text(encoding="utf-8") == "x = 1\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
