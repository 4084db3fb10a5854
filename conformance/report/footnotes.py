"""The text below the matrix in a terminal: the limits that were found, and what the requests would cost."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from bucket_conformance.conformance.report.cost import conditions, summary
from bucket_conformance.conformance.report.document import Section
from bucket_conformance.conformance.report.limits import limits_of
from bucket_conformance.conformance.report.terminal import say


def limits(sections: Sequence[Section], console: Console) -> None:
    """Print each limit that was searched for, by provider, with what the provider declares where that is another."""
    for section in sections:
        found = limits_of(section)
        if not found:
            continue
        console.print()
        say(console, "limits found by search", start=f"{section.provider} ", sign="bold")
        for limit in found:
            style = "red" if limit.agrees is False else "green"
            say(console, f"{limit.title}: {limit.words}", start=f"  {limit.sign} ", sign=style)


def costs(sections: Sequence[Section], console: Console) -> None:
    """Print what the requests of each provider's run would cost where requests are billed; nothing without any."""
    billed = [(section.provider, section.requests()) for section in sections]
    billed = [(provider, requests) for provider, requests in billed if sum(requests.values())]
    if not billed:
        return
    console.print()
    for provider, requests in billed:
        say(console, summary(requests), start=f"{provider} ", style="dim")
    say(console, conditions(), style="dim")
