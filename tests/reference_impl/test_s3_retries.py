"""The storage's own retries: what they respect, and when they stop. The clock is that of the test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from types import SimpleNamespace
from unittest import mock

import botocore.endpoint
import pytest
import time_machine

from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.s3 import S3Storage
from bucket_conformance.reference_impl.s3_client import make_client
from bucket_conformance.reference_impl.s3_retries import LONGEST_WAIT_S, RetryBudget
from tests.reference_impl.stub_s3 import RESET, Request, Stub, answer, error, running

BUCKET = "files"
ETAG = {"ETag": '"900150983cd24fb0d6963f7d28e17f72"', "Last-Modified": "Sun, 01 Nov 2026 10:00:00 GMT"}
PAGE = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
DELETED = b"<DeleteResult><Deleted><Key>k</Key></Deleted></DeleteResult>"


class Clock:
    """Seconds that pass only where the SDK waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture(name="clock")
def clock_of_the_sdk() -> Iterator[Clock]:
    made = Clock()
    with mock.patch.object(botocore.endpoint, "time", SimpleNamespace(sleep=made.sleep)):
        yield made


def storage_at(url: str, clock: Clock, *, draw: float | None = None, time_s: float = 30.0) -> S3Storage:
    # The jitter is not random here: low and high values alternate.
    draws = itertools.cycle([0.0, 0.999, 0.3]) if draw is None else itertools.repeat(draw)
    budget = RetryBudget(time_s=time_s, clock=clock, draw=lambda: next(draws))
    client = make_client(endpoint=url, region="us-east-1", access_key="k", secret_key="s", retries=budget)
    return S3Storage(client, BUCKET)


def sound(request: Request) -> bytes:
    if request.method == "POST":
        return answer(200, DELETED)
    if request.method == "GET" and "list-type" in request.target:
        return answer(200, PAGE)
    return answer(200, b"abc" if request.method in ("GET", "HEAD") else b"", headers=ETAG)


def every_operation(storage: S3Storage) -> None:
    storage.upload("k", b"abc")
    assert storage.download("k") == b"abc"
    with storage.open("k") as stream:
        assert stream.read() == b"abc"
    assert storage.exists("k")
    assert list(storage.list()) == []
    assert storage.delete_files(["k"]).deleted == ("k",)


@pytest.mark.parametrize(
    "outage",
    [RESET, error(503, "SlowDown"), error(429, "TooManyRequests"), error(500, "InternalError"), error(502, "")],
    ids=["reset", "503", "429", "500", "502"],
)
@pytest.mark.parametrize("draw", [None, 0.2, 0.999], ids=["changing", "short waits", "long waits"])
def test_a_restart_of_ten_seconds_fails_no_operation(clock: Clock, outage: bytes, draw: float | None) -> None:
    back_at = 0.0
    with running(lambda request: sound(request) if clock.now >= back_at else outage) as stub:
        storage = storage_at(stub.url, clock, draw=draw)
        for _ in range(2):
            back_at = clock.now + 10.0
            every_operation(storage)
        for action in (lambda: storage.upload("k", b"abc"), lambda: storage.download("k")):
            back_at = clock.now + 10.0
            action()
    assert max(clock.waits) <= LONGEST_WAIT_S


def test_a_server_that_is_away_and_comes_back_is_found_again(clock: Clock) -> None:
    """Refused connections, not resets: nobody listens until ten seconds have passed."""
    with running(sound) as first:
        storage = storage_at("http://127.0.0.1:9", clock)
        real = first.url

    with running(sound) as stub:
        assert stub.url != real

        def redirect(request: object, **_: object) -> None:
            if clock.now >= 10.0:
                request.url = request.url.replace("http://127.0.0.1:9", stub.url)  # type: ignore[attr-defined]

        storage._client.meta.events.register("before-send.s3", redirect)
        storage.upload("k", b"abc")
        assert clock.now >= 10.0
        assert stub.count("PUT") == 1


def failing(storage: S3Storage, code: ErrorCode = ErrorCode.UNAVAILABLE) -> StorageError:
    with pytest.raises(StorageError) as caught:
        storage.upload("k", b"abc")
    assert caught.value.code is code
    return caught.value


@pytest.mark.parametrize("draw", [0.05, 0.5, 0.999])
def test_an_endless_outage_is_reported_within_the_time(clock: Clock, draw: float) -> None:
    with running(lambda request: error(503, "SlowDown")) as stub:
        failing(storage_at(stub.url, clock, draw=draw))
    assert sum(clock.waits) <= 30.0
    assert len(clock.waits) >= 10


def test_the_waits_are_full_jitter_of_a_bound_that_doubles(clock: Clock) -> None:
    with running(lambda request: error(503, "SlowDown")) as stub:
        failing(storage_at(stub.url, clock, draw=0.5))
    assert clock.waits[:7] == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.5])


def asking_to_wait(name: str, value: str) -> bytes:
    return answer(503, b"<Error><Code>SlowDown</Code></Error>", headers={name: value})


@pytest.mark.parametrize(
    ("name", "value", "wait"),
    [
        ("Retry-After", "7", 7.0),
        ("Retry-After", "Fri, 27 Nov 2026 12:00:09 GMT", 9.0),
        ("x-amz-retry-after", "2500", 2.5),
        ("Retry-After", "0", 0.05),
        ("Retry-After", "soon", 0.05),
        ("Retry-After", "-5", 0.05),
        ("x-amz-retry-after", "2.5", 0.05),
    ],
)
def test_the_wait_that_a_server_asks_for_is_heeded(clock: Clock, name: str, value: str, wait: float) -> None:
    replies = [asking_to_wait(name, value)]
    with (
        time_machine.travel("2026-11-27T12:00:00Z", tick=False),
        running(lambda request: replies.pop() if replies else sound(request)) as stub,
    ):
        storage_at(stub.url, clock, draw=0.5).upload("k", b"abc")
    assert clock.waits == pytest.approx([wait])


def test_a_wait_beyond_the_time_is_not_begun(clock: Clock) -> None:
    with running(lambda request: asking_to_wait("Retry-After", "3600")) as stub:
        failing(storage_at(stub.url, clock))
        assert len(stub.requests) == 1
    assert clock.waits == []


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (error(403, "AccessDenied"), ErrorCode.ACCESS_DENIED),
        (error(412, "PreconditionFailed"), ErrorCode.CONFLICT),
        (error(501, "NotImplemented"), ErrorCode.UNKNOWN),
        (error(507, "XMinioStorageFull"), ErrorCode.NO_SPACE),
    ],
)
def test_a_refused_request_is_not_repeated(clock: Clock, reply: bytes, code: ErrorCode) -> None:
    with running(lambda request: reply) as stub:
        failing(storage_at(stub.url, clock), code)
        assert len(stub.requests) == 1


def test_a_budget_of_no_time_or_one_attempt_sends_once(clock: Clock) -> None:
    def once(stub: Stub, budget: RetryBudget) -> int:
        client = make_client(endpoint=stub.url, region="us-east-1", access_key="k", secret_key="s", retries=budget)
        failing(S3Storage(client, BUCKET))
        return len(stub.requests)

    with running(lambda request: error(503, "SlowDown")) as stub:
        assert once(stub, RetryBudget(time_s=0)) == 1
        assert once(stub, RetryBudget(max_attempts=1)) == 2
    for wrong in ({"time_s": -1}, {"max_attempts": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            RetryBudget(**wrong)  # type: ignore[arg-type]
