"""RT: what an S3 endpoint stores of an object and returns: headers, ETags, framing, ranges."""

from __future__ import annotations

import base64
import gzip
import hashlib
from email.header import decode_header, make_header
from email.message import Message
from typing import Final
from urllib.parse import quote

from hypothesis import example, given
from hypothesis import strategies as st

from bucket_conformance.conformance.backend.checks import remove_side_bucket, why_not_new
from bucket_conformance.conformance.catalogue import also, clause
from bucket_conformance.conformance.contract import Harm, Level, Profile
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.strategies import KIB, MIB, bodies, examples, only_if, pattern_bytes
from bucket_conformance.conformance.testkit.refused_uploads import (
    before_refused_put,
    crc32_trailer,
    require_chunks_taken,
    require_refused,
)
from bucket_conformance.conformance.testkit.sources import (
    ERRORS,
    GET_OBJECT,
    OBJECT_METADATA,
    OBJECT_TYPE,
    OPERATIONS,
    PERSISTENCE,
    PUT_OBJECT,
    RANGES,
    STREAMING,
    TRAILERS,
)
from bucket_conformance.conformance.verdict import Inconclusive, compare
from bucket_conformance.conformance.wire.aws_chunked import Framing, put_chunked
from bucket_conformance.conformance.wire.stored_bytes import is_lost
from bucket_conformance.conformance.wire.transport import HttpResponse

CONTENT_TYPES: Final = (
    "text/plain",
    "text/plain; charset=utf-8",
    "application/json",
    "image/svg+xml",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    'multipart/form-data; boundary="a b"',
)

METADATA_VALUES: Final = (
    "plain",
    "two words",
    "a=b; c, d",
    'quoted "word" and \\',
    quote("\u00fcml\u00e4ut \u6587\u4ef6 \U0001f600"),
    "100%",
    "a+b/c==",
)


def _metadata_names() -> st.SearchStrategy[str]:
    return st.from_regex(r"[a-z][a-z0-9]{0,10}(-[a-z0-9]{1,8})?", fullmatch=True)


def _metadata_values() -> st.SearchStrategy[str]:
    words = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=12)
    text = st.lists(words, min_size=1, max_size=4).map(" ".join)
    # These two characters begin an encoded word of RFC 2047, and such values are decoded before the comparison.
    return st.sampled_from(METADATA_VALUES) | text.filter(lambda value: "=?" not in value)


@clause(
    "RT-006",
    "The content type and the user metadata of an upload come back with the object.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(OBJECT_METADATA, PUT_OBJECT),
    proved_by=("forgets-content-type", "forgets-metadata", "decodes-metadata", "strips-content-type-parameters"),
    effort=0.5,
)
@example(content_type="text/plain", metadata={})
@example(content_type="application/json", metadata={f"name-{n}": value for n, value in enumerate(METADATA_VALUES)})
@example(content_type=CONTENT_TYPES[1], metadata={"a": "1", "aa": "2"})
@example(content_type=CONTENT_TYPES[3], metadata={"b": "x" * 1000})
@example(content_type=CONTENT_TYPES[4], metadata={})
@example(content_type=CONTENT_TYPES[5], metadata={})
@given(
    content_type=st.sampled_from(CONTENT_TYPES),
    metadata=st.dictionaries(_metadata_names(), _metadata_values(), max_size=6),
)
def test_content_type_and_metadata_come_back(session: Session, content_type: str, metadata: dict[str, str]) -> None:
    key = session.fresh_key()
    headers = [("Content-Type", content_type), *((f"x-amz-meta-{name}", value) for name, value in metadata.items())]
    put = session.wire.put(key, b"described", headers)
    observed = [(put.status, *_described(response)) for response in (session.wire.head(key), session.wire.get(key))]
    promised = [(200, _media_type(content_type), metadata)] * 2
    compare(observed, promised, "status of PUT, content type and metadata by HEAD and GET")


def _media_type(text: str) -> tuple[str, dict[str, str]]:
    """Return type and parameters.

    Spaces around a semicolon, unnecessary quotes, and the case of names and of a charset mean nothing (RFC 9110).
    """
    parsed = Message()
    parsed["Content-Type"] = text
    named = {name.lower(): value for name, value in (parsed.get_params() or [])[1:]}
    return parsed.get_content_type(), {
        name: value.lower() if name == "charset" else value for name, value in named.items()
    }


def _described(response: HttpResponse) -> tuple[tuple[str, dict[str, str]] | None, dict[str, str]]:
    prefix = "x-amz-meta-"
    kept = {name.lower().removeprefix(prefix): value for name, value in response.headers if _is_metadata(name)}
    told = response.header("content-type")
    return _media_type(told) if told else None, kept


def _is_metadata(name: str) -> bool:
    return name.lower().startswith("x-amz-meta-")


@also("RT-006", effort=0.3)
@examples("text", ["\u00fcml\u00e4ut", "\u6587\u4ef6.txt", "\U0001f600"])
@given(text=st.text(st.characters(min_codepoint=0xA1, max_codepoint=0x2FFF, categories=["L"]), min_size=1, max_size=10))
def test_metadata_beyond_ascii_comes_back_as_rfc_2047_says(session: Session, text: str) -> None:
    key = session.fresh_key()
    word = f"=?UTF-8?B?{base64.b64encode(text.encode()).decode()}?="
    session.wire.put(key, b"described", [("x-amz-meta-name", word)])
    told = session.wire.head(key).header("x-amz-meta-name") or ""
    # The same text may come back in another encoding of RFC 2047.
    compare(str(make_header(decode_header(told))), text, f"metadata sent as {word}, received as {told!r}, decoded")


@clause(
    "RT-007",
    "PUT, HEAD, GET and the listing agree on the ETag, and that of a body stored in one piece is its MD5.",
    level=Level.SHOULD,
    profile=Profile.S3,
    source=(OBJECT_TYPE, PUT_OBJECT),
    proved_by=("etag-is-random", "etag-differs-by-head", "etag-lacks-quotes"),
    effort=0.5,
)
@examples("body", [b"", b"x", pattern_bytes(64 * KIB + 1), pattern_bytes(5 * MIB + 1)])
@given(body=bodies())
def test_every_answer_gives_the_md5_as_etag(session: Session, body: bytes) -> None:
    key, wire = session.fresh_key(), session.wire
    put = wire.put(key, body)
    listing = wire.request("GET", query=(("list-type", "2"), ("prefix", key))).xml()
    observed = {
        "PUT": put.header("etag"),
        "HEAD": wire.head(key).header("etag"),
        "GET": wire.get(key).header("etag"),
        "the listing": None if listing is None else listing.findtext("Contents/ETag"),
    }
    digest = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
    compare(observed, dict.fromkeys(observed, digest), "ETags")


CHUNKED_SIZES: Final = (0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 200 * KIB)


@clause(
    "RT-009",
    "A body sent in aws-chunked framing, signed or with a trailer, is stored without its framing, and aws-chunked does "
    "not stay behind as its content encoding.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(STREAMING, TRAILERS),
    proved_by=("stores-chunk-framing", "keeps-aws-chunked-encoding", "drops-encoding-beside-aws-chunked"),
    effort=0.5,
)
@examples("sent", [(size, framing) for framing in Framing for size in CHUNKED_SIZES])
@given(sent=st.tuples(st.integers(0, 150 * KIB), st.sampled_from(Framing)))
def test_a_chunked_body_is_stored_without_its_framing(session: Session, sent: tuple[int, Framing]) -> None:
    size, framing = sent
    key, body = session.fresh_key(), pattern_bytes(size)
    put = put_chunked(session.wire, key, body, framing, trailer=crc32_trailer(body))
    got = session.wire.get(key)
    compare((put.summary, got.status), ("200", 200), f"PUT of {size} bytes in chunks ({framing.name}), GET")
    compare(got.body, body, f"stored of {size} bytes sent in chunks ({framing.name})")
    encoding = (got.header("content-encoding") or "").lower()
    compare("aws-chunked" in encoding, False, f"aws-chunked in the content encoding {encoding!r} of the object")


@also("RT-009", effort=0.2)
@examples("framing", list(Framing))
@given(framing=st.sampled_from(Framing))
def test_another_encoding_beside_aws_chunked_stays(session: Session, framing: Framing) -> None:
    key, body = session.fresh_key(), gzip.compress(b"zipped before it was sent", mtime=0)
    # Another clause decides whether a server keeps the content encoding of a plain upload.
    session.wire.put(key, body, [("Content-Encoding", "gzip")])
    plain = session.wire.get(key, [("Accept-Encoding", "gzip")]).header("content-encoding")
    put = put_chunked(
        session.wire, key, body, framing, trailer=crc32_trailer(body), content_encoding="aws-chunked,gzip"
    )
    got = session.wire.get(key, [("Accept-Encoding", "gzip")])
    observed = (put.summary, got.body, got.header("content-encoding"))
    compare(observed, ("200", body, plain), f"PUT, bytes and content encoding ({framing.name})")


ACCEPTED: Final = (None, "gzip", "identity", "gzip, deflate, br")


@clause(
    "RT-010",
    "A gzip object comes back as it was stored, whatever encodings the reader accepts.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(OBJECT_METADATA, GET_OBJECT),
    proved_by=("unzips-gzip-objects", "forgets-content-encoding"),
    effort=0.3,
)
@examples("accepted", ACCEPTED)
@given(accepted=st.sampled_from(ACCEPTED))
def test_a_gzip_object_comes_back_as_stored(session: Session, accepted: str | None) -> None:
    key, body = session.fresh_key(), gzip.compress(pattern_bytes(20 * KIB), mtime=0)
    session.wire.put(key, body, [("Content-Encoding", "gzip"), ("Content-Type", "text/plain")])
    got = session.wire.get(key, [] if accepted is None else [("Accept-Encoding", accepted)])
    compare(got.body, body, f"bytes with Accept-Encoding {accepted}")
    compare((got.status, got.header("content-encoding")), (200, "gzip"), "status and content encoding")


def promised_range(size: int, asked: str) -> tuple[int, str | None, slice]:
    """Return the status, the Content-Range and the slice of the body for a well-formed range of one of three forms."""
    first, _, last = asked.removeprefix("bytes=").partition("-")
    start = int(first) if first else max(size - int(last), 0)
    end = min(int(last) + 1, size) if first and last else size
    if start >= size:
        return 416, None, slice(0, 0)
    return 206, f"bytes {start}-{end - 1}/{size}", slice(start, end)


NAMED_RANGES: Final = (
    (10, "bytes=0-0"),
    (10, "bytes=0-8"),
    (10, "bytes=9-9"),
    (10, "bytes=9-"),
    (10, "bytes=0-"),
    (10, "bytes=3-5"),
    (10, "bytes=0-100"),
    (10, "bytes=5-10"),
    (10, "bytes=-1"),
    (10, "bytes=-10"),
    (10, "bytes=-15"),
    (10, "bytes=10-"),
    (10, "bytes=10-20"),
    (10, "bytes=1024-4096"),
    (10, "bytes=-0"),
    (0, "bytes=0-0"),
    (0, "bytes=0-"),
    (1, "bytes=0-0"),
    (1, "bytes=1-1"),
    (64 * KIB + 1, f"bytes={64 * KIB - 1}-{64 * KIB}"),
    (5 * MIB + 1, f"bytes={5 * MIB - 1}-"),
)


@st.composite
def _ranges(draw: st.DrawFn) -> tuple[int, str]:
    size = draw(st.integers(1, 4 * KIB))
    first = draw(st.integers(0, size + 2))
    last = draw(st.integers(first, size + 10))
    return size, draw(st.sampled_from([f"bytes={first}-{last}", f"bytes={first}-", f"bytes=-{last + 1}"]))


@clause(
    "RT-011",
    "A range gives 206 with exactly its bytes, cut at the end of the object, and 416 where it has none of them.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(GET_OBJECT, RANGES),
    proved_by=(
        "range-ignored",
        "range-end-exclusive",
        "suffix-range-taken-from-start",
        "unsatisfiable-range-gives-all",
    ),
)
@examples("asked", NAMED_RANGES)
@given(asked=_ranges())
def test_a_range_gives_exactly_its_bytes(session: Session, asked: tuple[int, str]) -> None:
    size, wanted = asked
    key, body = session.fresh_key(), pattern_bytes(size)
    session.wire.put(key, body)
    got = session.wire.get(key, [("Range", wanted)])
    status, content_range, part = promised_range(size, wanted)
    if status == 416:
        compare((got.status, got.code), (416, "InvalidRange"), f"status and code of {wanted} of {size} bytes")
    else:
        compare((got.status, got.header("content-range")), (status, content_range), f"{wanted} of {size} bytes")
        compare(got.body, body[part], f"bytes of {wanted} of {size} bytes")


@clause(
    "RT-019",
    "A body that does not match the signed x-amz-content-sha256 is refused and nothing is stored.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(PUT_OBJECT, STREAMING),
    proved_by=("ignores-signed-payload-hash", "stores-before-checking-the-payload-hash", "ignores-chunk-signatures"),
    effort=0.5,
)
@example(size=0, overwrites=False)
@example(size=1, overwrites=True)
@example(size=64 * KIB + 1, overwrites=False)
@example(size=5 * MIB + 1, overwrites=True)
@given(size=st.integers(0, 8 * KIB), overwrites=st.booleans())
def test_a_body_other_than_the_signed_one_is_refused(session: Session, size: int, overwrites: bool) -> None:
    key, before = session.fresh_key(), before_refused_put(session, overwrites)
    if before is not None:
        session.wire.put(key, before)
    other = hashlib.sha256(pattern_bytes(size, salt=1) + b"other").hexdigest()
    put = session.wire.request("PUT", key, body=pattern_bytes(size), payload_hash=other)
    require_refused(session, key, put, before, f"a body of {size} bytes other than the signed one")


@also("RT-019", effort=0.3)
@example(size=1, at=0)
@example(size=64 * KIB + 1, at=64 * KIB)
@example(size=130 * KIB, at=0)
@given(size=st.integers(1, 130 * KIB), at=st.integers(0, 130 * KIB))
def test_a_chunk_other_than_the_signed_one_is_refused(session: Session, size: int, at: int) -> None:
    at %= size
    require_chunks_taken(session, Framing.SIGNED)
    key, body = session.fresh_key(), pattern_bytes(size)
    changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
    put = put_chunked(session.wire, key, body, Framing.SIGNED, sent_body=changed)
    require_refused(session, key, put, None, f"{size} bytes in signed chunks, byte {at} changed under way")


OBJECT_SUBRESOURCES: Final = (
    ("DELETE", "tagging"),
    ("PUT", "acl"),
    ("PUT", "tagging"),
    ("PUT", "retention"),
    ("PUT", "legal-hold"),
    ("POST", "restore"),
    ("POST", "select"),
    ("GET", "acl"),
    ("GET", "tagging"),
    ("GET", "retention"),
    ("GET", "legal-hold"),
    ("GET", "torrent"),
    ("GET", "attributes"),
)
"""Requests on an object that do not concern its bytes. Those that could destroy the object come first, because only the
first failure is reported."""


@clause(
    "RT-020",
    "A request on a sub-resource, supported or not, never reads, replaces or removes the object or bucket itself.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(OPERATIONS, ERRORS),
    proved_by=("unknown-subresource-hits-the-object", "unknown-subresource-hits-the-bucket"),
    effort=0.5,
)
@examples("request", OBJECT_SUBRESOURCES)
@given(request=st.sampled_from(OBJECT_SUBRESOURCES))
def test_a_subresource_request_leaves_the_object_alone(session: Session, request: tuple[str, str]) -> None:
    method, name = request
    key, body = session.fresh_key(), pattern_bytes(300, salt=5)
    session.wire.put(key, body, [("Content-Type", "text/plain")])
    before = session.wire.get(key)
    # Other clauses decide what an upload keeps: this one, that a request on a sub-resource changes none of it.
    only_if(before.ok and before.body == body, f"a plain object is not read back: {before.summary}")
    sent = b"" if method in ("GET", "DELETE") else b"<Nothing/>"
    response = session.wire.request(method, key, query=((name, ""),), body=sent)
    held = session.wire.get(key)
    compare(response.body == body, False, f"the object's bytes as the answer to {method} ?{name} ({response.summary})")
    harm = Harm.LOSES_DATA if is_lost(held, body) else None
    after = (held.status, held.body, held.header("content-type"))
    promised = (200, body, before.header("content-type"))
    compare(after, promised, f"the object after {method} ?{name} ({response.summary})", harm=harm)


BUCKET_SUBRESOURCES: Final = (
    "policy",
    "cors",
    "website",
    "lifecycle",
    "tagging",
    "encryption",
    "replication",
    "ownershipControls",
    "publicAccessBlock",
)
"""Parts of a bucket that can be deleted without deleting the bucket."""


@also("RT-020", effort=0.3)
@examples("name", BUCKET_SUBRESOURCES)
@given(name=st.sampled_from(BUCKET_SUBRESOURCES))
def test_deleting_a_subresource_leaves_the_bucket(session: Session, name: str) -> None:
    # In a new, empty bucket: no server deletes one with objects by mistake, and nobody's policy is affected.
    bucket = session.fresh_id()
    made = session.wire.request("PUT", bucket=bucket)
    if not made.ok:
        raise Inconclusive(f"no bucket of its own could be made to try this on: {made.summary}")
    if trouble := why_not_new(session.wire, bucket):
        raise Inconclusive(f"this is tried on a bucket of its own, and the one that was made {trouble}")
    try:
        response = session.wire.request("DELETE", bucket=bucket, query=((name, ""),))
        listing = session.wire.request("GET", bucket=bucket, query=(("list-type", "2"),))
        harm = Harm.LOSES_DATA if listing.status == 404 and listing.code == "NoSuchBucket" else None
        compare(listing.summary, "200", f"listing of the bucket after DELETE ?{name} ({response.summary})", harm=harm)
    finally:
        remove_side_bucket(session.wire, bucket)


REFUSALS: Final = ("wrong secret", "wrong digest", "no such bucket")


@clause(
    "RT-021",
    "A refused PUT leaves the connection usable: the next request on it is answered rightly.",
    level=Level.SHOULD,
    profile=Profile.S3,
    source=(PERSISTENCE, ERRORS),
    proved_by=("refused-body-is-taken-for-a-request",),
    effort=0.5,
)
@examples("refused", [(size, why) for why in REFUSALS for size in (0, 1, 64 * KIB, 1 * MIB)])
@given(refused=st.tuples(st.integers(0, 300 * KIB), st.sampled_from(REFUSALS)))
def test_the_request_after_a_refused_put_is_answered_rightly(session: Session, refused: tuple[int, str]) -> None:
    size, why = refused
    key, wire = session.fresh_key(), session.wire
    held = b"what the next request shall read"
    wire.put(key, held)
    # A body that looks like requests confuses a server that leaves it unread in the connection.
    line = b"GET /nothing-here HTTP/1.1\r\nHost: nobody\r\n\r\n"
    body = (line * (size // len(line) + 1))[:size]
    other = session.fresh_key()
    if why == "wrong secret":
        wire.request("PUT", other, body=body, keys=wire.wrong_secret())
    elif why == "wrong digest":
        wire.put(other, body, [("Content-MD5", base64.b64encode(bytes(16)).decode())])
    else:
        wire.request("PUT", other, body=body, bucket=session.fresh_id())
    after = [wire.get(key) for _ in range(2)]
    observed = [(response.status, response.error, response.body) for response in after]
    compare(observed, [(200, None, held)] * 2, f"the two requests after a refused PUT of {size} bytes ({why})")
