"""The upstream of a faulty server: the exemplary server in this process, or any S3 endpoint over HTTP."""

from __future__ import annotations

import http.client
import threading
from dataclasses import replace
from typing import Final, Protocol
from urllib.parse import urlsplit

from tests.exemplar.payload import open_body
from tests.exemplar.server import Exemplar
from tests.exemplar.sigv4 import Credentials, sign
from tests.exemplar.types import Request, Response

_HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "expect", "te", "upgrade"})
_ANSWER_ONLY: Final = _HOP_BY_HOP | {"date", "server"}


class Upstream(Protocol):
    """A good server. ``trusted`` requests are taken without a signature of the client."""

    credentials: Credentials
    """The key pair that clients of this server sign with."""

    def send(self, request: Request, *, trusted: bool) -> Response: ...

    def close(self) -> None:
        """Give up idle connections; the upstream stays usable."""
        ...


class InProcess:
    """The exemplary server, called directly. Faults may read its store: ``server.store``."""

    def __init__(self, server: Exemplar | None = None) -> None:
        self.server = server or Exemplar()
        self.credentials = self.server.credentials

    def send(self, request: Request, *, trusted: bool) -> Response:
        return self.server.handle(request, trusted=trusted)

    def close(self) -> None:
        pass


class HttpUpstream:
    """A real endpoint. The client's Host header is kept, so that its signatures hold; connections are reused.

    ``url`` is scheme, host and port. Trusted requests are signed again with ``credentials``.
    """

    def __init__(self, url: str, credentials: Credentials, *, timeout_s: float = 30.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or parts.hostname is None:
            raise ValueError(f"upstream {url!r}: expected http://host:port or https://host:port")
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self.credentials = credentials
        self._timeout_s = timeout_s
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _connection(self, *, fresh: bool) -> http.client.HTTPConnection:
        with self._lock:
            if self._idle and not fresh:
                return self._idle.pop()
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        return kind(self._host, self._port, timeout=self._timeout_s)

    def _exchange(self, request: Request, *, fresh: bool) -> Response:
        connection = self._connection(fresh=fresh)
        try:
            answer = self._exchange_on(connection, request)
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._idle.append(connection)
        return answer

    def _exchange_on(self, connection: http.client.HTTPConnection, request: Request) -> Response:
        connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers:
            if name.lower() not in _HOP_BY_HOP:
                connection.putheader(name, value)
        if "chunked" in request.header("transfer-encoding").lower():
            connection.putheader("Transfer-Encoding", "chunked")
            connection.endheaders([request.body] if request.body else [], encode_chunked=True)
        else:
            connection.endheaders(request.body or None)
        answer = connection.getresponse()
        body = answer.read()
        dropped = _ANSWER_ONLY if request.method == "HEAD" else _ANSWER_ONLY | {"content-length"}
        headers = tuple((name, value) for name, value in answer.getheaders() if name.lower() not in dropped)
        return Response(status=answer.status, headers=headers, body=body)

    def send(self, request: Request, *, trusted: bool) -> Response:
        if trusted:
            plain = open_body(request.unsigned(), None)
            if plain.has_header("content-length") or plain.body:
                plain = plain.with_header("Content-Length", str(len(plain.body)))
            request = sign(replace(plain, truncated=False), self.credentials)
        try:
            return self._exchange(request, fresh=False)
        except (ConnectionError, http.client.BadStatusLine):
            # A kept-alive connection may have been closed by the server meanwhile; a fresh one decides.
            return self._exchange(request, fresh=True)
