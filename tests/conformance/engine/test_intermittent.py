"""Backends that break a promise now and then deviate; servers that are only in trouble do not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bucket_conformance.conformance.backend.opening import open_session
from bucket_conformance.conformance.contract import Harm
from bucket_conformance.conformance.effort import EFFORTS, Mode
from bucket_conformance.conformance.engine import judge as engine
from bucket_conformance.conformance.engine.judge import Judgement, Repeats
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.target import S3Endpoint
from bucket_conformance.conformance.verdict import Verdict, compare, require
from tests.conformance.engine.test_judge import decided, entry
from tests.exemplar.http import HttpFront
from tests.exemplar.server import Exemplar
from tests.exemplar.types import Request, Response

Handle = Callable[[Request], Response]
DEFAULT = EFFORTS[Mode.DEFAULT]
OVERLOAD = Response(status=503, body=b"<Error><Code>SlowDown</Code></Error>")


@contextmanager
def behind(change: Callable[[Request, Handle], Response]) -> Iterator[Session]:
    """Open a session on the exemplary server, whose responses ``change`` may replace from then on."""
    on = False
    lock = threading.Lock()

    with Exemplar() as server:

        def handle(request: Request) -> Response:
            with lock:
                return change(request, server.handle) if on else server.handle(request)

        with HttpFront(handle) as front:
            target = S3Endpoint(url=front.url, access_key="exemplar", secret_key="exemplar-secret")
            with open_session(target) as session:
                on = True
                yield session
                on = False


def stores(session: Session) -> None:
    """Promise that what was stored is there."""
    key = session.fresh_key()
    session.wire.put(key, b"x")
    compare(session.wire.get(key).body, b"x", "the object", harm=Harm.LOSES_DATA)


@given(number=st.integers(0, 2**32))
def stores_numbers(session: Session, number: int) -> None:
    stores(session)


def losing(every: int) -> Callable[[Request, Handle], Response]:
    """Lose one in ``every`` writes, and say that it is stored."""
    count = 0

    def change(request: Request, handle: Handle) -> Response:
        nonlocal count
        if request.method == "PUT" and request.key:
            count += 1
            if count % every == 0:
                return Response(status=200, headers=(("ETag", '"0"'),))
        return handle(request)

    return change


def test_a_write_that_is_lost_now_and_then_deviates_and_says_how_often() -> None:
    with behind(losing(7)) as session:
        judgement = decided(session, stores_numbers)
    assert judgement.verdict is Verdict.DEVIATES
    assert judgement.repeats is not None
    assert 1 <= judgement.repeats.seen < judgement.repeats.tries <= engine.MOST_TRIES
    assert judgement.observation is not None
    assert judgement.observation.harm is Harm.LOSES_DATA
    assert judgement.evidence is not None
    assert [(each.method, each.status) for each in judgement.evidence.exchanges] == [("PUT", 200), ("GET", 404)]


def test_a_write_that_is_lost_once_deviates() -> None:
    lost = False

    def change(request: Request, handle: Handle) -> Response:
        nonlocal lost
        if request.method == "PUT" and not lost:
            lost = True
            return Response(status=200, headers=(("ETag", '"0"'),))
        return handle(request)

    with behind(change) as session:
        judgement = decided(session, stores)
    assert (judgement.verdict, judgement.repeats) == (Verdict.DEVIATES, Repeats(seen=1, tries=engine.MOST_TRIES))


def test_a_key_that_is_dropped_for_its_name_is_dropped_again() -> None:
    def change(request: Request, handle: Handle) -> Response:
        if request.method == "PUT" and sum(request.key.encode()) % 10 == 0:
            return Response(status=200, headers=(("ETag", '"0"'),))
        return handle(request)

    with behind(change) as session:
        judgement = decided(session, stores_numbers)
    assert (judgement.verdict, judgement.repeats) == (Verdict.DEVIATES, None)


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504, 0])
def test_passing_trouble_does_not_decide_and_hides_nothing(status: int) -> None:
    count = 0

    def change(request: Request, handle: Handle) -> Response:
        nonlocal count
        count += 1
        if count % 3 == 0:
            return replace(OVERLOAD, status=status) if status else Response(status=0, hang_up=True)
        return handle(request)

    with behind(change) as session:
        judgement = decided(session, stores_numbers)
    assert judgement.verdict is Verdict.CONFORMS, judgement


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
def test_trouble_that_goes_on_is_inconclusive(status: int) -> None:
    def change(request: Request, handle: Handle) -> Response:
        return replace(OVERLOAD, status=status) if request.method == "GET" and request.key else handle(request)

    with behind(change) as session, mock.patch.object(engine, "PAUSES_S", (0.0, 0.0)):
        judgement = decided(session, stores)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert f": {status}" in judgement.reason
    assert "in each of 3 tries" in judgement.reason


@pytest.mark.parametrize("hangs_up", [False, True])
def test_a_request_that_fails_each_time_in_the_same_way_deviates(hangs_up: bool) -> None:
    def change(request: Request, handle: Handle) -> Response:
        if request.method == "GET" and request.key:
            return Response(status=0, hang_up=True) if hangs_up else replace(OVERLOAD, status=500)
        return handle(request)

    with behind(change) as session:
        judgement = decided(session, stores)
    assert (judgement.verdict, judgement.repeats) == (Verdict.DEVIATES, None)


@pytest.mark.parametrize("status", [429, 503])
def test_an_overload_decides_no_race(status: int) -> None:
    def change(request: Request, handle: Handle) -> Response:
        return replace(OVERLOAD, status=status) if request.method == "PUT" and request.key else handle(request)

    def one_wins(session: Session) -> None:
        key = session.fresh_key()
        statuses = [session.wire.put(key, b"x", (("If-None-Match", "*"),)).status for _ in range(2)]
        require(200 in statuses, promised="one wins", observed=str(statuses))

    with behind(change) as session, mock.patch.object(engine, "PAUSES_S", (0.0,)):
        judgement = decided(session, one_wins, racy=True)
    assert judgement.verdict is Verdict.INCONCLUSIVE


def test_every_named_example_is_judged_and_the_worst_harm_is_kept() -> None:
    harms = {"none": None, "leak": Harm.LEAKS, "loss": Harm.LOSES_DATA, "other": None}
    seen: list[str] = []

    @example(name="none")
    @example(name="leak")
    @example(name="fine")
    @example(name="loss")
    @example(name="other")
    @given(name=st.just("fine"))
    def clause(session: Session, name: str) -> None:
        seen.append(name)
        require(name == "fine", promised="fine", observed=name, harm=harms.get(name))

    with behind(lambda request, handle: handle(request)) as session:
        judgement = decided(session, clause)
    assert list(dict.fromkeys(seen)) == ["none", "leak", "fine", "loss", "other"]
    assert judgement.verdict is Verdict.DEVIATES
    assert judgement.observation is not None
    assert judgement.observation.observed == "loss"
    assert [each.observed for each in judgement.further] == ["none", "leak", "other"]


def test_every_case_is_judged_and_the_worst_harm_is_kept() -> None:
    def mild(session: Session) -> None:
        require(False, promised="fine", observed="mild")

    def grave(session: Session) -> None:
        require(False, promised="fine", observed="grave", harm=Harm.BYPASSES_AUTHENTICATION)

    with behind(lambda request, handle: handle(request)) as session:
        judgement: Judgement = engine.judge(entry(mild, grave), session, DEFAULT, seed=1)
    assert judgement.observation is not None
    assert judgement.observation.observed == "grave"
    assert [each.observed for each in judgement.further] == ["mild"]
