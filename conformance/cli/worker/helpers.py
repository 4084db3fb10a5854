"""Helper processes that judge clauses of the same backend, so that one provider can use more than one core.

A process, not a thread: clauses shift the clock and patch calls. Each helper opens its own session, with its own names,
and takes clauses from the end of the list while the worker takes them from its beginning.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Final, Self

from msgspec.structs import replace

from bucket_conformance.conformance.backend.child_process import ChildEnded, ChildProcess, ChildTimeout
from bucket_conformance.conformance.backend.remedies import removal_command
from bucket_conformance.conformance.backend.run_ids import new_run_id
from bucket_conformance.conformance.catalogue import Entry, entries
from bucket_conformance.conformance.cli.worker.job_record import Job, found_at
from bucket_conformance.conformance.cli.worker.spawn import start_helper
from bucket_conformance.conformance.contract import Capability
from bucket_conformance.conformance.engine.run import Done
from bucket_conformance.conformance.report.document import (
    DocumentError,
    Footer,
    Message,
    Ready,
    Result,
    footer,
    message_from_json,
)
from bucket_conformance.conformance.session import MARK
from bucket_conformance.conformance.target import DiskRoot, S3Endpoint

STOP_WAIT_S: Final = 20.0
"""How long an interrupted helper may take to remove what it created."""

ALONE: Final = frozenset({Capability.RESTART})
"""Clauses that may need these are judged when no helper is at work: they take the server away from everybody."""


class Helpers:
    """The clauses of one provider, shared with further processes. A :class:`Sharing`.

    Processes that have not been ``started`` before begin with the context, so that they load while the backend is
    brought up; they judge from :meth:`share` on. Where that is never called, they leave.
    """

    def __init__(self, job: Job, started: Sequence[ChildProcess] = ()) -> None:
        known = [entries()[id] for id in job.clauses]
        self._alone = [entry for entry in known if entry.required & ALONE]
        shared = [entry for entry in known if entry not in self._alone]
        # Listings first, so that one process gets them: the objects that they list are expensive to store.
        self._waiting = deque(sorted(shared, key=lambda entry: entry.clause.family != "LIST"))
        self._job = job
        self._processes = list(started)
        self._talks: list[threading.Thread] = []
        self.run_ids = [new_run_id() for _ in range(job.helpers)]
        self._said: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self.footers: list[Footer] = []
        """How each helper ended that came to its end."""

    def __enter__(self) -> Self:
        while len(self._processes) < self._job.helpers:
            self._processes.append(start_helper())
        return self

    def share(self, target: S3Endpoint | DiskRoot, capabilities: frozenset[Capability]) -> None:
        """Let them open their own sessions on the backend, and request clauses."""
        job = replace(self._job, capabilities=tuple(sorted(capabilities)), **found_at(target))
        for process, run_id in zip(self._processes, self.run_ids, strict=True):
            _send(process, replace(job, run_id=run_id).to_json())
            remedy = removal_command(target, [run_id])
            self._talks.append(threading.Thread(target=self._converse, args=(process, run_id, remedy), daemon=True))
            self._talks[-1].start()

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Stop them, and wait until they have removed what they created: while the backend still runs."""
        self.stop()
        until = time.monotonic() + STOP_WAIT_S
        for process in self._processes:
            with contextlib.suppress(ChildTimeout):
                process.wait(max(0.0, until - time.monotonic()))
            process.kill()
        for talk in self._talks:
            talk.join()
        while not self._said.empty():  # what nobody has taken, as the run was interrupted
            incoming = self._said.get()
            if isinstance(incoming, Footer):
                self.footers.append(incoming)
        for process in self._processes:
            process.close()

    def entries(self, done: Done) -> Iterator[Entry]:
        """Yield the clauses to be judged by the caller; pass on what the helpers say of the others."""
        talking = len(self._processes)
        while self._waiting or talking:
            # Popped here, not asked for first: a helper may take the last one meanwhile.
            with contextlib.suppress(IndexError):
                yield self._waiting.popleft()
            while talking and not (self._waiting and self._said.empty()):
                incoming = self._said.get()
                if incoming is None:
                    talking -= 1
                elif isinstance(incoming, Result):
                    done(incoming)
                elif isinstance(incoming, Footer):
                    self.footers.append(incoming)
        yield from self._alone

    def stop(self) -> None:
        """Send the helpers the signal to stop, without waiting for their end."""
        for process in self._processes:
            process.terminate()

    def _converse(self, process: ChildProcess, run_id: str, remedy: str) -> None:
        """Hand out a clause whenever the helper is free, and collect its messages."""
        at_work: Entry | None = None
        ended = False
        try:
            while True:
                incoming = message_from_json(process.receive_line().decode(errors="replace"))
                ended = isinstance(incoming, Footer)
                if not isinstance(incoming, Ready):
                    self._said.put(incoming)
                if isinstance(incoming, Ready | Result):
                    at_work = self._hand_out(process)
        except (ChildEnded, DocumentError):  # it may have been killed half-way through a line
            code = process.wait()
        if not ended and code not in (0, 130):
            left = f"perhaps what bears {MARK}{run_id}: a process that judged ended with code {code}"
            self._said.put(footer([], duration_s=0.0, complete=False, left_behind=left, remove_with=remedy))
        if at_work is not None:
            # It died, or could not open a session: nothing of it is lost.
            self._waiting.append(at_work)
        self._said.put(None)

    def _hand_out(self, process: ChildProcess) -> Entry | None:
        try:
            entry = self._waiting.pop()
        except IndexError:
            process.close_input()
            return None
        _send(process, {"clause": entry.clause.id})
        return entry


def _send(process: ChildProcess, message: dict[str, Any]) -> None:
    with contextlib.suppress(ChildEnded):  # seen by whoever listens to it
        process.send(message)
