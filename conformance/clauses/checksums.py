"""RT: a checksum sent with a body is verified, and a body that does not match is not stored."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from hypothesis import example, given
from hypothesis import strategies as st

from bucket_conformance.conformance.catalogue import also, clause
from bucket_conformance.conformance.contract import Capability, Level, Profile
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.strategies import KIB, examples, only_if, pattern_bytes
from bucket_conformance.conformance.testkit.checksums import LENGTHS, checksum_of
from bucket_conformance.conformance.testkit.needs import is_refusal
from bucket_conformance.conformance.testkit.refused_uploads import (
    before_refused_put,
    crc32_trailer,
    require_chunks_taken,
    require_refused,
)
from bucket_conformance.conformance.testkit.sources import CONTENT_MD5, OBJECT_INTEGRITY, PUT_OBJECT
from bucket_conformance.conformance.verdict import NeedsRefused, compare
from bucket_conformance.conformance.wire.aws_chunked import Framing, put_chunked
from bucket_conformance.conformance.wire.s3 import content_md5
from bucket_conformance.conformance.wire.transport import HttpResponse

WRONG_DIGESTS: Final = {
    "of another body": content_md5(b"another body"),
    "all zero": base64.b64encode(bytes(16)).decode(),
    "not base64": "__invalid__",
    "three digits": "000",
    "words": "not base64 encoded checksum",
    "too short": "MTIz",
    "too long": base64.b64encode(bytes(32)).decode(),
    "hexadecimal": hashlib.md5(b"body", usedforsecurity=False).hexdigest(),
}


@clause(
    "RT-008",
    "A PUT whose Content-MD5 is not that of its body is refused and nothing is stored.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(PUT_OBJECT, OBJECT_INTEGRITY, CONTENT_MD5),
    proved_by=("ignores-content-md5", "stores-before-checking-md5", "ignores-malformed-content-md5"),
    effort=0.5,
)
@examples("wrong", [(kind, overwrites) for overwrites in (False, True) for kind in WRONG_DIGESTS])
@given(wrong=st.tuples(st.sampled_from(sorted(WRONG_DIGESTS)), st.booleans()))
def test_a_wrong_content_md5_is_refused(session: Session, wrong: tuple[str, bool]) -> None:
    kind, overwrites = wrong
    key, before = session.fresh_key(), before_refused_put(session, overwrites)
    if before is not None:
        session.wire.put(key, before)
    put = session.wire.put(key, b"body", [("Content-MD5", WRONG_DIGESTS[kind])])
    require_refused(session, key, put, before, f"a PUT with a Content-MD5 that is {kind}")


@also("RT-008", effort=0.3)
@example(size=0, flipped=0)
@example(size=1, flipped=0)
@example(size=64 * KIB + 1, flipped=64 * KIB)
@given(size=st.integers(0, 8 * KIB), flipped=st.integers(0, 8 * KIB))
def test_the_content_md5_of_a_body_one_bit_away_is_refused(session: Session, size: int, flipped: int) -> None:
    key, body = session.fresh_key(), pattern_bytes(size)
    at = min(flipped, max(size - 1, 0))
    other = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :] if body else b"x"
    put = session.wire.put(key, body, [("Content-MD5", content_md5(other))])
    require_refused(session, key, put, None, f"a PUT of {size} bytes with the Content-MD5 of others")


@also("RT-008", requires={Capability.MULTIPART}, effort=0.2)
@examples("kind", ["of another body", "too short"])
@given(kind=st.sampled_from(sorted(WRONG_DIGESTS)))
def test_a_part_with_a_wrong_content_md5_is_refused(session: Session, kind: str) -> None:
    key, wire = session.fresh_key(), session.wire
    begun = wire.request("POST", key, query=(("uploads", ""),)).xml()
    upload_id = (begun.findtext("UploadId") if begun is not None else None) or ""
    query = (("partNumber", "1"), ("uploadId", upload_id))
    part = wire.request("PUT", key, query=query, body=b"body", headers=[("Content-MD5", WRONG_DIGESTS[kind])])
    wire.request("DELETE", key, query=(("uploadId", upload_id),))
    compare(is_refusal(part.status), True, f"refused: a part with a Content-MD5 that is {kind} ({part.summary})")


TWIN: Final = b"with its own checksum"


def _needs_checksums(session: Session, algorithm: str) -> None:
    """Raise ``NeedsRefused`` where a right checksum is refused too: then the refusal of a wrong one proves nothing."""
    put = _taken(session, algorithm)
    if is_refusal(put.status):
        raise NeedsRefused(f"{algorithm} of an upload", f"PUT with its right checksum → {put.summary}")


def _taken(session: Session, algorithm: str) -> HttpResponse:
    """Return the response to an upload with its right checksum."""
    header = (f"x-amz-checksum-{algorithm}", checksum_of(algorithm, TWIN))
    return session.wire.put(session.fresh_key(), TWIN, [header])


def _refuses_wrong(session: Session, algorithm: str, size: int, overwrites: bool) -> None:
    _needs_checksums(session, algorithm)
    key, body, before = session.fresh_key(), pattern_bytes(size), before_refused_put(session, overwrites)
    if before is not None:
        session.wire.put(key, before)
    length = LENGTHS[algorithm]
    # Well-formed and wrong; that it is right by chance has a probability of at most 1 in 2**32.
    wrong = hashlib.sha512(b"not the checksum of " + body).digest()[:length]
    put = session.wire.put(key, body, [(f"x-amz-checksum-{algorithm}", base64.b64encode(wrong).decode())])
    require_refused(session, key, put, before, f"a body of {size} bytes with a wrong {algorithm}")


SIZED: Final = ((0, False), (1, False), (1000, True), (64 * KIB + 1, False))


def _sized() -> st.SearchStrategy[tuple[int, bool]]:
    return st.tuples(st.integers(0, 4 * KIB), st.booleans())


@clause(
    "RT-018",
    "A body with a wrong or malformed x-amz-checksum-crc32, crc32c, sha1, sha256 or crc64nvme is refused and nothing "
    "is stored.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(PUT_OBJECT, OBJECT_INTEGRITY),
    proved_by=(
        "ignores-crc32",
        "ignores-crc32c",
        "ignores-sha1",
        "ignores-sha256",
        "ignores-crc64nvme",
        "ignores-trailing-checksum",
        "ignores-malformed-checksum",
        "stores-before-checking-the-checksum",
    ),
    effort=0.2,
)
@examples("put", SIZED)
@given(put=_sized())
def test_a_wrong_crc32_is_refused(session: Session, put: tuple[int, bool]) -> None:
    _refuses_wrong(session, "crc32", *put)


@also("RT-018", effort=0.2)
@examples("put", SIZED)
@given(put=_sized())
def test_a_wrong_crc32c_is_refused(session: Session, put: tuple[int, bool]) -> None:
    _refuses_wrong(session, "crc32c", *put)


@also("RT-018", effort=0.2)
@examples("put", SIZED)
@given(put=_sized())
def test_a_wrong_sha1_is_refused(session: Session, put: tuple[int, bool]) -> None:
    _refuses_wrong(session, "sha1", *put)


@also("RT-018", effort=0.2)
@examples("put", SIZED)
@given(put=_sized())
def test_a_wrong_sha256_is_refused(session: Session, put: tuple[int, bool]) -> None:
    _refuses_wrong(session, "sha256", *put)


@also("RT-018", effort=0.2)
@examples("put", SIZED)
@given(put=_sized())
def test_a_wrong_crc64nvme_is_refused(session: Session, put: tuple[int, bool]) -> None:
    _refuses_wrong(session, "crc64nvme", *put)


@also("RT-018", effort=0.2)
@examples("framing", [Framing.SIGNED_TRAILER, Framing.UNSIGNED_TRAILER])
@given(framing=st.sampled_from([Framing.SIGNED_TRAILER, Framing.UNSIGNED_TRAILER]))
def test_a_wrong_trailing_crc32_is_refused(session: Session, framing: Framing) -> None:
    require_chunks_taken(session, framing)
    key, body = session.fresh_key(), pattern_bytes(1000)
    put = put_chunked(session.wire, key, body, framing, trailer=crc32_trailer(body + b"!"))
    require_refused(session, key, put, None, f"a body with a wrong crc32 behind it ({framing.name})")


MALFORMED: Final = ("test", "not base64!", "too short", "too long", "hexadecimal")


def _malformed(algorithm: str, kind: str, body: bytes) -> str:
    """Return a value that is no checksum of this algorithm: the given words, or what ``kind`` describes."""
    digest = hashlib.sha512(body).digest()[: LENGTHS[algorithm]]
    made = {
        "too short": base64.b64encode(digest[:-1]).decode(),
        "too long": base64.b64encode(digest + b"\x00").decode(),
        "hexadecimal": digest.hex(),
    }
    return made.get(kind, kind)


@also("RT-018", effort=0.5)
@examples("given", [(algorithm, "test", False) for algorithm in LENGTHS] + [("crc32", "too long", True)])
@given(given=st.tuples(st.sampled_from(sorted(LENGTHS)), st.sampled_from(MALFORMED), st.booleans()))
def test_what_is_no_checksum_is_refused(session: Session, given: tuple[str, str, bool]) -> None:
    algorithm, kind, overwrites = given
    # A server may know some algorithms and not others, whose own cases say so; one that knows none has no CRC32 either.
    _needs_checksums(session, "crc32")
    only_if(algorithm == "crc32" or _taken(session, algorithm).ok)
    key, body, before = session.fresh_key(), pattern_bytes(100), before_refused_put(session, overwrites)
    if before is not None:
        session.wire.put(key, before)
    value = _malformed(algorithm, kind, body)
    put = session.wire.put(key, body, [(f"x-amz-checksum-{algorithm}", value)])
    require_refused(session, key, put, before, f"a body with {value!r} for its {algorithm}")
