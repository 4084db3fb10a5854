"""Reads a job in the process that judges: plan, effort, expectations, stopping."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from bucket_conformance.conformance.catalogue import UnknownClause, entries, select
from bucket_conformance.conformance.cli.worker.job_record import Job, Selected, SelectRequest, Unknown
from bucket_conformance.conformance.effort import EFFORTS, Effort, Mode, deep
from bucket_conformance.conformance.engine.run import Emit, Plan
from bucket_conformance.conformance.expectations import Expectation, read_expectations
from bucket_conformance.conformance.report.document import Record, Result, line
from bucket_conformance.providers import discover
from bucket_conformance.providers.provider import Provider


def provider_of(job: Job) -> Provider | None:
    return discover([Path(path) for path in job.provider_files]).get(job.provider)


def plan_of(job: Job, provider: Provider | None) -> Plan:
    known = entries()
    chosen = [known[id] for id in job.clauses]
    return Plan(
        entries=chosen,
        effort=_effort(job, len(chosen)),
        seed=job.seed,
        expectations=_expectations(job),
        max_requests=job.max_requests,
        declared=_declared(provider),
        search_limits=job.limits,
    )


def _declared(provider: Provider | None) -> dict[str, int]:
    return {name: declared.value for name, declared in provider.limits.items()} if provider is not None else {}


def _effort(job: Job, clauses: int) -> Effort:
    if job.mode is not Mode.DEEP or job.budget_s is None:
        return EFFORTS[job.mode]
    # Those who share the clauses have the time of each.
    return deep(job.budget_s * (1 + job.helpers), clauses)


def _expectations(job: Job) -> dict[str, Expectation]:
    return read_expectations(Path(job.expectations)) if job.expectations else {}


def await_order(emit: Emit) -> Job | None:
    """Load what judging needs, then wait for the job; return ``None`` where none comes.

    Before the job, the sender may request which clauses match: a :class:`SelectRequest`, answered by ``Selected`` or
    ``Unknown``.
    """
    entries()
    # What is loaded stays: the collector of garbage need not look through it again and again, least of all at the end.
    gc.freeze()
    atexit.register(gc.freeze)
    while text := sys.stdin.readline():
        request = SelectRequest.of_line(text)
        if request is None:
            return Job.from_line(text)
        emit(_selected(request))
    return None


def _selected(request: SelectRequest) -> Selected | Unknown:
    try:
        chosen = select(patterns=request.select.patterns, profiles=request.select.profiles)
    except UnknownClause as error:
        return Unknown(order=request.order, message=str(error))
    return Selected(order=request.order, clauses=tuple(entry.clause.id for entry in chosen))


def answering() -> Emit:
    """Return what writes a line of the report to the process that ordered it; let signals stop us after cleanup.

    The report is the only thing on standard output; the output of libraries goes to the error stream.
    """
    out = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    stop_requested = False

    def interrupt(*_: object) -> None:
        nonlocal stop_requested
        stop_requested = True
        # A terminal interrupts every process, and our parent sends one more: removing must not be cut short.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)

    def emit(record: Record) -> None:
        out.write(line(record))
        out.flush()
        if stop_requested and isinstance(record, Result):
            # Raised in a callback of the garbage collector or in a finalizer, an interrupt is printed and forgotten.
            raise KeyboardInterrupt

    return emit


def stopped_or_done(work: Callable[[], None]) -> None:
    """Do the work of a judging process; end it with code 130 if it was stopped, 3 if nobody reads its output."""
    try:
        work()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(3)  # the parent has ended; everything is removed already
