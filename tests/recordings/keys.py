"""Recorded answers about keys: deletes and listings."""

from __future__ import annotations

from collections.abc import Iterable

from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.wire.transport import HttpResponse
from tests.exemplar.types import Request
from tests.recordings.model import fact

ENCODED_TWINS = ("a%2Fb", "a/%F0%9F%98%80")
FOLDER = ("folder/aSubfolder/subFile1", "folder/aSubfolder/subFile2", "folder/file1", "folder/file2")
TWELVE = tuple(f"test_{number}" for number in range(12))


def put_all(session: Session, p: str, keys: Iterable[str], body: bytes = b"x") -> None:
    for key in keys:
        session.wire.put(p + key, body)


def listed(session: Session, **parameters: str) -> HttpResponse:
    names = tuple((name.replace("_", "-"), value) for name, value in parameters.items())
    return session.wire.request("GET", query=(("list-type", "2"), *names))


def is_batch(request: Request) -> bool:
    return request.is_batch_delete()


def is_page(request: Request) -> bool:
    return request.is_listing() and request.query.get("list-type") == "2"


@fact(
    "TestS3::test_delete_objects_encoding",
    "deleted-resp",
    "DEL-011",
    "DEL-019",
    shape=is_batch,
    status=200,
    fields={"Deleted/Key": "a%2Fb a/%F0%9F%98%80"},
)
def a_batch_of_percent_signs(session: Session, p: str) -> HttpResponse:
    put_all(session, p, ENCODED_TWINS)
    return session.wire.delete_objects([p + key for key in ENCODED_TWINS])


@fact(
    "TestS3::test_delete_non_existing_keys",
    "deleted-resp",
    "DEL-005",
    "DEL-011",
    shape=is_batch,
    status=200,
    fields={"Deleted/Key": "test-key-nonexistent dummy1 dummy2", "Error/Key": ""},
)
def a_batch_of_missing_keys(session: Session, p: str) -> HttpResponse:
    session.wire.put(p + "test-key-nonexistent", b"x")
    return session.wire.delete_objects([p + key for key in ("test-key-nonexistent", "dummy1", "dummy2")])


@fact(
    "TestS3::test_delete_non_existing_keys_quiet",
    "deleted-resp",
    "DEL-011",
    shape=lambda request: is_batch(request) and b"<Quiet>true" in request.body,
    status=200,
    fields={"Deleted/Key": "", "Error/Key": ""},
)
def a_quiet_batch_of_missing_keys(session: Session, p: str) -> HttpResponse:
    return session.wire.delete_objects([p + "dummy1", p + "dummy2"], quiet=True)


@fact(
    "TestS3ObjectCRUD::test_delete_object",
    "delete-nonexistent-object",
    "DEL-020",
    shape=lambda request: request.is_object("DELETE"),
    status=204,
    file="api",
)
def a_delete_of_nothing(session: Session, p: str) -> HttpResponse:
    return session.wire.delete(p + "nothing")


@fact(
    "TestS3::test_delete_keys_in_versioned_bucket",
    "delete-object",
    "DEL-016",
    shape=is_batch,
    status=200,
    fields={"Deleted/DeleteMarker": "true", "Deleted/Key": "test-key-versioned"},
)
def a_batch_with_versioning_on(session: Session, p: str) -> HttpResponse:
    enabled = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    suspended = enabled.replace(b"Enabled", b"Suspended")
    session.wire.request("PUT", query=(("versioning", ""),), body=enabled)
    try:
        session.wire.put(p + "test-key-versioned", b"x")
        return session.wire.delete_objects([p + "test-key-versioned"])
    finally:
        session.wire.request("PUT", query=(("versioning", ""),), body=suspended)


@fact(
    "TestS3::test_s3_uppercase_key_names",
    "wrong-case-key",
    "KEY-010",
    "RT-003",
    shape=lambda request: request.is_object("GET"),
    status=404,
    code="NoSuchKey",
)
def a_key_in_other_case(session: Session, p: str) -> HttpResponse:
    session.wire.put(p + "CamelCaseKey", b"something")
    return session.wire.get(p + "camelcasekey")


@fact(
    "TestS3::test_put_get_object_special_character[a/%F0%9F%98%80/]",
    "get-object-special-char",
    "KEY-009",
    "KEY-010",
    shape=lambda request: request.is_object("GET"),
    status=200,
    fields={"body": "test"},
)
def a_key_that_looks_encoded(session: Session, p: str) -> HttpResponse:
    session.wire.put(p + "a/%F0%9F%98%80/", b"test")
    return session.wire.get(p + "a/%F0%9F%98%80/")


@fact(
    "TestS3ListObjectsV2::test_list_objects_v2_with_prefix",
    "list-objects-v2-2",
    "LIST-002",
    "LIST-007",
    "LIST-013",
    shape=lambda request: is_page(request) and "prefix" in request.query,
    status=200,
    file="list",
    fields={"Contents/Key": "test/foo/bar/123 test/foo/bar/456", "IsTruncated": "false", "KeyCount": "2"},
)
def a_listing_below_a_prefix(session: Session, p: str) -> HttpResponse:
    put_all(session, p, ("test/foo/bar/123", "test/foo/bar/456", "test/bar/foo/123"))
    return listed(session, prefix=p + "test/foo")


@fact(
    "TestS3ListObjectsV2::test_list_objects_v2_with_prefix_and_delimiter",
    "list-objects-v2-1-with-max-keys",
    "LIST-004",
    shape=lambda request: is_page(request) and "delimiter" in request.query,
    status=200,
    file="list",
    fields={"CommonPrefixes/Prefix": "test/bar/", "IsTruncated": "true", "KeyCount": "1", "Contents/Key": ""},
)
def a_page_of_one_common_prefix(session: Session, p: str) -> HttpResponse:
    put_all(session, p, ("test/foo/bar/123", "test/foo/bar/456", "test/bar/foo/123"))
    return listed(session, prefix=p + "test/", delimiter="/", max_keys="1")


@fact(
    "TestS3ListObjectsV2::test_list_objects_v2_continuation_common_prefixes",
    "list-objects-v2-next-1",
    "LIST-004",
    "LIST-007",
    shape=lambda request: is_page(request) and "continuation-token" in request.query,
    status=200,
    file="list",
    fields={"Contents/Key": "folder/file1", "CommonPrefixes/Prefix": "", "KeyCount": "1", "IsTruncated": "true"},
)
def the_page_behind_a_common_prefix(session: Session, p: str) -> HttpResponse:
    put_all(session, p, FOLDER)
    parameters = {"prefix": p + "folder/", "delimiter": "/", "max_keys": "1"}
    root = listed(session, **parameters).xml()
    assert root is not None
    return listed(session, **parameters, continuation_token=root.findtext("NextContinuationToken") or "")


@fact(
    "TestS3ListObjectsV2::test_list_objects_v2_continuation_start_after",
    "list-objects-v2-max-5",
    "LIST-001",
    "LIST-007",
    shape=lambda request: is_page(request) and "max-keys" in request.query,
    status=200,
    file="list",
    fields={"Contents/Key": "test_0 test_1 test_10 test_11 test_2", "IsTruncated": "true", "KeyCount": "5"},
)
def the_first_page_in_byte_order(session: Session, p: str) -> HttpResponse:
    put_all(session, p, TWELVE)
    return listed(session, prefix=p, max_keys="5")


@fact(
    "TestS3ListObjectsV2::test_list_objects_v2_continuation_start_after",
    "list-objects-start-after",
    "LIST-003",
    shape=lambda request: is_page(request) and "start-after" in request.query,
    status=200,
    file="list",
    fields={"Contents/Key": "test_8 test_9", "KeyCount": "2", "StartAfter": "test_7"},
)
def a_listing_behind_a_key(session: Session, p: str) -> HttpResponse:
    put_all(session, p, TWELVE)
    return listed(session, prefix=p, max_keys="2", start_after=p + "test_7")


@fact(
    "TestS3ListObjectsV2::test_list_objects_v2_continuation_start_after",
    "exc-continuation-token",
    "LIST-011",
    shape=lambda request: is_page(request) and "continuation-token" in request.query,
    status=400,
    code="InvalidArgument",
    file="list",
    fields={"ArgumentName": "continuation-token"},
)
def a_made_up_continuation_token(session: Session, p: str) -> HttpResponse:
    return listed(session, prefix=p, continuation_token="non-existing-token")


@fact(
    "TestS3ListObjectsV2::test_list_objects_v2_continuation_token_safe_chars",
    "list-objects-start-after-url-type",
    "LIST-005",
    shape=lambda request: is_page(request) and request.query.get("encoding-type") == "url",
    status=200,
    file="list",
    fields={"Contents/Key": "date%3D2026-03-01/ date%3D2026-05-01/", "EncodingType": "url"},
)
def a_listing_with_encoded_names(session: Session, p: str) -> HttpResponse:
    put_all(session, p, (f"date=2026-0{month}-01/" for month in (1, 2, 3, 5)))
    return listed(session, prefix=p, start_after=p + "date=2026-02-01/", max_keys="2", encoding_type="url")


@fact(
    "TestS3ListObjects::test_list_objects_marker_common_prefixes",
    "list-objects-start",
    "LIST-008",
    shape=lambda request: request.is_listing() and "list-type" not in request.query,
    status=200,
    file="list",
    fields={"CommonPrefixes/Prefix": "folder/aSubfolder/", "NextMarker": "folder/aSubfolder/", "IsTruncated": "true"},
)
def a_first_page_of_version_1(session: Session, p: str) -> HttpResponse:
    put_all(session, p, FOLDER)
    return session.wire.request("GET", query=(("prefix", p + "folder/"), ("delimiter", "/"), ("max-keys", "1")))


@fact(
    "TestS3ListObjects::test_list_objects_marker_common_prefixes",
    "list-objects-next-1",
    "LIST-008",
    shape=lambda request: request.is_listing() and "marker" in request.query,
    status=200,
    file="list",
    fields={"Contents/Key": "folder/file1", "CommonPrefixes/Prefix": "", "NextMarker": "folder/file1"},
)
def a_page_of_version_1_behind_a_common_prefix(session: Session, p: str) -> HttpResponse:
    put_all(session, p, FOLDER)
    page = (("prefix", p + "folder/"), ("delimiter", "/"), ("max-keys", "1"), ("marker", p + "folder/aSubfolder/"))
    return session.wire.request("GET", query=page)
