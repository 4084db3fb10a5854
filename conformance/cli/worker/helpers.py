"""Second processes that judge clauses of the same backend, so that one provider can use more than one core.

A process, not a thread: clauses shift the clock and patch calls. Each sibling opens a session of its own, with names of
its own, and takes clauses from the end of the list while the worker takes them from its beginning.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Final, Self

from bucket_conformance.conformance.backend.run_ids import new_run_id
from bucket_conformance.conformance.catalogue import Entry, entries
from bucket_conformance.conformance.cli.worker.job import target_data
from bucket_conformance.conformance.cli.worker.prestart import start_sibling
from bucket_conformance.conformance.contract import Capability
from bucket_conformance.conformance.engine.run import Emit
from bucket_conformance.conformance.report.document import DocumentError, message_from_json
from bucket_conformance.conformance.target import DiskRoot, S3Endpoint

STOP_WAIT_S: Final = 20.0
"""How long an interrupted sibling may take to remove what it created."""

ALONE: Final = frozenset({Capability.RESTART})
"""Clauses that may need these are judged when no sibling is at work: they take the server away from everybody."""


class Siblings:
    """The clauses of one provider, shared with further processes. A :class:`Sharing`.

    Processes that have not been ``started`` before begin with the context, so that they load while the backend is
    brought up; they judge from :meth:`share` on. Where that is never called, they leave.
    """

    def __init__(self, order: dict[str, Any], started: Sequence[subprocess.Popen[str]] = ()) -> None:
        known = [entries()[id] for id in order["clauses"]]
        self._alone = [entry for entry in known if entry.required & ALONE]
        shared = [entry for entry in known if entry not in self._alone]
        # Listings first, so that they fall to one process: what they look at is dear to store, and stored once.
        self._waiting = deque(sorted(shared, key=lambda entry: entry.clause.family != "LIST"))
        self._order = order
        self._processes = list(started)
        self._talks: list[threading.Thread] = []
        self._said: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self.footers: list[dict[str, Any]] = []
        """How each sibling ended that came to its end."""

    def __enter__(self) -> Self:
        while len(self._processes) < self._order["siblings"]:
            self._processes.append(start_sibling())
        return self

    def share(self, target: S3Endpoint | DiskRoot, capabilities: frozenset[Capability]) -> None:
        """Let them open sessions of their own on the backend, and ask for clauses."""
        order = {**self._order, "target": target_data(target), "capabilities": sorted(capabilities)}
        for process in self._processes:
            _tell(process, json.dumps({**order, "run_id": new_run_id()}))
            self._talks.append(threading.Thread(target=self._converse, args=(process,), daemon=True))
            self._talks[-1].start()

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Tell them to stop, and wait until they have removed what they created: while the backend still runs."""
        self.stop()
        for process in self._processes:
            try:
                process.wait(STOP_WAIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for talk in self._talks:
            talk.join()
        for process in self._processes:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdout.close()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()

    def entries(self, done: Emit) -> Iterator[Entry]:
        """Yield the clauses to be judged by the caller; pass on what the siblings say of the others."""
        talking = len(self._processes)
        while self._waiting or talking:
            # Popped here, not asked for first: a sibling may take the last one meanwhile.
            with contextlib.suppress(IndexError):
                yield self._waiting.popleft()
            while talking and not (self._waiting and self._said.empty()):
                said = self._said.get()
                if said is None:
                    talking -= 1
                elif said["type"] == "result":
                    done(said)
                else:
                    self.footers.append(said)
        yield from self._alone

    def stop(self) -> None:
        """Tell the siblings to stop, without waiting for it."""
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()

    def _converse(self, process: subprocess.Popen[str]) -> None:
        """Hand out a clause whenever the sibling is free, and collect what it says."""
        assert process.stdout is not None
        at_work: Entry | None = None
        with process.stdout:
            for text in process.stdout:
                try:
                    said = message_from_json(text).to_json()
                except DocumentError:
                    break  # killed half-way through a line
                if said["type"] != "ready":
                    self._said.put(said)
                if said["type"] in ("ready", "result"):
                    at_work = self._hand_out(process)
        process.wait()
        if at_work is not None:
            # It died, or could not open a session of its own: nothing of it is lost.
            self._waiting.append(at_work)
        self._said.put(None)

    def _hand_out(self, process: subprocess.Popen[str]) -> Entry | None:
        try:
            entry = self._waiting.pop()
        except IndexError:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            return None
        _tell(process, entry.clause.id)
        return entry


def _tell(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(text + "\n")
        process.stdin.flush()
