"""A server that may become hostile: raw sockets in front of the exemplary store, which also holds foreign objects.

A mode says from which request on, for which requests, and with which bytes. All other requests get correct responses.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BufferedReader
from typing import Final, Self

from bucket_conformance.conformance.backend.sdk_hook import batch_keys
from tests.exemplar.http import _BadRequestError, _read_body, _read_head, _send
from tests.exemplar.server import Exemplar
from tests.exemplar.types import Request, Response

SHARED: Final = "shared-bucket"
"""The bucket that is judged. It also holds objects of somebody else."""

FOREIGN: Final = ("a-letter", "conformance-notes/plan", "project/7/FILE/9", "zz/photo")
"""The keys of somebody else, in the judged bucket and in another one."""

OTHER: Final = "somebody-elses-bucket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One request that a mode responds to; ``number`` counts those, from 1."""

    request: Request
    number: int
    connection: socket.socket
    ended: threading.Event
    good: Callable[[], Response]
    passed_on: Callable[[str], Response]
    """Answers as to another target, as behind a proxy that changes it: the signature is not checked."""
    decoy: int
    """A port of this machine to which no client may connect."""

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def respond(self, status: int, body: bytes = b"", *headers: str, length: str | None = None) -> None:
        """Send a response; ``length`` is its Content-Length; '' omits the header."""
        announced = str(len(body)) if length is None else length
        lines = [
            f"HTTP/1.1 {status} Whatever",
            *headers,
            *([f"Content-Length: {announced}"] if announced else []),
            "",
            "",
        ]
        self.send("\r\n".join(lines).encode("latin-1") + (b"" if self.request.method == "HEAD" else body))

    def pause(self, seconds: float) -> None:
        """Raise ``OSError`` where the server ends meanwhile."""
        if self.ended.wait(seconds):
            raise OSError("the server ends")

    def drip(self, data: bytes, *, every_s: float = 0.02) -> None:
        for at in range(len(data)):
            self.send(data[at : at + 1])
            self.pause(every_s)

    @property
    def is_listing(self) -> bool:
        return self.request.method == "GET" and self.request.query.get("list-type") == "2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """How a server is hostile.

    ``respond`` returns whether the connection stays usable, or ``None`` where the request is to be answered right.
    ``after``: so many requests are answered right before. ``greet`` talks as soon as a connection is there.
    ``exits``: the exit codes that a run against it may end with.
    """

    name: str
    respond: Callable[[Turn], bool | None] = lambda turn: None
    after: int = 0
    greet: Callable[[socket.socket], None] | None = None
    exits: frozenset[int] = frozenset({2, 3})


class HostileServer:
    """Serves in one mode. ``url`` is its endpoint once entered."""

    def __init__(self, mode: Mode) -> None:
        self.requests: list[Request] = []
        self.knocks = 0
        self._mode = mode
        self._exemplar = Exemplar()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._decoy = socket.create_server(("127.0.0.1", 0))
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._started = 0
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        for bucket in (SHARED, OTHER):
            self._do("PUT", f"/{bucket}")
            for key in FOREIGN:
                self._do("PUT", f"/{bucket}/{key}", b"theirs")
        self._theirs = self._foreign()

    def _do(self, method: str, target: str, body: bytes = b"") -> Response:
        request = Request(method=method, target=target, headers=(("Content-Length", str(len(body))),), body=body)
        return self._exemplar.handle(request, trusted=True)

    def _foreign(self) -> dict[tuple[str, str], list[tuple[bytes, str]]]:
        return {
            (name, key): [(version.body, version.version_id) for version in versions]
            for name, bucket in self._exemplar.store.buckets.items()
            for key, versions in bucket.versions.items()
            if key in FOREIGN
        }

    def harm(self) -> list[str]:
        """Return the changes to objects of somebody else, attempts included."""
        wrongs = [] if self._foreign() == self._theirs else ["objects of somebody else have changed"]
        for request in self.requests:
            if request.method not in ("PUT", "POST", "DELETE"):
                continue
            keys = [request.key] if request.key else []
            if "delete" in request.query:
                with contextlib.suppress(Exception):  # a clause may send an invalid batch
                    keys = batch_keys(request.body)
            bad = [key for key in keys if key in FOREIGN or key.startswith("theirs")]
            if bad or (not keys and request.bucket in (OTHER, "")):
                wrongs.append(f"{request.method} {request.target} {bad}")
        return wrongs

    def left_behind(self) -> list[str]:
        """Return what the run really left behind."""
        found = []
        for name, bucket in self._exemplar.store.buckets.items():
            found += [] if name in (SHARED, OTHER) else [name]
            found += [f"{name}/{key}" for key in bucket.versions if key not in FOREIGN]
            found += [f"{name}/{upload.key}?uploadId" for upload in bucket.uploads.values()]
        return found

    def __enter__(self) -> Self:
        for listener, serve in ((self._listener, self._serve), (self._decoy, self._count)):
            self._start(self._accept, listener, serve)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for listener in (self._listener, self._decoy):
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket, serve: Callable[[socket.socket], None]) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections.add(connection)
            self._start(serve, connection)

    def _count(self, connection: socket.socket) -> None:
        with connection:
            self.knocks += 1

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection, connection.makefile("rb") as reader, contextlib.suppress(OSError, _BadRequestError):
                if self._mode.greet is not None and self._started >= self._mode.after:
                    self._mode.greet(connection)
                    return
                while self._one(connection, reader):
                    pass
        finally:
            with self._lock:
                self._connections.discard(connection)

    def _one(self, connection: socket.socket, reader: BufferedReader) -> bool:
        head = _read_head(reader)
        if head is None:
            return False
        if head.header("expect").lower() == "100-continue":
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body, truncated = _read_body(head, reader)
        request = Request(method=head.method, target=head.target, headers=head.headers, body=body)
        if truncated:
            return False
        with self._lock:
            self.requests.append(request)
            self._started += 1
            number = self._started - self._mode.after
        turn = Turn(
            request=request,
            number=number,
            connection=connection,
            ended=self._ended,
            good=lambda: self._exemplar.handle(request),
            passed_on=lambda target: self._exemplar.handle(replace(request, target=target), trusted=True),
            decoy=self._decoy.getsockname()[1],
        )
        usable = self._mode.respond(turn) if number > 0 else None
        if usable is None:
            return _send(connection, request, turn.good(), close=False)
        return usable
