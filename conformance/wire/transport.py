"""Plain HTTP/1.1 that sends the caller's bytes unchanged: persistent connections, no redirects, few repetitions."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
import threading
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from bucket_conformance.conformance.wire.bounds import (
    SEND_PIECE,
    SLOWEST_BYTES_PER_S,
    Bounds,
    PatienceEnded,
    body_bound,
    bounded_responses,
    head_is_small,
    kept_headers,
    timed_out,
)
from bucket_conformance.conformance.wire.exchange import (
    NOT_SENT,
    PREVIEW_BYTES,
    Auth,
    Exchange,
    Headers,
    Recorder,
    SignedFrom,
)
from bucket_conformance.conformance.wire.safe_xml import parsed

TIMEOUT_S: Final = 60.0
"""The same as in SDKs. On a busy machine, servers that delete a batch key by key take half of it for 1000 keys."""

REPEAT_AFTER_S: Final = (0.05, 0.1, 0.2)
"""Pauses before a request is repeated that met an overload or a broken connection."""

MOST_FRUITLESS: Final = 3
"""So many requests in a row that failed in spite of their repetitions end repeating, until one succeeds at once."""

CONDITIONS: Final = frozenset({"if-match", "if-none-match", "if-modified-since", "if-unmodified-since"})
"""Headers, in lower case, that make a request depend on what is stored."""

_TRY_AGAIN: Final = frozenset({408, 429, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """An HTTP response.

    - ``status``: 0 where no response came.
    - ``error``: why no response came, or why its body broke off.
    - ``timed_out``: the response was not complete within the time that the transport waits.
    """

    status: int
    headers: Headers = ()
    body: bytes = b""
    error: str | None = None
    timed_out: bool = False
    hung_up: bool = False
    """Whether the other side ended the connection in place of a response."""
    untrusted: bool = False
    """Whether the certificate of the server could not be verified."""

    def header(self, name: str) -> str | None:
        """Return the value of the first header with that name (case does not matter), or ``None``."""
        lower = name.lower()
        return next((value for header, value in self.headers if header.lower() == lower), None)

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx and the body is complete."""
        return 200 <= self.status < 300 and self.error is None

    def xml(self) -> ET.Element | None:
        """Return the root element of the body without namespaces, or ``None`` where it is not safe XML."""
        return parsed(self.body)

    @property
    def code(self) -> str:
        """The S3 error code in the body; '' where there is none."""
        root = self.xml()
        if root is None:
            return ""
        return (root.findtext("Code") if root.tag == "Error" else root.findtext("Error/Code")) or ""

    @property
    def summary(self) -> str:
        """Status and error code as observations show them: ``403 AccessDenied``."""
        if self.status == 0:
            return f"no answer ({self.error})"
        broken = f" (body broke off: {self.error})" if self.error else ""
        return f"{self.status} {self.code}".rstrip() + broken


class _PlainConnection(http.client.HTTPConnection):
    bounds: Bounds
    timed_out: TimeoutError | None = None
    """Why connecting failed. A request would wait for the same timeout again."""

    def connect(self) -> None:
        super().connect()
        self.response_class = bounded_responses(self.sock, self.bounds)

    def send(self, data: Any) -> None:
        # The same as the base class does for bytes, without its checks for other types.
        if self.sock is not None and isinstance(data, bytes):
            self.sock.sendall(data)
        else:
            super().send(data)


class _TlsConnection(http.client.HTTPSConnection):
    bounds: Bounds
    timed_out: TimeoutError | None = None

    def connect(self) -> None:
        super().connect()
        self.response_class = bounded_responses(self.sock, self.bounds)

    def send(self, data: Any) -> None:
        """Send ``data`` within the timeout plus one second for each ``SLOWEST_BYTES_PER_S``.

        The timeout of a TLS socket applies to each record, that of any other socket to the whole call.
        """
        if not isinstance(data, bytes) or len(data) <= SEND_PIECE:
            super().send(data)
            return
        ends = time.monotonic() + (self.timeout or 0.0) + len(data) / SLOWEST_BYTES_PER_S
        for start in range(0, len(data), SEND_PIECE):
            if time.monotonic() > ends:
                raise PatienceEnded(f"only {start} of {len(data)} bytes could be sent")
            super().send(data[start : start + SEND_PIECE])


_Connection = _PlainConnection | _TlsConnection


class HttpTransport:
    """Sends requests over persistent connections, one per thread and origin, and records every exchange."""

    def __init__(self, recorder: Recorder, *, ca_file: Path | None = None) -> None:
        self.recorder = recorder
        self._ca_file = ca_file
        self._local = threading.local()
        self._open: set[_Connection] = set()
        self._lock = threading.Lock()
        self._fruitless = 0
        """How many requests in a row failed in spite of their repetitions."""

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Headers = (),
        body: bytes = b"",
        cut_after: int | None = None,
        origin: str = "wire",
        auth: Auth = Auth.NONE,
        signed_from: SignedFrom | None = None,
        signer: str = "own",
        age_s: float = 0.0,
        signed_body: bytes | None = None,
    ) -> HttpResponse:
        """Send one request unchanged and return the response. Adds ``Host`` and ``Content-Length`` where missing.

        - ``cut_after``: send so many bytes of the body, then hang up; the response then has status 0.
        - ``signed_from``, ``signer``, ``age_s``, ``signed_body``: recorded with the exchange, for its reproducer.

        A request that may be repeated without harm is sent again, up to three times, where the response was an overload
        or a broken connection. Each try is an exchange of its own; ``repeated`` marks those that another one followed.

        A failed request is a response with status 0, not an exception.
        """
        parts = urlsplit(url)
        target = url.split("//", 1)[1].partition("/")[2].partition("#")[0] if "/" in url.split("//", 1)[1] else ""
        target = "/" + target
        names = {name.lower() for name, _ in headers}
        sent = [("Host", parts.netloc), *headers] if "host" not in names else list(headers)
        if "content-length" not in names and "transfer-encoding" not in names and (body or method in ("PUT", "POST")):
            sent.append(("Content-Length", str(len(body))))
        exchange = Exchange(
            origin=origin,
            method=method,
            target=target,
            headers=tuple(sent),
            body=body,
            body_size=len(body),
            cut_after=cut_after,
            signed_body=signed_body,
            auth=auth,
            signed_from=signed_from,
            signer=signer,
            age_s=age_s,
        )
        if cut_after is not None or not is_repeatable(method, url, headers):
            return self._send_once(parts.scheme, parts.netloc, exchange)
        for pause in self._pauses_s():
            answer = self._send_once(parts.scheme, parts.netloc, exchange)
            if not _is_worth_a_repetition(answer):
                self._fruitless = 0
                return answer
            exchange.repeated = True
            time.sleep(pause)
            exchange = replace(exchange, repeated=False, response_headers=(), started=time.monotonic())
        answer = self._send_once(parts.scheme, parts.netloc, exchange)
        self._fruitless = self._fruitless + 1 if _is_worth_a_repetition(answer) else 0
        return answer

    def _pauses_s(self) -> tuple[float, ...]:
        """Return the pauses before the repetitions of one request: none where repeating has been of no use lately."""
        return REPEAT_AFTER_S if self._fruitless < MOST_FRUITLESS and not self.recorder.hopeless else ()

    def _send_once(self, scheme: str, netloc: str, exchange: Exchange) -> HttpResponse:
        """Send the request of an exchange, note the response in it, and record it."""
        if self.recorder.hopeless:
            answer = HttpResponse(status=0, error=NOT_SENT, timed_out=True)
        elif exchange.cut_after is not None:
            answer = self._send_and_hang_up(scheme, netloc, exchange, exchange.cut_after)
        else:
            answer = self._exchange(scheme, netloc, exchange)
        exchange.status = answer.status or None
        exchange.response_body = answer.body[:PREVIEW_BYTES]
        exchange.response_size = len(answer.body)
        exchange.error, exchange.timed_out = answer.error, answer.timed_out
        self.recorder.add(exchange)
        return answer

    def bytes_after_head(self, url: str, *, signed_from: SignedFrom | None = None) -> bytes:
        """Send a HEAD on a new connection and return the bytes after the blank line, up to the end of the connection.

        A normal client does not read them, and takes them for the start of the next response.
        """
        parts = urlsplit(url)
        exchange = Exchange(
            origin="wire",
            method="HEAD",
            target=parts.path + (f"?{parts.query}" if parts.query else ""),
            headers=(("Host", parts.netloc), ("Connection", "close")),
            auth=Auth.URL if signed_from else Auth.NONE,
            signed_from=signed_from,
        )
        connection = self._connect(parts.scheme, parts.netloc)
        seen = b""
        try:
            self._put_head(connection, exchange)
            connection.endheaders()
            seen = _read_to_end(connection.sock)
        except (http.client.HTTPException, OSError, AttributeError) as error:
            exchange.error = _describe(error)
        finally:
            connection.close()
            with self._lock:
                self._open.discard(connection)
        head, _, rest = seen.partition(b"\r\n\r\n")
        found = re.match(rb"HTTP/1\.[01] (\d{3})", head)
        exchange.status = int(found[1]) if found else None
        exchange.response_body, exchange.response_size = rest[:PREVIEW_BYTES], len(rest)
        self.recorder.add(exchange)
        return rest

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            for connection in self._open:
                connection.close()
            self._open.clear()

    def _exchange(self, scheme: str, netloc: str, exchange: Exchange) -> HttpResponse:
        connection, reused = self._connection(scheme, netloc)
        try:
            answer = self._try(connection, exchange, reused=reused)
            if answer is None:
                # The server may have closed an idle connection; only a new one says something about the server.
                self._drop(scheme, netloc)
                connection, _ = self._connection(scheme, netloc)
                answer = self._try(connection, exchange, reused=False)
            assert answer is not None
        except BaseException:  # after an interrupt, further bytes on this connection belong to no request
            self._drop(scheme, netloc)
            raise
        if connection.sock is None or answer.status == 0 or answer.error:
            self._drop(scheme, netloc)
        return answer

    def _try(self, connection: _Connection, exchange: Exchange, *, reused: bool) -> HttpResponse | None:
        """Return the response, or ``None`` where a reused connection turned out to be closed."""
        if connection.sock is not None and connection.sock.gettimeout() != connection.timeout:
            connection.sock.settimeout(connection.timeout)  # the last response may have shortened it
        try:
            if connection.timed_out is not None:
                raise connection.timed_out
            self._put_head(connection, exchange)
            broken: OSError | None = None
            try:
                connection.endheaders(exchange.body or None)
            except OSError as error:
                # A server may reject a request before its whole body was sent; read its response then.
                if connection.sock is None:
                    raise
                broken = error
            try:
                response = connection.getresponse()
            except (http.client.HTTPException, OSError):
                if broken is not None:
                    raise broken from None
                raise
            # Raw, because the policy that getheaders() applies costs more time than the rest of the response.
            headers = tuple(response.headers.raw_items())
            exchange.response_headers = headers if head_is_small(response) else kept_headers(headers)
            try:
                body = response.read()
                if broken is not None or (response.getheader("connection") or "").lower() == "close":
                    connection.close()
                return HttpResponse(status=response.status, headers=headers, body=body)
            except http.client.IncompleteRead as error:
                return HttpResponse(status=response.status, headers=headers, body=error.partial, error="body cut off")
            except (http.client.HTTPException, OSError, ValueError) as error:
                return HttpResponse(
                    status=response.status, headers=headers, error=_describe(error), timed_out=timed_out(error)
                )
        except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError) as error:  # including RemoteDisconnected
            connection.close()
            return None if reused else HttpResponse(status=0, error=_describe(error), hung_up=True)
        except (http.client.HTTPException, OSError, ValueError) as error:
            connection.close()
            untrusted = isinstance(error, ssl.SSLCertVerificationError)
            return HttpResponse(status=0, error=_describe(error), timed_out=timed_out(error), untrusted=untrusted)

    def _send_and_hang_up(self, scheme: str, netloc: str, exchange: Exchange, cut_after: int) -> HttpResponse:
        connection = self._connect(scheme, netloc)
        try:
            self._put_head(connection, exchange)
            connection.endheaders((exchange.body or b"")[:cut_after] or None)
            if connection.sock is not None:
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_WR)
                # The server has seen the end of the body, whatever it responds; waiting makes the hang-up orderly.
                _read_to_end(connection.sock)
        except (http.client.HTTPException, OSError) as error:
            return HttpResponse(status=0, error=_describe(error))
        finally:
            connection.close()
            with self._lock:
                self._open.discard(connection)
        return HttpResponse(status=0, error="hung up on purpose")

    @staticmethod
    def _put_head(connection: _Connection, exchange: Exchange) -> None:
        connection.putrequest(exchange.method, exchange.target, skip_host=True, skip_accept_encoding=True)
        for name, value in exchange.headers:
            connection.putheader(name, value.encode("utf-8"))

    def _connection(self, scheme: str, netloc: str) -> tuple[_Connection, bool]:
        pool: dict[tuple[str, str], _Connection] = self._local.__dict__.setdefault("pool", {})
        found = pool.get((scheme, netloc))
        if found is not None and found.sock is not None:
            return found, True
        if found is not None:
            self._drop(scheme, netloc)
        connection = pool[(scheme, netloc)] = self._connect(scheme, netloc)
        return connection, False

    def _connect(self, scheme: str, netloc: str) -> _Connection:
        connection: _Connection
        if scheme == "https":
            context = ssl.create_default_context(cafile=str(self._ca_file) if self._ca_file else None)
            connection = _TlsConnection(netloc, timeout=TIMEOUT_S, context=context)
        else:
            connection = _PlainConnection(netloc, timeout=TIMEOUT_S)
        connection.bounds = self._response_bounds
        try:
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            connection.timed_out = error if isinstance(error, TimeoutError) else None
            # The request itself reports a dead server. Close it, because TLS may have failed on an open socket.
            connection.close()
        with self._lock:
            self._open.add(connection)
        return connection

    def _response_bounds(self) -> tuple[float, int]:
        return TIMEOUT_S, body_bound(self.recorder.sent_bytes)

    def _drop(self, scheme: str, netloc: str) -> None:
        pool: dict[tuple[str, str], _Connection] = self._local.__dict__.setdefault("pool", {})
        connection = pool.pop((scheme, netloc), None)
        if connection is not None:
            connection.close()
            with self._lock:
                self._open.discard(connection)


def is_repeatable(method: str, url: str, headers: Headers) -> bool:
    """Return whether sending a request twice leaves the backend as sending it once does."""
    if method == "POST":
        query = urlsplit(url).query
        return "delete" in [part.partition("=")[0] for part in query.split("&")]
    if method in ("GET", "HEAD"):
        return True
    return method in ("PUT", "DELETE") and not any(name.lower() in CONDITIONS for name, _ in headers)


def _is_worth_a_repetition(answer: HttpResponse) -> bool:
    return answer.status in _TRY_AGAIN or answer.hung_up


def _read_to_end(sock: socket.socket) -> bytes:
    """Return what comes until the connection ends: within two seconds, at most 1 MiB."""
    seen, ends = b"", time.monotonic() + 2.0
    with contextlib.suppress(OSError):  # a server may keep the connection open
        while (left := ends - time.monotonic()) > 0 and len(seen) < 1024 * 1024:
            sock.settimeout(left)
            data = sock.recv(65536)
            if not data:
                break
            seen += data
    return seen


def _describe(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
