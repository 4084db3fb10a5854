"""Checksums of a body as S3 headers carry them, by algorithm."""

from __future__ import annotations

import base64
import functools
import hashlib
import zlib
from typing import Final

LENGTHS: Final = {"crc32": 4, "crc32c": 4, "crc64nvme": 8, "sha1": 20, "sha256": 32}
"""Length in bytes of a checksum, by algorithm."""

_REFLECTED: Final = {"crc32c": 0x82F63B78, "crc64nvme": 0x9A6C9329AC4BC9B5}
"""Polynomials with the lowest bit first, of the CRCs that Python does not have (RFC 3720, NVM Express)."""


def checksum_of(algorithm: str, body: bytes) -> str:
    """Return the checksum of a body in base64. For short bodies: two of the CRCs are computed byte by byte.

    ``algorithm`` is one of ``LENGTHS``.
    """
    length = LENGTHS[algorithm]
    if algorithm == "crc32":
        digest = zlib.crc32(body).to_bytes(length, "big")
    elif algorithm in _REFLECTED:
        digest = _crc(algorithm, body).to_bytes(length, "big")
    else:
        digest = hashlib.new(algorithm, body, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii")


def _crc(algorithm: str, body: bytes) -> int:
    table, ones = _table(_REFLECTED[algorithm]), (1 << 8 * LENGTHS[algorithm]) - 1
    value = ones
    for byte in body:
        value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ ones


@functools.cache
def _table(polynomial: int) -> tuple[int, ...]:
    values = []
    for index in range(256):
        value = index
        for _ in range(8):
            value = (value >> 1) ^ (polynomial if value & 1 else 0)
        values.append(value)
    return tuple(values)
