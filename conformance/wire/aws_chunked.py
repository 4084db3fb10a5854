"""Request bodies in ``aws-chunked`` framing: signed chunk by chunk, or with a checksum in a trailer.

Source: "Signature calculations for streaming uploads" of Amazon S3, whose addresses are in ``testkit.sources``.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from bucket_conformance.conformance.wire.exchange import Auth, Headers
from bucket_conformance.conformance.wire.s3 import S3Wire
from bucket_conformance.conformance.wire.transport import HttpResponse

_EMPTY: Final = hashlib.sha256(b"").hexdigest()


class Framing(enum.StrEnum):
    """How a chunked body is signed; the value is that of the header ``x-amz-content-sha256``."""

    SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
    UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

    @property
    def has_trailer(self) -> bool:
        return self is not Framing.SIGNED

    @property
    def is_signed(self) -> bool:
        return self is not Framing.UNSIGNED_TRAILER


@dataclass(slots=True)
class _Signer:
    """The chain of chunk signatures. It starts from the signature of the request's headers."""

    key: bytes
    date: str
    scope: str
    previous: str

    def next(self, kind: str, hashes: str) -> str:
        text = f"{kind}\n{self.date}\n{self.scope}\n{self.previous}\n{hashes}"
        self.previous = hmac.new(self.key, text.encode(), "sha256").hexdigest()
        return self.previous


def put_chunked(
    wire: S3Wire,
    key: str,
    body: bytes,
    framing: Framing,
    *,
    chunk_bytes: int = 64 * 1024,
    trailer: tuple[str, str] | None = None,
    content_encoding: str = "aws-chunked",
    sent_body: bytes | None = None,
) -> HttpResponse:
    """Send ``body`` with a PUT, in chunks of ``chunk_bytes`` (at least 8 KiB, except for the last), and return the
    response.

    - ``trailer``: name and value of the trailer, for the framings that have one.
    - ``content_encoding``: the value of that header.
    - ``sent_body``: bytes of the same length, sent in place of ``body`` under the signatures of ``body``, as if
      somebody had changed it on the way.
    """
    headers: list[tuple[str, str]] = [
        ("Content-Encoding", content_encoding),
        ("X-Amz-Decoded-Content-Length", str(len(body))),
    ]
    if framing.has_trailer and trailer:
        headers.append(("X-Amz-Trailer", trailer[0]))
    # All chunk signatures have the same length, so the framed length is known before signing.
    length = len(_framed(body, body, framing, None, chunk_bytes, trailer))
    headers.append(("Content-Length", str(length)))
    url = wire.url(key)
    signed = wire.sign("PUT", url, headers, b"", payload_hash=framing.value)
    signer = _signer_from(signed, wire.keys.secret_key)
    framed = _framed(body, sent_body if sent_body is not None else body, framing, signer, chunk_bytes, trailer)
    changed = body if sent_body is not None else None
    return wire.transport.send("PUT", url, headers=signed, body=framed, auth=Auth.HEADER, signed_body=changed)


def _signer_from(headers: Headers, secret: str) -> _Signer:
    found = {name.lower(): value for name, value in headers}
    authorization = found["authorization"]
    scope = authorization.partition("Credential=")[2].partition(",")[0].partition("/")[2]
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), "sha256").digest()
    return _Signer(
        key=key, date=found["x-amz-date"], scope=scope, previous=authorization.rpartition("Signature=")[2].strip()
    )


def _framed(
    body: bytes,
    sent: bytes,
    framing: Framing,
    signer: _Signer | None,
    chunk_bytes: int,
    trailer: tuple[str, str] | None,
) -> bytes:
    pieces: list[bytes] = []
    # The last chunk is empty.
    for at in [*range(0, len(body), chunk_bytes), len(body)]:
        chunk = body[at : at + chunk_bytes]
        head = f"{len(chunk):x}"
        if framing.is_signed:
            hashes = f"{_EMPTY}\n{hashlib.sha256(chunk).hexdigest()}"
            head += f";chunk-signature={signer.next('AWS4-HMAC-SHA256-PAYLOAD', hashes) if signer else '0' * 64}"
        pieces += [head.encode(), b"\r\n", sent[at : at + chunk_bytes]]
        if chunk:
            pieces.append(b"\r\n")
    if framing.has_trailer and trailer:
        name, value = trailer
        pieces.append(f"{name}:{value}\r\n".encode())
        if framing.is_signed:
            hashes = hashlib.sha256(f"{name}:{value}\n".encode()).hexdigest()
            signature = signer.next("AWS4-HMAC-SHA256-TRAILER", hashes) if signer else "0" * 64
            pieces.append(f"x-amz-trailer-signature:{signature}\r\n".encode())
    pieces.append(b"\r\n")
    return b"".join(pieces)
