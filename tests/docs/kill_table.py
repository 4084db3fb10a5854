"""A kill table of every fault in which each clause notices only its proofs, for the tests of the site."""

from __future__ import annotations

from bucket_conformance.conformance.catalogue import entries
from tests.bench import every_fault
from tests.fault_coverage.table import KillTable, markdown
from tests.fault_coverage.trial import Trial


def made_up() -> str:
    killers = {id: [clause for clause, entry in entries().items() if id in entry.proved_by] for id in every_fault()}
    trials = [
        Trial(fault=id, killers=tuple(found), first_kill_s=0.5, tried=tuple(entries()), duration_s=1.0)
        for id, found in killers.items()
    ]
    return markdown(KillTable(faults=every_fault(), clauses=entries(), trials=trials, whole=True))
