"""Markdown for a job's summary: what a gate found, the failing first, never larger than such a summary may be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Final

from bucket_conformance.conformance.gate.comparison import GateResult, tally
from bucket_conformance.conformance.report.disclosure import WITHHELD, is_withheld
from bucket_conformance.conformance.report.markdown import MAX_BYTES
from bucket_conformance.conformance.report.untrusted import markdown as plain
from bucket_conformance.conformance.report.untrusted import markdown_cell, markdown_code

_ROOM_FOR_THE_END: Final = 200


def render(
    findings: Sequence[GateResult],
    *,
    passed: bool,
    notes: Sequence[str] = (),
    reports: Sequence[str] = (),
    max_bytes: int = MAX_BYTES,
) -> str:
    """Return the summary, at most ``max_bytes`` of UTF-8. Findings that do not fit are counted at the end.

    The findings are those that may be published: the summary of a job in an open repository is open, too. ``reports``:
    the files that hold what is withheld here.
    """
    lines = [f"## {'✓ Gate passed' if passed else '✗ Gate failed'}", "", plain(tally(findings)), ""]
    lines += [f"- {plain(note)}" for note in notes]
    reported = [finding for finding in findings if not finding.quiet]
    reported.sort(key=lambda finding: not finding.fails)
    if any(is_withheld(finding.result) for finding in reported if finding.result is not None):
        where = ", ".join(PurePath(path).name for path in reports)
        lines.append(f"- Some evidence is {WITHHELD}. {plain(f'It is in the report: {where}')}")
    if reported:
        lines += ["", "| | standing | provider | clause | reason |", "|---|---|---|---|---|"]
    used = len("\n".join(lines).encode("utf-8"))
    left_out = 0
    for finding in reported:
        line = _row(finding)
        size = len(line.encode("utf-8")) + 1
        if used + size + _ROOM_FOR_THE_END > max_bytes:
            left_out += 1
            continue
        lines.append(line)
        used += size
    if left_out:
        lines += ["", f"{left_out} more did not fit into this summary."]
    return "\n".join(lines) + "\n"


def _row(finding: GateResult) -> str:
    # A bar ends a cell even within a span of code.
    reason = markdown_cell(markdown_code(finding.reason))
    return (
        f"| {'✗' if finding.fails else ''} | {finding.status} | {plain(finding.provider)} "
        f"| {plain(finding.clause)} | {reason} |"
    )
