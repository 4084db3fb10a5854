"""A tiny HTTP server on loopback that answers from a script: for responses that a correct server never sends."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

RESET = b"\x00reset"
"""As an answer: read the request, then drop the connection with a TCP reset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it came over the wire; header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


def answer(
    status: int, body: bytes = b"", *, headers: dict[str, str] | None = None, cut_to: int | None = None
) -> bytes:
    """Return the bytes of an answer; with ``cut_to`` only that much of the promised body, after which it is closed."""
    fields = {"Content-Length": str(len(body)), "Date": "Sun, 01 Nov 2026 10:00:00 GMT", **(headers or {})}
    if cut_to is not None:
        fields["Connection"] = "close"
    head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n"
    return head.encode("latin-1") + (body if cut_to is None else body[:cut_to])


def error(status: int, code: str, message: str = "no") -> bytes:
    """Return an answer with an S3 error body."""
    text = f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>R1</RequestId></Error>"
    return answer(status, text.encode(), headers={"Content-Type": "application/xml"})


@dataclass(slots=True, kw_only=True)
class Stub:
    """The running server: ``url`` to reach it, ``requests`` as they came."""

    url: str
    requests: list[Request] = field(default_factory=list)

    def count(self, method: str, part: str = "") -> int:
        return sum(1 for request in self.requests if request.method == method and part in request.target)


@contextmanager
def running(respond: Callable[[Request], bytes], *, keep_bodies: bool = True) -> Iterator[Stub]:
    """Serve ``respond`` on a free port of loopback, one thread per connection, until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    stub = Stub(url=f"http://127.0.0.1:{listener.getsockname()[1]}")
    stop = threading.Event()
    lock = threading.Lock()

    def serve(connection: socket.socket) -> None:
        with connection:
            connection.settimeout(10)
            reader = connection.makefile("rb")
            while not stop.is_set():
                try:
                    request = _read(reader, connection)
                except OSError:
                    return
                if request is None:
                    return
                with lock:
                    stub.requests.append(request if keep_bodies else replace(request, body=b""))
                reply = respond(request)
                if reply == RESET:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                connection.sendall(reply)
                if b"\r\nConnection: close\r\n" in reply.split(b"\r\n\r\n", 1)[0] + b"\r\n":
                    return

    def accept() -> None:
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield stub
    finally:
        stop.set()
        acceptor.join()
        listener.close()


def _read(reader: object, connection: socket.socket) -> Request | None:
    line = reader.readline()  # type: ignore[attr-defined]
    if not line:
        return None
    method, target, _ = line.decode("latin-1").split(" ", 2)
    headers: dict[str, str] = {}
    while (line := reader.readline()) not in (b"\r\n", b""):  # type: ignore[attr-defined]
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = reader.read(int(headers.get("content-length", "0")))  # type: ignore[attr-defined]
    return Request(method=method, target=target, headers=headers, body=body)
