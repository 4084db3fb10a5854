"""Recorded answers about single objects: digests, ranges, conditions, copies, metadata."""

from __future__ import annotations

import base64
import gzip
import hashlib
from functools import partial
from typing import Final
from urllib.parse import quote, unquote

from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.wire.transport import HttpResponse
from tests.exemplar.types import Request
from tests.recordings.model import fact

TEN: Final = b"0123456789"


def reads_with(header: str, request: Request) -> bool:
    return request.is_object("GET", "HEAD") and request.has_header(header)


def puts_with(header: str, request: Request) -> bool:
    return request.is_object("PUT") and request.has_header(header)


def copies_itself(request: Request) -> bool:
    source = unquote(request.header("x-amz-copy-source")).lstrip("/").partition("/")[2]
    return request.method == "PUT" and bool(source) and source == request.key


def _digest(step: str, value: str) -> None:
    @fact(
        "TestS3::test_s3_invalid_content_md5",
        step,
        "RT-008",
        shape=partial(puts_with, "Content-MD5"),
        status=400,
        code="InvalidDigest",
        fields={"Content-MD5": value},
    )
    def a_digest_that_is_none(session: Session, p: str) -> HttpResponse:
        return session.wire.put(p + "k", b"something", (("Content-MD5", value),))


for _step, _value in enumerate(("__invalid__", "000", "not base64 encoded checksum", "MTIz", "dGVzdC1zdHJpbmc=")):
    _digest(f"md5-error-{_step}", _value)


@fact(
    "TestS3::test_s3_invalid_content_md5",
    "md5-error-bad-digest",
    "RT-008",
    shape=partial(puts_with, "Content-MD5"),
    status=400,
    code="BadDigest",
)
def the_digest_of_another_body(session: Session, p: str) -> HttpResponse:
    other = base64.b64encode(hashlib.md5(b"another", usedforsecurity=False).digest()).decode("ascii")
    return session.wire.put(p + "k", b"something", (("Content-MD5", other),))


def _checksum(algorithm: str, size: int) -> None:
    header = f"x-amz-checksum-{algorithm.lower()}"
    test = f"TestS3PutObjectChecksum::test_put_object_checksum[{algorithm}]"

    @fact(
        test, "put-wrong-checksum-no-b64", "RT-018", shape=partial(puts_with, header), status=400, code="InvalidRequest"
    )
    def a_checksum_that_is_none(session: Session, p: str) -> HttpResponse:
        return session.wire.put(p + "k", b"test data..", ((header, "test"),))

    @fact(test, "put-wrong-checksum-value", "RT-018", shape=partial(puts_with, header), status=400, code="BadDigest")
    def the_checksum_of_another_body(session: Session, p: str) -> HttpResponse:
        return session.wire.put(p + "k", b"test data..", ((header, base64.b64encode(bytes(size)).decode("ascii")),))


for _algorithm, _size in (("CRC32", 4), ("CRC32C", 4), ("SHA1", 20), ("SHA256", 32), ("CRC64NVME", 8)):
    _checksum(_algorithm, _size)


def _range(step: str, requested: str, status: int, body: str, content_range: str) -> None:
    fields = {"body": body, "@Content-Range": content_range} if status < 400 else {"RangeRequested": requested}

    @fact(
        "TestS3ObjectCRUD::test_get_object_range",
        step,
        "RT-011",
        *(("URL-015",) if status != 200 else ()),
        shape=partial(reads_with, "Range"),
        status=status,
        code="InvalidRange" if status == 416 else "",
        file="api",
        fields=fields,
    )
    def a_range_of_ten_bytes(session: Session, p: str) -> HttpResponse:
        session.wire.put(p + "k", TEN)
        return session.wire.get(p + "k", (("Range", requested),))


_range("get-0-8", "bytes=0-8", 206, "012345678", "bytes 0-8/10")
_range("get-1-1", "bytes=1-1", 206, "1", "bytes 1-1/10")
_range("get-1-", "bytes=1-", 206, "123456789", "bytes 1-9/10")
_range("get--2", "bytes=-2", 206, "89", "bytes 8-9/10")
_range("get--15", "bytes=-15", 206, "0123456789", "bytes 0-9/10")
_range("get-0-100", "bytes=0-100", 206, "0123456789", "bytes 0-9/10")
_range("get--0", "bytes=-0", 416, "", "")
_range("get-100-200", "bytes=100-200", 416, "", "")


@fact(
    "TestS3::test_range_key_not_exists",
    "exc",
    "RT-003",
    shape=lambda request: request.is_object("GET"),
    status=404,
    code="NoSuchKey",
)
def a_range_of_nothing(session: Session, p: str) -> HttpResponse:
    return session.wire.get(p + "my-key", (("Range", "bytes=1024-4096"),))


@fact(
    "TestS3::test_s3_upload_download_gzip",
    "get-object",
    "RT-010",
    shape=lambda request: request.is_object("GET"),
    status=200,
    fields={"@Content-Encoding": "gzip"},
)
def a_gzip_object(session: Session, p: str) -> HttpResponse:
    session.wire.put(p + "k", gzip.compress(b"1234567890 " * 100), (("Content-Encoding", "gzip"),))
    return session.wire.get(p + "k")


@fact(
    "TestS3::test_put_and_get_object_with_utf8_key",
    "put-object",
    "RT-007",
    shape=lambda request: request.is_object("PUT"),
    status=200,
    fields={"@ETag": '"e99a18c428cb38d5f260853678922e03"'},
)
def the_etag_of_a_body_in_one_piece(session: Session, p: str) -> HttpResponse:
    return session.wire.put(p + "Ā0Ä", b"abc123")


@fact(
    "TestS3::test_user_metadata_rfc2047_encoded",
    "get-object",
    "RT-006",
    shape=lambda request: request.is_object("GET", "HEAD"),
    status=200,
    fields={"@x-amz-meta-non-ascii-2": "=?UTF-8?Q?=C3=84M=C3=84Z=C3=95=C3=91_S3?="},
)
def metadata_beyond_ascii(session: Session, p: str) -> HttpResponse:
    session.wire.put(p + "k", b"", (("x-amz-meta-non-ascii-2", "=?UTF-8?Q?=C3=84M=C3=84Z=C3=95=C3=91_S3?="),))
    return session.wire.get(p + "k")


def _condition(step: str, status: int, header: str, value: str, method: str) -> None:
    kind = {"GET": "get_object", "HEAD": "head_object"}[method]

    @fact(
        f"TestS3::test_s3_get_object_preconditions[{kind}]",
        step,
        "CON-009",
        shape=lambda request: request.is_object(method) and request.has_header(header),
        status=status,
        code="PreconditionFailed" if (status, method) == (412, "GET") else "",
    )
    def a_conditional_read(session: Session, p: str) -> HttpResponse:
        etag = session.wire.put(p + "k", b"data").header("ETag") or ""
        modified = session.wire.head(p + "k").header("Last-Modified") or ""
        return session.wire.request(
            method, p + "k", headers=((header, value.format(etag=etag, bare=etag.strip('"'), modified=modified)),)
        )


for _method in ("GET", "HEAD"):
    _condition("precondition-if-match", 412, "If-Match", '"another"', _method)
    _condition("precondition-if-none-match", 304, "If-None-Match", "{etag}", _method)
    _condition("etag-missing-quotes", 304, "If-None-Match", "{bare}", _method)
    _condition("precondition-if-unmodified-since-is-object", 200, "If-Unmodified-Since", "{modified}", _method)
    _condition("precondition-if-modified-since-is-object", 304, "If-Modified-Since", "{modified}", _method)


@fact(
    "TestS3ObjectWritePrecondition::test_put_object_if_none_match",
    "put-obj-if-none-match",
    "CON-003",
    shape=partial(puts_with, "If-None-Match"),
    status=412,
    code="PreconditionFailed",
    file="api",
    fields={"Condition": "If-None-Match"},
)
def a_creation_of_what_is_there(session: Session, p: str) -> HttpResponse:
    session.wire.put(p + "k", b"")
    return session.wire.put(p + "k", b"", (("If-None-Match", "*"),))


@fact(
    "TestS3ObjectWritePrecondition::test_put_object_if_match",
    "put-obj-overwrite",
    "CON-004",
    shape=partial(puts_with, "If-Match"),
    status=200,
    file="api",
    fields={"@ETag": '"d41d8cd98f00b204e9800998ecf8427e"'},
)
def an_update_of_what_is_known(session: Session, p: str) -> HttpResponse:
    etag = session.wire.put(p + "k", b"test").header("ETag") or ""
    return session.wire.put(p + "k", b"", (("If-Match", etag),))


@fact(
    "TestS3ObjectWritePrecondition::test_put_object_if_match",
    "put-obj-if-match-wrong-etag",
    "CON-004",
    "CON-007",
    shape=partial(puts_with, "If-Match"),
    status=412,
    code="PreconditionFailed",
    file="api",
    fields={"Condition": "If-Match"},
)
def an_update_of_something_else(session: Session, p: str) -> HttpResponse:
    session.wire.put(p + "k", b"test")
    return session.wire.put(p + "k", b"", (("If-Match", '"d41d8cd98f00b204e9800998ecf8427e"'),))


@fact(
    "TestS3ObjectWritePrecondition::test_put_object_if_match",
    "put-obj-if-match-key-not-exists",
    "CON-008",
    shape=partial(puts_with, "If-Match"),
    status=404,
    code="NoSuchKey",
    file="api",
)
def an_update_of_nothing(session: Session, p: str) -> HttpResponse:
    return session.wire.put(p + "k", b"", (("If-Match", '"d41d8cd98f00b204e9800998ecf8427e"'),))


def copied(session: Session, source: str, target: str, *headers: tuple[str, str]) -> HttpResponse:
    from_ = f"/{session.wire.bucket}/{quote(source, safe='/-._~')}"
    return session.wire.put(target, b"", (("x-amz-copy-source", from_), *headers))


def with_metadata(session: Session, key: str) -> None:
    sent = (("Content-Type", "application/json"), ("x-amz-meta-key", "value"))
    session.wire.put(key, b'{"key": "value"}', sent)


@fact(
    "TestS3::test_s3_copy_object_in_place",
    "copy-object-in-place-no-change",
    "RT-017",
    shape=copies_itself,
    status=400,
    code="InvalidRequest",
)
def a_copy_onto_itself(session: Session, p: str) -> HttpResponse:
    with_metadata(session, p + "k")
    return copied(session, p + "k", p + "k")


@fact(
    "TestS3::test_s3_copy_object_in_place_metadata_directive",
    "copy-replace-directive",
    "RT-017",
    shape=copies_itself,
    status=200,
    fields={"ETag": '"88bac95f31528d13a072c05f2a1cf371"'},
)
def a_copy_onto_itself_that_replaces(session: Session, p: str) -> HttpResponse:
    with_metadata(session, p + "k")
    replace = (("x-amz-metadata-directive", "REPLACE"), ("x-amz-meta-key2", "value2"))
    return copied(session, p + "k", p + "k", *replace)


@fact(
    "TestS3::test_s3_copy_metadata_replace",
    "head_object_copy",
    "RT-017",
    shape=lambda request: request.is_object("HEAD", "GET"),
    status=200,
    fields={"@Content-Type": "image/jpg", "@x-amz-meta-another-key": "value", "@x-amz-meta-key": ""},
)
def what_a_replacing_copy_leaves(session: Session, p: str) -> HttpResponse:
    with_metadata(session, p + "k")
    replace = (("x-amz-metadata-directive", "REPLACE"), ("x-amz-meta-another-key", "value"))
    copied(session, p + "k", p + "copy", *replace, ("Content-Type", "image/jpg"))
    return session.wire.head(p + "copy")


@fact(
    "TestS3::test_s3_copy_content_type_and_metadata",
    "head_object_copy",
    "RT-013",
    shape=lambda request: request.is_object("HEAD", "GET"),
    status=200,
    fields={"@Content-Type": "application/json", "@x-amz-meta-key": "value", "@Content-Length": "16"},
)
def what_a_copy_keeps(session: Session, p: str) -> HttpResponse:
    with_metadata(session, p + "k")
    copied(session, p + "k", p + "copy")
    return session.wire.head(p + "copy")
