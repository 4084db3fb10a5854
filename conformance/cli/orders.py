"""What the command line orders of a process that judges, read back there: plan, effort, expectations, stopping."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conformance.baseline import Expectation, read_expectations
from conformance.catalogue import entries
from conformance.judge import EFFORTS, Effort, Mode, deep
from conformance.report.document import line
from conformance.run import Plan
from providers import discover, expectations
from providers.provider import Provider


def provider_of(order: dict[str, Any]) -> Provider | None:
    return discover([Path(path) for path in order["provider_files"]]).get(order["provider"])


def plan_of(order: dict[str, Any], provider: Provider | None) -> Plan:
    known = entries()
    chosen = [known[id] for id in order["clauses"]]
    return Plan(
        entries=chosen,
        effort=_effort(order, len(chosen)),
        seed=order["seed"],
        expectations=_expectations(order),
        max_requests=order.get("max_requests"),
        declared=_declared(provider),
        search_limits=bool(order.get("limits")),
    )


def _declared(provider: Provider | None) -> dict[str, int]:
    return {name: declared.value for name, declared in provider.limits.items()} if provider is not None else {}


def _effort(order: dict[str, Any], clauses: int) -> Effort:
    mode = Mode(order["mode"])
    if mode is not Mode.DEEP or not order.get("budget_s"):
        return EFFORTS[mode]
    # Those who share the clauses have the time of each.
    return deep(order["budget_s"] * (1 + order.get("siblings", 0)), clauses)


def _expectations(order: dict[str, Any]) -> dict[str, Expectation]:
    path = order.get("expectations") or expectations.path_of(order["provider"])
    return read_expectations(Path(path)) if path else {}


def answering() -> Callable[[dict[str, Any]], None]:
    """Return what writes a line of the report to the process that ordered it, and let signals stop us in good order.

    The report is the only thing on standard output; whatever a library prints goes to the error stream.
    """
    out = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    told_to_stop = False

    def interrupt(*_: object) -> None:
        nonlocal told_to_stop
        told_to_stop = True
        # A terminal interrupts every process, and our parent sends one more: removing must not be cut short.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)

    def emit(value: dict[str, Any]) -> None:
        out.write(line(value))
        out.flush()
        if told_to_stop and value["type"] == "result":
            # Raised in a callback of the garbage collector or in a finalizer, an interrupt is printed and forgotten.
            raise KeyboardInterrupt

    return emit


def stopped_or_done(work: Callable[[], None]) -> None:
    """Do the work of such a process; end it with code 130 where it was stopped, 3 where nobody listens any more."""
    try:
        work()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(3)  # whoever asked is gone; everything is removed already
