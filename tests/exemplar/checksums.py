"""Content-MD5 and the x-amz-checksum family, checked against the decoded body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from tests.exemplar.types import S3Error


@cache
def _table(polynomial: int) -> tuple[int, ...]:
    entries = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (polynomial if value & 1 else 0)
        entries.append(value)
    return tuple(entries)


def _reflected_crc(data: bytes, polynomial: int, ones: int) -> int:
    table = _table(polynomial)
    crc = ones
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ ones


def crc32c(data: bytes) -> bytes:
    """Castagnoli CRC-32 (RFC 3720), big-endian."""
    return _reflected_crc(data, 0x82F63B78, 0xFFFFFFFF).to_bytes(4, "big")


def crc64nvme(data: bytes) -> bytes:
    """The 64-bit CRC of the NVM Express specification, big-endian."""
    return _reflected_crc(data, 0x9A6C9329AC4BC9B5, 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big")


ALGORITHMS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "crc32c": crc32c,
    "crc64nvme": crc64nvme,
    "sha1": lambda data: hashlib.sha1(data).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
}
"""Digest by lower-case name, as in ``x-amz-checksum-<name>``."""

_LENGTHS: Final = {"crc32": 4, "crc32c": 4, "crc64nvme": 8, "sha1": 20, "sha256": 32}


@dataclass(frozen=True, slots=True)
class Checksum:
    """A checksum kept with an object. ``value`` is base64, with ``-N`` behind it where ``kind`` is COMPOSITE."""

    algorithm: str
    value: str
    kind: str = "FULL_OBJECT"


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def check_md5(given: str | None, body: bytes) -> str:
    """Return the hex MD5 of ``body``; raise InvalidDigest or BadDigest where a given Content-MD5 is wrong."""
    digest = hashlib.md5(body)
    if given is not None:
        wanted = _base64(given)
        if wanted is None or len(wanted) != 16:
            message = "The Content-MD5 you specified was invalid."
            raise S3Error(400, "InvalidDigest", message, fields=(("Content-MD5", given),))
        if wanted != digest.digest():
            raise S3Error(400, "BadDigest", "The Content-MD5 you specified did not match what we received.")
    return digest.hexdigest()


def check_given(headers: Mapping[str, str], body: bytes) -> Checksum | None:
    """Return the one checksum named in ``headers`` (lower-case names), if it is right; raise if it is wrong."""
    prefix = "x-amz-checksum-"
    given = {name.removeprefix(prefix): value for name, value in headers.items() if name.startswith(prefix)}
    for other in ("algorithm", "type", "mode"):
        given.pop(other, None)
    if not given:
        return None
    if len(given) > 1:
        message = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
        raise S3Error(400, "InvalidRequest", message)
    (name, text), *_ = given.items()
    if name not in ALGORITHMS:
        raise S3Error(400, "InvalidRequest", "The algorithm type you specified in x-amz-checksum- header is invalid.")
    value = _base64(text)
    if value is None or len(value) != _LENGTHS[name]:
        raise S3Error(400, "InvalidRequest", f"Value for x-amz-checksum-{name} header is invalid.")
    if value != ALGORITHMS[name](body):
        message = f"The {name.upper()} you specified did not match the calculated checksum."
        raise S3Error(400, "BadDigest", message)
    return Checksum(name, text)


def compute(algorithm: str, body: bytes) -> Checksum:
    return Checksum(algorithm, base64.b64encode(ALGORITHMS[algorithm](body)).decode())


def composite(algorithm: str, values: list[str]) -> Checksum:
    """Return the checksum of checksums that a multipart object has."""
    joined = b"".join(base64.b64decode(value) for value in values)
    return Checksum(algorithm, f"{compute(algorithm, joined).value}-{len(values)}", "COMPOSITE")
