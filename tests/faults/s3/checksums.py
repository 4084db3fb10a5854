"""Faults of an S3 server that show in bodies which do not match their checksum."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import replace

from tests.exemplar.payload import STREAMING, open_body
from tests.exemplar.types import Request, Response
from tests.faults.gateway import Forward, fault


def _stores_anyway(request: Request, forward: Forward, code: str) -> Response:
    """Answer as the good server does, but store the body nevertheless where it refuses with this code."""
    answer = forward(request)
    if (
        request.method == "PUT"
        and request.key
        and answer.status == 400
        and f"<Code>{code}</Code>".encode() in answer.body
    ):
        plain = open_body(request.unsigned(), None)
        forward.trusted(plain.with_header("Content-MD5", None).with_body(plain.body))
    return answer


@fault(
    "ignores-content-md5",
    "Content-MD5 is never checked",
    breaks=["RT-008"],
    origin="mocks, and servers that only know the newer checksums",
)
def ignores_content_md5(request: Request, forward: Forward) -> Response:
    if request.method == "PUT" and request.has_header("content-md5"):
        return forward.authentic(request) or forward.trusted(request.with_header("Content-MD5", None))
    return forward(request)


@fault("ignores-malformed-content-md5", "a Content-MD5 that is no MD5 is overlooked", breaks=["RT-008"])
def ignores_malformed_content_md5(request: Request, forward: Forward) -> Response:
    given = request.header("content-md5")
    if request.method != "PUT" or not given:
        return forward(request)
    try:
        good = len(base64.b64decode(given, validate=True)) == 16
    except (binascii.Error, ValueError):
        good = False
    if good:
        return forward(request)
    return forward.authentic(request) or forward.trusted(request.with_header("Content-MD5", None))


@fault("stores-before-checking-md5", "a body with a wrong Content-MD5 is refused but stored", breaks=["RT-008"])
def stores_before_checking_md5(request: Request, forward: Forward) -> Response:
    return _stores_anyway(request, forward, "BadDigest") if request.has_header("content-md5") else forward(request)


def _ignoring(name: str) -> Callable[[Request, Forward], Response]:
    def behave(request: Request, forward: Forward) -> Response:
        header = f"x-amz-checksum-{name}"
        if request.method != "PUT" or not request.has_header(header):
            return forward(request)
        return forward.authentic(request) or forward.trusted(request.with_header(header, None))

    return behave


for _name in ("crc32", "crc32c", "sha1", "sha256", "crc64nvme"):
    fault(f"ignores-{_name}", f"x-amz-checksum-{_name} is never checked", breaks=["RT-018"])(_ignoring(_name))


@fault(
    "ignores-malformed-checksum",
    "an x-amz-checksum that is none of its algorithm is overlooked",
    breaks=["RT-018"],
    origin="decoders that take what they cannot read for a checksum that was not sent",
)
def ignores_malformed_checksum(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    if request.method != "PUT" or answer.status != 400 or b"header is invalid." not in answer.body:
        return answer
    given = next(name for name, _ in request.headers if name.lower().startswith("x-amz-checksum-"))
    return forward.authentic(request) or forward.trusted(request.with_header(given, None))


@fault("ignores-trailing-checksum", "a checksum that trails behind the body is never checked", breaks=["RT-018"])
def ignores_trailing_checksum(request: Request, forward: Forward) -> Response:
    if request.method != "PUT" or not request.has_header("x-amz-trailer"):
        return forward(request)
    refused = forward.authentic(request)
    if refused is not None:
        return refused
    plain = open_body(request.unsigned(), None)
    return forward.trusted(plain.with_body(plain.body))


@fault(
    "stores-before-checking-the-checksum", "a body with a wrong x-amz-checksum is refused but stored", breaks=["RT-018"]
)
def stores_before_checking_the_checksum(request: Request, forward: Forward) -> Response:
    named = any(name.lower().startswith("x-amz-checksum-") for name, _ in request.headers)
    return _stores_anyway(request, forward, "BadDigest") if named else forward(request)


@fault(
    "ignores-signed-payload-hash",
    "x-amz-content-sha256 goes into the signature but is not compared with the body",
    breaks=["RT-019"],
)
def ignores_signed_payload_hash(request: Request, forward: Forward) -> Response:
    refused = forward.authentic(request)
    if refused is not None and b"XAmzContentSHA256Mismatch" in refused.body:
        return forward.trusted(request)
    return forward(request)


@fault(
    "stores-before-checking-the-payload-hash",
    "a body that does not fit x-amz-content-sha256 is refused but stored",
    breaks=["RT-019"],
)
def stores_before_checking_the_payload_hash(request: Request, forward: Forward) -> Response:
    return _stores_anyway(request, forward, "XAmzContentSHA256Mismatch")


@fault(
    "ignores-chunk-signatures",
    "the signatures of chunks are skipped over",
    breaks=["RT-019"],
    origin="servers that strip the framing and verify the head alone",
)
def ignores_chunk_signatures(request: Request, forward: Forward) -> Response:
    refused = forward.authentic(request)
    chunked = request.header("x-amz-content-sha256") in STREAMING
    if chunked and refused is not None and b"chunk signature" in refused.body:
        return forward.trusted(replace(open_body(request.unsigned(), None)))
    return forward(request)
