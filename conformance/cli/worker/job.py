"""What the command line orders of a process that judges, read back there: plan, effort, expectations, stopping."""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bucket_conformance.conformance.catalogue import UnknownClause, entries, select
from bucket_conformance.conformance.child_process import ORDER
from bucket_conformance.conformance.contract import Profile
from bucket_conformance.conformance.effort import EFFORTS, Effort, Mode, deep
from bucket_conformance.conformance.engine.run import Plan
from bucket_conformance.conformance.expectations import Expectation, read_expectations
from bucket_conformance.conformance.report.document import line
from bucket_conformance.conformance.target import DiskRoot, S3Endpoint
from bucket_conformance.providers import discover
from bucket_conformance.providers.provider import Provider


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
    path = order.get("expectations")
    return read_expectations(Path(path)) if path else {}


def target_data(target: S3Endpoint | DiskRoot) -> dict[str, Any]:
    """Return a target as an order carries it to another process: over a pipe, as its secrets are in it."""
    if isinstance(target, DiskRoot):
        return {"root": str(target.root)}
    return {**asdict(target), "ca_file": str(target.ca_file) if target.ca_file else None}


def target_from(given: dict[str, Any]) -> S3Endpoint | DiskRoot:
    """Return the target that an order carries."""
    return DiskRoot(root=Path(given["root"])) if "root" in given else endpoint_from(given)


def endpoint_from(given: dict[str, Any]) -> S3Endpoint:
    """Return the endpoint that an order carries."""
    ca_file = given.get("ca_file")
    return S3Endpoint(**{**given, "ca_file": Path(ca_file) if ca_file else None})


def await_order(emit: Callable[[dict[str, Any]], None]) -> dict[str, Any] | None:
    """Load what judging needs, then wait for the order; ``None`` where whoever started us has none after all.

    Before it orders, it may ask which clauses there are (``{"select": {"patterns": […], "profiles": […]}}``).
    """
    entries()
    # What is loaded stays: the collector of garbage need not look through it again and again, least of all at the end.
    gc.freeze()
    atexit.register(gc.freeze)
    while text := sys.stdin.readline():
        order: dict[str, Any] = json.loads(text)
        if "select" not in order:
            return order
        emit({**_selected(**order["select"]), ORDER: order[ORDER]})
    return None


def _selected(patterns: list[str], profiles: list[str]) -> dict[str, Any]:
    try:
        chosen = select(patterns=patterns, profiles=[Profile(name) for name in profiles])
    except UnknownClause as error:
        return {"type": "unknown", "message": str(error)}
    return {"type": "selected", "clauses": [entry.clause.id for entry in chosen]}


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
