"""What a clause needs and the server does not have makes it ``unsupported``; the clause that judges it deviates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from bucket_conformance.conformance.catalogue import entries
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.testkit.needs import JUDGED_BY, Operation, is_refusal, operation_of, refusal_of
from bucket_conformance.conformance.verdict import Verdict
from bucket_conformance.conformance.wire.exchange import Exchange
from bucket_conformance.conformance.wire.transport import HttpResponse
from tests.bench import decide, under
from tests.exemplar.types import Request, Response
from tests.faults.gateway import Fault, Forward


def _not_implemented() -> Response:
    return Response(status=501, body=b"<Error><Code>NotImplemented</Code></Error>")


@contextmanager
def without(lacks: Callable[[Request], bool]) -> Iterator[Session]:
    """Open a session on a good server that answers 501 to the requests that ``lacks`` picks."""

    def behave(request: Request, forward: Forward) -> Response:
        return _not_implemented() if lacks(request) else forward(request)

    fault = Fault(id="lacks-it", title="an operation is not there", breaks=frozenset({"DEL-010"}), behave=behave)
    with under(fault) as session:
        yield session


@pytest.fixture(scope="module")
def no_batches() -> Iterator[Session]:
    with without(Request.is_batch_delete) as session:
        yield session


@pytest.mark.parametrize("clause_id", ["DEL-001", "DEL-010"])
def test_the_clause_that_judges_batches_deviates(clause_id: str, no_batches: Session) -> None:
    assert decide(clause_id, no_batches).verdict is Verdict.DEVIATES


@pytest.mark.parametrize(
    "clause_id",
    [
        *("DEL-004", "DEL-005", "DEL-006", "DEL-007", "DEL-011", "DEL-012", "DEL-013", "DEL-014", "DEL-015", "DEL-016"),
        *("DEL-017", "DEL-018", "DEL-019", "DEL-025", "KEY-008", "KEY-013", "CON-001", "CON-006"),
    ],
)
def test_every_other_clause_says_what_it_needs(clause_id: str, no_batches: Session) -> None:
    judgement = decide(clause_id, no_batches)
    if judgement.verdict is not Verdict.CONFORMS:  # some have cases that delete nothing
        assert judgement.verdict is Verdict.UNSUPPORTED, judgement
        assert judgement.reason == "needs batch delete: POST ?delete → 501 NotImplemented"
    assert judgement.observation is None


def test_a_sequence_of_requests_is_judged_without_batches(no_batches: Session) -> None:
    assert decide("CON-010", no_batches).verdict is Verdict.CONFORMS


def test_clauses_that_delete_nothing_are_judged(no_batches: Session) -> None:
    for clause_id in ("RT-008", "LIST-001", "URL-003", "DEL-003"):
        assert decide(clause_id, no_batches).verdict is Verdict.CONFORMS


def test_a_batch_that_is_refused_for_one_key_is_a_deviation() -> None:
    """The server has batches: that it refuses this one is what the clause is about."""
    with without(lambda request: request.is_batch_delete() and b"&amp;" in request.body) as session:
        assert decide("DEL-007", session).verdict is Verdict.DEVIATES


@pytest.mark.parametrize(
    ("header", "owner", "others", "reason"),
    [
        ("x-amz-copy-source", "RT-013", ["RT-017"], "needs copy: PUT with x-amz-copy-source → 501 NotImplemented"),
        ("If-Match", "CON-004", ["CON-007", "CON-008"], "needs conditional writes: PUT with If-Match → 501"),
    ],
)
def test_headers_that_a_server_does_not_have(header: str, owner: str, others: list[str], reason: str) -> None:
    with without(lambda request: request.method == "PUT" and request.has_header(header)) as session:
        assert decide(owner, session).verdict is Verdict.DEVIATES
        for clause_id in others:
            judgement = decide(clause_id, session)
            assert judgement.verdict is Verdict.UNSUPPORTED, judgement
            assert judgement.reason.startswith(reason)


@pytest.mark.parametrize(
    ("parameter", "owner", "others"),
    [
        ("uploads", "RT-012", ["RT-014", "RT-015", "RT-016"]),
        ("lifecycle", "LIFE-001", ["LIFE-002"]),
        ("versioning", "LIFE-003", ["DEL-016"]),
    ],
)
def test_sub_resources_that_a_server_does_not_have(parameter: str, owner: str, others: list[str]) -> None:
    with without(lambda request: parameter in request.query) as session:
        assert decide(owner, session).verdict is Verdict.DEVIATES
        for clause_id in others:
            judgement = decide(clause_id, session)
            assert judgement.verdict is Verdict.UNSUPPORTED, judgement
            assert judgement.reason.endswith(f"?{parameter} → 501 NotImplemented")
        assert decide("RT-020", session).verdict is Verdict.CONFORMS


def test_metadata_that_a_server_does_not_have() -> None:
    def has_metadata(request: Request) -> bool:
        return request.method == "PUT" and any(name.lower().startswith("x-amz-meta-") for name, _ in request.headers)

    with without(has_metadata) as session:
        assert decide("RT-006", session).verdict is Verdict.DEVIATES
        for clause_id in ("RT-013", "RT-017"):
            judgement = decide(clause_id, session)
            assert judgement.verdict is Verdict.UNSUPPORTED, judgement
            assert judgement.reason.startswith("needs user metadata: PUT with x-amz-meta-")


def _forgets(name: str) -> Fault:
    def behave(request: Request, forward: Forward) -> Response:
        if not request.is_object("PUT") or request.is_presigned:
            return forward(request)
        refused = forward.authentic(request)
        kept = tuple((key, value) for key, value in request.headers if not key.lower().startswith(name))
        return refused or forward.trusted(replace(request, headers=kept))

    return Fault(id="forgets", title="headers are not kept", breaks=frozenset({"RT-006"}), behave=behave)


@pytest.mark.parametrize("name", ["x-amz-meta-", "content-type", "content-encoding"])
def test_what_an_upload_does_not_keep_is_blamed_on_no_other_clause(name: str) -> None:
    with under(_forgets(name)) as session:
        for clause_id in ("RT-013", "RT-017", "RT-020", "RT-009"):
            assert decide(clause_id, session).verdict is Verdict.CONFORMS, clause_id


@pytest.mark.parametrize("clause_id", ["RT-008", "RT-018", "RT-019", "KEY-011", "URL-003", "URL-009", "LIST-009"])
def test_a_501_with_nothing_done_is_a_refusal(clause_id: str) -> None:
    """A server that says 501 wherever it refused with a 4xx of its own keeps every promise to refuse."""

    def behave(request: Request, forward: Forward) -> Response:
        answer = forward(request)
        return _not_implemented() if answer.status in (400, 403) else answer

    fault = Fault(id="refuses-by-501", title="refusals are 501", breaks=frozenset({"DEL-010"}), behave=behave)
    with under(fault) as session:
        assert decide(clause_id, session).verdict is Verdict.CONFORMS


def test_statuses_that_refuse() -> None:
    refused = {status: is_refusal(status) for status in (0, 200, 302, 400, 404, 405, 499, 500, 501, 503)}
    assert [status for status, yes in refused.items() if yes] == [400, 404, 405, 499, 501]


def test_a_refusal_counts_as_the_promised_one_where_the_server_has_no_such_thing() -> None:
    assert refusal_of(HttpResponse(status=501), "400 MalformedXML") == "400 MalformedXML"
    assert refusal_of(HttpResponse(status=405), "400 MalformedXML") == "400 MalformedXML"
    assert refusal_of(HttpResponse(status=400), "400 MalformedXML") == "400"
    assert refusal_of(HttpResponse(status=500), "400 MalformedXML") == "500"


@pytest.mark.parametrize(
    ("method", "target", "header", "operation"),
    [
        ("POST", "/b?delete", "Content-MD5", Operation.BATCH_DELETE),
        ("POST", "/b/k?uploads", "Host", Operation.MULTIPART),
        ("PUT", "/b/k?partNumber=1&uploadId=u", "Host", Operation.MULTIPART),
        ("PUT", "/b/k", "x-amz-copy-source", Operation.COPY),
        ("PUT", "/b/k", "If-None-Match", Operation.CONDITIONAL_WRITE),
        ("GET", "/b/k", "If-None-Match", Operation.CONDITIONAL_READ),
        ("PUT", "/b/k", "x-amz-meta-a", Operation.METADATA),
        ("PUT", "/b?versioning", "Host", Operation.VERSIONING),
        ("GET", "/b?lifecycle", "Host", Operation.LIFECYCLE),
        ("PUT", "/b/k?tagging=", "Host", Operation.TAGGING),
        ("PUT", "/b/k", "Content-Type", None),
        ("DELETE", "/b/k", "Host", None),
        ("GET", "/b/delete?list-type=2", "Host", None),
    ],
)
def test_the_operation_of_a_request(method: str, target: str, header: str, operation: Operation | None) -> None:
    exchange = Exchange(origin="suite", method=method, target=target, headers=((header, "v"),))
    assert operation_of(exchange) is operation


def test_every_clause_that_judges_an_operation_exists() -> None:
    assert set().union(*JUDGED_BY.values()) <= set(entries())
    assert set(JUDGED_BY) == set(Operation)
