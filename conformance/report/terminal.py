"""The output of a run in a terminal or a log: the matrix, then the deviations with their smallest example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from bucket_conformance.conformance.catalogue import FAMILIES
from bucket_conformance.conformance.report.document import Result, Section, common_errors, counts
from bucket_conformance.conformance.report.untrusted import log, terminal
from bucket_conformance.conformance.verdict import Verdict, share
from bucket_conformance.conformance.wire.exchange import visible

SIGNS: Final = {
    Verdict.CONFORMS: ("✓", "green"),
    Verdict.DEVIATES: ("✗", "red"),
    Verdict.UNSUPPORTED: ("–", "dim"),
    Verdict.INCONCLUSIVE: ("?", "yellow"),
    Verdict.ERROR: ("!", "magenta"),
    Verdict.SKIPPED: ("·", "dim"),
}
"""A sign and a colour for each verdict; the sign is for readers and logs without colours."""


def matrix(sections: Sequence[Section], console: Console) -> None:
    """Print providers by clause families: how many conform, of how many decided.

    What is too wide for the console goes on below, so that no figure is cut.
    """
    present = [family for family in FAMILIES if any(result.family == family for s in sections for result in s.results)]
    while True:
        fitting = len(present)
        while fitting > 1 and _width(_table(sections, present, fitting), console) > console.width:
            fitting -= 1
        console.print(_table(sections, present, fitting))
        present = present[fitting:]
        if not present:
            break
        console.print()
    legend = "✓ all conform  ✗ conform/decided  – not declared  ? open  ! error  · skipped"
    say(console, legend, style="dim")


def _table(sections: Sequence[Section], families: Sequence[str], fitting: int) -> Table:
    """Return the table of the first so many families, with the shares where it holds the last of them."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("", overflow="fold")
    for family in families[:fitting]:
        table.add_column(family, justify="right", no_wrap=True)
    last = fitting == len(families)
    if last:
        table.add_column("share", justify="right", no_wrap=True)
    for section in sections:
        cells = [_cell([r for r in section.results if r.family == family]) for family in families[:fitting]]
        table.add_row(f"[bold]{escape(section.provider)}[/]", *cells, *([_total(section)] if last else []))
    return table


def _width(table: Table, console: Console) -> int:
    return Measurement.get(console, console.options.update(max_width=10_000), table).maximum


def show(console: Console, text: str) -> None:
    """Print lines as they are, nothing in them taken for markup, for a terminal's sequences or for commands."""
    console.print(terminal(text), markup=False, highlight=False, soft_wrap=True)


def say(console: Console, text: str, *, start: str = "", style: str = "", sign: str = "") -> None:
    """Print a text wrapped to the console, its further lines below the first's, nothing in it taken for markup.

    ``start`` stands before the first line; ``sign`` styles it, ``style`` the rest.
    """
    indent = cell_len(start)
    lead = Text(start, style=sign)
    for paragraph in visible(text).split("\n"):
        for row in Text(paragraph, style=style).wrap(console, max(console.width - indent, 20), overflow="fold"):
            row.rstrip()
            safe = log(row.plain)
            console.print(lead + (row if safe == row.plain else Text(safe, style=style)), soft_wrap=True)
            lead = Text(" " * indent)


def _cell(results: list[Result]) -> str:
    seen = {verdict: n for verdict, n in counts(results).items() if n}
    if not seen:
        return ""
    held, failed = seen.get(Verdict.CONFORMS, 0), seen.get(Verdict.DEVIATES, 0)
    for verdict, text in (
        (Verdict.ERROR, f"{seen.get(Verdict.ERROR, 0)}"),
        (Verdict.DEVIATES, f"{held}/{held + failed}"),
        (Verdict.INCONCLUSIVE, f"{held}"),
        (Verdict.CONFORMS, f"{held}"),
        (Verdict.UNSUPPORTED, ""),
        (Verdict.SKIPPED, ""),
    ):
        if seen.get(verdict):
            sign, style = SIGNS[verdict]
            return f"[{style}]{sign}{text}[/]"
    return ""


def _total(section: Section) -> str:
    seen = counts(section.results)
    held = share(seen)
    others = "".join(
        f" {SIGNS[verdict][0]}{seen[verdict]}"
        for verdict in (Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.SKIPPED)
        if seen[verdict]
    )
    return ("–" if held is None else f"{100 * held:.0f} %") + others


def deviations(sections: Sequence[Section], console: Console, *, verbose: bool = False) -> None:
    """Print what is not as promised: clause by clause, with the backends that share it; the expected ones in short."""
    never_up = _same_error(sections, console)
    said = _error_of_many([section for section in sections if section.provider not in never_up], console)
    by_clause: dict[str, list[tuple[Section, Result]]] = {}
    for section in sections:
        for result in section.results:
            silent = section.provider in never_up
            if result.verdict is Verdict.ERROR:
                silent = silent or (section.provider, result.reason) in said
            if not silent and result.verdict in (Verdict.DEVIATES, Verdict.INCONCLUSIVE, Verdict.ERROR):
                by_clause.setdefault(result.clause, []).append((section, result))
    expected_only: dict[str, list[str]] = {}
    for clause, found in sorted(by_clause.items(), key=lambda item: _position(item[0])):
        fresh = [(section, result) for section, result in found if verbose or not result.expected]
        for section, result in found:
            if result.expected:
                expected_only.setdefault(section.provider, []).append(clause)
        if not fresh:
            continue
        first = fresh[0][1]
        console.print()
        say(console, f"{first.level}  {first.statement}", start=f"{clause} ", sign="bold")
        for names, result in _alike(fresh):
            _one(names, result, console)
    if expected_only and not verbose:
        console.print()
        for provider, clauses in expected_only.items():
            deviate = "deviation is" if len(clauses) == 1 else "deviations are"
            told = f"{provider}: {len(clauses)} {deviate} expected, each with its reason (-v shows them): "
            say(console, told + ", ".join(clauses), style="dim")


def _position(clause: str) -> tuple[int, str]:
    family = clause.partition("-")[0]
    order = list(FAMILIES)
    return (order.index(family) if family in order else len(order), clause)


def _same_error(sections: Sequence[Section], console: Console) -> set[str]:
    """Report a backend that never started once, not once per clause; return these backends."""
    told: set[str] = set()
    for section in sections:
        seen = {(result.verdict, result.reason) for result in section.results}
        verdict, reason = seen.pop() if len(seen) == 1 else (None, "")
        if verdict is Verdict.ERROR or verdict is Verdict.SKIPPED:
            console.print()
            sign, style = SIGNS[verdict]
            why = f"{'could not be judged' if verdict is Verdict.ERROR else 'skipped'}: {reason}"
            say(console, why, start=f"{sign} {section.provider} ", sign=style)
            told.add(section.provider)
    return told


def _error_of_many(sections: Sequence[Section], console: Console) -> set[tuple[str, str]]:
    """Report an error shared by several clauses of a backend once; return the backends with the reasons."""
    told: set[tuple[str, str]] = set()
    for section in sections:
        for reason, clauses in common_errors(section.results).items():
            console.print()
            sign, style = SIGNS[Verdict.ERROR]
            why = f"{clauses} clauses could not be judged: {reason}"
            say(console, why, start=f"{sign} {section.provider} ", sign=style)
            told.add((section.provider, reason))
    return told


def _alike(found: Sequence[tuple[Section, Result]]) -> list[tuple[list[str], Result]]:
    """Return the results of one clause, each with all of the providers that show the same in every word."""
    groups: dict[tuple[Any, ...], tuple[list[str], Result]] = {}
    for section, result in found:
        same = (result.verdict, result.expected, *_shown(result).values())
        groups.setdefault(same, ([], result))[0].append(section.provider)
    return list(groups.values())


def _one(providers: Sequence[str], result: Result, console: Console) -> None:
    sign, style = SIGNS[result.verdict]
    note = " (expected)" if result.expected else ""
    say(console, ", ".join(providers) + note, start=f"  {sign} ", style=style, sign=style)
    for label, text in _shown(result).items():
        if text:
            say(console, text, start=f"      {label:9} ")


def _shown(result: Result) -> dict[str, str]:
    seen, example = result.observation, result.example
    return {
        "promised": seen.promised if seen is not None else "",
        "observed": seen.observed if seen is not None else "",
        "because": result.reason,
        "example": example if len(example) <= 240 else example[:240] + "…",
        "known": result.known,
    }
