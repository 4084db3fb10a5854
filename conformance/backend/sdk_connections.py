"""Connections of botocore whose responses are bounded, made of names that its documentation does not promise.

Loading this takes a tenth of a second: :mod:`sdk_hook` imports it when it is used for the first time.
"""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from bucket_conformance.conformance.wire.botocore_internals import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
    AWSResponse,
    URLLib3Session,
)
from bucket_conformance.conformance.wire.bounds import BoundedConnection, BoundedSocket


class _BoundedSdkConnection(BoundedConnection):
    """A mixin for the connections of botocore, which read interim responses themselves."""

    sock: Any

    def _handle_expect_response(self, message_body: Any) -> None:
        real = self.sock
        self.sock = bounded = BoundedSocket(real, self.response_bounds)
        try:
            super()._handle_expect_response(message_body)  # type: ignore[misc]
        finally:
            if self.sock is bounded:
                self.sock = real

    def _consume_headers(self, file: Any) -> None:
        while (line := file.readline()).strip():
            pass
        if not line:
            raise http.client.RemoteDisconnected("the connection ended within an interim response")


class _PlainConnection(_BoundedSdkConnection, AWSHTTPConnection):  # type: ignore[misc]
    pass


class _TlsConnection(_BoundedSdkConnection, AWSHTTPSConnection):  # type: ignore[misc]
    pass


def http_session(
    ca_file: Path | None, timeouts_s: tuple[float, float], response_bounds: Callable[[], tuple[float, int]]
) -> URLLib3Session:
    """Return the SDK's HTTP session with a bound on each response.

    ``timeouts_s``: for a connection, and for the next bytes. ``response_bounds``: returns the seconds and the bytes
    that a response may take.
    """
    # botocore itself passes a path and a pair of timeouts; its type stubs are narrower than that.
    options: dict[str, Any] = {
        "verify": str(ca_file) if ca_file else True,
        "timeout": timeouts_s,
        # As the SDK sets it for its own: without, head and body of a request are some 40 ms apart.
        "socket_options": [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
    }
    session = URLLib3Session(max_pool_connections=16, **options)
    # A connection class for each hook, as the pool makes the connections.
    classes: list[tuple[str, Any, Any]] = [
        ("http", AWSHTTPConnectionPool, _PlainConnection),
        ("https", AWSHTTPSConnectionPool, _TlsConnection),
    ]
    for scheme, pool, connection in classes:
        own = type(connection.__name__, (connection,), {"response_bounds": staticmethod(response_bounds)})
        vars(session)["_pool_classes_by_scheme"][scheme] = type(pool.__name__, (pool,), {"ConnectionCls": own})
    return session


class _Body(BytesIO):
    """A response body made by the suite, in the form that the SDK reads."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def xml_response(url: str, status: int, body: str) -> AWSResponse:
    """Return a response of the suite to an SDK's request, with XML as its body."""
    data = body.encode()
    headers: Any = {"Content-Type": "application/xml", "Content-Length": str(len(data))}
    return AWSResponse(url, status, headers, _Body(data))
