"""Measures the suite's power: every fault against every clause (``python -m tests.fault_coverage --help``)."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from bucket_conformance.conformance.catalogue import entries
from tests.bench import every_fault
from tests.fault_coverage.table import KillTable, markdown, summary
from tests.fault_coverage.trial import BASELINES, Trial, in_order, try_fault

WORKER_LIVES_FOR = 10
"""Trials after which the worker processes are replaced: faults leave threads and patched clocks behind."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 where every fault is killed and every clause kills, else 1; 2 for a wrong call."""
    options = _parser().parse_args(arguments)
    faults, clauses = every_fault(), entries()
    unknown = [id for id in options.fault if id not in faults]
    if unknown:
        print(f"no fault {', '.join(unknown)}; known: {', '.join(faults)}", file=sys.stderr)
        return 2
    chosen = options.fault or list(faults)
    if options.sample and options.sample < len(chosen):
        chosen = sorted(random.Random(options.seed).sample(chosen, options.sample), key=chosen.index)
    wanted = [*BASELINES, *chosen]
    trials = _read(options.results, wanted)
    waiting = [id for id in wanted if id not in trials or in_order(id, trials[id].tried, near=options.near)]
    tried = {id: trials[id].tried for id in waiting if id in trials}
    trying = run(waiting, jobs=options.jobs, cap_s=options.cap, tried=tried, near=options.near)
    for done, trial in enumerate(trying, 1):
        trials[trial.fault] = trials[trial.fault].joined(trial) if trial.fault in trials else trial
        _append(options.results, trials[trial.fault])
        print(_progress(trials[trial.fault], done, len(waiting)), flush=True)
    table = KillTable(
        faults=faults,
        clauses=clauses,
        trials=list(trials.values()),
        whole=set(chosen) == set(faults),
        near=options.near,
    )
    print()
    for said in summary(table):
        print(said)
    for trial in table.indiscriminate():
        print(f"indiscriminate: {trial.fault}: {len(trial.killers)} clauses")
    if options.markdown:
        options.markdown.write_text(markdown(table), encoding="utf-8")
    return 0 if table.holds() else 1


def run(
    waiting: Sequence[str],
    *,
    jobs: int,
    cap_s: float,
    tried: Mapping[str, tuple[str, ...]] | None = None,
    near: bool = False,
) -> Iterator[Trial]:
    """Yield the trials of these faults as they end, without the clauses that were ``tried`` under them before.

    A worker that dies is replaced; what kills its worker alone, too, is yielded as failed.
    """
    before = tried or {}
    queue = list(waiting)
    begun = time.monotonic()
    while queue:
        # A new pool for each batch: executors that replace their workers themselves can deadlock
        # (https://github.com/python/cpython/issues/115634).
        batch = queue[: jobs * WORKER_LIVES_FOR]
        broken = False
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_end_with_the_parent) as pool:
            futures = {
                pool.submit(try_fault, id, cap_s=cap_s, besides=before.get(id, ()), near=near): id for id in batch
            }
            for future in as_completed(futures):
                id = futures[future]
                try:
                    trial = future.result()
                except BrokenProcessPool as error:
                    # It is unknown which of the running trials broke it; run alone, each will show it.
                    broken = True
                    if len(batch) == 1:
                        queue.remove(id)
                        yield _failed(id, error)
                    continue
                queue.remove(id)
                yield trial
        if broken:
            for id in [id for id in batch if id in queue]:
                queue.remove(id)
                yield from run([id], jobs=1, cap_s=cap_s, tried=before, near=near)
        if queue:
            left = len(queue) * (time.monotonic() - begun) / (len(waiting) - len(queue))
            print(f"about {left / 60:.0f} minutes for the {len(queue)} faults left", flush=True)


def _end_with_the_parent() -> None:
    """End this worker as soon as its parent process is gone: a parent that is killed cannot end its workers."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="end with the parent").start()


def _failed(id: str, error: BaseException) -> Trial:
    failure = f"its worker process ended: {error}"
    return Trial(fault=id, killers=(), first_kill_s=None, tried=(), duration_s=0.0, failure=failure)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fault_coverage",
        description="Judge every clause under every fault and print which clauses notice which faults. Exit code 1 "
        "where a fault survives, a clause kills nothing or misses its own proof, or a good store is failed.",
    )
    parser.add_argument("--fault", nargs="+", default=[], metavar="ID", help="only these faults")
    parser.add_argument("--sample", type=int, metavar="N", help="only N faults, drawn by --seed")
    parser.add_argument(
        "--near", action="store_true", help="under each fault only the families of clauses that it is meant for"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the sample (default: 1)")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="worker processes (default: one per core)"
    )
    parser.add_argument("--cap", type=float, default=30.0, metavar="S", help="seconds for one clause under one fault")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the kill table as a page")
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FILE",
        help="keep each trial in this file as it ends; next time only what it lacks is tried",
    )
    return parser


def _read(path: Path | None, wanted: Sequence[str]) -> dict[str, Trial]:
    found: dict[str, Trial] = {}
    for text in path.read_text(encoding="utf-8").splitlines() if path is not None and path.exists() else ():
        try:
            trial = Trial.from_data(json.loads(text))
        except json.JSONDecodeError:
            continue  # cut off by a kill: tried again
        found[trial.fault] = trial
    return {id: found[id] for id in wanted if id in found and not found[id].failure}


def _append(path: Path | None, trial: Trial) -> None:
    if path is None:
        return
    before = path.read_bytes() if path.exists() else b""
    with path.open("a", encoding="utf-8") as file:
        file.write(("" if not before or before.endswith(b"\n") else "\n") + json.dumps(trial.as_data()) + "\n")


def _progress(trial: Trial, done: int, of: int) -> str:
    at = f"[{done}/{of}] {trial.fault}: "
    if trial.failure:
        return at + trial.failure
    if trial.fault in BASELINES:
        return f"{at}{len(trial.killers)} of {len(trial.tried)} clauses fail ({trial.duration_s:.0f} s)"
    if not trial.killers:
        return f"{at}SURVIVES {len(trial.tried)} clauses ({trial.duration_s:.0f} s)"
    more = f" and {len(trial.killers) - 1} more" if len(trial.killers) > 1 else ""
    return f"{at}{trial.killers[0]}{more}, first after {trial.first_kill_s:.2f} s ({trial.duration_s:.0f} s)"
