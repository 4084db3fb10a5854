"""Clients of the URL server that take too many connections, time or bytes: others are served, and nothing stays."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bucket_conformance.reference_impl.local import LocalStorage
from bucket_conformance.reference_impl.signed_urls import UrlServer
from bucket_conformance.reference_impl.url_connections import ServerLimits
from tests.reference_impl.disk_worlds import tree
from tests.reference_impl.test_url_server import raw_put, uploads_under_way
from tests.reference_impl.url_world import BODY, SECRET, call, until

SLOW_PUTS = 45
IDLE_SOCKETS = 200


@contextmanager
def serving(limits: ServerLimits) -> Iterator[LocalStorage]:
    with (
        tempfile.TemporaryDirectory() as folder,
        UrlServer(LocalStorage(Path(folder), secret=SECRET), limits=limits) as server,
    ):
        server.storage.upload("k", BODY)
        yield server.storage


def connect(storage: LocalStorage) -> socket.socket:
    parts = urlsplit(storage.base_url or "")
    return socket.create_connection((parts.hostname or "", parts.port or 80), timeout=20)


def ends(connection: socket.socket) -> bool:
    """Return whether the server ends the connection before the client's own timeout."""
    try:
        return connection.recv(1000) == b""
    except ConnectionResetError:
        return True


def test_slow_uploads_do_not_block_other_clients() -> None:
    with ExitStack() as stack:
        storage = stack.enter_context(serving(ServerLimits()))
        for number in range(SLOW_PUTS):
            url = storage.signed_upload_url(f"slow/{number}")
            stack.enter_context(raw_put(url, "Content-Length: 1000", b"x"))
        until(lambda: uploads_under_way(storage) == SLOW_PUTS)
        assert call(storage.signed_url("k")).body == BODY
        assert call(storage.signed_upload_url("new"), "PUT", body=b"1").status == 200


def test_idle_connections_give_way_to_new_ones() -> None:
    with ExitStack() as stack:
        storage = stack.enter_context(serving(ServerLimits(connections=20)))
        held = [stack.enter_context(connect(storage)) for _ in range(IDLE_SOCKETS)]
        assert call(storage.signed_url("k")).body == BODY
        assert ends(held[0])


def test_with_all_connections_busy_a_new_one_gets_503_and_the_busy_ones_go_on() -> None:
    with ExitStack() as stack:
        storage = stack.enter_context(serving(ServerLimits(connections=3)))
        busy = [
            stack.enter_context(raw_put(storage.signed_upload_url(f"busy/{number}"), "Content-Length: 2", b"x"))
            for number in range(3)
        ]
        until(lambda: uploads_under_way(storage) == 3)
        assert call(storage.signed_url("k")).status == 503
        for connection in busy:
            connection.sendall(b"y")
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
        assert storage.download("busy/2") == b"xy"


@pytest.mark.parametrize("sent", [b"", b"GET /files/k HTTP/1.1\r\nHost: x\r\n"], ids=["nothing", "half a head"])
def test_a_connection_without_a_request_is_closed(sent: bytes) -> None:
    with serving(ServerLimits(idle_s=0.2)) as storage, connect(storage) as connection:
        connection.sendall(sent)
        assert ends(connection)


@pytest.mark.parametrize(
    "limits", [ServerLimits(idle_s=0.2), ServerLimits(request_s=0.2)], ids=["standing still", "in all"]
)
def test_an_upload_that_takes_too_long_is_ended_and_leaves_nothing(limits: ServerLimits) -> None:
    with serving(limits) as storage:
        before = tree(storage.root)
        with raw_put(storage.signed_upload_url("new"), "Content-Length: 1000", b"x") as connection:
            assert ends(connection)
        until(lambda: tree(storage.root) == before)


def test_a_reader_that_does_not_read_is_disconnected() -> None:
    with serving(ServerLimits(idle_s=0.2)) as storage:
        storage.upload("big", bytes(30 << 20))
        parts = urlsplit(storage.signed_url("big"))
        with connect(storage) as connection:
            connection.sendall(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            until(lambda: call(storage.signed_url("k")).status == 200)
            opened = Path("/proc/self/fd")
            if not opened.is_dir():
                pytest.skip("descriptors are counted in /proc")
            until(lambda: all(_target(link) != storage.root / "big" for link in opened.iterdir()))


def _target(link: Path) -> Path | None:
    try:
        return link.readlink()
    except OSError:
        return None


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        ("Content-Length: 11", b"x" * 11),
        ("Content-Length: 99999999999999999999", b""),
        ("Transfer-Encoding: chunked", b"6\r\nabcdef\r\n6\r\nabcdef\r\n0\r\n\r\n"),
    ],
    ids=["announced", "announced, absurd", "not announced"],
)
def test_an_upload_over_the_bound_is_413_and_leaves_nothing(framing: str, body: bytes) -> None:
    with serving(ServerLimits(upload_bytes=10)) as storage:
        before = tree(storage.root)
        with raw_put(storage.signed_upload_url("new"), framing, body) as connection:
            got = b""
            while b"</Error>" not in got and (piece := connection.recv(5000)):
                got += piece
        assert got.startswith(b"HTTP/1.1 413 ")
        assert b"<Code>EntityTooLarge</Code>" in got
        until(lambda: tree(storage.root) == before)
        assert call(storage.signed_upload_url("new"), "PUT", body=b"x" * 10).status == 200


@pytest.mark.parametrize("name", ["connections", "idle_s", "request_s", "upload_bytes"])
def test_a_limit_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is 0"):
        ServerLimits(**{name: 0})
