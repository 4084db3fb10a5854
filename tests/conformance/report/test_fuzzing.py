"""Every command that reads a file ends with a message on changed files."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shlex
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from bucket_conformance.conformance.cli.main import main
from bucket_conformance.conformance.expectations import ExpectationError, read_expectations
from bucket_conformance.conformance.report.document import ExpectationRecord, expectation_record, read
from tests.conformance.report.documents import section, write
from tests.conformance.report.fuzzing import mutated_report, mutated_toml
from tests.conformance.report.test_public import ATTACK

SEED: Final = int(os.environ.get("CONFORMANCE_FUZZ_SEED", "20261127"))
ROUNDS: Final = int(os.environ.get("CONFORMANCE_FUZZ_ROUNDS", "120"))
"""Changed files per command; CONFORMANCE_FUZZ_ROUNDS=2000 for a long search at night."""
BASELINE = """# Ours.
schema = 1

[[provider]]
id = "acme"
backend = "Acme 1.0"
contract = "2026.11"
conforms = [
  "KEY-001",
]

[[provider.expect]]
clause = "URL-017"
verdict = "deviates | inconclusive"
at_most = "1 of 10"
reason = "known"
link = "https://example.com/1"
since = 2026-11-01
review_by = 2999-01-01
"""
EXPECTATIONS = """[[expect]]
clause = "URL-017"
verdict = "deviates"
reason = "known"
link = "https://example.com/1"
since = 2026-11-01
review_by = 2999-01-01
harm = "leaks"
protection = "Keep it apart."
upstream_told = 2026-11-01
finding = "one"
when = { tls = true }
"""
PROVIDER = """id = "acme-file"
title = "Acme"
homepage = "https://example.com"
licence = "MIT"
kind = "server"
command = ["./acme", "--port", "{port}"]
capabilities = ["multipart", "copy"]
notes = ["one"]
limits = { batch_keys = { value = 100, source = "https://example.com/limits" } }
"""
REMOTE = """id = "acme-far"
title = "Acme"
endpoint = "https://acme.example"
region = "us-east-1"
addressing = "path"
access_key_variable = "ACME_KEY"
"""
COMMANDS: Final[dict[str, list[str]]] = {
    "report": ["report", "{report}", "--html", "{out}/p.html", "--markdown", "-", "--junit", "{out}/j.xml"],
    "report, the rest": ["report", "{report}", "--badge", "{out}/b", "--reproducers", "{out}/r", "--public"],
    "report, two": ["report", "{report}", "{whole}", "--html", "{out}/p.html", "--baseline", "{baseline}"],
    "gate": ["gate", "{report}", "--baseline", "{baseline}", "--markdown", "{out}/g.md", "-v"],
    "gate, history": ["gate", "{whole}", "--history", "{report}", "--baseline", "{baseline}", "--json"],
    "accept": ["accept", "{report}", "--baseline", "{out}/new.toml", "--reason", "known", "--at-most", "1 of 10"],
    "compare": ["compare", "{whole}", "{report}"],
    "compare, back": ["compare", "{report}", "{whole}", "--json"],
    "merge": ["merge", "{report}", "{other}", "-o", "{out}/m.jsonl"],
    "findings": ["findings", "{report}", "--out", "{out}/findings"],
    "advice": ["advice", "{report}"],
    "advice --env": ["advice", "{report}", "--env"],
    "advice --markdown": ["advice", "{report}", "--markdown"],
    "advice --json": ["advice", "{report}", "--json"],
    "site": ["site", "{out}/site", "{report}"],
}
"""What reads a report."""
OTHERS: Final[dict[str, tuple[str, list[str]]]] = {
    "gate": (BASELINE, ["gate", "{whole}", "--baseline", "{file}"]),
    "report": (BASELINE, ["report", "{whole}", "--baseline", "{file}", "--markdown", "-"]),
    "accept": (BASELINE, ["accept", "{whole}", "--baseline", "{file}", "--reason", "r", "--at-most", "1 of 9"]),
    "expectations": (EXPECTATIONS, ["run", "local_disk", "--expectations", "{file}", "--jobs", "0"]),
    "expectations, read": (EXPECTATIONS, []),
    "provider that starts": (PROVIDER, ["list", "providers", "--provider-file", "{file}", "--json"]),
    "provider elsewhere": (REMOTE, ["list", "providers", "--provider-file", "{file}", "--json"]),
}
"""What reads TOML."""


RESPONSE = {
    "operation": "DeleteObjects",
    "request": "POST /bucket?delete",
    "signed": True,
    "status": 501,
    "code": "NotImplemented",
    "message": "Not here.",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("whole")
    one = section(
        {
            "KEY-001": "conforms",
            "KEY-010": {
                "verdict": "deviates",
                "title": "A title",
                "consequence": "It means `something` bad.",
                "observation": {"promised": "a", "observed": "b", "harm": "loses data"},
                "evidence": {"responses": [RESPONSE, {**RESPONSE, "status": 200, "signed": False}]},
            },
            "URL-017": ATTACK,
            "DEL-015": "inconclusive",
            "LIST-001": {
                "verdict": "unsupported",
                "reason": "not declared: versioning",
                "missing": ["versioning"],
                "claims": {"versioning": {"outcome": "half done", "said": "PUT: 200"}},
            },
        },
        declared={"batch_keys": 100},
        settings={"region": "us-east-1", "addressing": "path", "checksums": "when_required", "tls": False},
        limits={
            "batch_keys": {"found": 100, "open_end": False, "unit": "keys", "declared": 100, "agrees": True},
            "url_life_s": {"found": None, "open_end": False, "unit": "s", "note": "no URL was served"},
        },
    )
    other = section({"KEY-002": "conforms"}, provider="other")
    baseline = folder / "baseline.toml"
    baseline.write_text(BASELINE, encoding="utf-8")
    return {
        "whole": write(folder / "whole.jsonl", one),
        "other": write(folder / "other.jsonl", other),
        "baseline": str(baseline),
    }


def _ends_in_order(words: list[str], capsys: pytest.CaptureFixture[str], about: str) -> tuple[int, str]:
    try:
        code = main(words)
    except SystemExit as error:
        code = int(error.code or 0)
    except BaseException as error:
        raise AssertionError(f"{about}: {type(error).__name__}: {error}") from error
    output = capsys.readouterr()
    assert code in (0, 1, 2, 3), about
    if code >= 2 and words[0] not in ("gate", "run"):
        assert output.err.startswith("conformance: "), (about, output.err)
    assert "Traceback" not in output.err + output.out, about
    for text in (output.out, output.err):
        assert not re.search(r"^\s*::", text, re.MULTILINE), about
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", text), about
    return code, output.out


@pytest.mark.parametrize("command", COMMANDS)
def test_a_report_that_somebody_changed_is_used_or_refused_in_order(
    command: str, files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = Path(files["whole"]).read_text(encoding="ascii")
    codes: Counter[int] = Counter()
    for number in range(ROUNDS):
        chance = random.Random(f"{SEED}-{command}-{number}")
        report = tmp_path / "report.jsonl"
        report.write_text(mutated_report(whole, chance), encoding="utf-8", errors="surrogatepass")
        out = tmp_path / "out"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        words = [word.format(**files, report=str(report), out=str(out)) for word in COMMANDS[command]]
        code, printed = _ends_in_order(words, capsys, f"{SEED}-{command}-{number}")
        codes[code] += 1
        if command == "advice --env" and code == 0:
            for line in printed.splitlines():
                assert line.startswith("#") or re.fullmatch(r"[A-Z0-9_]+=\S+", line) or not line, line
                assert line.startswith("#") or len(shlex.split(line)) <= 1, line
    # Most are refused; if every one were refused, the files would not test what comes after reading.
    assert codes[3] > 0
    assert codes[0] + codes[1] > 0


@pytest.mark.parametrize("command", OTHERS)
def test_a_file_of_toml_that_somebody_changed_is_used_or_refused_in_order(
    command: str, files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, given = OTHERS[command]
    for number in range(ROUNDS * 2):
        chance = random.Random(f"{SEED}-{command}-{number}")
        file = tmp_path / "file.toml"
        file.write_text(mutated_toml(text, chance), encoding="utf-8", errors="surrogatepass")
        about = f"{SEED}-{command}-{number}"
        if not given:
            with contextlib.suppress(ExpectationError):
                for expectation in read_expectations(file).values():
                    ExpectationRecord.from_json(expectation_record(expectation).to_json())
            continue
        words = [word.format(**files, file=str(file)) for word in given]
        _ends_in_order(words, capsys, about)


@pytest.mark.parametrize(
    "broken", [b"", b"\xff\xfe", b"[" * 100_000, b"x = " + b"[" * 100_000, b"x = " + b"1" * 10_000]
)
@pytest.mark.parametrize("given", ["gate", "provider that starts", "expectations"])
def test_what_is_no_toml_is_refused_in_one_line(
    given: str, broken: bytes, files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file.toml"
    file.write_bytes(broken)
    words = [word.format(**files, file=str(file)) for word in OTHERS[given][1]]
    code = main(words)
    assert code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_stored_report_that_is_bad_does_not_break_the_site(
    files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site"
    assert main(["site", str(site), files["whole"]]) == 0
    [stored] = (site / "data").glob("*/*.jsonl")
    (stored.parent / "20200101T000000Z-0123456789.jsonl").write_text('{"type": "header"}\n', encoding="utf-8")
    capsys.readouterr()
    assert main(["site", str(site), files["other"]]) == 0
    assert "left out of the site" in capsys.readouterr().err
    assert (site / "providers" / "acme.html").exists()
    assert (site / "providers" / "other.html").exists()


def test_forty_thousand_results_are_read_without_comparing_each_with_each(tmp_path: Path) -> None:
    results = {f"{family}-{number:03}": "conforms" for family in _families(40) for number in range(1000)}
    path = write(tmp_path / "large.jsonl", section(results))
    started = time.process_time()
    [one] = read(Path(path))
    assert len(one.results) == 40_000
    # It once took two minutes; the bound suits any machine and still distinguishes quadratic from linear time.
    assert time.process_time() - started < 60


def _families(number: int) -> list[str]:
    return [chr(65 + at // 26) + chr(65 + at % 26) for at in range(number)]
