"""Clauses are compared with recorded responses of Amazon S3: a clause must accept the recorded response.

Two tests anchor a clause. The exemplary server answers the recorded request as Amazon S3 did, and a clause
that a recording covers meets exactly such an answer (status and code, to a request of that shape) and conforms.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bucket_conformance.conformance.catalogue import entries
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.verdict import Verdict
from bucket_conformance.conformance.wire.transport import HttpResponse
from tests.bench import decide, on_exemplar, under
from tests.exemplar.types import Request, Response
from tests.faults.gateway import Fault, Forward
from tests.recordings.model import Fact, facts, field_of, known_answers, recorded
from tests.recordings.page import PAGE, page
from tests.recordings.source import extracted, name_of, read_answers

SNAPSHOTS = os.environ.get("AWS_RECORDINGS")
"""A folder with the snapshots of LocalStack's tests, if available: the committed answers are compared with them."""

ANCHORS = [(clause, fact) for fact in facts() for clause in fact.clauses]


@pytest.fixture(scope="module")
def exemplar() -> Iterator[Session]:
    with on_exemplar() as session:
        yield session


def _name(value: Any) -> str:
    return f"{value.name}-{value.step}" if isinstance(value, Fact) else str(value)


@pytest.mark.parametrize("fact", facts(), ids=_name)
def test_the_exemplary_server_answers_as_amazon_s3_did(fact: Fact, exemplar: Session) -> None:
    prefix = exemplar.fresh_prefix()
    answer = fact.send(exemplar, prefix)
    assert fact.is_answered_by(answer.status, answer.code), answer.summary
    assert {name: field_of(answer, name, prefix) for name in fact.fields} == fact.fields


@functools.cache
def met(clause_id: str) -> tuple[Verdict, tuple[tuple[Request, int, str], ...]]:
    """Return the verdict on the exemplary server, and every request with the status and code of its response."""
    seen: list[tuple[Request, int, str]] = []

    def watch(request: Request, forward: Forward) -> Response:
        response = forward(request)
        seen.append((request, response.status, HttpResponse(status=response.status, body=response.body).code))
        return response

    watching = Fault(id="watches", title="nothing is wrong", breaks=frozenset({clause_id}), behave=watch)
    with under(watching) as session:
        return decide(clause_id, session).verdict, tuple(seen)


@pytest.mark.parametrize(("clause_id", "fact"), ANCHORS, ids=_name)
def test_a_clause_that_meets_the_recorded_answer_conforms(clause_id: str, fact: Fact) -> None:
    verdict, seen = met(clause_id)
    assert verdict is Verdict.CONFORMS
    answers = [(status, code) for request, status, code in seen if fact.shape(request)]
    met_it = any(fact.is_answered_by(status, code) for status, code in answers)
    assert met_it, f"{clause_id} never met {fact.status} {fact.code}, only {sorted(set(answers))}"


def test_every_fact_is_about_clauses_that_exist() -> None:
    assert {clause for fact in facts() for clause in fact.clauses} <= set(entries())


def test_no_recorded_answer_is_stated_twice() -> None:
    named = [(fact.test, fact.step) for fact in facts()]
    assert len(named) == len(set(named))


def test_the_page_of_anchors_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.recordings.page"


@pytest.mark.parametrize("fact", recorded(), ids=_name)
def test_a_fact_says_what_was_recorded(fact: Fact) -> None:
    recorded = read_answers()[name_of(fact)]
    assert (recorded["status"], recorded["code"]) == (fact.status, fact.code)
    assert recorded["validated"] == fact.on.isoformat()
    # The recordings are sorted where the order of an answer is not promised.
    assert {name: sorted(text.split()) for name, text in recorded["fields"].items()} == {
        name: sorted(text.split()) for name, text in fact.fields.items()
    }


def test_every_answer_that_is_kept_is_stated_by_a_fact() -> None:
    assert set(read_answers()) == {name_of(fact) for fact in recorded()}


def test_every_known_answer_has_its_source_its_day_and_its_trust() -> None:
    trusts = {"recorded", "validated", "asserted", "pasted", "documented"}
    for answer in known_answers().values():
        assert answer.trust in trusts
        assert re.fullmatch(r"20\d\d(-\d\d){0,2}", answer.on)
        assert answer.source.startswith("https://") or answer.source == "texts in several public repositories"
        assert answer.status is not None or answer.code
        assert set(answer.clauses) <= set(entries()), answer.id


def test_most_clauses_are_anchored() -> None:
    assert len({clause for fact in facts() for clause in fact.clauses}) >= 75


@pytest.mark.skipif(SNAPSHOTS is None, reason="AWS_RECORDINGS names no folder of snapshots")
def test_the_answers_that_are_kept_are_those_of_the_snapshots() -> None:
    assert read_answers() == extracted(Path(SNAPSHOTS or ""))
