"""Answers of Amazon S3 that are known from cassettes, tests, suites and reports of others."""

from __future__ import annotations

from functools import partial
from typing import Final

from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.testkit.checksums import checksum_of
from bucket_conformance.conformance.testkit.multipart import Upload
from bucket_conformance.conformance.testkit.refused_uploads import crc32_trailer
from bucket_conformance.conformance.wire.aws_chunked import Framing, put_chunked
from bucket_conformance.conformance.wire.s3 import content_md5, delete_body
from bucket_conformance.conformance.wire.transport import HttpResponse
from tests.exemplar.types import Request
from tests.recordings.keys import is_batch, is_page, listed, put_all
from tests.recordings.model import known
from tests.recordings.objects import puts_with
from tests.recordings.urls import whole


def reads_by_url(request: Request) -> bool:
    return whole(request) and request.is_object("GET")


def writes_by_url(request: Request) -> bool:
    return whole(request) and request.method == "PUT"


def reads(request: Request) -> bool:
    return request.is_object("GET")


def asks_for_headers(request: Request) -> bool:
    return request.is_object("HEAD")


def is_unsigned(request: Request) -> bool:
    return not request.has_header("authorization") and "X-Amz-Signature" not in request.query


def names_many(request: Request) -> bool:
    return is_batch(request) and request.body.count(b"<Key>") > 1000


def names_none(request: Request) -> bool:
    return is_batch(request) and b"<Key>" not in request.body


def asks_for_no_number(request: Request) -> bool:
    return is_page(request) and not request.query.get("max-keys", "0").isdecimal()


def is_framed(form: str, request: Request) -> bool:
    return request.method == "PUT" and request.header("x-amz-content-sha256").startswith(form)


@known("F001", "URL-001", "URL-002", shape=reads_by_url)
def a_live_url(session: Session, p: str) -> HttpResponse:
    session.wire.put(p + "k", b"something")
    return session.wire.fetch_presigned("GET", p + "k", expires=20)


@known("F003", "URL-016", shape=writes_by_url)
def an_upload_by_url(session: Session, p: str) -> HttpResponse:
    return session.wire.fetch_presigned("PUT", p + "k", body=b"something")


OVERRIDES: Final = (
    ("response-content-disposition", "attachment", "Content-Disposition"),
    ("response-content-type", "text/plain", "Content-Type"),
    ("response-cache-control", "max-age=60", "Cache-Control"),
    ("response-content-encoding", "identity", "Content-Encoding"),
    ("response-content-language", "de", "Content-Language"),
    ("response-expires", "Thu, 01 Dec 2033 16:00:00 GMT", "Expires"),
)


@known(
    "F004",
    "URL-011",
    "URL-032",
    shape=lambda request: reads_by_url(request) and any(name.startswith("response-") for name in request.query),
    fields={f"@{header}": value for _, value, header in OVERRIDES},
)
def six_overrides(session: Session, p: str) -> HttpResponse:
    session.wire.put(p + "k", b"something")
    return session.wire.fetch_presigned("GET", p + "k", query=[(name, value) for name, value, _ in OVERRIDES])


@known("F014", "URL-009", shape=lambda request: whole(request) and "added" in request.query)
def a_parameter_added_after_signing(session: Session, p: str) -> HttpResponse:
    return session.fetch(session.wire.presign("PUT", p + "k") + "&added=1", method="PUT", body=b"x")


@known("F022", "URL-014", "URL-026", shape=reads_by_url)
def a_url_of_a_key_with_an_equals_sign(session: Session, p: str) -> HttpResponse:
    key = p + "table/date=2023-06-28/test.csv"
    session.wire.put(key, b"something")
    return session.wire.fetch_presigned("GET", key)


@known("F026", "KEY-007", "KEY-015", shape=is_page, fields={"Contents/Key": "test%40key test%40key/ test@key/"})
def keys_that_begin_another(session: Session, p: str) -> HttpResponse:
    put_all(session, p, ("test@key/", "test%40key", "test%40key/"))
    return listed(session, prefix=p)


@known("F029", "DEL-001", "DEL-004", shape=is_batch, fields={"Deleted/Key": "a b c d e"})
def a_batch_of_five(session: Session, p: str) -> HttpResponse:
    put_all(session, p, "abcde")
    return session.wire.delete_objects([p + key for key in "abcde"])


@known("F030", "DEL-006", "DEL-017", shape=is_batch, fields={"Deleted/Key": "key1 key2 key3 key4"})
def a_batch_with_missing_keys_among_others(session: Session, p: str) -> HttpResponse:
    put_all(session, p, ("key1", "key3", "stays"))
    return session.wire.delete_objects([f"{p}key{number}" for number in (1, 2, 3, 4)])


@known("F034", "DEL-014", "KEY-013", "KEY-009", "CON-001", "URL-013", shape=reads)
def a_deleted_key(session: Session, p: str) -> HttpResponse:
    session.wire.put(p + "k", b"something")
    session.wire.delete(p + "k")
    return session.wire.get(p + "k")


@known("F106", "RT-003", shape=asks_for_headers)
def headers_of_a_missing_key(session: Session, p: str) -> HttpResponse:
    return session.wire.head(p + "k")


@known("F037", "RT-001", shape=asks_for_headers, fields={"@Content-Length": "10000000"})
def headers_of_ten_million_bytes(session: Session, p: str) -> HttpResponse:
    session.wire.put(p + "k", bytes(10_000_000))
    return session.wire.head(p + "k")


@known("F038", "RT-002", shape=reads, fields={"body": "the later one"})
def an_upload_in_parts_over_another(session: Session, p: str) -> HttpResponse:
    for body in (b"the one before, which is longer", b"the later one"):
        with Upload(session, p + "k") as upload:
            upload.part(1, body)
            upload.complete()
    return session.wire.get(p + "k")


@known("F040", "LIST-006", shape=is_page, fields={"Contents/Size": "23"})
def a_listing_tells_the_size(session: Session, p: str) -> HttpResponse:
    session.wire.put(p + "k", bytes(23))
    return listed(session, prefix=p)


@known("F041", "LIST-009", "LIST-012", shape=is_page, fields={"IsTruncated": "true", "KeyCount": "1000"})
def a_listing_of_more_than_a_thousand(session: Session, p: str) -> HttpResponse:
    put_all(session, p, (f"test-key-{number}" for number in range(1010)))
    return listed(session, prefix=p)


@known("F057", "DEL-018", shape=is_batch)
def a_batch_without_a_digest(session: Session, p: str) -> HttpResponse:
    return session.wire.delete_objects([p + "k"], headers=())


@known("F059", "DEL-012", shape=is_batch)
def a_batch_with_the_md5_of_another_body(session: Session, p: str) -> HttpResponse:
    return session.wire.delete_objects([p + "k"], headers=(("Content-MD5", content_md5(b"another body")),))


@known("F060", "DEL-012", shape=is_batch)
def a_batch_with_the_crc32_of_another_body(session: Session, p: str) -> HttpResponse:
    wrong = checksum_of("crc32", b"another body")
    return session.wire.delete_objects([p + "k"], headers=(("x-amz-checksum-crc32", wrong),))


@known(
    "F060-right",
    "DEL-025",
    shape=lambda request: is_batch(request) and not request.has_header("content-md5"),
    fields={"Deleted/Key": "k"},
)
def a_batch_with_its_crc32_alone(session: Session, p: str) -> HttpResponse:
    right = checksum_of("crc32", delete_body([p + "k"]))
    return session.wire.delete_objects([p + "k"], headers=(("x-amz-checksum-crc32", right),))


@known("F061", "RT-019", shape=partial(puts_with, "x-amz-content-sha256"))
def a_body_other_than_the_signed_one(session: Session, p: str) -> HttpResponse:
    return session.wire.request("PUT", p + "k", body=b"something", payload_hash="0" * 64)


@known("F062", "RT-019", shape=partial(is_framed, "STREAMING-AWS4"))
def a_chunk_other_than_the_signed_one(session: Session, p: str) -> HttpResponse:
    return put_chunked(session.wire, p + "k", b"something", Framing.SIGNED, sent_body=b"somewhere")


@known("F063", "RT-009", shape=partial(is_framed, "STREAMING-UNSIGNED"))
def a_framed_body(session: Session, p: str) -> HttpResponse:
    body = b"something"
    return put_chunked(session.wire, p + "k", body, Framing.UNSIGNED_TRAILER, trailer=crc32_trailer(body))


@known("F066", "RT-018", shape=partial(is_framed, "STREAMING-UNSIGNED"))
def a_trailing_checksum_of_another_body(session: Session, p: str) -> HttpResponse:
    trailer = crc32_trailer(b"another body")
    return put_chunked(session.wire, p + "k", b"something", Framing.UNSIGNED_TRAILER, trailer=trailer)


@known("F072", "RT-014", shape=lambda request: request.method == "POST" and "uploadId" in request.query)
def the_completion_of_an_aborted_upload(session: Session, p: str) -> HttpResponse:
    with Upload(session, p + "k") as upload:
        upload.part(1, b"something")
        upload.abort()
        return upload.complete()


@known("F082", "DEL-010", "DEL-015", shape=names_many)
def a_batch_of_more_than_a_thousand(session: Session, p: str) -> HttpResponse:
    return session.wire.delete_objects([f"{p}{number}" for number in range(1001)])


@known("F076", "LIST-009", shape=asks_for_no_number)
def max_keys_that_is_no_number(session: Session, p: str) -> HttpResponse:
    return listed(session, prefix=p, max_keys="blah")


@known("F078", "URL-017", "URL-021", shape=is_unsigned)
def a_request_without_a_signature(session: Session, p: str) -> HttpResponse:
    return session.wire.request("PUT", p + "k", body=b"x", signed=False)


@known("F084", "DEL-013", shape=names_none)
def a_batch_that_names_nothing(session: Session, p: str) -> HttpResponse:
    body = b'<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>'
    headers = (("Content-MD5", content_md5(body)),)
    return session.wire.request("POST", query=(("delete", ""),), headers=headers, body=body)


@known("F088", "KEY-011", shape=lambda request: request.is_object("PUT"))
def a_key_of_1025_bytes(session: Session, p: str) -> HttpResponse:
    return session.wire.put(p + "k" * (1025 - len(p)), b"something")


@known("F089", "URL-024", "URL-025", shape=reads_by_url)
def a_life_of_many_years(session: Session, p: str) -> HttpResponse:
    return session.wire.fetch_presigned("GET", p + "k", expires=6_307_000_000)


@known("F092", "URL-007", shape=reads_by_url)
def a_life_below_zero(session: Session, p: str) -> HttpResponse:
    return session.wire.fetch_presigned("GET", p + "k", expires=-100)


@known("F096", "URL-008", shape=reads_by_url)
def a_url_of_tomorrow(session: Session, p: str) -> HttpResponse:
    return session.wire.fetch_presigned("GET", p + "k", age_s=-86_400)


@known("F097", "URL-018", "URL-022", shape=whole)
def an_upload_by_an_expired_url(session: Session, p: str) -> HttpResponse:
    return session.wire.fetch_presigned("PUT", p + "k", expires=60, age_s=3600, body=b"x")


@known("F098", "URL-005", "URL-004", shape=reads_by_url)
def a_url_of_seven_days_after_more_than_fifteen_minutes(session: Session, p: str) -> HttpResponse:
    session.wire.put(p + "k", b"something")
    return session.wire.fetch_presigned("GET", p + "k", expires=604_800, age_s=1200)
