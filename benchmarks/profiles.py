"""How long a profile takes on a backend, by mode, and the clauses that take most of it."""

from __future__ import annotations

import time

from benchmarks.backends import session_on
from conformance.catalogue import select
from conformance.contract import Profile
from conformance.judge import EFFORTS, Mode, judge


def main() -> None:
    for provider, profiles in (
        ("local_disk", (Profile.CORE,)),
        ("seaweedfs", (Profile.CORE,)),
        ("seaweedfs", (Profile.CORE, Profile.S3)),
    ):
        for mode in (Mode.QUICK, Mode.DEFAULT):
            with session_on(provider) as session:
                started = time.perf_counter()
                costs = []
                for entry in select(profiles=profiles):
                    judgement = judge(entry, session, EFFORTS[mode], seed=1)
                    costs.append((judgement.duration_s, entry.clause.id))
                total = time.perf_counter() - started
                requests = session.recorder.total
            slowest = ", ".join(f"{id} {cost:.1f}" for cost, id in sorted(costs, reverse=True)[:6])
            names = "+".join(profiles)
            print(
                f"{provider:12} {names:8} {mode.value:8} {total:6.1f} s  {len(costs):3} clauses  "
                f"{requests:6} requests  slowest: {slowest}",
                flush=True,
            )
