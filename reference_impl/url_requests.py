"""Pieces of HTTP that the URL server speaks: bodies coming in, ranges, and error answers in the form of S3."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime
from typing import Any, Final
from xml.sax.saxutils import escape

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
"""The types of ASGI (https://asgi.readthedocs.io/en/latest/specs/main.html)."""

Headers = tuple[tuple[bytes, bytes], ...]

SAFE_HEADERS: Final[Headers] = (
    (b"x-content-type-options", b"nosniff"),
    # What users uploaded must not run as a page of this origin, and must not outlive its URL in a shared cache.
    (b"content-security-policy", b"default-src 'none'; sandbox"),
    (b"cache-control", b"private, no-cache"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlResponse:
    """A complete HTTP answer; a HEAD gets its headers alone."""

    status: int
    headers: Headers = ()
    body: bytes = b""

    def with_header(self, name: bytes, value: bytes) -> UrlResponse:
        return replace(self, headers=(*self.headers, (name, value)))

    async def send(self, send: Send, method: str) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": list(self.headers)})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else self.body})


def refusal(status: int, code: str, message: str, **details: str) -> UrlResponse:
    """Return S3's error document (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html) as an answer."""
    fields = {"Code": code, "Message": message, **details, "RequestId": secrets.token_hex(8).upper()}
    inner = "".join(f"<{name}>{escape(_xml_legal(value))}</{name}>" for name, value in fields.items())
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode()
    headers = (*SAFE_HEADERS, (b"content-type", b"application/xml"), (b"content-length", b"%d" % len(body)))
    return UrlResponse(status=status, headers=headers, body=body)


def _xml_legal(text: str) -> str:
    # XML 1.0 has no form at all for these, not even an escaped one; \r must be escaped to survive.
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)


def single_header(scope: Scope, name: bytes) -> str | None:
    """Return the value of a header; several of one name come joined, as one that will not match a signed value."""
    values = [value for header, value in scope["headers"] if header == name]
    return b", ".join(values).decode("latin-1") if values else None


def http_date(when: datetime) -> bytes:
    """Return an aware UTC time in the form of HTTP headers, in whole seconds."""
    return format_datetime(when.replace(microsecond=0), usegmt=True).encode("ascii")


def byte_range(header: str | None, size: int) -> range | None:
    """Return the positions that a Range header asks for of ``size`` bytes.

    ``None``: no header, or one that is to be ignored (several ranges, another unit, a wrong form), as S3 does. An empty
    range: it cannot be satisfied.
    """
    matched = re.fullmatch(r"bytes=([0-9]{0,19})-([0-9]{0,19})", header or "", re.ASCII)
    if matched is None or matched[0] == "bytes=-":
        return None
    first, last = matched[1], matched[2]
    if not first:
        return range(max(0, size - int(last)), size)
    if last and int(last) < int(first):
        return None
    return range(int(first), max(int(first), min(size, int(last) + 1 if last else size)))


class BodyError(Exception):
    """A request body that must not be stored: cut off by the client, too long, or not what its checksum says."""

    def __init__(self, code: str, message: str, *, status: int = 400, client_is_there: bool = True) -> None:
        self.code = code
        self.status = status
        self.client_is_there = client_is_there
        super().__init__(message)


class RequestBody:
    """The body of an ASGI request, checked as it comes. ``pieces`` ends only where the body does.

    ``max_bytes`` bounds it: by ``content_length`` before anything is read, and by what comes.
    """

    def __init__(
        self, receive: Receive, *, content_md5: str | None, content_length: str | None, max_bytes: int
    ) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._expected: bytes | None = None
        if content_length is not None and content_length.isdecimal() and int(content_length) > max_bytes:
            raise self._too_large()
        if content_md5 is not None:
            try:
                self._expected = base64.b64decode(content_md5, validate=True)
            except (binascii.Error, ValueError):
                self._expected = b""
            if len(self._expected) != 16:
                raise BodyError("InvalidDigest", "The Content-MD5 you specified is not valid")

    def _too_large(self) -> BodyError:
        return BodyError(
            "EntityTooLarge", f"Your proposed upload exceeds the maximum of {self._max_bytes} bytes", status=413
        )

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield what comes; raise :class:`BodyError` before the end is reached where it must not be stored."""
        md5 = hashlib.md5(usedforsecurity=False)
        come, more = 0, True
        while more:
            message = await self._receive()
            if message["type"] != "http.request":
                raise BodyError("RequestTimeout", "The client went away before its body ended", client_is_there=False)
            piece: bytes = message.get("body", b"")
            more = message.get("more_body", False)
            come += len(piece)
            if come > self._max_bytes:
                raise self._too_large()
            if self._expected is not None:
                md5.update(piece)
            if piece:
                yield piece
        if self._expected is not None and md5.digest() != self._expected:
            raise BodyError("BadDigest", "The Content-MD5 you specified did not match what we received")
