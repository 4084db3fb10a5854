"""What stands under the matrix in a terminal: the limits that were found, and what the requests would cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from conformance.cost import conditions, summary
from conformance.probe import LIMITS
from conformance.report.document import Section
from conformance.report.terminal import say


def limits(sections: Sequence[Section], console: Console) -> None:
    """Print each limit that was searched for, by provider, with what the provider declares where that is another."""
    for section in sections:
        found: Mapping[str, Mapping[str, Any]] = (section.footer or {}).get("limits") or {}
        if not found:
            continue
        console.print()
        say(console, "limits found by search", start=f"{section.provider} ", sign="bold")
        for limit in LIMITS:
            if limit.name in found:
                seen = found[limit.name]
                wrong = seen.get("agrees") is False
                sign = "✗" if wrong else "✓" if seen.get("agrees") else " "
                style = "red" if wrong else "green"
                say(console, f"{limit.title}: {_value(seen)}", start=f"  {sign} ", sign=style)


def _value(seen: Mapping[str, Any]) -> str:
    if seen["found"] is None:
        text = f"not found: {seen.get('note', '')}"
    else:
        text = f"{'at least ' if seen['open_end'] else ''}{seen['found']} {seen['unit']}"
    if "declared" not in seen:
        return text
    return f"{text} (as declared)" if seen.get("agrees") else f"{text} (declared: {seen['declared']})"


def costs(sections: Sequence[Section], console: Console) -> None:
    """Print what the requests of each provider's run would cost where requests are billed; nothing without any."""
    billed = [(section.provider, (section.footer or {}).get("requests") or {}) for section in sections]
    billed = [(provider, requests) for provider, requests in billed if sum(requests.values())]
    if not billed:
        return
    console.print()
    for provider, requests in billed:
        say(console, summary(requests), start=f"{provider} ", style="dim")
    say(console, conditions(), style="dim")
