"""The small server that honours the signed URLs of local disk, with the answers and refusals of S3.

It serves by signed URL only: no listing, no path that is not a key, nothing without a signature.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import BinaryIO, Final, Self, TypeVar

import uvicorn

from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.local import PIECE_BYTES, LocalStorage
from bucket_conformance.reference_impl.url_connections import DEFAULT_LIMITS, ServerLimits, bounded_protocol
from bucket_conformance.reference_impl.url_requests import (
    SAFE_HEADERS,
    BodyError,
    Receive,
    RequestBody,
    Scope,
    Send,
    UrlResponse,
    byte_range,
    http_date,
    refusal,
    single_header,
)
from bucket_conformance.reference_impl.url_signing import Grant, UrlRejected

MOUNT: Final = "/files"
"""Path below which :class:`UrlServer` and :func:`serve` are addressed unless the storage's base_url says another."""

T = TypeVar("T")

_START_S: Final = 10.0
_UNSUPPORTED: Final = (b"if-match", b"if-none-match", b"content-range", b"content-encoding")


def create_app(storage: LocalStorage, *, max_upload_bytes: int = DEFAULT_LIMITS.upload_bytes) -> UrlApp:
    """Return the ASGI app that serves ``storage`` by its signed URLs: GET with ranges, HEAD and PUT.

    ``storage`` needs ``base_url`` and ``secret``; the path of ``base_url`` is where the app must be reachable, without
    a path rewritten on the way. A PUT of more than ``max_upload_bytes`` is answered with 413 and stores nothing. How
    long a request may take is up to the server that runs the app. Raises ``UNSUPPORTED`` without base_url or secret.
    """
    return UrlApp(storage, max_upload_bytes=max_upload_bytes)


class UrlApp:
    """See :func:`create_app`. No thread waits for a client: threads only touch the disk."""

    def __init__(self, storage: LocalStorage, *, max_upload_bytes: int) -> None:
        self._storage = storage
        self._signer = storage.signer
        self._max_upload_bytes = max_upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        method = scope["method"]
        try:
            grant = self._signer.verify(
                method, scope["raw_path"], scope["query_string"], content_type=single_header(scope, b"content-type")
            )
        except UrlRejected as error:
            await refusal(error.status, error.code, error.message).send(send, method)
            return
        try:
            if method == "PUT":
                await self._put(grant, scope, receive, send)
            else:
                await self._get(grant, scope, receive, send)
        except StorageError as error:
            await _answer_to(error, grant).send(send, method)

    async def _get(self, grant: Grant, scope: Scope, receive: Receive, send: Send) -> None:
        reader = self._storage.reader(grant.key)
        stat, stream = await _in_thread(reader.__enter__)
        try:
            headers = [
                *SAFE_HEADERS,
                (b"content-type", (stat.content_type or "application/octet-stream").encode("ascii")),
                (b"last-modified", http_date(stat.last_modified)),
                (b"accept-ranges", b"bytes"),
            ]
            if grant.disposition is not None:
                headers.append((b"content-disposition", grant.disposition.encode("ascii")))
            status, first, length = 200, 0, stat.size
            # Without a strong validator nothing can match If-Range, so the whole object is the right answer to it.
            wanted = None if single_header(scope, b"if-range") else single_header(scope, b"range")
            asked = byte_range(wanted, stat.size)
            if asked is not None and not asked:
                response = refusal(
                    416, "InvalidRange", "The requested range is not satisfiable", RangeRequested=wanted or ""
                )
                await response.with_header(b"content-range", b"bytes */%d" % stat.size).send(send, grant.method)
                return
            if asked:
                status, first, length = 206, asked.start, len(asked)
                headers.append((b"content-range", b"bytes %d-%d/%d" % (first, asked.stop - 1, stat.size)))
            headers.append((b"content-length", b"%d" % length))
            await send({"type": "http.response.start", "status": status, "headers": headers})
            if grant.method != "HEAD":
                stream.seek(first)
                if not await _streamed(stream, length, receive, send):
                    return
            await send({"type": "http.response.body"})
        finally:
            reader.__exit__(None, None, None)

    async def _put(self, grant: Grant, scope: Scope, receive: Receive, send: Send) -> None:
        names = {name for name, _ in scope["headers"]}
        # Storing while ignoring one of these would store something else than was asked for.
        for name in _UNSUPPORTED:
            if name in names:
                message = f"A header you provided implies functionality that is not implemented: {name.decode()}"
                await refusal(501, "NotImplemented", message).send(send, "PUT")
                return
        if not names & {b"content-length", b"transfer-encoding"}:
            await refusal(411, "MissingContentLength", "You must provide the Content-Length HTTP header").send(
                send, "PUT"
            )
            return
        try:
            body = RequestBody(
                receive,
                content_md5=single_header(scope, b"content-md5"),
                content_length=single_header(scope, b"content-length"),
                max_bytes=self._max_upload_bytes,
            )
            upload = self._storage.writer(grant.key, content_type=single_header(scope, b"content-type"))
            writer = await _in_thread(upload.__enter__)
            try:
                async for piece in body.pieces():
                    await _in_thread(functools.partial(writer.write, piece))
                await _in_thread(writer.publish)
            finally:
                upload.__exit__(None, None, None)
        except BodyError as error:
            if error.client_is_there:
                await refusal(error.status, error.code, str(error)).send(send, "PUT")
            return
        await UrlResponse(status=200, headers=((b"content-length", b"0"),)).send(send, "PUT")


async def _in_thread(action: Callable[[], T]) -> T:
    """Return ``action()`` of another thread. Cancelled meanwhile, it waits: two must not use the disk at once."""
    future = asyncio.get_running_loop().run_in_executor(None, action)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _streamed(stream: BinaryIO, length: int, receive: Receive, send: Send) -> bool:
    """Send ``length`` bytes; ``False`` where the client left or the file broke off.

    The status is out by then: a body that stays short of its Content-Length is what tells the client.
    """
    gone = asyncio.ensure_future(_gone(receive))
    try:
        while length and not gone.done():
            try:
                piece = await _in_thread(functools.partial(stream.read, min(length, PIECE_BYTES)))
            except StorageError:
                return False
            length -= len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    finally:
        gone.cancel()
    return not length


def _answer_to(error: StorageError, grant: Grant) -> UrlResponse:
    match error.code:
        case ErrorCode.NOT_FOUND:
            return refusal(404, "NoSuchKey", "The specified key does not exist.", Key=grant.key)
        case ErrorCode.BUCKET_NOT_FOUND:
            return refusal(404, "NoSuchBucket", "The storage root does not exist")
        case ErrorCode.INVALID_KEY | ErrorCode.INVALID_ARGUMENT:
            return refusal(400, "InvalidRequest", "The key or its content type cannot be stored", Key=grant.key)
        case ErrorCode.ACCESS_DENIED:
            return refusal(403, "AccessDenied", "Access Denied")
        case ErrorCode.CONFLICT:
            return refusal(409, "Conflict", "Another object stands in the way of this key", Key=grant.key)
        case ErrorCode.NO_SPACE:
            return refusal(507, "InsufficientStorage", "The storage is full; the old object, if any, is untouched")
        case ErrorCode.TOO_LARGE:
            return refusal(413, "EntityTooLarge", "The object is larger than the storage can hold")
        case ErrorCode.UNAVAILABLE:
            return refusal(503, "ServiceUnavailable", "Reduce your request rate")
        case _:
            return refusal(500, "InternalError", "We encountered an internal error. Please try again.")


def _config(storage: LocalStorage, limits: ServerLimits, *, patience_s: int) -> uvicorn.Config:
    # h11 passes paths on unchanged. No access log: the URLs in it would be valid credentials.
    return uvicorn.Config(
        create_app(storage, max_upload_bytes=limits.upload_bytes),
        http=bounded_protocol(limits),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=patience_s,
    )


def serve(
    storage: LocalStorage,
    host: str = "127.0.0.1",
    port: int = 9400,
    *,
    limits: ServerLimits = DEFAULT_LIMITS,
    listening: Callable[[], None] = lambda: None,
) -> None:
    """Serve the signed URLs of ``storage`` on ``host:port`` until interrupted (SIGINT, SIGTERM).

    ``storage`` needs ``base_url`` and ``secret``; URLs that any process signs with the same two are honoured.
    ``limits`` bound what clients may take. ``listening`` is called once the server listens. Raises ``UNSUPPORTED``
    without base_url or secret and ``OSError`` if the server cannot listen on the address.
    """
    config = _config(storage, limits, patience_s=30)
    with (
        _listen((host, port), backlog=config.backlog) as listener,
        suppress(KeyboardInterrupt),
    ):
        listening()
        uvicorn.Server(config).run(sockets=[listener])


class UrlServer:
    """Serves the signed URLs of a storage from a separate thread: ``with UrlServer(storage) as server``.

    Inside the block ``server.url`` is the address (``http://127.0.0.1:{port}/files``) and ``server.storage`` a
    storage of the same root that signs for it, with the secret of ``storage`` or else a random one. ``port`` 0 takes a
    free one. ``limits`` bound what clients may take.
    """

    def __init__(
        self,
        storage: LocalStorage,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        limits: ServerLimits = DEFAULT_LIMITS,
    ) -> None:
        self._given = storage
        self._limits = limits
        self._address = (host, port)
        self.url = ""
        self.storage = storage

    def __enter__(self) -> Self:
        host = self._address[0]
        self._listener = _listen(self._address)
        try:
            shown = f"[{host}]" if ":" in host else host
            self.url = f"http://{shown}:{self._listener.getsockname()[1]}{MOUNT}"
            self.storage = self._given.with_urls(self.url)
            self._server = uvicorn.Server(_config(self.storage, self._limits, patience_s=1))
            self._thread = threading.Thread(
                target=self._server.run, kwargs={"sockets": [self._listener]}, name="url-server", daemon=True
            )
            self._thread.start()
            deadline = time.monotonic() + _START_S
            while not self._server.started:
                if not self._thread.is_alive() or time.monotonic() > deadline:
                    self._server.should_exit = True
                    raise StorageError(
                        ErrorCode.UNAVAILABLE, "UrlServer", None, f"no start at {self.url}; try another port"
                    )
                time.sleep(0.01)
        except BaseException:
            self._listener.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()


def _listen(address: tuple[str, int], *, backlog: int | None = None) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    listener = socket.create_server(address, family=family, backlog=backlog)
    # asyncio does this for sockets that it opened itself only; without it every answer waits 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
