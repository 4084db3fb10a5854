"""A second process for a provider that another one has brought up: judges the clauses that it is handed, one by one.

Started by :mod:`spawn`. The order comes in on the first line of standard input, then ``{"clause": ID}`` lines until
the end of it; out go ``{"type": "ready"}``, the results and a footer.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from bucket_conformance.conformance.backend.errors import OpeningError
from bucket_conformance.conformance.catalogue import Entry, entries
from bucket_conformance.conformance.cli.worker.job import (
    answering,
    await_order,
    plan_of,
    provider_of,
    stopped_or_done,
    target_from,
)
from bucket_conformance.conformance.contract import Capability
from bucket_conformance.conformance.engine.run import Emit, run
from bucket_conformance.conformance.report.document import footer
from bucket_conformance.conformance.report.untrusted import echo


def main() -> None:
    stopped_or_done(_judge)


def _judge() -> None:
    emit = answering()
    order = await_order(emit)
    if order is None:
        return
    try:
        run(
            target_from(order["target"]),
            plan_of(order, provider_of(order)),
            emit,
            provider=order["provider"],
            capabilities=frozenset(Capability(name) for name in order["capabilities"]),
            run_id=order["run_id"],
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
        self.footers: list[dict[str, Any]] = []

    def entries(self, _done: Emit) -> Iterator[Entry]:
        known = entries()
        self._emit({"type": "ready"})
        for text in sys.stdin:
            yield known[json.loads(text)["clause"]]

    def stop(self) -> None:
        pass  # whoever hands out is told by others

    def end(self) -> None:
        pass


if __name__ == "__main__":
    main()
