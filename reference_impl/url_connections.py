"""Connections of the URL server, bounded in number and in time, so that no client keeps the others out."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

KEEP_ALIVE_S: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """What clients may take of a URL server.

    ``connections``: open at once; beyond it the one that has waited longest without a request is closed for the new
    one, which gets 503 only where all are busy. ``idle_s``: seconds that a connection may take to send the head of a
    request, and that a body may stand still in either direction. ``request_s``: seconds for one request in all, its
    answer included. ``upload_bytes``: longest body of a PUT, beyond which it is answered with 413; its default is the
    bound of S3 for one PUT (https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html).
    """

    connections: int = 200
    idle_s: float = 30.0
    request_s: float = 3600.0
    upload_bytes: int = 5 * 1024**3

    def __post_init__(self) -> None:
        for name in ("connections", "idle_s", "request_s", "upload_bytes"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; more than 0 is needed")


DEFAULT_LIMITS: Final = ServerLimits()

_BUSY: Final = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def bounded_protocol(limits: ServerLimits) -> type[asyncio.Protocol]:
    """Return the protocol that uvicorn runs for each connection, within ``limits``."""

    class BoundedProtocol(_Bounded):
        bounds = limits

    return BoundedProtocol


class _Bounded(H11Protocol):
    bounds: ServerLimits

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.timeout_keep_alive = min(KEEP_ALIVE_S, self.bounds.idle_s)  # type: ignore[assignment]
        now = self.loop.time()
        self._free_since = now
        self._began = now
        self._moved = now
        self._stuck_since: float | None = None
        self._served: object = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def _busy(self) -> bool:
        cycle: Any = self.cycle
        return cycle is not None and not cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.bounds.connections and not self._make_room():
            transport.write(_BUSY)
            transport.close()
            return
        self._watch()

    def _make_room(self) -> bool:
        others = [one for one in self.connections if isinstance(one, _Bounded) and one is not self and not one._busy]
        if not others:
            return False
        longest = min(others, key=lambda one: one._free_since)
        # Not only once its end is reported: several may come before that.
        self.connections.discard(longest)
        longest.transport.abort()
        return True

    def _watch(self) -> None:
        self._timer = self.loop.call_later(min(self.bounds.idle_s, self.bounds.request_s) / 4, self._check)

    def _check(self) -> None:
        now, cycle = self.loop.time(), self.cycle
        if self._busy:
            late = now - self._began > self.bounds.request_s
            late |= cycle.more_body and now - self._moved > self.bounds.idle_s
            late |= self._stuck_since is not None and now - self._stuck_since > self.bounds.idle_s
        else:
            late = now - self._free_since > self.bounds.idle_s
        if late:
            self.transport.abort()
        else:
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._moved = self.loop.time()
        super().data_received(data)

    def handle_events(self) -> None:
        super().handle_events()
        if self.cycle is not self._served:
            self._served, self._began = self.cycle, self.loop.time()

    def on_response_complete(self) -> None:
        self._free_since = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        self._stuck_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stuck_since = None
        super().resume_writing()
