"""Every clause is proved by a fault: it conforms on the good stores and deviates on the broken one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bucket_conformance.conformance.catalogue import entries
from bucket_conformance.conformance.effort import Mode
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.verdict import Verdict
from tests.bench import FOUND_BY_CHANCE, decide, every_fault, on_disk, on_exemplar, under

NAMED_BY_CLAUSES = {(clause_id, fault) for clause_id, entry in entries().items() for fault in entry.proved_by}
NAMED_BY_FAULTS = {
    (clause_id, fault.id) for fault in every_fault().values() for clause_id in fault.breaks if clause_id in entries()
}

PROOFS = sorted(NAMED_BY_CLAUSES | NAMED_BY_FAULTS)


@pytest.fixture(scope="module")
def exemplar() -> Iterator[Session]:
    with on_exemplar() as session:
        yield session


@pytest.fixture(scope="module")
def disk() -> Iterator[Session]:
    with on_disk() as session:
        yield session


@pytest.mark.parametrize("clause_id", list(entries()))
def test_a_clause_conforms_on_the_exemplary_server(clause_id: str, exemplar: Session) -> None:
    judgement = decide(clause_id, exemplar)
    assert judgement.verdict in (Verdict.CONFORMS, Verdict.UNSUPPORTED), judgement


@pytest.mark.parametrize("clause_id", [id for id, entry in entries().items() if entry.clause.profile == "core"])
def test_a_core_clause_conforms_on_local_disk(clause_id: str, disk: Session) -> None:
    judgement = decide(clause_id, disk)
    assert judgement.verdict in (Verdict.CONFORMS, Verdict.UNSUPPORTED), judgement


@pytest.mark.parametrize(("clause_id", "fault_id"), PROOFS)
def test_a_clause_is_failed_by_the_fault_that_breaks_it(clause_id: str, fault_id: str) -> None:
    with under(every_fault()[fault_id]) as session:
        judgement = decide(clause_id, session)
        if judgement.verdict is Verdict.CONFORMS and clause_id in FOUND_BY_CHANCE:
            judgement = decide(clause_id, session, mode=Mode.DEFAULT, seed=2)
    assert judgement.verdict is Verdict.DEVIATES, judgement
    assert judgement.observation is not None


def test_every_fault_breaks_a_clause() -> None:
    assert set(every_fault()) - {fault for _, fault in PROOFS} == set(), "faults that no clause would notice"


def test_every_clause_names_faults_that_exist() -> None:
    assert {fault for _, fault in NAMED_BY_CLAUSES} - set(every_fault()) == set()


def test_every_clause_is_decided_somewhere_here() -> None:
    """No conforming store would prove a clause that is unsupported on both good stores."""
    with on_exemplar() as server, on_disk() as folder:
        nowhere = [
            id
            for id, entry in entries().items()
            if not any(case.requires <= session.capabilities for case in entry.cases for session in (server, folder))
        ]
    assert nowhere == []
