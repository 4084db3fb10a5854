"""Each fault alone: the proxy does what it says, and the storage handles the fault when it happens once or always."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from bucket_conformance.reference_impl.api import DeleteError
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.s3_upload import MIN_PART_SIZE
from tests.under_faults.bucket import ATTEMPTS, BUCKET, LOCKED, World
from tests.under_faults.judging import FAST_FAULTS, Judge, Stream
from tests.under_faults.proxy import HARMLESS, STALLS, Fault, Step

SHORT_TIMEOUT_S = 0.15
CUTTING = (Fault.CUT_REQUEST, Fault.CUT_HEAD, Fault.CUT_ANSWER, Fault.SHORT_LENGTH)
OLD = {"k": b"old value", f"{LOCKED}k": b"kept"}
OPERATIONS: dict[str, Callable[[Judge], None]] = {
    "upload": lambda judge: judge.upload("k", b"a new value"),
    "upload of a stream": lambda judge: judge.upload("k", b"a new value", as_stream=True),
    "download": lambda judge: judge.download("k"),
    "open": lambda judge: judge.open("k", 4),
    "stat": lambda judge: judge.stat("k"),
    "list": lambda judge: judge.list(""),
    "delete": lambda judge: judge.delete(["k", f"{LOCKED}k", "never there"]),
}


def raw_exchange(bucket: World, request: bytes) -> bytes:
    """Send ``request`` to the proxy and return all that comes until the connection ends or half a second is over."""
    parts = urlsplit(bucket.proxy.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=0.5) as connection:
        connection.sendall(request)
        got = b""
        try:
            while piece := connection.recv(65_536):
                got += piece
        except TimeoutError:
            return got + b"<open>"
        except ConnectionResetError:
            return got + b"<reset>"
    return got + b"<end>"


@pytest.mark.parametrize(
    ("fault", "beginning", "end"),
    [
        (Fault.PASS, b"HTTP/1.1 403 ", b"</Error><open>"),
        (Fault.SLOW_DOWN, b"HTTP/1.1 503 ", b"</Error><open>"),
        (Fault.INTERNAL_ERROR, b"HTTP/1.1 500 ", b"</Error><open>"),
        (Fault.RESET_BEFORE, b"", b"<reset>"),
        (Fault.RESET_AFTER, b"", b"<reset>"),
        (Fault.CUT_HEAD, b"HTTP/1.1 403 ", b"<end>"),
        (Fault.CUT_ANSWER, b"HTTP/1.1 403 ", b"<end>"),
        (Fault.SHORT_LENGTH, b"HTTP/1.1 403 ", b"</Error><open>"),
        (Fault.LONG_LENGTH, b"HTTP/1.1 403 ", b"</Error><open>"),
        (Fault.DUPLICATE, b"HTTP/1.1 403 ", b"</Error><open>"),
        (Fault.STALL_BEFORE, b"", b"<open>"),
        (Fault.STALL_AFTER, b"", b"<open>"),
        (Fault.STALL_IN_BODY, b"HTTP/1.1 403 ", b"<open>"),
    ],
)
def test_the_proxy_injects_the_fault_of_the_step(bucket: World, fault: Fault, beginning: bytes, end: bytes) -> None:
    bucket.start()
    bucket.proxy.plan([Step(fault=fault, at=500)])
    got = raw_exchange(bucket, f"GET /{BUCKET} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert got.startswith(beginning)
    assert got.endswith(end)
    assert [one.fault for one in bucket.proxy.seen] == [fault]
    head, _, body = got.partition(b"\r\n\r\n")
    promised = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
    come = len(body) - len(end.rpartition(b"<")[2]) - 1
    if fault in (Fault.CUT_ANSWER, Fault.STALL_IN_BODY):
        assert come == promised // 2
    if fault is Fault.SHORT_LENGTH:
        assert come // 2 == promised
    if fault is Fault.LONG_LENGTH:
        assert come == promised - 501
    assert got.count(b"HTTP/1.1 403 ") == (2 if fault is Fault.DUPLICATE else beginning.startswith(b"HTTP/1.1 403"))


def test_a_request_cut_in_transit_reaches_the_server_in_part_and_is_not_processed(bucket: World) -> None:
    bucket.start(OLD)
    bucket.proxy.plan([Step(fault=Fault.CUT_REQUEST, at=at) for at in (0, 500, 999)])
    with pytest.raises(StorageError) as caught:
        bucket.storage().upload("k", b"new" * 1000)
    assert caught.value.code is ErrorCode.UNAVAILABLE
    assert [one.fault for one in bucket.proxy.seen] == [Fault.CUT_REQUEST] * ATTEMPTS
    assert bucket.truth() == OLD


@pytest.mark.parametrize(
    ("fault", "at"), [(fault, at) for fault in FAST_FAULTS for at in ((0, 400, 999) if fault in CUTTING else (0,))]
)
@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("times", [1, ATTEMPTS - 1, 50])
def test_a_temporary_fault_is_retried_and_a_permanent_one_is_reported(
    bucket: World, name: str, fault: Fault, at: int, times: int
) -> None:
    bucket.start(OLD)
    judge = Judge(world=bucket, storage=bucket.storage(batch_size=100))
    bucket.proxy.plan([Step(fault=fault, at=at)] * times)
    OPERATIONS[name](judge)
    if times < ATTEMPTS and name != "open":
        assert set(judge.outcomes) == {"done"}
    elif all(one.fault is fault and fault not in HARMLESS for one in bucket.proxy.seen) and fault is not Fault.CUT_HEAD:
        # A head cut behind what matters is no failure, and a PUT is one whose answer says all in its first line.
        assert "done" not in judge.outcomes or name == "open"


@pytest.mark.parametrize("fault", STALLS)
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_stalled_response_is_an_error_and_never_a_success(bucket: World, name: str, fault: Fault) -> None:
    bucket.start(OLD)
    judge = Judge(world=bucket, storage=bucket.storage(read_timeout_s=SHORT_TIMEOUT_S, max_attempts=2))
    bucket.proxy.plan([Step(fault=fault, at=500)] * 2)
    OPERATIONS[name](judge)
    assert fault in [one.fault for one in bucket.proxy.seen] or all(
        one.answer is not None and not one.answer.body for one in bucket.proxy.seen
    )


def test_a_duplicate_response_counts_for_one_request_only(bucket: World) -> None:
    objects = {f"k{number}": b"%d" % number for number in range(20)}
    bucket.start(objects)
    storage = bucket.storage()
    bucket.proxy.plan([Step(fault=Fault.DUPLICATE)] * 80)
    for key, body in objects.items():
        assert storage.download(key) == body
        assert storage.stat(key).size == len(body)
        storage.upload(key, body * 2)
    assert {one.fault for one in bucket.proxy.seen} == {Fault.DUPLICATE}
    assert bucket.truth() == {key: body * 2 for key, body in objects.items()}


@pytest.mark.parametrize("fault", [Fault.RESET_AFTER, Fault.SLOW_DOWN, Fault.CUT_ANSWER])
def test_batches_under_way_at_once_account_for_every_key(bucket: World, fault: Fault) -> None:
    """The threads decide which batch meets the outage; the result must be true for any of them."""
    keys = [f"k{number:02}" for number in range(40)]
    bucket.start(dict.fromkeys([*keys, f"{LOCKED}k"], b"x"))
    storage = bucket.storage(batch_size=5, parallel_batches=4)
    bucket.proxy.plan([Step(fault=fault)] * 20)
    with pytest.raises(DeleteError) as caught:
        storage.delete_files([*keys, f"{LOCKED}k"])
    result, truth = caught.value.result, bucket.truth()
    assert sorted([*result.deleted, *(one.key for one in result.failed), *result.unknown]) == sorted(
        [*keys, f"{LOCKED}k"]
    )
    assert result.unknown
    assert not set(result.deleted) & truth.keys()
    assert {one.key for one in result.failed} <= {f"{LOCKED}k"}


def test_parts_of_the_real_minimum_size_are_joined_whole_whatever_response_is_lost(bucket: World) -> None:
    bucket.start({"big": b"old"})
    body = os.urandom(2 * MIN_PART_SIZE + 11)
    schedule = [Fault.RESET_BEFORE, Fault.PASS, Fault.CUT_REQUEST, Fault.RESET_AFTER, Fault.PASS, Fault.SLOW_DOWN]
    schedule += [Fault.PASS, Fault.PASS, Fault.RESET_AFTER, Fault.RESET_AFTER]
    bucket.proxy.plan([Step(fault=fault, at=700) for fault in schedule])
    stored = bucket.storage(part_size=MIN_PART_SIZE).upload("big", Stream(body))  # type: ignore[arg-type]
    assert bucket.truth() == {"big": body}
    assert stored.size == len(body)
    assert bucket.uploads() == set()
    # The ETag of joined parts is no MD5 of the whole, so here only a second answer can tell a short body.
    bucket.proxy.plan([Step(fault=Fault.SHORT_LENGTH, at=600), Step(fault=Fault.SLOW_DOWN)])
    assert bucket.storage().download("big") == body
    bucket.proxy.plan([Step(fault=Fault.SHORT_LENGTH, at=600)])
    with pytest.raises(StorageError) as caught, bucket.storage().open("big") as stream:
        stream.read()
    assert caught.value.code is ErrorCode.INTEGRITY


def test_an_upload_that_gives_up_aborts_its_parts_as_often_as_it_takes(bucket: World) -> None:
    bucket.start({"big": b"old"})
    begin, parts, abort = [Fault.PASS], [Fault.PASS, *[Fault.SLOW_DOWN] * ATTEMPTS], [Fault.RESET_BEFORE] * 2
    bucket.proxy.plan([Step(fault=fault) for fault in (*begin, *parts, *abort)])
    with pytest.raises(StorageError) as caught:
        bucket.storage(part_size=MIN_PART_SIZE).upload("big", Stream(bytes(MIN_PART_SIZE + 1)))  # type: ignore[arg-type]
    assert caught.value.code is ErrorCode.UNAVAILABLE
    assert bucket.truth() == {"big": b"old"}
    assert bucket.uploads() == set()
