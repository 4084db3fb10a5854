"""The HTTP/1.1 front: raw sockets, one thread per connection, keep-alive, Nagle off, paths untouched."""

from __future__ import annotations

import contextlib
import http
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from io import BufferedReader
from typing import Final, Self

from tests.exemplar.sigv4 import real_now
from tests.exemplar.types import Request, Response

Handler = Callable[[Request], Response]
MAX_BODY: Final = 5 * 1024**3
_REASONS: Final = {status.value: status.phrase for status in http.HTTPStatus}
_BODILESS: Final = frozenset({204, 304})


class _BadRequestError(Exception):
    """The head cannot be read as HTTP/1.1; the connection is answered once and closed."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(status, code)
        self.status = status
        self.code = code


@lru_cache(maxsize=4)
def _date(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")


def _read_head(reader: BufferedReader) -> Request | None:
    line = reader.readline(65_537)
    while line in (b"\r\n", b"\n"):
        line = reader.readline(65_537)
    if not line:
        return None
    try:
        method, target, version = line.decode("latin-1").split()
    except ValueError:
        raise _BadRequestError(400, "BadRequest") from None
    if not version.startswith("HTTP/1."):
        raise _BadRequestError(505, "BadRequest")
    if target.startswith(("http://", "https://")):
        target = "/" + target.split("/", 3)[3] if target.count("/") > 2 else "/"
    headers: list[tuple[str, str]] = []
    while True:
        raw = reader.readline(65_537)
        if raw in (b"\r\n", b"\n"):
            break
        name, colon, value = raw.decode("latin-1").partition(":")
        if not colon or not raw.endswith(b"\n") or name != name.strip() or len(headers) > 500:
            raise _BadRequestError(400, "BadRequest")
        headers.append((name, value.strip(" \t\r\n")))
    return Request(method=method, target=target, headers=tuple(headers))


def _read_chunked(reader: BufferedReader) -> tuple[bytes, bool]:
    pieces: list[bytes] = []
    total = 0
    while True:
        line = reader.readline(1024)
        try:
            size = int(line.split(b";")[0].strip(), 16)
        except ValueError:
            return b"".join(pieces), True
        total += size
        data = reader.read(size) if size > 0 and total <= MAX_BODY else b""
        if len(data) != size:
            return b"".join([*pieces, data]), True
        if size == 0:
            break
        pieces.append(data)
        if reader.readline(3) != b"\r\n":
            return b"".join(pieces), True
    while reader.readline(65_537) not in (b"\r\n", b"\n", b""):
        pass
    return b"".join(pieces), False


def _read_body(request: Request, reader: BufferedReader) -> tuple[bytes, bool]:
    """Return the body, and whether the client went away before its end."""
    if "chunked" in request.header("transfer-encoding").lower():
        return _read_chunked(reader)
    text = request.header("content-length")
    if not text:
        if request.method == "PUT":
            raise _BadRequestError(411, "MissingContentLength")
        return b"", False
    if not (text.isascii() and text.isdecimal()):
        raise _BadRequestError(400, "BadRequest")
    if int(text) > MAX_BODY:
        raise _BadRequestError(400, "EntityTooLarge")
    body = reader.read(int(text)) if int(text) else b""
    return body, len(body) < int(text)


def _send(connection: socket.socket, request: Request, response: Response, *, close: bool) -> bool:
    """Write the answer; return whether the connection is still good."""
    if response.hang_up:
        return False
    lines = [f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Unknown')}"]
    lines.append(f"Date: {_date(int(real_now()))}\r\nServer: Exemplar")
    lines += [f"{name}: {value}" for name, value in response.headers]
    if response.status not in _BODILESS and not response.header("content-length"):
        lines.append(f"Content-Length: {len(response.body)}")
    if close:
        lines.append("Connection: close")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
    body = b"" if request.method == "HEAD" or response.status in _BODILESS else response.body
    if response.cut_after is not None:
        connection.sendall(head + body[: response.cut_after])
        return False
    if len(body) < 65_536:
        connection.sendall(head + body + response.junk_after)
    else:
        connection.sendall(head)
        connection.sendall(body)
        if response.junk_after:
            connection.sendall(response.junk_after)
    return not close


class HttpFront:
    """A listening server around ``handler``; use as a context manager. ``url`` is ``http://127.0.0.1:PORT``.

    A request cut off by its client is dropped, or handed on marked ``truncated`` where ``wants_truncated`` is set.
    """

    def __init__(self, handler: Handler, *, port: int = 0, wants_truncated: bool = False) -> None:
        self._handler = handler
        self._wants_truncated = wants_truncated
        self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closing = False
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._accept, name=f"front-{self.port}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening and drop every connection."""
        with self._lock:
            self._closing = True
            connections = list(self._connections)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._closing:
                    connection.close()
                    return
                self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection, connection.makefile("rb") as reader, contextlib.suppress(OSError):
                while self._one(connection, reader):
                    pass
        finally:
            with self._lock:
                self._connections.discard(connection)

    def _one(self, connection: socket.socket, reader: BufferedReader) -> bool:
        request: Request | None = None
        try:
            request = _read_head(reader)
            if request is None:
                return False
            if request.header("expect").lower() == "100-continue":
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            body, truncated = _read_body(request, reader)
        except _BadRequestError as error:
            inner = f"<Error><Code>{error.code}</Code><Message>{error.code}</Message></Error>"
            headers = (("Content-Type", "application/xml"),)
            answer = Response(status=error.status, headers=headers, body=inner.encode())
            return _send(connection, request or Request(method="GET", target="/"), answer, close=True)
        if truncated and not self._wants_truncated:
            return False
        full = Request(
            method=request.method, target=request.target, headers=request.headers, body=body, truncated=truncated
        )
        close = truncated or request.header("connection").lower() == "close"
        try:
            answer = self._handler(full)
        except Exception:
            # The client gets a response; the thread ends with an exception, so that the test run notices.
            _send(connection, full, Response(status=500, body=b"<Error><Code>InternalError</Code></Error>"), close=True)
            raise
        return _send(connection, full, answer, close=close)
