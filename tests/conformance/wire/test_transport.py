"""Plain HTTP against servers that behave, refuse early, cut off, hang up, or speak TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from unittest import mock

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bucket_conformance.conformance.wire.exchange import Headers, Recorder
from bucket_conformance.conformance.wire.transport import HttpResponse, HttpTransport

Talk = Callable[[socket.socket], None]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def read_head(connection: socket.socket) -> bytes:
    seen = b""
    while b"\r\n\r\n" not in seen:
        data = connection.recv(65536)
        if not data:
            break
        seen += data
    return seen


@contextmanager
def server(*talks: Talk, context: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[int]]]:
    """Serve one connection after another, each with the next script of ``talks``, further ones with the last script."""
    listener = socket.create_server(("127.0.0.1", 0))
    accepted: list[int] = []
    last: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            accepted.append(1)
            last.append(connection)
            talk = talks[min(len(accepted), len(talks)) - 1]
            with connection, contextlib.suppress(OSError):
                if context is not None:
                    with context.wrap_socket(connection, server_side=True) as wrapped:
                        talk(wrapped)
                else:
                    talk(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        scheme = "https" if context else "http"
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}", accepted
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in last:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.fixture
def transport() -> Iterator[HttpTransport]:
    made = HttpTransport(Recorder())
    yield made
    made.close()


def answering(times: int, answer: bytes = OK) -> Talk:
    def talk(connection: socket.socket) -> None:
        for _ in range(times):
            if not read_head(connection):
                return
            connection.sendall(answer)

    return talk


def test_one_connection_serves_many_requests(transport: HttpTransport) -> None:
    with server(answering(10)) as (url, accepted):
        for _ in range(5):
            assert transport.send("GET", f"{url}/b/k").body == b"ok"
        assert len(accepted) == 1


def test_a_connection_closed_while_idle_is_replaced_and_the_exchange_recorded_once(transport: HttpTransport) -> None:
    with server(answering(1), answering(1)) as (url, accepted):
        assert transport.send("GET", f"{url}/b/k").status == 200
        assert transport.send("PUT", f"{url}/b/k", body=b"again").status == 200
        assert len(accepted) == 2
    assert transport.recorder.total == 2


def test_a_connection_that_the_server_announces_to_close_is_not_used_again(transport: HttpTransport) -> None:
    closing = b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 2\r\n\r\nok"
    with server(answering(9, closing)) as (url, accepted):
        assert transport.send("GET", f"{url}/b/k").status == 200
        assert transport.send("GET", f"{url}/b/k").status == 200
        assert len(accepted) == 2


CONDITIONAL = (("If-None-Match", "*"),)


@pytest.mark.parametrize(
    ("method", "target", "headers", "tries"),
    [
        ("GET", "/b/k", (), 4),
        ("DELETE", "/b/k", (), 4),
        ("POST", "/b?delete", (), 4),
        ("POST", "/b/k?uploads", (), 1),
        ("PUT", "/b/k", CONDITIONAL, 1),
        ("DELETE", "/b/k", (("If-Match", '"e"'),), 1),
    ],
)
@pytest.mark.parametrize("response", [b"", b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n"])
def test_a_request_is_repeated_after_passing_trouble_if_that_does_no_harm(
    transport: HttpTransport, method: str, target: str, headers: Headers, tries: int, response: bytes
) -> None:
    with server(answering(1, response)) as (url, accepted):
        answer = transport.send(method, f"{url}{target}", headers=headers)
        assert not answer.ok
        assert len(accepted) == tries
        kept = transport.recorder.kept()
        assert [each.repeated for each in kept] == [True] * (tries - 1) + [False]
        assert all(each.is_passing_trouble for each in kept)
    if not response:
        assert "RemoteDisconnected" in (answer.error or "")
        assert answer.summary.startswith("no answer (")


def test_a_server_that_stays_in_trouble_is_no_longer_asked_again_and_again(transport: HttpTransport) -> None:
    with server(answering(1, b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n")) as (url, accepted):
        for _ in range(6):
            transport.send("GET", f"{url}/b/k")
        assert len(accepted) == 3 * 4 + 3


def test_a_slow_response_on_a_reused_connection_is_not_requested_again(transport: HttpTransport) -> None:
    def once_then_silence(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(OK)
        while connection.recv(65536):
            pass

    with (
        mock.patch("bucket_conformance.conformance.wire.transport.TIMEOUT_S", 0.3),
        server(once_then_silence) as (url, accepted),
    ):
        assert transport.send("GET", f"{url}/b/k").status == 200
        answer = transport.send("PUT", f"{url}/b/k", body=b"x")
        assert answer.status == 0
        assert "TimeoutError" in (answer.error or "")
        assert len(accepted) == 1
    assert [exchange.timed_out for exchange in transport.recorder.kept()] == [False, True]


def test_an_interrupt_in_the_middle_leaves_no_connection_that_answers_the_wrong_request(
    transport: HttpTransport,
) -> None:
    with server(answering(9)) as (url, accepted):
        assert transport.send("GET", f"{url}/b/k").status == 200
        with (
            mock.patch("http.client.HTTPConnection.getresponse", side_effect=KeyboardInterrupt),
            pytest.raises(KeyboardInterrupt),
        ):
            transport.send("GET", f"{url}/b/other")
        assert transport.send("GET", f"{url}/b/k").status == 200
        assert len(accepted) == 2


def test_a_refusal_sent_before_the_whole_body_was_taken_is_read(transport: HttpTransport) -> None:
    refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 33\r\n\r\n<Error><Code>Early</Code></Error>"

    def refuse(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(refusal)

    with server(refuse, answering(1)) as (url, accepted):
        answer = transport.send("PUT", f"{url}/b/k", body=b"x" * (16 * 1024 * 1024))
        assert (answer.status, answer.code) == (403, "Early"), answer
        assert transport.send("GET", f"{url}/b/k").status == 200
        assert len(accepted) == 2


def test_a_body_that_breaks_off_is_an_error_and_keeps_what_came(transport: HttpTransport) -> None:
    with server(answering(1, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nonly")) as (url, _):
        answer = transport.send("GET", f"{url}/b/k")
    assert (answer.status, answer.body, answer.ok) == (200, b"only", False)
    assert answer.summary == "200 (body broke off: body cut off)"


def test_what_is_no_http_is_no_answer(transport: HttpTransport) -> None:
    with server(answering(1, b"SSH-2.0-OpenSSH\r\n\r\n")) as (url, _):
        answer = transport.send("GET", f"{url}/b/k")
    assert answer.status == 0
    assert answer.error


def test_hanging_up_on_purpose_sends_so_many_bytes_and_no_more(transport: HttpTransport) -> None:
    seen: list[bytes] = []

    def take(connection: socket.socket) -> None:
        data = b""
        while more := connection.recv(65536):
            data += more
        seen.append(data)

    with server(take) as (url, _):
        answer = transport.send("PUT", f"{url}/b/k", body=b"0123456789", cut_after=4)
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert b"Content-Length: 10" in head
    assert body == b"0123"
    assert (answer.status, answer.error) == (0, "hung up on purpose")
    assert transport.recorder.kept()[0].cut_after == 4


def test_the_path_goes_out_as_it_is_given(transport: HttpTransport) -> None:
    seen: list[bytes] = []

    def keep(connection: socket.socket) -> None:
        seen.append(read_head(connection))
        connection.sendall(OK)

    with server(keep) as (url, _):
        transport.send("GET", f"{url}/b//a/./b/../c%2Fd?x=%20&y=a+b&empty")
    assert seen[0].startswith(b"GET /b//a/./b/../c%2Fd?x=%20&y=a+b&empty HTTP/1.1\r\n")


def test_a_header_that_would_inject_another_is_never_sent(transport: HttpTransport) -> None:
    with server(answering(1)) as (url, _):
        answer = transport.send("GET", f"{url}/b/k", headers=[("x-a", "one\r\nx-b: two")])
    assert answer.status == 0
    assert "Invalid header value" in (answer.error or "")


def test_every_thread_has_a_connection_of_its_own(transport: HttpTransport) -> None:
    with server(answering(9)) as (url, accepted):
        transport.send("GET", f"{url}/b/k")
        thread = threading.Thread(target=lambda: transport.send("GET", f"{url}/b/k"))
        thread.start()
        transport.close()  # frees the server for the other thread
        thread.join(5)
        assert len(accepted) == 2


def test_answers_without_xml_have_no_code() -> None:
    assert HttpResponse(status=403, body=b"<html>no").code == ""
    assert HttpResponse(status=403, body=b"<Error xmlns='x'><Code>AccessDenied</Code></Error>").code == "AccessDenied"
    assert (
        HttpResponse(status=400, body=b"<ErrorResponse><Error><Code>Bad</Code></Error></ErrorResponse>").code == "Bad"
    )
    assert HttpResponse(status=200, headers=(("X-A", "1"),)).header("x-a") == "1"


def make_certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a server of the tests")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_a_private_certificate_is_trusted_only_if_its_file_is_named(tmp_path: Path) -> None:
    pem = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with server(answering(1), context=context) as (url, _):
        stranger, friend = HttpTransport(Recorder()), HttpTransport(Recorder(), ca_file=pem)
        refused = stranger.send("GET", f"{url}/b/k")
        assert refused.status == 0
        assert "CERTIFICATE_VERIFY_FAILED" in (refused.error or "")
        assert friend.send("GET", f"{url}/b/k").body == b"ok"
        stranger.close()
        friend.close()
