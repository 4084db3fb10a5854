"""A helper process for a provider that a worker has started: judges the clauses that it receives, one by one.

Started by :mod:`spawn`. The order comes in on the first line of standard input, then ``{"clause": ID}`` lines until
the end of it; out go ``{"type": "ready"}``, the results and a footer.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from bucket_conformance.conformance.backend.errors import OpeningError
from bucket_conformance.conformance.catalogue import Entry, entries
from bucket_conformance.conformance.cli.worker.job import (
    answering,
    await_order,
    plan_of,
    provider_of,
    stopped_or_done,
)
from bucket_conformance.conformance.engine.run import Done, Emit, run
from bucket_conformance.conformance.report.document import Footer, Ready, footer
from bucket_conformance.conformance.report.untrusted import echo


def main() -> None:
    stopped_or_done(_judge)


def _judge() -> None:
    emit = answering()
    job = await_order(emit)
    if job is None:
        return
    try:
        run(
            job.target(),
            plan_of(job, provider_of(job)),
            emit,
            provider=job.provider,
            capabilities=frozenset(job.capabilities),
            run_id=job.run_id,
            sharing=_HandedOut(emit),
        )
    except OpeningError as error:
        # The first process has a session; it judges alone.
        if error.left_behind:
            left, remedy = error.left_behind, error.remove_with
            emit(footer([], duration_s=0.0, complete=False, left_behind=left, remove_with=remedy))
        echo(f"no second session: {error}", file=sys.stderr)


class _HandedOut:
    """The clauses that come in, as a :class:`Sharing`."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self.footers: list[Footer] = []

    def entries(self, _done: Done) -> Iterator[Entry]:
        known = entries()
        self._emit(Ready())
        for text in sys.stdin:
            yield known[json.loads(text)["clause"]]

    def stop(self) -> None:
        pass  # other processes report it to the worker that hands out the clauses

    def end(self) -> None:
        pass


if __name__ == "__main__":
    main()
