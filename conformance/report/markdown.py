"""Markdown for a job's summary: the matrix, then what is not as promised, never larger than such a summary may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bucket_conformance.conformance.report.columns import Column
from bucket_conformance.conformance.report.document import Result, common_errors
from bucket_conformance.conformance.report.html import SIGNS, worst
from bucket_conformance.conformance.report.html_data import matrix
from bucket_conformance.conformance.report.limits import limits_of
from bucket_conformance.conformance.report.untrusted import html as escape
from bucket_conformance.conformance.report.untrusted import markdown as plain
from bucket_conformance.conformance.report.untrusted import markdown_code as code
from bucket_conformance.conformance.verdict import Verdict

MAX_BYTES: Final = 1024 * 1024
"""GitHub refuses a step's summary that is larger."""
_ROOM_FOR_THE_END: Final = 400


def render(columns: Sequence[Column], *, title: str = "Object storage conformance", max_bytes: int = MAX_BYTES) -> str:
    """Return the summary, at most ``max_bytes`` of UTF-8. What does not fit is counted at the end, not cut in half."""
    data = matrix(columns)
    blocks = [
        f"## {plain(title)}",
        _table(data),
        "✓ conforms ✗ deviates – unsupported ? inconclusive ! error · skipped",
    ]
    blocks += [text for column in columns if (text := _limits(column))]
    used = len("\n\n".join(blocks).encode("utf-8"))
    if used + _ROOM_FOR_THE_END > max_bytes:
        blocks = [f"## {plain(title)}", "The matrix is too large for this summary; the report has it."]
        used = len("\n\n".join(blocks).encode("utf-8"))
    said = {column.key: common_errors(column.section.results) for column in columns}
    found = [
        (result, column)
        for column in columns
        for result in column.section.results
        if result.verdict in (Verdict.DEVIATES, Verdict.INCONCLUSIVE, Verdict.ERROR)
        and not (result.verdict is Verdict.ERROR and result.reason in said[column.key])
    ]
    found.sort(key=lambda item: item[0].expected)
    told = [
        f"**{plain(column.key)}**: {clauses} clauses could not be judged: {code(reason)}"
        for column in columns
        for reason, clauses in said[column.key].items()
    ]
    left_out = 0
    for block in (*told, *(_block(result, column) for result, column in found)):
        size = len(block.encode("utf-8")) + 2
        if used + size + _ROOM_FOR_THE_END > max_bytes:
            left_out += 1
            continue
        blocks.append(block)
        used += size
    if left_out:
        blocks.append(f"{left_out} more did not fit into this summary; the report has them.")
    return "\n\n".join(blocks) + "\n"


def _table(data: Mapping[str, Any]) -> str:
    heads = "".join(f" {plain(column['key'])} |" for column in data["columns"])
    rows = [f"| |{heads}", "|---|" + "---|" * len(data["columns"])]
    every = list(range(len(data["clauses"])))
    for family, words in [*data["families"], ["", "all clauses"]]:
        members = [at for at in every if not family or data["clauses"][at][0].partition("-")[0] == family]
        cells = "".join(f" {_counts(data, at, members)} |" for at in range(len(data["columns"])))
        rows.append(f"| **{plain(family) or 'all'}** {plain(words) if family else ''} |{cells}")
    return "\n".join(rows)


def _counts(data: Mapping[str, Any], column: int, members: Sequence[int]) -> str:
    letter = worst(data, column, members).lower()
    if not letter:
        return ""
    letters = [data["verdicts"][column][at].lower() for at in members]
    held, decided = letters.count("c"), letters.count("c") + letters.count("d")
    return f"{SIGNS[letter]} {held}/{decided}" if decided else SIGNS[letter]


def _limits(column: Column) -> str:
    found = limits_of(column.section)
    lines = [f"- {limit.sign.strip() or '·'} {plain(limit.title)}: {plain(limit.words)}" for limit in found]
    head = f"<details><summary>limits of <b>{escape(column.key)}</b> found by search</summary>"
    return "\n".join([head, "", *lines, "", "</details>"]) if found else ""


def _block(result: Result, column: Column) -> str:
    known = " (expected)" if result.expected else ""
    lines = [
        # Markdown takes a summary for HTML and leaves it alone: no backslashes there.
        f"<details><summary><b>{escape(result.clause)}</b> {escape(column.key)}: "
        f"{escape(result.verdict)}{known}: "
        f"{escape(' '.join(result.statement.split()))}</summary>",
        "",
    ]
    if (seen := result.observation) is not None:
        lines += [f"- promised: {code(seen.promised)}", f"- observed: {code(seen.observed)}"]
    if result.reason:
        lines.append(f"- because: {code(result.reason)}")
    if result.known:
        lines.append(f"- known: {code(result.known)}")
    if result.example:
        lines.append(f"- example: {code(result.example)}")
    return "\n".join([*lines, "", "</details>"])
