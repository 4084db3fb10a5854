"""A fault-injecting HTTP proxy on loopback, between a storage and a good S3 server.

    with FaultyProxy(server.url) as proxy:
        proxy.plan([Step(fault=Fault.RESET_AFTER), Step(), Step(fault=Fault.CUT_ANSWER, at=500)])
        ...  # the first request is processed and its answer lost, the second passes, the third is cut in the middle
        proxy.seen  # each request, the fault injected, and whether the server processed it

The n-th request after ``plan`` gets the n-th step; later ones pass. A step is data without clock or chance, so a
failing plan can be replayed and shrunk. Every request is read, forwarded and answered before the next of its
connection; once a faulted call has returned to the client, nothing of it is still on its way to the server.

A fault that does not apply to the request (cutting a body where there is none) is skipped, and ``seen`` records
``PASS``. Two things are left out because no client of HTTP/1.1 can tell them from the truth: a wrong
Content-Length of an answer to HEAD, where that number is all there is, and a duplicate that arrives only after the next
request was sent on its connection.
"""

from __future__ import annotations

import contextlib
import enum
import socket
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

from tests.under_faults.messages import Answer, Message, Reader, read_answer, read_head

PATIENCE_S: Final = 20.0
"""The longest time that the proxy waits for either side, so that a broken test ends; no fault depends on it."""
DUPLICABLE: Final = 16 * 1024
"""Largest answer sent twice, in bytes: both copies leave in one piece, before the next request can come."""


class Fault(enum.StrEnum):
    """The fault injected into one request or its response."""

    PASS = "pass"
    SLOW_DOWN = "slow_down"
    """503 SlowDown; not processed."""
    INTERNAL_ERROR = "internal_error"
    """500 InternalError; not processed."""
    RESET_BEFORE = "reset_before"
    """TCP reset as soon as the head is read; not processed."""
    RESET_AFTER = "reset_after"
    """Processed; TCP reset in the place of the answer."""
    CUT_REQUEST = "cut_request"
    """The server gets ``at`` thousandths of the body and then the end of the connection; the client a TCP reset."""
    CUT_ANSWER = "cut_answer"
    """Processed; the head and ``at`` thousandths of the body come, then the connection ends."""
    CUT_HEAD = "cut_head"
    """Processed; ``at`` thousandths of the head come, then the connection ends. To HEAD never a part of the length."""
    SHORT_LENGTH = "short_length"
    """Processed; Content-Length says ``at`` thousandths of the body, all of which comes."""
    LONG_LENGTH = "long_length"
    """Processed; Content-Length says ``at`` + 1 bytes more than ever come, on a connection that stays open."""
    DUPLICATE = "duplicate"
    """Processed once; the answer comes twice on a connection that stays open."""
    STALL_BEFORE = "stall_before"
    """Not processed; no answer until the client gives up."""
    STALL_AFTER = "stall_after"
    """Processed; no answer until the client gives up."""
    STALL_IN_BODY = "stall_in_body"
    """Processed; the head and ``at`` thousandths of the body come, then nothing until the client gives up."""


STALLS: Final = (Fault.LONG_LENGTH, Fault.STALL_BEFORE, Fault.STALL_AFTER, Fault.STALL_IN_BODY)
"""Faults that last as long as the client's read timeout."""
HARMLESS: Final = (Fault.PASS, Fault.DUPLICATE)
"""Faults that a client must handle without a retry."""
_UNPROCESSED: Final = (
    Fault.SLOW_DOWN,
    Fault.INTERNAL_ERROR,
    Fault.RESET_BEFORE,
    Fault.CUT_REQUEST,
    Fault.STALL_BEFORE,
)
_ON_BODY: Final = (Fault.CUT_ANSWER, Fault.SHORT_LENGTH, Fault.LONG_LENGTH, Fault.STALL_IN_BODY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The fault of one request; ``at`` is where it strikes, in thousandths (0 … 999) of what it cuts."""

    fault: Fault = Fault.PASS
    at: int = 0

    def part_of(self, size: int) -> int:
        """Return how many of ``size`` bytes are let through: fewer than all of them."""
        return size * self.at // 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request as it met its step: ``fault`` is what was injected, ``answer`` the server's own, where it gave one.

    ``delivered``: the client was sent that answer whole, or twice.
    """

    method: str
    target: str
    fault: Fault
    answer: Answer | None = None

    @property
    def delivered(self) -> bool:
        return self.fault in HARMLESS


class FaultyProxy:
    """The proxy before ``upstream``, an ``http://`` address; a context manager. ``url`` is its own address."""

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        if parts.hostname is None or parts.port is None:
            raise ValueError(f"upstream is {upstream!r}; http://HOST:PORT is needed")
        self._upstream = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._steps: list[Step] = []
        self._open: set[socket.socket] = set()
        self._seen: list[Seen] = []
        self._thread = threading.Thread(target=self._accept, name="faulty-proxy", daemon=True)

    def plan(self, steps: Sequence[Step] = ()) -> None:
        """Let the coming requests meet ``steps``, one each in order of their heads' arrival; forget what was seen."""
        with self._lock:
            self._steps = list(steps)
            self._seen = []

    @property
    def seen(self) -> tuple[Seen, ...]:
        """The requests since ``plan``, in the order in which their faults were done."""
        with self._lock:
            return tuple(self._seen)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            still_open = list(self._open)
        for connection in still_open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=5)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            client.settimeout(PATIENCE_S)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # The server is dialled anew per client connection, and after every request that was cut on its way.
            with (
                client,
                client.makefile("rb") as reader,
                _Upstream(self._upstream) as server,
                contextlib.suppress(OSError),
            ):
                while (head := read_head(reader)) is not None and self._one(client, reader, head, server):
                    pass
        finally:
            with self._lock:
                self._open.discard(client)

    def _one(self, client: socket.socket, reader: Reader, head: Message, server: _Upstream) -> bool:
        """Serve one request; return whether the connection goes on."""
        with self._lock:
            step = self._steps.pop(0) if self._steps else Step()
        if step.fault is Fault.CUT_REQUEST and head.length == 0:
            step = Step()
        if step.fault is Fault.RESET_BEFORE:
            self._note(head, step.fault)
            return _reset(client)
        early = step.fault in (Fault.SLOW_DOWN, Fault.INTERNAL_ERROR)
        waits = head.header("expect").lower() == "100-continue"
        if waits and not early:
            client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        # A client that waits for 100 Continue and is refused never sends its body.
        body = b"" if waits and early else head.read_body(reader)
        if step.fault in _UNPROCESSED:
            self._note(head, step.fault)
            return _refuse(client, head, body, step, server)
        answer = server.ask(head, body)
        if (step.fault in _ON_BODY and not answer.body) or (
            step.fault is Fault.DUPLICATE and len(answer.raw()) > DUPLICABLE
        ):
            step = Step()
        # Recorded before it is sent: a client that has the response may read the record at once.
        self._note(head, step.fault, answer)
        return _deliver(client, head, answer, step)

    def _note(self, head: Message, fault: Fault, answer: Answer | None = None) -> None:
        with self._lock:
            self._seen.append(Seen(method=head.method, target=head.target, fault=fault, answer=answer))


class _Upstream:
    """The connection to the server, dialled when needed."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()

    def hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def send(self, head: Message, body: bytes) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=PATIENCE_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(head.raw(without=("expect",)) + body)
        return self._socket

    def ask(self, head: Message, body: bytes) -> Answer:
        connection = self.send(head, body)
        with connection.makefile("rb") as reader:
            answer = read_answer(reader, head.method)
        if answer.closes:
            self.hang_up()
        return answer


def _refuse(client: socket.socket, head: Message, body: bytes, step: Step, server: _Upstream) -> bool:
    if step.fault is Fault.CUT_REQUEST:
        server.send(head, body[: step.part_of(len(body))])
        server.hang_up()
        return _reset(client)
    if step.fault is Fault.STALL_BEFORE:
        return _wait_until_gone(client)
    status, code = (503, "SlowDown") if step.fault is Fault.SLOW_DOWN else (500, "InternalError")
    text = f"<Error><Code>{code}</Code><Message>Please try again.</Message></Error>".encode()
    shown = b"" if head.method == "HEAD" else text
    fields = f"Content-Type: application/xml\r\nContent-Length: {len(text)}\r\n\r\n"
    client.sendall(f"HTTP/1.1 {status} {code}\r\n{fields}".encode() + shown)
    return True


def _deliver(client: socket.socket, head: Message, answer: Answer, step: Step) -> bool:
    """Send ``answer`` as the step wants it."""
    start, size = answer.head, len(answer.body)
    part = step.part_of(size)
    match step.fault:
        case Fault.RESET_AFTER:
            return _reset(client)
        case Fault.STALL_AFTER:
            return _wait_until_gone(client)
        case Fault.CUT_ANSWER:
            client.sendall(start + answer.body[:part])
            return False
        case Fault.CUT_HEAD:
            sent = answer.before_length if head.method == "HEAD" else start
            client.sendall(sent[: step.part_of(len(sent))])
            return False
        case Fault.STALL_IN_BODY:
            client.sendall(start + answer.body[:part])
            return _wait_until_gone(client)
        case Fault.SHORT_LENGTH:
            client.sendall(answer.with_length(part) + answer.body)
            return True
        case Fault.LONG_LENGTH:
            client.sendall(answer.with_length(size + step.at + 1) + answer.body)
            return _wait_until_gone(client)
        case Fault.DUPLICATE:
            client.sendall(answer.raw() * 2)
            return True
    client.sendall(answer.raw())
    return not answer.closes


def _reset(client: socket.socket) -> bool:
    # Closing with a linger of nothing sends RST; the file over the socket is closed by the caller right after.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def _wait_until_gone(client: socket.socket) -> bool:
    with contextlib.suppress(OSError):
        while client.recv(65_536):
            pass
    return False
