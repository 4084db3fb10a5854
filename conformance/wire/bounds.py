"""Bounds for one exchange, on every transport: how long its response may take, and how many bytes it may have.

A socket only has a timeout per read, so a server that sends one byte every few seconds, interim responses, or a body
without end would block a client forever. Here the file object from which ``http.client`` reads a response counts.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

HEAD_BYTES: Final = 1024 * 1024
"""Maximum number of bytes of status lines and headers, including those of interim responses (100 Continue)."""

SLACK_BYTES: Final = 16 * 1024 * 1024
"""Maximum number of bytes of a body, in addition to what the suite sent. A listing of 1000 escaped keys has 6 MiB."""

SLOWEST_BYTES_PER_S: Final = 256 * 1024
"""Minimum speed: each second of waiting beyond the first must have brought this many bytes (2 Mbit/s)."""

SEND_PIECE: Final = 256 * 1024
"""Bytes that are sent at a time."""

KEPT_HEADER_BYTES: Final = 16 * 1024
"""Bytes of a response's headers that are kept for transcripts."""


_now = time.monotonic


class ResponseTooLong(http.client.HTTPException):
    """Raised for a response that has, or announces, more bytes than a correct one could have."""


class PatienceEnded(TimeoutError):
    """Raised for a response that came too slowly, although no single read timed out."""


def body_bound(sent: int) -> int:
    """Return the maximum number of bytes of a body, framing included, after ``sent`` bytes were written."""
    return SLACK_BYTES + sent + sent // 4


def head_is_small(response: http.client.HTTPResponse) -> bool:
    """Return whether all headers of a response came with its first bytes, so that none of them can be long."""
    raw = getattr(response.fp, "raw", None)
    return isinstance(raw, BoundedIO) and raw.received <= KEPT_HEADER_BYTES


def kept_headers(headers: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
    """Return the headers without those beyond ``KEPT_HEADER_BYTES``, because a thousand exchanges stay in memory."""
    if sum([len(value) for _, value in headers]) <= KEPT_HEADER_BYTES:
        return headers
    kept, left = [], KEPT_HEADER_BYTES
    for name, value in headers:
        left -= len(name) + len(value)
        if left >= 0:
            kept.append((name, value))
    return tuple(kept)


class BoundedIO(io.RawIOBase):
    """The bytes that a socket receives, up to a number of bytes and within a time.

    Only the time spent waiting counts; a reader may pause between reads. One object is made per response. It reads from
    the socket directly: the object that ``makefile`` returns would make a small exchange a tenth slower.
    """

    received = 0
    most = HEAD_BYTES
    _waited = 0.0
    _shortened = False

    def __init__(self, sock: socket.socket, patience_s: float, body_bytes: int) -> None:
        self._socket: socket.socket | None = sock
        self._receive = sock.recv_into
        self._patience_s = patience_s
        self.body_bytes = body_bytes
        sock._io_refs += 1  # type: ignore[attr-defined]  # as makefile() does: the socket stays open as long as this

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if self._socket is not None:
            super().close()
            self._socket._decref_socketios()  # type: ignore[attr-defined]
            self._socket = None

    def readinto(self, buffer: Any) -> int:
        if self.received:
            self._require_patience()
        started = _now()
        try:
            count = self._receive(buffer)
        except TimeoutError:
            self._waited += _now() - started
            if self._shortened:
                raise PatienceEnded(self._too_slow()) from None
            raise
        self._waited += _now() - started
        self.received += count
        return count

    def _require_patience(self) -> None:
        if self.received > self.most:
            raise ResponseTooLong(self._too_long())
        left = self._patience_s + self.received / SLOWEST_BYTES_PER_S - self._waited
        if left <= 0:
            raise PatienceEnded(self._too_slow())
        assert self._socket is not None
        timeout_s = self._socket.gettimeout()
        # Setting a timeout is a system call; being slightly late does no harm.
        if timeout_s is None or left < timeout_s - self._patience_s / 50:
            self._socket.settimeout(left)
            self._shortened = True

    def _too_slow(self) -> str:
        return f"the response was not whole after {self._waited:.3g} s of waiting, with {self.received} bytes of it"

    def _too_long(self) -> str:
        if self.most == HEAD_BYTES:
            return f"more than {HEAD_BYTES} bytes came and no header ended"
        return f"more than {self.body_bytes} bytes came and no body ended"


class _BoundedReader(io.BufferedReader):
    """The reader of ``http.client``: lines of the head, then pieces of the body."""

    raw: BoundedIO

    def read(self, size: int | None = -1, /) -> bytes:
        raw = self.raw
        raw.most = HEAD_BYTES + raw.body_bytes
        if size is not None and size > raw.body_bytes:
            raise ResponseTooLong(f"{size} bytes are announced, and at most {raw.body_bytes} could be right")
        return _read(self, size)

    def read1(self, size: int = -1, /) -> bytes:
        self.raw.most = HEAD_BYTES + self.raw.body_bytes
        return super().read1(size)

    def readinto(self, buffer: Any, /) -> int:
        self.raw.most = HEAD_BYTES + self.raw.body_bytes
        return super().readinto(buffer)


_read = io.BufferedReader.read


Bounds = Callable[[], tuple[float, int]]
"""Returns, for the next response, the patience in seconds and the maximum number of bytes of its body."""


class BoundedSocket:
    """A socket whose responses are read within bounds. Everything else passes through to the socket."""

    def __init__(self, sock: socket.socket, bounds: Bounds) -> None:
        self._socket = sock
        self._bounds = bounds

    def makefile(self, mode: str = "rb", buffering: int | None = None) -> io.BufferedReader | BoundedIO:
        patience_s, body_bytes = self._bounds()
        raw = BoundedIO(self._socket, patience_s, body_bytes)
        return raw if buffering == 0 else _BoundedReader(raw)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


def bounded_responses(sock: socket.socket, bounds: Bounds) -> Any:
    """Return the response class for a connection on this socket."""
    bounded: Any = BoundedSocket(sock, bounds)

    def make(_: socket.socket, *args: Any, **options: Any) -> http.client.HTTPResponse:
        return http.client.HTTPResponse(bounded, *args, **options)

    return make


class BoundedConnection:
    """A mixin for connections of ``http.client``: bounds each request that it sends and each response that it reads.

    It counts with few instructions, because the SDK's connections send a body in hundreds of pieces.
    """

    response_bounds: Bounds
    response_class: Any
    _sent_bytes = 0
    _sending_s = 0.0

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        self._sent_bytes, self._sending_s = 0, 0.0
        super().putrequest(*args, **kwargs)  # type: ignore[misc]

    def send(self, data: Any) -> None:
        """Send ``data``. Raises :class:`PatienceEnded` where a request goes out slower than ``SLOWEST_BYTES_PER_S``.

        The timeout of a socket applies to each call separately, and on a TLS socket to each record.
        """
        size = len(data) if isinstance(data, bytes | memoryview) else 0
        if size > SEND_PIECE:
            view = memoryview(data)
            for start in range(0, size, SEND_PIECE):
                self.send(view[start : start + SEND_PIECE])
            return
        started = _now()
        super().send(data)  # type: ignore[misc]
        self._sending_s += _now() - started
        self._sent_bytes += size
        if self._sending_s > 1.0:
            patience_s = self.response_bounds()[0]
            if self._sending_s > patience_s + self._sent_bytes / SLOWEST_BYTES_PER_S:
                raise PatienceEnded(f"only {self._sent_bytes} bytes could be sent in {self._sending_s:.3g} s")

    def getresponse(self) -> Any:
        plain, bounds = self.response_class, self.response_bounds

        def bounded(sock: socket.socket, *args: Any, **kwargs: Any) -> Any:
            return plain(BoundedSocket(sock, bounds), *args, **kwargs)

        self.response_class = bounded
        try:
            return super().getresponse()  # type: ignore[misc]
        finally:
            self.response_class = plain


def timed_out(error: BaseException | None) -> bool:
    """Return whether the cause of an error is that our patience ended."""
    return cause_of(error, TimeoutError) is not None


def reason(error: Exception) -> str:
    """Return what went wrong. Where the cause is one of our bounds, which libraries wrap, use our own text."""
    ours = cause_of(error, PatienceEnded) or cause_of(error, ResponseTooLong) or error
    return f"{type(ours).__name__}: {ours}"


def cause_of(error: BaseException | None, kind: type[BaseException]) -> BaseException | None:
    """Return the first error of that kind in the chain of causes, starting with the error itself, or ``None``."""
    for _ in range(20):
        if error is None or isinstance(error, kind):
            return error
        error = error.__cause__ or error.__context__
    return None
