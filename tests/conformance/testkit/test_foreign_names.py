"""Behind a server that ignores the prefix of a listing: nobody is blamed for it, and nobody's names are quoted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.testkit.foreign_names import (
    ELSEWHERE,
    Written,
    foreign_count,
    told,
    without_foreign,
)
from bucket_conformance.conformance.testkit.listings import Page, keys_of, prefixes_of
from bucket_conformance.conformance.verdict import Verdict
from tests.bench import decide, every_fault, on_exemplar, under
from tests.faults.s3.listing import FOREIGN


@pytest.fixture(scope="module")
def names_others() -> Iterator[Session]:
    with under(every_fault()["listing-names-what-was-not-asked-for"]) as session:
        yield session


def test_a_refused_key_is_not_blamed_for_what_a_broken_listing_names(names_others: Session) -> None:
    assert decide("KEY-005", names_others).verdict is Verdict.CONFORMS


@pytest.mark.parametrize(
    "clause_id",
    [
        *("LIST-001", "LIST-002", "LIST-003", "LIST-004", "LIST-005", "LIST-008", "LIST-012", "LIST-013"),
        *("DEL-001", "DEL-006", "DEL-014", "KEY-007", "KEY-008", "KEY-009", "KEY-010", "CON-010"),
    ],
)
def test_no_observation_quotes_a_name_of_somebody_else(clause_id: str, names_others: Session) -> None:
    judgement = decide(clause_id, names_others)
    seen = judgement.observation
    assert judgement.verdict is Verdict.DEVIATES
    assert seen is not None
    assert FOREIGN not in seen.promised + seen.observed + (judgement.evidence.example if judgement.evidence else "")
    assert "somebody" not in seen.observed


@pytest.mark.parametrize("clause_id", ["LIST-013", "KEY-007"])
def test_how_many_foreign_names_there_are_is_said(clause_id: str, names_others: Session) -> None:
    seen = decide(clause_id, names_others).observation
    assert seen is not None
    assert told(1) in seen.observed


def test_foreign_names_are_counted() -> None:
    with on_exemplar() as session:
        own = session.fresh_key()
        assert without_foreign(session, ["x/1", own, "x/2"]) == [own, told(2)]
        assert without_foreign(session, [own]) == [own]
        assert foreign_count(session, ["x/1", own, "x/2"]) == 2


def test_what_was_there_before_was_not_written_since() -> None:
    with on_exemplar() as session:
        prefix = session.fresh_prefix()
        session.view.write(prefix + "before", b"x")
        written = Written(session, (prefix,))
        assert written.new() == []
        session.view.write(prefix + "since", b"x")
        assert written.new() == [prefix + "since"]


def test_a_key_outside_of_the_prefix_is_named_by_no_page() -> None:
    page = Page(
        keys=("p/a", "other"), prefixes=("p/b/", "o/"), truncated=False, token=None, next_marker=None, key_count=None
    )
    assert (keys_of([page], "p/"), prefixes_of([page], "p/")) == (["a", ELSEWHERE], ["b/", ELSEWHERE])
