"""Markdown for the summary of a job: fit or unfit first, then causes, then the matrix, never larger than allowed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from bucket_conformance.conformance.report.causes import Cause, causes, consequence_of, quoted, title_of
from bucket_conformance.conformance.report.columns import Column
from bucket_conformance.conformance.report.document import Fit, Result
from bucket_conformance.conformance.report.fitness import answer
from bucket_conformance.conformance.report.html import SIGNS, worst
from bucket_conformance.conformance.report.html_data import PageColumn, PageData, matrix
from bucket_conformance.conformance.report.limits import limits_of
from bucket_conformance.conformance.report.untrusted import html as escape
from bucket_conformance.conformance.report.untrusted import markdown as plain
from bucket_conformance.conformance.report.untrusted import markdown_code as code
from bucket_conformance.conformance.report.untrusted import markdown_prose as prose
from bucket_conformance.conformance.verdict import Verdict

MAX_BYTES: Final = 1024 * 1024
"""GitHub refuses the summary of a step that is larger."""
FIT_SIGNS: Final = {Fit.FIT: "✓", Fit.UNFIT: "✗", Fit.UNDECIDED: "?"}
_ROOM_FOR_THE_END: Final = 400


def render(columns: Sequence[Column], *, title: str = "Object storage conformance", max_bytes: int = MAX_BYTES) -> str:
    """Return the summary, at most ``max_bytes`` of UTF-8. What does not fit is counted at the end, not cut in half."""
    data = matrix(columns)
    head = [f"## {plain(title)}", "\n".join(_answer(column) for column in columns)]
    end = [_table(data), "✓ conforms ✗ deviates – unsupported ? inconclusive ! error · skipped"]
    end += [text for column in columns if (text := _limits(column))]
    used = _size([*head, *end])
    if used + _ROOM_FOR_THE_END > max_bytes:
        end = ["The matrix is too large for this summary; the report has it."]
        used = _size([*head, *end])
    if used + _ROOM_FOR_THE_END > max_bytes:
        head = head[:1]
        used = _size([*head, *end])
    blocks, left_out = list(head), 0
    for block, clauses in _blocks(columns):
        size = _size([block])
        if used + size + _ROOM_FOR_THE_END > max_bytes:
            left_out += clauses
            continue
        blocks.append(block)
        used += size
    if left_out:
        blocks.append(f"{left_out} more did not fit into this summary; the report has them.")
    return "\n\n".join([*blocks, *end]) + "\n"


def _size(blocks: Iterable[str]) -> int:
    return sum(len(block.encode("utf-8")) + 2 for block in blocks)


def _answer(column: Column) -> str:
    found, head = answer(column.section), column.section.header
    facts = f"{head.backend.title}, {head.mode} run of {head.started[:10]}, {found.settings}"
    harm = f" **Harm seen: {plain(', '.join(found.harms))}.**" if found.harms else ""
    return f"- {FIT_SIGNS[found.core.answer]} **{plain(column.key)}: {plain(found.line)}.**{harm} ({plain(facts)})"


def _blocks(columns: Sequence[Column]) -> Iterator[tuple[str, int]]:
    """Yield what is not as promised, each with the number of clauses that are lost with it: the unexpected first."""
    for expected in (False, True):
        for column in columns:
            chosen = [result for result in column.section.results if result.expected is expected]
            for cause in causes(chosen):
                yield _cause(cause, column), 0
                for result in cause.results:
                    yield _details(result, column, alone=len(cause.results) == 1), 1
            yield from _undecided(chosen, column)


def _cause(cause: Cause, column: Column) -> str:
    tags = [*cause.harms, *(["core promise"] if cause.core else []), *(["expected"] if cause.expected else [])]
    title = f"{prose(cause.title)} ({plain(', '.join(tags))})" if tags else prose(cause.title)
    lines = [f"#### ✗ {plain(column.key)}: {title}", prose(cause.meaning)]
    if cause.response is not None:
        lines.append(f"The backend: {code(quoted(cause.response))}")
    return "\n\n".join(lines)


def _undecided(results: Iterable[Result], column: Column) -> Iterator[tuple[str, int]]:
    """Yield the clauses that could not be decided: each reason of several clauses once."""
    for verdict, what in ((Verdict.INCONCLUSIVE, "could not be decided"), (Verdict.ERROR, "could not be judged")):
        reasons: dict[str, list[Result]] = {}
        for result in results:
            if result.verdict is verdict:
                reasons.setdefault(result.reason, []).append(result)
        for reason, same in reasons.items():
            if len(same) > 1:
                names = plain(", ".join(result.clause for result in same))
                text = f"**{plain(column.key)}**: {len(same)} clauses {what}: {code(reason, longest=None)} ({names})"
                yield text, len(same)
            else:
                yield _details(same[0], column), 1


def _details(result: Result, column: Column, *, alone: bool = True) -> str:
    """Return a clause with what was seen; with its consequence, unless it is alone below a cause that says the same."""
    known = " (expected)" if result.expected else ""
    consequence = "" if alone else consequence_of(result)
    lines = [
        # Markdown takes a summary for HTML and leaves it alone: no backslashes there.
        f"<details><summary><b>{escape(result.clause)}</b> {escape(column.key)}: "
        f"{escape(result.verdict)}{known}: "
        f"{escape(' '.join(title_of(result).split()))}</summary>",
        "",
    ]
    if consequence:
        lines += [prose(consequence), ""]
    if (seen := result.observation) is not None:
        lines += [f"- promised: {code(seen.promised)}", f"- observed: {code(seen.observed)}"]
    for name, text in (("because", result.reason), ("known", result.known), ("example", result.example)):
        if text:
            lines.append(f"- {name}: {code(text)}")
    return "\n".join([*lines, "", "</details>"])


def _table(data: PageData) -> str:
    heads = "".join(f" {plain(column.key)} |" for column in data.columns)
    rows = [f"| |{heads}", "|---|" + "---|" * len(data.columns)]
    for family in data.families:
        cells = "".join(f" {_counts(column, family.members)} |" for column in data.columns)
        rows.append(f"| **{plain(family.id)}** {plain(family.words)} |{cells}")
    every = range(len(data.clauses))
    rows.append("| **all** |" + "".join(f" {_counts(column, every)} |" for column in data.columns))
    return "\n".join(rows)


def _counts(column: PageColumn, members: Sequence[int]) -> str:
    letter = worst(column, members).lower()
    if not letter:
        return ""
    letters = column.of(members).lower()
    held, decided = letters.count("c"), letters.count("c") + letters.count("d")
    return f"{SIGNS[letter]} {held}/{decided}" if decided else SIGNS[letter]


def _limits(column: Column) -> str:
    found = limits_of(column.section)
    lines = [f"- {limit.sign.strip() or '·'} {plain(limit.title)}: {plain(limit.words)}" for limit in found]
    head = f"<details><summary>limits of <b>{escape(column.key)}</b> found by search</summary>"
    return "\n".join([head, "", *lines, "", "</details>"]) if found else ""
