"""A capability that is not declared is probed: refused, served nevertheless, or half done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from bucket_conformance.conformance.backend.capabilities import Outcome, probe_claims
from bucket_conformance.conformance.catalogue import entries
from bucket_conformance.conformance.contract import Capability
from bucket_conformance.conformance.effort import EFFORTS, Mode
from bucket_conformance.conformance.engine.run import Plan, judge_all
from bucket_conformance.conformance.report.document import Result
from bucket_conformance.conformance.session import Session
from tests.bench import on_exemplar, under
from tests.exemplar.types import Request, Response, S3Error
from tests.exemplar.xml import error_response
from tests.faults.gateway import Fault, Forward

PROBED = (
    Capability.MULTIPART,
    Capability.COPY,
    Capability.CONDITIONAL_PUT,
    Capability.VERSIONING,
    Capability.LIFECYCLE,
)
Behaviour = Callable[[Request, Forward], Response]


@contextmanager
def lacking(session: Session, *capabilities: Capability) -> Iterator[Session]:
    """The session with these capabilities not declared."""
    declared = session.capabilities
    session.capabilities = declared - set(capabilities)
    try:
        yield session
    finally:
        session.capabilities = declared


@contextmanager
def behaving(behave: Behaviour, *missing: Capability) -> Iterator[Session]:
    fault = Fault(id="other-claims", title="does otherwise", breaks=frozenset({"CON-003"}), behave=behave)
    with under(fault) as session, lacking(session, *missing):
        yield session


def refuses(request: Request, forward: Forward) -> Response:
    asks = {"uploads", "versioning", "lifecycle"} & set(dict(request.query))
    if asks or request.header("x-amz-copy-source") or request.header("if-none-match"):
        return error_response(S3Error(501, "NotImplemented"), request.path, "0")
    return forward(request)


def test_an_undeclared_capability_that_the_server_has_is_reported() -> None:
    with on_exemplar() as session, lacking(session, *PROBED):
        before = session.view.keys("")
        found = probe_claims(session, PROBED)
        assert {capability: claim.outcome for capability, claim in found.items()} == dict.fromkeys(
            PROBED, Outcome.SERVED
        )
        assert session.view.keys("") == before


def test_a_refusal_of_an_undeclared_capability_is_reported_as_declared() -> None:
    with behaving(refuses, *PROBED) as session:
        found = probe_claims(session, PROBED)
        assert {capability: claim.outcome for capability, claim in found.items()} == dict.fromkeys(
            PROBED, Outcome.REFUSED
        )
        assert all("501 NotImplemented" in claim.reported for claim in found.values())


def test_a_request_that_is_accepted_without_effect_is_half_done() -> None:
    def nods(request: Request, forward: Forward) -> Response:
        names = set(dict(request.query))
        if request.method == "PUT" and names & {"versioning", "lifecycle"}:
            return Response(status=200)
        if request.header("x-amz-copy-source"):
            return Response(status=200)
        return forward(request)

    asked = (Capability.VERSIONING, Capability.LIFECYCLE, Capability.COPY)
    with behaving(nods, *asked) as session:
        found = probe_claims(session, asked)
        assert [claim.outcome for claim in found.values()] == [Outcome.HALF_DONE] * 3


def test_a_condition_that_is_ignored_is_half_done() -> None:
    def passes_over(request: Request, forward: Forward) -> Response:
        if request.header("if-none-match") and request.method == "PUT":
            return Response(status=200)
        return forward(request)

    with behaving(passes_over, Capability.CONDITIONAL_PUT) as session:
        claim = probe_claims(session, [Capability.CONDITIONAL_PUT])[Capability.CONDITIONAL_PUT]
        assert claim.outcome is Outcome.HALF_DONE


def test_a_server_error_is_no_refusal() -> None:
    def breaks(request: Request, forward: Forward) -> Response:
        if "uploads" in dict(request.query):
            return error_response(S3Error(500, "InternalError"), request.path, "0")
        return forward(request)

    with behaving(breaks, Capability.MULTIPART) as session:
        claim = probe_claims(session, [Capability.MULTIPART])[Capability.MULTIPART]
        assert claim.outcome is Outcome.NOT_PROBED
        assert "500 InternalError" in claim.reported


def test_a_capability_is_probed_once_and_a_declared_one_never() -> None:
    with on_exemplar() as session:
        before = session.recorder.total
        assert probe_claims(session, PROBED) == {}
        assert session.recorder.total == before
        with lacking(session, Capability.COPY):
            probe_claims(session, PROBED)
            after = session.recorder.total
            assert after > before
            probe_claims(session, PROBED)
            assert session.recorder.total == after


def test_the_bound_on_requests_holds_for_probes_too() -> None:
    with on_exemplar() as session, lacking(session, Capability.COPY):
        session.recorder.budget = session.recorder.total
        claim = probe_claims(session, [Capability.COPY])[Capability.COPY]
        assert claim.outcome is Outcome.NOT_PROBED


@pytest.mark.parametrize(
    ("behave", "outcome", "words"),
    [
        (refuses, "refused", "refused as declared (PUT with If-None-Match: * on a key that is there: 501"),
        (lambda request, forward: forward(request), "served", "not declared, but the server does it"),
    ],
)
def test_the_result_of_an_unsupported_clause_names_the_capability(behave: Behaviour, outcome: str, words: str) -> None:
    lines: list[Result] = []
    with behaving(behave, Capability.CONDITIONAL_PUT) as session:
        plan = Plan(entries=[entries()["CON-003"]], effort=EFFORTS[Mode.QUICK], seed=1)
        judge_all(session, session.wire.endpoint, plan, lines.append, provider="acme")
    [line] = lines
    assert line.verdict == "unsupported"
    assert line.reason.startswith("not declared: conditional_put; ")
    assert words in line.reason
    assert line.claims["conditional_put"].outcome == outcome
    assert line.requests > 0
