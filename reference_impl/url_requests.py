"""Pieces of HTTP that the URL server speaks: bodies coming in, ranges, and error answers in the form of S3."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
import secrets
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, BinaryIO, Final
from xml.sax.saxutils import escape

from anyio import from_thread
from starlette.types import Message, Receive, Scope, Send

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Headers = tuple[tuple[bytes, bytes], ...]

SAFE_HEADERS: Final[Headers] = (
    (b"x-content-type-options", b"nosniff"),
    # What users uploaded must not run as a page of this origin, and must not outlive its URL in a shared cache.
    (b"content-security-policy", b"default-src 'none'; sandbox"),
    (b"cache-control", b"private, no-cache"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A complete HTTP answer; a HEAD gets its headers alone."""

    status: int
    headers: Headers = ()
    body: bytes = b""

    def with_header(self, name: bytes, value: bytes) -> Answer:
        return replace(self, headers=(*self.headers, (name, value)))

    async def send(self, send: Send, method: str) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": list(self.headers)})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else self.body})


def refusal(status: int, code: str, message: str, **details: str) -> Answer:
    """Return S3's error document (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html) as an answer."""
    fields = {"Code": code, "Message": message, **details, "RequestId": secrets.token_hex(8).upper()}
    inner = "".join(f"<{name}>{escape(_xml_legal(value))}</{name}>" for name, value in fields.items())
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode()
    headers = (*SAFE_HEADERS, (b"content-type", b"application/xml"), (b"content-length", b"%d" % len(body)))
    return Answer(status=status, headers=headers, body=body)


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
    """A request body that must not be stored: cut off by the client, or not what its checksum says."""

    def __init__(self, code: str, message: str, *, client_is_there: bool = True) -> None:
        self.code = code
        self.client_is_there = client_is_there
        super().__init__(message)


class RequestBody(io.RawIOBase):
    """The body of an ASGI request as a blocking stream, for a thread of anyio's pool. Ends only where the body does."""

    def __init__(self, receive: Receive, *, content_md5: str | None) -> None:
        self._receive = receive
        self._expected: bytes | None = None
        if content_md5 is not None:
            try:
                self._expected = base64.b64decode(content_md5, validate=True)
            except (binascii.Error, ValueError):
                self._expected = b""
            if len(self._expected) != 16:
                raise BodyError("InvalidDigest", "The Content-MD5 you specified is not valid")
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._held = memoryview(b"")
        self._more = True

    async def _next(self) -> Message:
        return await self._receive()

    def stream(self) -> BinaryIO:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        while not self._held and self._more:
            message = from_thread.run(self._next)
            if message["type"] != "http.request":
                raise BodyError("RequestTimeout", "The client went away before its body ended", client_is_there=False)
            self._held = memoryview(message.get("body", b""))
            self._more = message.get("more_body", False)
            if self._expected is not None:
                self._md5.update(self._held)
        if not self._held and self._expected is not None and self._md5.digest() != self._expected:
            raise BodyError("BadDigest", "The Content-MD5 you specified did not match what we received")
        view = memoryview(buffer).cast("B")
        count = min(len(view), len(self._held))
        view[:count] = self._held[:count]
        self._held = self._held[count:]
        return count
