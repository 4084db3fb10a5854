"""Intercepts botocore requests to record them and to inject faults.

The hook answers botocore's ``before-send`` event, as mocking libraries do: it sends the prepared request itself and
returns the response, so that the SDK is used exactly as an application uses it.
"""

from __future__ import annotations

import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

from botocore.exceptions import BotoCoreError, ConnectionClosedError, ConnectTimeoutError, ReadTimeoutError

from bucket_conformance.conformance.backend.patching import replaced
from bucket_conformance.conformance.wire.bounds import (
    PatienceEnded,
    ResponseTooLong,
    body_bound,
    cause_of,
    kept_headers,
    reason,
    timed_out,
)
from bucket_conformance.conformance.wire.exchange import NOT_SENT, PREVIEW_BYTES, Auth, Exchange, Recorder
from bucket_conformance.conformance.wire.s3 import S3Wire
from bucket_conformance.conformance.wire.safe_xml import refusal

if TYPE_CHECKING:
    from bucket_conformance.conformance.wire.botocore_internals import AWSPreparedRequest, AWSResponse

KEEP_BODY_BYTES: Final = 32 * 1024 * 1024
"""Request bodies up to this size stay in the recording until the next example."""

TIMEOUTS_S: Final = (5.0, 30.0)
"""For a connection, and for the next bytes of a response."""

PATIENCE_S: Final = 60.0
"""For a whole response, as far as it is waited for."""

MOST_PAGES: Final = 1000
"""Most pages of one listing by the storage: a million keys, where pages have a thousand."""

MOST_LISTED_BYTES: Final = 48 * 1024 * 1024
"""Most bytes of all pages of one listing by the storage: 150 thousand keys."""

_Fault = Callable[["AWSPreparedRequest", Callable[[], "AWSResponse"]], "AWSResponse | None"]


class UnreadableResponse(BotoCoreError):
    """Raised for a response that is not read to its end. The SDK does not retry after this kind of error."""

    fmt = "{why}"


class SdkHook:
    """Register :meth:`before_send` on a client's ``before-send.s3`` event."""

    def __init__(self, recorder: Recorder, *, ca_file: Path | None = None) -> None:
        from bucket_conformance.conformance.backend.sdk_connections import http_session

        self._recorder = recorder
        self._http = http_session(ca_file, TIMEOUTS_S, self._response_bounds)
        self._faults: list[_Fault] = []
        self._pages = 0
        self._listed_bytes = 0

    def before_send(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        exchange = _exchange_of(request, KEEP_BODY_BYTES if self._recorder.keeps_bodies else 0)

        def send() -> AWSResponse:
            if self._recorder.hopeless:
                exchange.timed_out = True
                raise ReadTimeoutError(endpoint_url=request.url.partition("?")[0], error=NOT_SENT)
            try:
                return self._http.send(request)
            except Exception as error:
                # Noted here, because a clause may cause such an error itself.
                exchange.timed_out = isinstance(error, ConnectTimeoutError | ReadTimeoutError) or timed_out(error)
                if (too_long := cause_of(error, ResponseTooLong)) is not None:
                    raise UnreadableResponse(why=f"the response is too long: {too_long}") from error
                if (slow := cause_of(error, PatienceEnded)) is not None:
                    raise UnreadableResponse(why=f"time ran out: {slow}") from error
                raise

        try:
            response = None
            for fault in list(self._faults):
                # What a fault raises is the suite's own doing, like its response.
                exchange.injected = True
                response = fault(request, send)
                if response is not None:
                    break
                exchange.injected = False
            if response is None:
                response = send()
            _note_response(exchange, request, response)
            self._require_an_end(exchange)
        except Exception as error:
            exchange.error = f"{type(error).__name__}: {error}"
            raise
        else:
            return response
        finally:
            self._recorder.add(exchange)

    def _response_bounds(self) -> tuple[float, int]:
        return PATIENCE_S, body_bound(self._recorder.sent_bytes)

    def _require_an_end(self, exchange: Exchange) -> None:
        """Raise where a listing goes on for ever; the storage would ask for page after page."""
        if exchange.method != "GET" or "list-type=2" not in exchange.target:
            return
        if "continuation-token=" not in exchange.target:
            self._pages, self._listed_bytes = 0, 0
        self._pages += 1
        self._listed_bytes += exchange.response_size or 0
        if self._pages > MOST_PAGES or self._listed_bytes > MOST_LISTED_BYTES:
            raise UnreadableResponse(
                why=f"the listing never ends: {self._pages} pages with {self._listed_bytes} bytes came"
            )

    @contextmanager
    def fault(self, fault: _Fault) -> Iterator[None]:
        """Let ``fault`` handle each request inside the block: it returns a response, raises, or returns ``None``.

        The SDK's pauses between retries are removed inside, so that a retry does not wait.
        """
        self._faults.append(fault)
        try:
            with replaced(time, "sleep", lambda _: None):
                yield
        finally:
            self._faults.remove(fault)

    def close(self) -> None:
        self._http.close()


def _exchange_of(request: AWSPreparedRequest, keep_bytes: int) -> Exchange:
    parts = urlsplit(request.url)
    body: Any = request.body
    kept: bytes | None
    if body is None:
        kept = b""
    elif isinstance(body, bytes | bytearray):
        kept = bytes(body) if len(body) <= keep_bytes else None
    elif isinstance(body, str):
        kept = body.encode()
    elif isinstance(body, BytesIO):
        left = body.getbuffer().nbytes - body.tell()
        kept = body.getvalue()[body.tell() :] if left <= keep_bytes else None
    else:
        kept = None
    headers = tuple((name, _text(value)) for name, value in request.headers.items())
    lengths = ("content-length", "x-amz-decoded-content-length")
    length = next((value for name, value in headers if name.lower() in lengths), "0")
    return Exchange(
        origin="storage",
        method=request.method,
        target=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        headers=headers,
        body=kept,
        body_size=len(kept) if kept is not None else _number(length) or 0,
        auth=Auth.HEADER,
    )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _note_response(exchange: Exchange, request: AWSPreparedRequest, response: AWSResponse) -> None:
    exchange.status = response.status_code
    exchange.response_headers = kept_headers([(str(name), str(value)) for name, value in response.headers.items()])
    if request.stream_output and response.status_code < 300:
        exchange.response_size = _number(str(response.headers.get("Content-Length", "")))
        response.raw = _PreviewedRaw(response.raw, exchange)
        return
    try:
        content = response.content
    except Exception as error:  # the body of an error, where an object was requested
        exchange.timed_out = timed_out(error)
        why = "time ran out" if exchange.timed_out else "the response is too long or broken"
        raise UnreadableResponse(why=f"{why}: {reason(error)}") from error
    exchange.response_body = content[:PREVIEW_BYTES]
    exchange.response_size = len(content)
    if why := refusal(content):
        raise UnreadableResponse(why=f"the body is not read as XML: {why}")


class _PreviewedRaw:
    """A response body that keeps its first bytes for the transcript while the SDK reads it."""

    def __init__(self, raw: Any, exchange: Exchange) -> None:
        self._raw = raw
        self._exchange = exchange

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def __enter__(self) -> _PreviewedRaw:
        return self

    def __exit__(self, *_: object) -> None:
        self._raw.close()

    def read(self, *args: Any, **kwargs: Any) -> Any:
        with self._recording_the_break():
            return self._keep(self._raw.read(*args, **kwargs))

    def readinto(self, buffer: Any) -> Any:
        with self._recording_the_break():
            count = self._raw.readinto(buffer)
        self._keep(bytes(buffer[: min(count or 0, PREVIEW_BYTES)]))
        return count

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        with self._recording_the_break():
            for chunk in self._raw.stream(*args, **kwargs):
                yield self._keep(chunk)

    @contextmanager
    def _recording_the_break(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._exchange.error = reason(error)
            self._exchange.timed_out |= timed_out(error)
            raise

    def _keep(self, data: bytes) -> bytes:
        have = len(self._exchange.response_body)
        if have < PREVIEW_BYTES:
            self._exchange.response_body += data[: PREVIEW_BYTES - have]
        return data


class _CutRaw(_PreviewedRaw):
    """A response body that ends early, as when a connection is lost but closed in order."""

    def __init__(self, raw: Any, exchange: Exchange, after: int) -> None:
        super().__init__(raw, exchange)
        self._left = after

    def read(self, amt: int | None = None, *_: Any, **__: Any) -> bytes:
        wanted = self._left if amt is None or amt < 0 else min(amt, self._left)
        data: bytes = self._raw.read(wanted) if wanted else b""
        self._left -= len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def stream(self, amt: int = 65536, **_: Any) -> Iterator[bytes]:
        while data := self.read(amt):
            yield data


def _respond(request: AWSPreparedRequest, status: int, body: str) -> AWSResponse:
    from bucket_conformance.conformance.backend.sdk_connections import xml_response

    return xml_response(request.url, status, body)


def _error(request: AWSPreparedRequest, status: int, code: str) -> AWSResponse:
    return _respond(request, status, f"<Error><Code>{code}</Code><Message>made by the suite</Message></Error>")


class SdkInterference:
    """Faults between an SDK and a real S3 server. Implements ``session.Interference``."""

    def __init__(self, hook: SdkHook, wire: S3Wire) -> None:
        self._hook = hook
        self._wire = wire

    @contextmanager
    def refuse_deletes(self, keys: Iterable[str]) -> Iterator[None]:
        refused = set(keys)

        def fault(request: AWSPreparedRequest, _: Callable[[], AWSResponse]) -> AWSResponse | None:
            if request.method == "DELETE":
                key = self._key_of(request)
                return _error(request, 403, "AccessDenied") if key in refused else None
            if not _is_batch_delete(request):
                return None
            requested = batch_keys(_body_bytes(request))
            allowed = [key for key in requested if key not in refused]
            if len(allowed) == len(requested):
                return None
            failed = dict.fromkeys(refused, "AccessDenied")
            if allowed:
                response = self._wire.delete_objects(allowed)
                root = response.xml()
                if not response.ok or root is None:
                    return _respond(request, response.status or 503, response.body.decode("utf-8", "replace"))
                failed |= {e.findtext("Key") or "": e.findtext("Code") or "" for e in root.iterfind("Error")}
            # A key that is requested twice gets two results, as from servers.
            return _respond(request, 200, _delete_result(requested, failed, quiet=_is_quiet(_body_bytes(request))))

        with self._hook.fault(fault):
            yield

    @contextmanager
    def fail_deletes(self, how: str, times: int) -> Iterator[None]:
        left = [times]
        lock = threading.Lock()

        def fault(request: AWSPreparedRequest, send: Callable[[], AWSResponse]) -> AWSResponse | None:
            if request.method != "DELETE" and not _is_batch_delete(request):
                return None
            with lock:
                if left[0] <= 0:
                    return None
                left[0] -= 1
            if how == "503":
                return _error(request, 503, "SlowDown")
            if how in ("reset_after", "timeout"):
                send()
            if how == "timeout":
                raise ReadTimeoutError(endpoint_url=request.url.partition("?")[0])
            raise ConnectionClosedError(endpoint_url=request.url.partition("?")[0])

        with self._hook.fault(fault):
            yield

    @contextmanager
    def deny(self, permission: str) -> Iterator[None]:
        def fault(request: AWSPreparedRequest, _: Callable[[], AWSResponse]) -> AWSResponse | None:
            if self._permission_for(request) != permission:
                return None
            if _is_batch_delete(request):
                requested = batch_keys(_body_bytes(request))
                failed = dict.fromkeys(requested, "AccessDenied")
                return _respond(request, 200, _delete_result(requested, failed, quiet=True))
            return _respond(request, 403, "") if request.method == "HEAD" else _error(request, 403, "AccessDenied")

        with self._hook.fault(fault):
            yield

    def _permission_for(self, request: AWSPreparedRequest) -> str:
        if request.method == "DELETE" or _is_batch_delete(request):
            return "s3:DeleteObject"
        if request.method in ("PUT", "POST"):
            return "s3:PutObject"
        on_bucket = urlsplit(request.url).path.rstrip("/") == urlsplit(self._wire.url("")).path.rstrip("/")
        return "s3:ListBucket" if on_bucket else "s3:GetObject"

    @contextmanager
    def truncate_downloads(self, after: int, times: int) -> Iterator[None]:
        left = [times]
        lock = threading.Lock()

        def fault(request: AWSPreparedRequest, send: Callable[[], AWSResponse]) -> AWSResponse | None:
            if request.method != "GET" or not request.stream_output:
                return None
            with lock:
                if left[0] <= 0:
                    return None
                left[0] -= 1
            response = send()
            if response.status_code < 300:
                response.raw = _CutRaw(response.raw, Exchange(origin="", method="", target=""), after)
            return response

        with self._hook.fault(fault):
            yield

    def _key_of(self, request: AWSPreparedRequest) -> str:
        path = urlsplit(request.url).path
        base = urlsplit(self._wire.url("")).path
        return unquote(path.removeprefix(base))


def _delete_result(requested: Iterable[str], failed: Mapping[str, str], *, quiet: bool) -> str:
    rows = []
    for key in requested:
        text = escape(key, {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"})
        if key in failed:
            rows.append(
                f"<Error><Key>{text}</Key><Code>{failed[key]}</Code><Message>made by the suite</Message></Error>"
            )
        elif not quiet:
            rows.append(f"<Deleted><Key>{text}</Key></Deleted>")
    return f"<DeleteResult>{''.join(rows)}</DeleteResult>"


def _is_quiet(body: bytes) -> bool:
    root = ET.fromstring(body)
    return any(element.tag.rpartition("}")[2] == "Quiet" and element.text == "true" for element in root)


def _is_batch_delete(request: AWSPreparedRequest) -> bool:
    query = urlsplit(request.url).query
    return request.method == "POST" and ("delete" in [part.partition("=")[0] for part in query.split("&")])


def _body_bytes(request: AWSPreparedRequest) -> bytes:
    body: Any = request.body
    if body is None:
        return b""
    if isinstance(body, bytes | bytearray):
        return bytes(body)
    if isinstance(body, str):
        return body.encode()
    at = body.tell()
    data: bytes = body.read()
    body.seek(at)
    return data


def batch_keys(body: bytes) -> list[str]:
    """Return the keys that the body of a DeleteObjects request names, in order."""
    return [element.text or "" for element in ET.fromstring(body).iter() if element.tag.rpartition("}")[2] == "Key"]
