"""Runs one worker process per provider, several at a time, and passes on their messages."""

from __future__ import annotations

import contextlib
import queue
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Final, Self

from bucket_conformance.conformance.backend.child_process import ChildEnded, ChildError, ChildProcess
from bucket_conformance.conformance.catalogue import UnknownClause
from bucket_conformance.conformance.cli.worker.job_record import Job, Selection, Unknown, select_reply
from bucket_conformance.conformance.cli.worker.spawn import start_worker
from bucket_conformance.conformance.contract import Profile
from bucket_conformance.conformance.report.document import DocumentError, Message, message_from_json
from bucket_conformance.providers.provider import LaunchError

STOP_WAIT_S: Final = 30.0
"""How long an interrupted worker may take to remove what it created."""

LOAD_WAIT_S: Final = 120.0
"""How long a worker may take to load and say which clauses match; on a busy machine that is seconds."""


STOPPED: Final = 130
"""Exit code of a worker that stopped on request and removed what it could."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of a worker, or its end (``line`` is ``None``; ``log`` holds its error stream if it failed)."""

    provider: str
    line: Message | None
    exit_code: int = 0
    log: str = ""


class Interrupted(KeyboardInterrupt):
    """Raised when the run was interrupted and its workers have ended. ``killed``: those that did not end in time.

    ``leaves``: whether something of the run may be left, which has been reported by then.
    """

    leaves = False

    def __init__(self, killed: Sequence[str] = ()) -> None:
        super().__init__()
        self.killed = tuple(killed)


@dataclass(slots=True, kw_only=True)
class Idle:
    """A worker process that loads the suite and waits for a job."""

    process: ChildProcess
    errors: IO[str]
    ordered: bool = False
    """Whether it has its job; then whoever sent that reads its output to the end."""

    def select(self, patterns: Sequence[str], profiles: Sequence[str]) -> list[str]:
        """Return the ids of the clauses that match: the worker has them loaded, this process need not.

        Raises ``UnknownClause`` as :func:`select` does, ``LaunchError`` where it has ended.
        """
        wanted = Selection(patterns=tuple(patterns), profiles=tuple(Profile(name) for name in profiles))
        try:
            reply = select_reply(self.process.request({"select": wanted.to_json()}, LOAD_WAIT_S))
        except ChildError as error:
            code = self.process.kill()
            how = f"ended with code {code}" if isinstance(error, ChildEnded) else f"did not answer in {LOAD_WAIT_S:g} s"
            self.errors.seek(0)
            raise LaunchError(f"a process that judges {how} while it loaded", log=self.errors.read()) from None
        if isinstance(reply, Unknown):
            raise UnknownClause(reply.message)
        return list(reply.clauses)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.dismiss()

    def dismiss(self) -> None:
        """End it where it still waits: it has done nothing so far."""
        if not self.ordered:
            with self.process, self.errors:
                pass


def start_idle(*, helpers: int = 0) -> Idle:
    """Start a worker before its job is known, with this many helpers: it loads while the job is prepared."""
    errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed by its reader
    return Idle(process=start_worker(helpers=helpers, errors=errors), errors=errors)


@dataclass(slots=True)
class _Workers:
    """The running processes and their messages. ``None`` in the queue means: stop."""

    events: queue.SimpleQueue[Event | None] = field(default_factory=queue.SimpleQueue)
    running: dict[str, ChildProcess] = field(default_factory=dict)

    def next(self, timeout: float | None = None) -> Event | None:
        event = self.events.get(timeout=timeout)
        if event is not None and event.line is None:
            self.running.pop(event.provider)
        return event

    def stop(self) -> Iterator[Event]:
        """Stop every worker and yield their last messages; kill those that do not end in time."""
        for process in self.running.values():
            process.terminate()
        deadline = time.monotonic() + STOP_WAIT_S
        while self.running:
            try:
                event = self.next(max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return
            if event is not None:
                yield event

    def kill(self) -> list[str]:
        for process in self.running.values():
            process.kill()
        return list(self.running)


def run_workers(jobs: Sequence[Job], *, at_once: int, first: Idle | None = None) -> Iterator[Event]:
    """Start the jobs, ``at_once`` at a time, and yield the messages of the workers as they come.

    ``first``: a worker that waits already, for the first of the jobs.

    On an interrupt (SIGINT, SIGTERM) the workers stop and remove what they created, and the command waits for that;
    what they report until then is yielded, and :class:`Interrupted` is raised at the end.
    """
    workers, waiting = _Workers(), list(jobs)
    # A handler that raised could do so anywhere, also half-way through a line; a mark in the queue has its place.
    before = {number: signal.signal(number, lambda *_: workers.events.put(None)) for number in _STOPPING}
    try:
        while waiting or workers.running:
            while waiting and len(workers.running) < at_once:
                job = waiting.pop(0)
                worker, first = first or start_idle(), None
                workers.running[job.provider] = _order(worker, job, workers.events)
            event = workers.next()
            if event is None:
                yield from workers.stop()
                raise Interrupted(workers.kill())
            yield event
    finally:
        if workers.running:  # the reader of the events has stopped
            for _ in workers.stop():
                pass
            workers.kill()
        for number, handler in before.items():
            signal.signal(number, handler)


_STOPPING: Final = (signal.SIGINT, signal.SIGTERM)


def _order(worker: Idle, job: Job, events: queue.SimpleQueue[Event | None]) -> ChildProcess:
    worker.ordered = True
    with contextlib.suppress(ChildEnded):
        worker.process.send(job.to_json())
        worker.process.close_input()
    threading.Thread(target=_read, args=(job.provider, worker.process, worker.errors, events), daemon=True).start()
    return worker.process


def _read(provider: str, process: ChildProcess, errors: IO[str], events: queue.SimpleQueue[Event | None]) -> None:
    wrong = ""
    with errors:
        with contextlib.suppress(ChildEnded):
            while True:
                text = process.receive_line().decode(errors="replace")
                try:
                    events.put(Event(provider=provider, line=message_from_json(text)))
                except DocumentError as error:
                    wrong = wrong or str(error)
        code = process.wait()
        process.close()
        errors.seek(0)
        log = errors.read()[-4000:]
        if wrong and code == 0:
            # A worker that is killed may leave half a line; one that ends in order may not.
            code, log = 1, f"{log}\na line of it cannot be used: {wrong}"
        events.put(Event(provider=provider, line=None, exit_code=code, log=log))
