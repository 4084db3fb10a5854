"""The URL server as a server: ranges, uploads, clients that leave, starting and stopping."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bucket_conformance.reference_impl.local import LocalStorage
from bucket_conformance.reference_impl.safe_paths import INCOMING
from bucket_conformance.reference_impl.signed_urls import UrlServer
from tests.reference_impl.disk_worlds import tree
from tests.reference_impl.url_world import BODY, SECRET, call, running_server, storage_with_object, until, url_of_object  # noqa: F401


@pytest.mark.parametrize(
    ("header", "status", "part"),
    [
        ("bytes=0-0", 206, BODY[:1]), ("bytes=5-9", 206, BODY[5:10]), ("bytes=-7", 206, BODY[-7:]),
        ("bytes=10000-", 206, BODY[10000:]), ("bytes=10-999999", 206, BODY[10:]), ("bytes=-999999", 206, BODY),
        ("bytes=9-5", 200, BODY), ("bytes=0-1,3-4", 200, BODY), ("lines=0-1", 200, BODY), ("bytes=x-", 200, BODY),
        ("bytes=-", 200, BODY), ("bytes=10240-", 416, b""), ("bytes=-0", 416, b""),
    ],
)  # fmt: skip
def test_ranges_give_the_right_part(url: str, header: str, status: int, part: bytes) -> None:
    answer = call(url, headers={"Range": header})
    assert answer.status == status
    if status == 416:
        assert answer.code == "InvalidRange"
        assert answer.headers["Content-Range"] == f"bytes */{len(BODY)}"
        return
    assert answer.body == part
    if status == 206:
        first = BODY.rfind(part) if header.startswith("bytes=-") else int(header[6:].partition("-")[0])
        assert answer.headers["Content-Range"] == f"bytes {first}-{first + len(part) - 1}/{len(BODY)}"


def test_an_empty_object_has_no_satisfiable_range(storage: LocalStorage) -> None:
    storage.upload("empty", b"")
    url = storage.signed_url("empty")
    assert (call(url).status, call(url).body) == (200, b"")
    for header in ("bytes=0-", "bytes=-5", "bytes=0-0"):
        assert call(url, headers={"Range": header}).status == 416


def test_a_large_object_streams_both_ways(storage: LocalStorage) -> None:
    body = os.urandom(5 << 20)
    assert call(storage.signed_upload_url("large"), "PUT", body=body).status == 200
    assert call(storage.signed_url("large")).body == body


def test_one_url_serves_many_readers_at_once(url: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: call(url), range(40)))
    assert {(answer.status, answer.body) for answer in answers} == {(200, BODY)}


def test_a_signed_content_type_must_be_sent_exactly(storage: LocalStorage) -> None:
    url = storage.signed_upload_url("typed", content_type="image/png")
    for headers in ({}, {"Content-Type": "text/html"}, {"Content-Type": "image/png; x=y"}):
        answer = call(url, "PUT", body=b"x", headers=headers)
        assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")
    assert not storage.exists("typed")
    assert call(url, "PUT", body=b"x", headers={"Content-Type": "image/png"}).status == 200
    assert call(storage.signed_url("typed")).headers["Content-Type"] == storage.stat("typed").content_type


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}, 400), ({"Content-MD5": "nonsense"}, 400),
        ({"If-None-Match": "*"}, 501), ({"Content-Encoding": "aws-chunked"}, 501),
        ({"Content-Range": "bytes 0-1/2"}, 501),
        ({"Content-MD5": "nUfRgkNMMd5RAT/NIn8reA=="}, 400), ({"Content-MD5": "nd1OY/x5ntncqlGN18tDJA=="}, 400),
    ],
)  # fmt: skip
def test_a_put_that_asks_for_what_is_not_done_stores_nothing(
    storage: LocalStorage, headers: dict[str, str], status: int
) -> None:
    storage.upload("kept", b"old")
    assert call(storage.signed_upload_url("kept"), "PUT", body=b"new", headers=headers).status == status
    assert storage.download("kept") == b"old"


def raw_put(url: str, framing: str, body: bytes) -> socket.socket:
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = socket.create_connection((parts.hostname, parts.port or 80), timeout=20)
    connection.sendall(
        f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n{framing}\r\n\r\n".encode() + body
    )
    return connection


def uploads_under_way(storage: LocalStorage) -> int:
    return len([name for name in tree(storage.root) if name.startswith(INCOMING)])


@pytest.mark.parametrize(
    ("framing", "sent"),
    [("Content-Length: 1000", b"x" * 999), ("Transfer-Encoding: chunked", b"3\r\nabc\r\n"), ("Content-Length: 5", b"")],
)
def test_a_client_that_leaves_within_its_body_stores_nothing(storage: LocalStorage, framing: str, sent: bytes) -> None:
    storage.upload("kept", b"old")
    before = set(tree(storage.root))
    connection = raw_put(storage.signed_upload_url("kept"), framing, sent)
    until(lambda: uploads_under_way(storage) == 1)
    connection.close()
    until(lambda: uploads_under_way(storage) == 0)
    assert storage.download("kept") == b"old"
    assert set(tree(storage.root)) == before


def test_a_put_without_a_length_is_refused(storage: LocalStorage) -> None:
    with raw_put(storage.signed_upload_url("nolength"), "Accept: */*", b"") as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 411 ")
    assert not storage.exists("nolength")


def test_a_refused_put_leaves_the_connection_usable(storage: LocalStorage, url: str) -> None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    connection.request("PUT", f"{parts.path}?{parts.query}", body=b"x" * 100_000)
    assert connection.getresponse().read().startswith(b"<?xml")
    connection.request("GET", f"{parts.path}?{parts.query}")
    assert connection.getresponse().read() == BODY
    connection.close()


def test_links_and_unfinished_uploads_are_never_served(storage: LocalStorage) -> None:
    outside = storage.root.parent / "outside"
    outside.write_bytes(b"secret")
    (storage.root / "link").symlink_to(outside)
    (storage.root / INCOMING / "left-over").write_bytes(b"part")
    try:
        assert call(storage.signed_url("link")).status == 404
        assert call(storage.signer.sign("GET", f"{INCOMING}/left-over")).status == 400
        assert call(storage.signer.sign("PUT", "../outside"), "PUT", body=b"x").status == 400
        assert outside.read_bytes() == b"secret"
    finally:
        (storage.root / INCOMING / "left-over").unlink()
        (storage.root / "link").unlink()


def test_a_reader_that_leaves_does_not_keep_the_file_open(storage: LocalStorage) -> None:
    storage.upload("big", os.urandom(30 << 20))
    parts = urlsplit(storage.signed_url("big"))
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=20) as connection:
        connection.sendall(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        assert open_descriptors_of(storage.root / "big") == 1
    until(lambda: open_descriptors_of(storage.root / "big") == 0)


def test_serve_runs_until_it_is_stopped(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    storage = LocalStorage(tmp_path, base_url=f"http://127.0.0.1:{port}/some/where", secret=SECRET)
    storage.upload("k", b"served")
    program = (
        "import sys; from pathlib import Path; from bucket_conformance.reference_impl.local import LocalStorage; "
        "from bucket_conformance.reference_impl.signed_urls import serve; root, url, secret, port = sys.argv[1:]; "
        "serve(LocalStorage(Path(root), base_url=url, secret=secret.encode()), port=int(port))"
    )
    command = [sys.executable, "-c", program, str(tmp_path), storage.base_url or "", SECRET.decode(), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            until(lambda: process.poll() is not None or answers(port))
            assert call(storage.signed_url("k")).body == b"served"
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, output) == (0, b"")


def open_descriptors_of(path: Path) -> int:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("descriptors are counted in /proc")
    count = 0
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            count += link.readlink() == path
    return count


def answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def test_the_server_stops_while_a_client_holds_on(tmp_path: Path) -> None:
    with UrlServer(LocalStorage(tmp_path)) as server:
        connection = raw_put(server.storage.signed_upload_url("k"), "Content-Length: 10", b"half")
        until(lambda: uploads_under_way(server.storage) == 1)
        address = server.url
    connection.close()
    # The thread of the upload is stopped last, and removes what it had written.
    until(lambda: tree(tmp_path) == {})
    with pytest.raises(OSError, match=r"refused|reset"):
        call(address)
