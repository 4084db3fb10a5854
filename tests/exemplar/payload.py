"""Turns the body on the wire into the object's bytes: payload hashes and ``aws-chunked`` framing.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, replace
from typing import Final

from tests.exemplar.sigv4 import EMPTY_SHA256, UNSIGNED, Signed
from tests.exemplar.types import Request, S3Error

STREAMING: Final = frozenset(
    {
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    }
)
_MIN_CHUNK: Final = 8192
_CHUNK_HEAD: Final = re.compile(rb"([0-9a-fA-F]{1,16})(?:;chunk-signature=([0-9a-f]{64}))?")


@dataclass(slots=True)
class _Chain:
    """The running signature of a chunked body; ``signed`` is ``None`` where nothing is verified."""

    signed: Signed | None
    previous: str

    def advance(self, kind: str, hashes: str, given: str) -> None:
        if self.signed is None:
            return
        text = f"{kind}\n{self.signed.amz_date}\n{self.signed.scope}\n{self.previous}\n{hashes}"
        expected = hmac.new(self.signed.signing_key, text.encode(), "sha256").hexdigest()
        if not hmac.compare_digest(expected, given):
            raise S3Error(403, "SignatureDoesNotMatch", "The chunk signature does not match the one we calculated.")
        self.previous = given


def _incomplete() -> S3Error:
    return S3Error(
        400, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header"
    )


def _line(body: bytes, at: int) -> tuple[bytes, int]:
    end = body.find(b"\r\n", at)
    if end < 0:
        raise _incomplete()
    return body[at:end], end + 2


def _trailers(body: bytes, at: int, chain: _Chain, wanted: frozenset[str], *, signed: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    while at < len(body):
        line, at = _line(body, at)
        if not line:
            break
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise S3Error(400, "MalformedTrailerError", "The request contained trailing data that was not well-formed")
        found[name.strip().lower()] = value.strip()
    given = found.pop("x-amz-trailer-signature", "")
    if found.keys() != wanted:
        raise S3Error(400, "MalformedTrailerError", "The request contained trailing data that was not well-formed")
    if signed:
        lines = "".join(f"{name}:{value}\n" for name, value in sorted(found.items()))
        chain.advance("AWS4-HMAC-SHA256-TRAILER", hashlib.sha256(lines.encode("latin-1")).hexdigest(), given)
    return found


def _unchunk(request: Request, kind: str, proof: Signed | None) -> tuple[bytes, dict[str, str]]:
    body, signed = request.body, kind.startswith("STREAMING-AWS4")
    chain = _Chain(proof if signed else None, proof.signature if proof else "")
    pieces: list[bytes] = []
    at = 0
    short = False
    while True:
        line, at = _line(body, at)
        head = _CHUNK_HEAD.fullmatch(line)
        if head is None or (signed and head[2] is None):
            raise S3Error(400, "InvalidRequest", "The chunk header is malformed.")
        size = int(head[1], 16)
        if size and short:
            message = f"Only the last chunk is allowed to have a size less than {_MIN_CHUNK} bytes"
            raise S3Error(403, "InvalidChunkSizeError", message)
        short = size < _MIN_CHUNK
        data = body[at : at + size]
        if len(data) < size:
            raise _incomplete()
        if signed:
            hashes = f"{EMPTY_SHA256}\n{hashlib.sha256(data).hexdigest()}"
            chain.advance("AWS4-HMAC-SHA256-PAYLOAD", hashes, head[2].decode())
        if size == 0:
            break
        pieces.append(data)
        at += size
        if body[at : at + 2] != b"\r\n":
            raise _incomplete()
        at += 2
    named = request.header("x-amz-trailer")
    wanted = frozenset(name.strip().lower() for name in named.split(",") if name.strip())
    if not kind.endswith("-TRAILER"):
        wanted = frozenset()
    trailers = _trailers(body, at, chain, wanted, signed=kind.startswith("STREAMING-AWS4") and bool(wanted))
    return b"".join(pieces), trailers


def open_body(request: Request, proof: Signed | None) -> Request:
    """Return the request with its true body, verified; framing headers gone, trailers turned into headers.

    ``proof`` is ``None`` for trusted requests: then no hash or chunk signature is checked.
    """
    kind = proof.payload_hash if proof else request.header("x-amz-content-sha256")
    if kind in STREAMING:
        declared = request.header("x-amz-decoded-content-length")
        if not declared.isdecimal():
            raise S3Error(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
        body, trailers = _unchunk(request, kind, proof)
        if len(body) != int(declared):
            raise _incomplete()
        kept = [value.strip() for value in request.header("content-encoding").split(",")]
        encoding = ",".join(value for value in kept if value and value != "aws-chunked")
        gone = {"x-amz-decoded-content-length", "x-amz-trailer", "content-encoding", "content-length"}
        gone |= {"x-amz-content-sha256", "transfer-encoding"}
        headers = [pair for pair in request.headers if pair[0].lower() not in gone]
        headers += [*trailers.items(), ("content-length", str(len(body)))]
        if encoding:
            headers.append(("content-encoding", encoding))
        return replace(request, headers=tuple(headers), body=body)
    if proof is not None and kind != UNSIGNED:
        if not re.fullmatch("[0-9a-f]{64}", kind):
            message = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-..., or a valid sha256 value."
            raise S3Error(400, "InvalidArgument", message)
        if kind != hashlib.sha256(request.body).hexdigest():
            message = "The provided 'x-amz-content-sha256' header does not match what was computed."
            raise S3Error(400, "XAmzContentSHA256Mismatch", message)
    return request
