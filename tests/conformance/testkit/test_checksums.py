"""Checksums are those that S3 documents, for every algorithm."""

from __future__ import annotations

import base64

import pytest

from bucket_conformance.conformance.testkit.checksums import LENGTHS, checksum_of

CHECK = b"123456789"
"""The body whose CRCs the catalogues of CRCs give."""


@pytest.mark.parametrize(
    ("algorithm", "value"),
    [("crc32", "cbf43926"), ("crc32c", "e3069283"), ("crc64nvme", "ae8b14860a799888")],
)
def test_a_crc_is_that_of_the_catalogue(algorithm: str, value: str) -> None:
    assert checksum_of(algorithm, CHECK) == base64.b64encode(bytes.fromhex(value)).decode()


@pytest.mark.parametrize("algorithm", sorted(LENGTHS))
def test_a_checksum_has_its_length(algorithm: str) -> None:
    assert len(base64.b64decode(checksum_of(algorithm, b""))) == LENGTHS[algorithm]
