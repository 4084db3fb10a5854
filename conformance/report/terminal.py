"""The output of a run in a terminal or a log: fit or unfit first, then the deviations by cause, then the matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from bucket_conformance.conformance.catalogue import FAMILIES
from bucket_conformance.conformance.report.causes import OTHER, Cause, causes, consequence_of, quoted, rank, title_of
from bucket_conformance.conformance.report.document import Fit, Result, Section, counts
from bucket_conformance.conformance.report.fitness import answer
from bucket_conformance.conformance.report.merge import clause_position
from bucket_conformance.conformance.report.untrusted import log, terminal
from bucket_conformance.conformance.verdict import Verdict, percent
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
MOST_NAMED: Final = 6
"""Core promises that the answer names; the causes below have all of them."""
FIT_SIGNS: Final = {Fit.FIT: ("✓", "green"), Fit.UNFIT: ("✗", "red"), Fit.UNDECIDED: ("?", "yellow")}


def matrix(sections: Sequence[Section], console: Console) -> None:
    """Print providers by clause families: how many conform, of how many decided.

    What is too wide for the console continues below, so that no figure is cut.
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
    held = percent(seen)
    others = "".join(
        f" {SIGNS[verdict][0]}{seen[verdict]}"
        for verdict in (Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.SKIPPED)
        if seen[verdict]
    )
    return ("–" if held is None else f"{held} %") + others


def answers(sections: Sequence[Section], console: Console) -> None:
    """Print what stands first: for each backend fit or unfit, its version, the settings used, and the harms."""
    widest = max((cell_len(section.provider) for section in sections), default=0)
    indent = min(widest, 24) + 3
    for section in sections:
        found, head = answer(section), section.header
        sign, style = FIT_SIGNS[found.core.answer]
        name = f"{sign} {section.provider} "
        lead = name + " " * (indent - cell_len(name))
        say(console, found.line, start=lead, style=f"bold {style}", sign=f"bold {style}")
        facts = f"{head.backend.title}; {found.settings}; {head.mode} run of {head.started[:10]}"
        say(console, facts, start=" " * indent, style="dim")
        if found.harms:
            say(console, ", ".join(found.harms), start=" " * indent + "harm: ", style="red", sign="red")
        # Where nothing was judged, the reason stands below.
        undecided = found.core.undecided if found.core.kept or found.core.broken else ()
        for label, clauses in (("broken: ", found.core.broken), ("undecided: ", undecided)):
            if clauses:
                say(console, _named(section, clauses), start=" " * indent + label)


def _named(section: Section, clauses: Sequence[str]) -> str:
    """Return clauses by their titles, those that do harm first; of many the first ones."""
    chosen = sorted((result for result in section.results if result.clause in clauses), key=rank)
    named = [f"{title_of(result)} ({result.clause})" for result in chosen[:MOST_NAMED]]
    left = len(clauses) - MOST_NAMED
    return ", ".join(named) + (f" and {left} more" if left > 0 else "")


def deviations(sections: Sequence[Section], console: Console, *, verbose: bool = False) -> None:
    """Print what is not as promised, by backend and cause: harm first, then core promises, then the rest.

    Each cause has its clearest example with what was promised and observed; ``verbose`` prints that of all clauses, and
    of expected deviations too.
    """
    never_up = _same_error(sections, console)
    for section in sections:
        if section.provider in never_up:
            continue
        shown = [result for result in section.results if verbose or not result.expected]
        found = causes(shown)
        if found:
            console.print()
            broken = sum(len(cause.results) for cause in found)
            text = f"{broken} deviation{'s' * (broken != 1)}, {len(found)} cause{'s' * (len(found) != 1)}"
            say(console, text, start=f"{section.provider}: ", style="bold", sign="bold")
        for cause in found:
            console.print()
            _print_cause(cause, console, verbose=verbose)
        _undecided(section, shown, console)
    _expected_in_short(sections, console, verbose=verbose)


def _print_cause(cause: Cause, console: Console, *, verbose: bool) -> None:
    sign, style = SIGNS[Verdict.DEVIATES]
    tags = [*cause.harms, *(["core promise"] if cause.core else []), *(["expected"] if cause.expected else [])]
    title = f"{cause.title} [{', '.join(tags)}]" if tags else cause.title
    say(console, title, start=f"{sign} ", style="bold", sign=style)
    say(console, cause.meaning, start="  ")
    if cause.response is not None:
        say(console, quoted(cause.response), start="  ", style="cyan")
    alone = len(cause.results) == 1
    if cause.key == OTHER and not verbose:
        for result in cause.results:
            say(console, f"{title_of(result)}: {consequence_of(result)}", start=f"    {result.clause} ", sign="bold")
        return
    in_full = sorted(cause.results, key=lambda result: result is not cause.lead) if verbose else [cause.lead]
    for result in in_full:
        note = " (expected)" if result.expected and not cause.expected else ""
        what = result.statement if alone else title_of(result)
        say(console, f"{result.level}  {what}{note}", start=f"    {result.clause} ", sign="bold")
        if not alone and (consequence := consequence_of(result)):
            say(console, consequence, start="      ", style="dim")
        for label, text in _shown(result).items():
            if text:
                say(console, text, start=f"      {label:9} ")
    others = [result.clause for result in cause.results if result not in in_full]
    if others:
        say(console, f"{', '.join(others)} (-v shows {'it' if len(others) == 1 else 'them'})", start="    also ")


def _undecided(section: Section, results: Sequence[Result], console: Console) -> None:
    """Print the clauses that could not be decided: each reason once, with all of its clauses."""
    for verdict, what in ((Verdict.INCONCLUSIVE, "could not be decided"), (Verdict.ERROR, "could not be judged")):
        sign, style = SIGNS[verdict]
        reasons: dict[str, list[Result]] = {}
        for result in results:
            if result.verdict is verdict:
                reasons.setdefault(result.reason, []).append(result)
        for reason, same in reasons.items():
            console.print()
            who = f"{len(same)} clauses" if len(same) > 1 else f"{same[0].clause} ({title_of(same[0])})"
            say(console, f"{who} {what}: {reason}", start=f"{sign} {section.provider} ", sign=style)
            if len(same) > 1:
                say(console, ", ".join(result.clause for result in same), start="  ", style="dim")


def _expected_in_short(sections: Sequence[Section], console: Console, *, verbose: bool) -> None:
    told = [
        (
            section.provider,
            sorted(
                (result.clause for result in section.results if result.expected and _is_open(result)),
                key=clause_position,
            ),
        )
        for section in sections
    ]
    if verbose or not any(clauses for _, clauses in told):
        return
    console.print()
    for provider, clauses in told:
        if clauses:
            deviate = "deviation is" if len(clauses) == 1 else "deviations are"
            text = f"{provider}: {len(clauses)} {deviate} expected, each with its reason (-v shows them): "
            say(console, text + ", ".join(clauses), style="dim")


def _is_open(result: Result) -> bool:
    return result.verdict in (Verdict.DEVIATES, Verdict.INCONCLUSIVE, Verdict.ERROR)


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


def _shown(result: Result) -> dict[str, str]:
    seen = result.observation
    return {
        "promised": seen.promised if seen is not None else "",
        "observed": seen.observed if seen is not None else "",
        "because": result.reason,
        "example": result.example,
        "known": result.known,
    }
