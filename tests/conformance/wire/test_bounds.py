"""No response takes longer or has more bytes than its bounds, in either transport; what is within them passes whole."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import BotoCoreError

from bucket_conformance.conformance.backend.sdk_hook import SdkHook
from bucket_conformance.conformance.wire import bounds as exchange_bounds
from bucket_conformance.conformance.wire.bounds import KEPT_HEADER_BYTES, body_bound, kept_headers
from bucket_conformance.conformance.wire.exchange import Exchange, Recorder
from bucket_conformance.conformance.wire.transport import HttpTransport
from bucket_conformance.reference_impl.s3_client import make_client
from tests.conformance.wire.test_transport import Talk, read_head, server

OK = b"HTTP/1.1 200 OK\r\n"
PATIENCE_S = 0.3
"""The scripted servers below pause for less than this between two bytes, and never end by themselves."""


@pytest.fixture
def transport() -> Iterator[HttpTransport]:
    with mock.patch("bucket_conformance.conformance.wire.transport.TIMEOUT_S", PATIENCE_S):
        made = HttpTransport(Recorder())
        yield made
        made.close()


@contextmanager
def sdk(url: str) -> Iterator[tuple[Any, Recorder]]:
    recorder = Recorder()
    with (
        mock.patch("bucket_conformance.conformance.backend.sdk_hook.TIMEOUTS_S", (PATIENCE_S, PATIENCE_S)),
        mock.patch("bucket_conformance.conformance.backend.sdk_hook.PATIENCE_S", PATIENCE_S),
    ):
        hook = SdkHook(recorder)
        client: Any = make_client(region="us-east-1", endpoint=url, access_key="exemplar", secret_key="exemplar-secret")
        client.meta.events.register("before-send.s3", hook.before_send)
        with contextlib.closing(client), contextlib.closing(hook):
            yield client, recorder


def endless(head: bytes, piece: bytes) -> Talk:
    def talk(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(head)
        while True:
            connection.sendall(piece)

    return talk


def dripping(head: bytes, piece: bytes) -> Talk:
    def talk(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(head)
        connection.settimeout(0.05)
        while True:
            for at in range(len(piece)):
                connection.sendall(piece[at : at + 1])
                with contextlib.suppress(TimeoutError):
                    if not connection.recv(1):
                        return

    return talk


def once(data: bytes) -> Talk:
    def talk(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(data)

    return talk


CHUNKED = OK + b'ETag: "e"\r\nTransfer-Encoding: chunked\r\n\r\n'

NO_HEAD = {
    "interim responses": b"HTTP/1.1 100 Continue\r\n\r\n",
    "headers": b"X-A: b\r\n",
}


@pytest.mark.parametrize("piece", NO_HEAD.values(), ids=NO_HEAD)
def test_a_head_without_end_is_no_response(transport: HttpTransport, piece: bytes) -> None:
    with server(endless(OK if piece.startswith(b"X") else b"", piece)) as (url, _):
        answer = transport.send("GET", f"{url}/b/k")
        assert (answer.status, answer.timed_out) == (0, False)
        assert answer.error
        with sdk(url) as (client, recorder), pytest.raises(Exception, match=r"too long|Connection was closed"):
            client.head_object(Bucket="b", Key="k")
        assert recorder.kept()[0].status is None


def test_endless_interim_responses_are_reported_and_not_requested_again(transport: HttpTransport) -> None:
    with server(endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n")) as (url, accepted):
        assert "no header ended" in (transport.send("GET", f"{url}/b/k").error or "")
        with sdk(url) as (client, recorder), pytest.raises(BotoCoreError, match=r"too long.*no header ended"):
            client.head_object(Bucket="b", Key="k")
        assert recorder.total == 1
        assert len(accepted) == 2


BODIES = {
    "to the end of the connection": (OK + b"\r\n", b"b" * 65536),
    "in chunks": (CHUNKED, b"1000\r\n" + b"c" * 4096 + b"\r\n"),
    "in a chunk extension": (CHUNKED + b"5;", b"e" * 65536),
}


@pytest.mark.parametrize(("head", "piece"), BODIES.values(), ids=BODIES)
def test_a_body_without_end_is_cut_at_its_bound(transport: HttpTransport, head: bytes, piece: bytes) -> None:
    with mock.patch.object(exchange_bounds, "SLACK_BYTES", 200_000), server(endless(head, piece)) as (url, _):
        answer = transport.send("GET", f"{url}/b/k")
        assert answer.error
        assert not answer.timed_out
        assert len(answer.body) <= 200_000
        with sdk(url) as (client, recorder), pytest.raises(BotoCoreError):
            client.list_objects_v2(Bucket="b")
        assert recorder.total == 1 or b"5;" in head  # a line that is too long is a broken connection to the SDK


@pytest.mark.parametrize(
    "head", [OK + b'ETag: "e"\r\nContent-Length: %d\r\n\r\nx' % 2**62, CHUNKED + b"%x\r\nx" % 2**62]
)
def test_an_announced_length_that_cannot_be_right_is_not_waited_for(transport: HttpTransport, head: bytes) -> None:
    with server(once(head)) as (url, _):
        answer = transport.send("GET", f"{url}/b/k")
        assert answer.status == 200
        assert str(2**62) in (answer.error or "")
        with sdk(url) as (client, recorder):
            body = client.get_object(Bucket="b", Key="k")["Body"]
            with pytest.raises(BotoCoreError):
                body.read()
            assert str(2**62) in (recorder.kept()[-1].error or "")


def test_a_body_may_be_as_long_as_what_was_sent_in_the_example(transport: HttpTransport) -> None:
    body = b"0123456789" * 10_000

    def talk(connection: socket.socket) -> None:
        for _ in range(3):
            read_head(connection)
            connection.sendall(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    transport.recorder.clear()
    with mock.patch.object(exchange_bounds, "SLACK_BYTES", 1000), server(talk, talk) as (url, _):
        assert "at most 1000" in (transport.send("GET", f"{url}/b/k").error or "")
        transport.recorder.add(Exchange(origin="storage", method="PUT", target="/b/k", body=None, body_size=len(body)))
        assert transport.send("GET", f"{url}/b/k").body == body
        transport.recorder.clear()
        assert "at most 1000" in (transport.send("GET", f"{url}/b/k").error or "")


DRIPS = {
    "interim responses": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0),
    "the status line": (b"", b"HTTP/1.1 200 O" + b"K" * 60_000, 0),
    "headers": (OK, b"X-A: b\r\n", 0),
    "a body": (OK + b'ETag: "e"\r\nContent-Length: 100000\r\n\r\n', b"x", 200),
    "chunks": (CHUNKED, b"1\r\nx\r\n", 200),
}


@pytest.mark.parametrize(("head", "piece", "status"), DRIPS.values(), ids=DRIPS)
def test_bytes_that_drip_run_out_of_time(transport: HttpTransport, head: bytes, piece: bytes, status: int) -> None:
    with server(dripping(head, piece), dripping(head, piece)) as (url, accepted):
        answer = transport.send("GET", f"{url}/b/k")
        assert (answer.status, answer.timed_out) == (status, True)
        assert "not whole after" in (answer.error or "")
        with sdk(url) as (client, recorder), pytest.raises(BotoCoreError, match="time ran out"):
            client.list_objects_v2(Bucket="b")
        assert [exchange.timed_out for exchange in recorder.kept()] == [True]
        assert len(accepted) == 2


def test_a_streamed_body_that_drips_runs_out_of_time_where_it_is_read() -> None:
    head, piece, _ = DRIPS["a body"]
    with server(dripping(head, piece)) as (url, _), sdk(url) as (client, recorder):
        body = client.get_object(Bucket="b", Key="k")["Body"]
        assert not recorder.kept()[0].timed_out
        with pytest.raises(BotoCoreError):
            body.read()
        assert recorder.kept()[0].timed_out
        assert "not whole after" in (recorder.kept()[0].error or "")


def test_a_slow_response_within_its_time_passes_and_the_connection_serves_on(transport: HttpTransport) -> None:
    def talk(connection: socket.socket) -> None:
        for _ in range(2):
            read_head(connection)
            for at in range(0, 40, 10):
                connection.sendall((OK + b"Content-Length: 2\r\n\r\nok")[at : at + 10])
                connection.settimeout(0.01)
                with contextlib.suppress(TimeoutError):
                    connection.recv(1, socket.MSG_PEEK)
                connection.settimeout(None)

    with server(talk) as (url, accepted):
        assert [transport.send("GET", f"{url}/b/k").body for _ in range(2)] == [b"ok", b"ok"]
        assert len(accepted) == 1


def test_the_end_of_a_connection_within_an_interim_response_is_an_error_and_no_loop() -> None:
    with server(once(b"HTTP/1.1 100 Continue\r\n")) as (url, _), sdk(url) as (client, recorder):
        with pytest.raises(BotoCoreError):
            client.put_object(Bucket="b", Key="k", Body=b"x" * (3 * 1024 * 1024))
        assert dict(recorder.kept()[0].headers)["Expect"] == "100-continue"


def test_an_interim_response_that_drips_runs_out_of_time() -> None:
    with server(dripping(b"HTTP/1.1 100 Continue\r\n", b"X-A: b\r\n")) as (url, _), sdk(url) as (client, recorder):
        with pytest.raises(BotoCoreError, match="time ran out"):
            client.put_object(Bucket="b", Key="k", Body=b"x" * (3 * 1024 * 1024))
        assert [exchange.timed_out for exchange in recorder.kept()] == [True]


def listing(number: int) -> bytes:
    body = (
        f"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t{number}</NextContinuationToken>"
        "</ListBucketResult>"
    ).encode()
    return OK + b"Content-Length: %d\r\n\r\n" % len(body) + body


def test_a_listing_by_the_sdk_without_end_is_an_error_and_the_next_listing_is_none() -> None:
    def talk(connection: socket.socket) -> None:
        for number in range(100):
            read_head(connection)
            connection.sendall(listing(number))

    with (
        mock.patch("bucket_conformance.conformance.backend.sdk_hook.MOST_PAGES", 5),
        server(talk) as (url, _),
        sdk(url) as (client, recorder),
    ):
        for _ in range(2):
            recorder.clear()
            with pytest.raises(BotoCoreError, match="the listing never ends: 6 pages"):
                list(client.get_paginator("list_objects_v2").paginate(Bucket="b"))
            assert len(recorder.kept()) == 6


def test_headers_that_would_fill_the_memory_are_not_kept() -> None:
    few = [("a", "b"), ("c", "d")]
    assert kept_headers(few) is few
    many = [(f"x-{number}", "v" * 1000) for number in range(100)]
    assert list(kept_headers(many)) == many[: KEPT_HEADER_BYTES // 1005]


def test_the_bound_of_a_body_is_more_than_what_was_sent() -> None:
    assert body_bound(0) == exchange_bounds.SLACK_BYTES
    assert body_bound(100 * 2**20) > 100 * 2**20 + exchange_bounds.SLACK_BYTES
