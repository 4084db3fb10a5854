"""Looks for false alarms: judges good stores again, each time with another seed.

``python -m tests.fault_coverage.seeds`` runs it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bucket_conformance.conformance.catalogue import UnknownClause, select
from bucket_conformance.conformance.effort import EFFORTS, Mode
from bucket_conformance.conformance.engine.judge import Judgement, judge
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.verdict import Verdict
from tests.bench import on_disk, on_exemplar

STORES: Final[dict[str, Callable[[], AbstractContextManager[Session]]]] = {"exemplar": on_exemplar, "disk": on_disk}
"""The good stores: the exemplary server, and the reference's own local storage."""

RIGHT: Final = (Verdict.CONFORMS, Verdict.UNSUPPORTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A clause that did not conform on a good store, with all that is needed to see it again."""

    store: str
    seed: int
    clause: str
    verdict: str
    said: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 where every verdict was right, 1 where one was not, 2 for a wrong call."""
    options = _parser().parse_args(arguments)
    try:
        chosen = [entry.clause.id for entry in select(patterns=options.clause)]
    except UnknownClause as error:
        print(error, file=sys.stderr)
        return 2
    alarms = 0
    for seed in range(options.first, options.first + options.count):
        for store in options.store or STORES:
            started = time.monotonic()
            found = list(alarms_of(store, seed, Mode(options.mode), chosen))
            alarms += len(found)
            for alarm in found:
                print(f"{alarm.store} seed {alarm.seed} {alarm.clause} {alarm.verdict}: {alarm.said}", flush=True)
                if options.results:
                    with options.results.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(asdict(alarm)) + "\n")
            print(f"{store} seed {seed}: {len(found)} false alarms ({time.monotonic() - started:.0f} s)", flush=True)
    print(f"{alarms} false alarms in {options.count} seeds of {len(chosen)} clauses")
    return 1 if alarms else 0


def alarms_of(store: str, seed: int, mode: Mode, clauses: Sequence[str]) -> Iterator[Alarm]:
    """Judge these clauses on a fresh good store; yield each verdict that is neither conforms nor unsupported."""
    wanted = set(clauses)
    with STORES[store]() as session:
        for entry in select():
            if entry.clause.id not in wanted:
                continue
            judgement = judge(entry, session, EFFORTS[mode], seed=seed)
            if judgement.verdict not in RIGHT:
                yield Alarm(
                    store=store,
                    seed=seed,
                    clause=entry.clause.id,
                    verdict=judgement.verdict.value,
                    said=_said(judgement),
                )


def _said(judgement: Judgement) -> str:
    seen = judgement.observation
    example = f"; {judgement.evidence.example}" if judgement.evidence else ""
    observation = f"promised {seen.promised}; observed {seen.observed}" if seen else ""
    return "; ".join(filter(None, (judgement.reason, observation))) + example


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fault_coverage.seeds",
        description="Judge good stores with many seeds and print every verdict but conforms and unsupported. "
        "Exit code 1 where there is one.",
    )
    parser.add_argument("--count", type=int, default=20, metavar="N", help="seeds to try (default: 20)")
    parser.add_argument("--first", type=int, default=1, metavar="N", help="the first seed (default: 1)")
    parser.add_argument("--store", action="append", choices=list(STORES), help="only this good store; repeatable")
    parser.add_argument("--mode", choices=["quick", "default"], default="default", help="how hard (default: default)")
    parser.add_argument("--clause", action="append", default=[], metavar="ID", help="only these; repeatable")
    parser.add_argument("--results", type=Path, metavar="FILE", help="add each false alarm to this file (JSON Lines)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
