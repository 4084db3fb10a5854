"""Reports are read back as they were written; one that cannot be trusted is refused with its name."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from bucket_conformance.conformance.report.document import DocumentError, line, read

HEADER: dict[str, Any] = {
    "type": "header",
    "schema": 1,
    "suite": "0.1.0",
    "contract": "2026.11",
    "provider": "p",
    "backend": {"name": "B", "version": "1"},
    "launch": "process",
    "sdk": "botocore 1",
    "settings": {},
    "seed": 1,
    "mode": "quick",
    "started": "2026-11-22T00:00:00+00:00",
}


def result(clause: str = "URL-001", **more: Any) -> dict[str, Any]:
    return {
        "type": "result",
        "provider": "p",
        "clause": clause,
        "level": "MUST",
        "profile": "core",
        "verdict": "conforms",
        "expected": True,
        "duration_s": 0.1,
        "requests": 1,
        **more,
    }


def footer(*results: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "type": "footer",
        "counts": Counter(result["verdict"] for result in results),
        "duration_s": 1.0,
        "complete": True,
        **more,
    }


def section(provider: str = "p", *clauses: str) -> list[dict[str, Any]]:
    results = [result(clause, provider=provider) for clause in clauses or ("URL-001", "URL-002")]
    return [{**HEADER, "provider": provider}, *results, footer(*results)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "report.jsonl"


def test_what_is_written_is_read_back_section_by_section(path: Path) -> None:
    fields: dict[str, Any] = {"observation": {"promised": "é\ud800\u2028", "observed": "\x1b"}}
    first = [HEADER, result(verdict="deviates", expected=False, **fields), footer(result(verdict="deviates"))]
    path.write_text("".join(map(line, [*first, *section("q")])), encoding="ascii")
    p, q = read(path)
    assert [record.to_json() for record in p.lines()] == first
    assert [record.to_json() for record in q.lines()] == section("q")
    assert (p.provider, dict(p.verdicts())) == ("p", {"URL-001": "deviates"})


one = result()
REFUSED: dict[str, tuple[list[Any], str]] = {
    "empty": ([], "no report: it has no header"),
    "blank": (["\n", "  \n"], "no report: it has no header"),
    "without footer": (section()[:-1], "cut off: no footer for 'p' after 2 results"),
    "cut in a line": ([*section()[:-1], line(footer(one))[:20]], "cut off or not JSON"),
    "cut between sections": ([*section()[:-1], *section("q")], "a header before the footer of 'p': cut off or mixed"),
    "headless": (section()[1:], ":1: a result without a header before it"),
    "two footers": ([*section(), footer()], "a footer without a header before it"),
    "another provider's result": ([HEADER, result(provider="q"), footer(one)], "a result of 'q' in the section of 'p'"),
    "a clause twice": ([HEADER, one, one, footer(one, one)], "clause URL-001 twice for 'p': mixed"),
    "footer too high": ([HEADER, one, footer(one, one)], "the footer counts {'conforms': 2}, the results are"),
    "footer of others": ([HEADER, one, footer(result(verdict="error"))], "inconsistent"),
    "interrupted": ([HEADER, one, footer(one, complete=False)], "the run of 'p' was interrupted"),
    "newer schema": ([{**HEADER, "schema": 2}], "schema 2; this version reads schema 1"),
    "unknown verdict": ([HEADER, result(verdict="fine"), footer()], ":2: result: verdict is 'fine'"),
    "not JSON": (["<html>\n"], ":1: cut off or not JSON"),
    "no object": (["[1]\n"], "type is None; expected header, result or footer"),
    "unknown type": (['{"type":"other"}\n'], "type is 'other'"),
    "type no text": (['{"type":["header"]}\n'], "expected header, result or footer"),
    "field missing": ([{**HEADER, "seed": None}], ":1: header: seed is None: Expected `int`"),
    "unknown level": ([HEADER, result(level="OUGHT"), footer()], "result: level is 'OUGHT'"),
    "truth for a number": ([{**HEADER, "schema": True}], "header: schema is True"),
    "header that announces more": ([{**HEADER, "clauses": 2}, one, footer(one)], "announces 2 results, there are 1"),
    "field of another type": ([HEADER, result(requests="1")], "result: requests is '1': Expected `int`"),
    "a clause of another form": ([HEADER, result("KEY-1<b>"), footer(one)], "result: clause is 'KEY-1<b>'"),
    "a provider of another form": ([{**HEADER, "provider": "a b"}], "header: provider is 'a b'"),
    "a line feed after an id": ([HEADER, result("KEY-001\n"), footer(one)], "result: clause is"),
    "an unknown profile": ([HEADER, result(profile="x"), footer(one)], "result: profile is 'x'"),
    "a region of two lines": ([{**HEADER, "settings": {"region": "a\nb"}}], "header: settings.region is"),
    "no moment": ([{**HEADER, "started": "yesterday"}], "started is 'yesterday'; expected a moment"),
    "no number": (['{"type":"footer","duration_s":NaN}\n'], "NaN is no JSON"),
    "endless": ([HEADER, result(duration_s=1e999), footer(one)], "no JSON"),
    "observation no object": ([HEADER, result(observation="x"), footer(one)], "result: observation is 'x'"),
    "counts of text": ([HEADER, one, {**footer(one), "counts": {"conforms": "1"}}], "footer: counts"),
    "nested without end": (["[" * 200_000 + "\n"], ":1: no line of a report"),
}


@pytest.mark.parametrize(("lines", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_a_report_that_cannot_be_trusted_is_refused_by_name_and_line(path: Path, lines: list[Any], said: str) -> None:
    path.write_text("".join(value if isinstance(value, str) else line(value) for value in lines))
    with pytest.raises(DocumentError) as caught:
        read(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_every_cut_of_a_report_is_refused(path: Path) -> None:
    whole = "".join(map(line, section()))
    # Without its last line end a report is whole nevertheless.
    for end in range(0, len(whole) - 1, 7):
        path.write_text(whole[:end])
        with pytest.raises(DocumentError):
            read(path)
    path.write_text(whole.rstrip("\n"))
    assert len(read(path)) == 1


def test_what_is_no_text_is_refused(path: Path) -> None:
    path.write_bytes(b"\x1f\x8b\x08\xff\xfe")
    with pytest.raises(DocumentError, match="not a report"):
        read(path)


def test_a_report_that_is_far_too_large_is_refused_unread(path: Path) -> None:
    path.write_text("".join(map(line, section())))
    with (
        mock.patch("bucket_conformance.conformance.report.document.MAX_BYTES", 100),
        pytest.raises(DocumentError, match="at most 100"),
    ):
        read(path)


def test_a_missing_file_is_an_error_of_the_system(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(path)


def test_a_line_is_ascii_and_one_line() -> None:
    text = line({"a": "é\n\u2028\x85😀"})
    assert text.isascii()
    assert text.count("\n") == 1
    assert json.loads(text) == {"a": "é\n\u2028\x85😀"}
