"""Responses that are not those of S3: they are never trusted, and raise only the storage's own exceptions."""

from __future__ import annotations

import io
import threading
import xml.sax.saxutils
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, cast

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bucket_conformance.reference_impl.api import DeleteError
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.s3 import S3Storage
from bucket_conformance.reference_impl.s3_client import make_client
from bucket_conformance.reference_impl.s3_retries import RetryBudget
from bucket_conformance.reference_impl.s3_upload import MIN_PART_SIZE
from tests.reference_impl.stub_s3 import Request, answer, running

BUCKET = "files"
OBJECT = {"ETag": '"900150983cd24fb0d6963f7d28e17f72"', "Last-Modified": "Sun, 01 Nov 2026 10:00:00 GMT"}
HTML = b"<html><head><title>Sign in</title><body>Welcome to the network"
PAGE = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
BEGUN = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
TWO_KEYS = b"<DeleteResult><Error><Key>k</Key><Key>l</Key><Code>NoSuchKey</Code></Error></DeleteResult>"
STRANGERS: dict[str, bytes] = {
    "empty 200": answer(200),
    "empty 204 or 200": answer(202),
    "HTML": answer(200, HTML, headers={"Content-Type": "text/html"}),
    "whole HTML": answer(200, b"<html><body/></html>", headers={"Content-Type": "text/html"}),
    "JSON": answer(200, b'{"ok": true}', headers={"Content-Type": "application/json"}),
    "another operation's XML": answer(200, b"<LocationConstraint>eu-west-1</LocationConstraint>"),
    "cut-off XML": answer(200, b"<ListBucketResult><IsTruncated>false</IsTru"),
    "cut-off document": answer(200, b"<DeleteResult><Deleted><Key>k</Key></Deleted>"),
    "both keys in one error": answer(200, TWO_KEYS),
}


@dataclass(slots=True)
class Script:
    """The response of the stub to every request."""

    reply: bytes = b""
    begin: bytes | None = None

    def __call__(self, request: Request) -> bytes:
        if self.begin is not None and request.target.endswith("?uploads"):
            return self.begin
        return self.reply


@pytest.fixture(scope="module", name="script")
def script_of_the_stub() -> Script:
    return Script()


@pytest.fixture(scope="module", name="storage")
def storage_before_the_stub(script: Script) -> Iterator[S3Storage]:
    with running(script, keep_bodies=False) as stub:
        client = make_client(
            endpoint=stub.url,
            region="us-east-1",
            access_key="key-of-the-test",
            secret_key="secret-of-the-test",
            read_timeout_s=5,
            retries=RetryBudget(max_attempts=1),
        )
        yield S3Storage(client, BUCKET, part_size=MIN_PART_SIZE)


def large() -> BinaryIO:
    return cast(BinaryIO, io.BytesIO(bytes(MIN_PART_SIZE + 1)))


def read_open(storage: S3Storage) -> bytes:
    with storage.open("k") as stream:
        return stream.read()


OPERATIONS: dict[str, Callable[[S3Storage], object]] = {
    "upload": lambda storage: storage.upload("k", b"abc"),
    "upload in parts": lambda storage: storage.upload("k", large()),
    "download": lambda storage: storage.download("k"),
    "open": read_open,
    "stat": lambda storage: storage.stat("k"),
    "exists": lambda storage: storage.exists("k"),
    "list": lambda storage: list(storage.list("k")),
    "delete_files": lambda storage: storage.delete_files(["k", "l"]),
    "delete_files, alone": lambda storage: storage.delete_files(["k\x01"]),
    "check": lambda storage: storage.check(),
}


@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_response_of_another_kind_is_no_success(
    storage: S3Storage, script: Script, operation: str, stranger: str
) -> None:
    script.reply, script.begin = STRANGERS[stranger], None
    with pytest.raises(StorageError) as caught:
        OPERATIONS[operation](storage)
    assert caught.value.code in (ErrorCode.INTEGRITY, ErrorCode.UNKNOWN)
    if isinstance(caught.value, DeleteError):
        assert caught.value.result.deleted == ()


@pytest.mark.parametrize("stranger", STRANGERS)
def test_a_part_that_is_not_acknowledged_is_not_stored(storage: S3Storage, script: Script, stranger: str) -> None:
    script.reply, script.begin = STRANGERS[stranger], answer(200, BEGUN)
    with pytest.raises(StorageError) as caught:
        storage.upload("k", large())
    assert caught.value.code is ErrorCode.INTEGRITY


@pytest.mark.parametrize(
    ("reply", "parts"),
    [
        (answer(200, HTML), ("DeleteObjects", "cut-off or broken document", "AP_S3_ENDPOINT")),
        (answer(200, PAGE), ("DeleteObjects", "ListBucketResult", "DeleteResult", "proxy")),
    ],
)
def test_the_error_names_the_received_and_the_expected_response(
    storage: S3Storage, script: Script, reply: bytes, parts: tuple[str, ...]
) -> None:
    script.reply = reply
    with pytest.raises(DeleteError) as caught:
        storage.delete_files(["k"])
    assert caught.value.result.unknown == ("k",)
    for part in parts:
        assert part in caught.value.hint


def test_a_server_without_batches_is_reported_as_such(storage: S3Storage, script: Script) -> None:
    script.reply = answer(501, b"<Error><Code>NotImplemented</Code></Error>")
    with pytest.raises(DeleteError, match="no batch delete here") as caught:
        storage.delete_files(["k"])
    assert caught.value.code is ErrorCode.UNSUPPORTED


def test_a_batch_that_takes_too_long_names_the_variable_for_smaller_ones() -> None:
    waiting = threading.Event()

    def silent(request: Request) -> bytes:
        waiting.wait(10)
        return answer(200)

    with running(silent) as stub:
        client = make_client(
            endpoint=stub.url,
            region="us-east-1",
            access_key="key-of-the-test",
            secret_key="secret-of-the-test",
            read_timeout_s=0.2,
            retries=RetryBudget(max_attempts=1),
        )
        with pytest.raises(DeleteError, match="AP_S3_DELETE_BATCH_SIZE below 2") as caught:
            S3Storage(client, BUCKET).delete_files(["k", "l"])
        waiting.set()
    assert caught.value.result.unknown == ("k", "l")


def test_a_listing_of_other_keys_than_requested_is_not_trusted(storage: S3Storage, script: Script) -> None:
    entry = "<Contents><Key>other</Key><Size>1</Size><LastModified>2026-11-01T10:00:00Z</LastModified></Contents>"
    script.reply = answer(200, PAGE.replace(b"</L", entry.encode() + b"</L"))
    assert [stat.key for stat in storage.list("o")] == ["other"]
    with pytest.raises(StorageError, match="lists 1 that do not") as caught:
        list(storage.list("mine/"))
    assert caught.value.code is ErrorCode.INTEGRITY


REQUEST_ID = {"x-amz-request-id": "R1"}


def test_the_root_that_rclone_gives_a_begun_upload_is_taken(storage: S3Storage, script: Script) -> None:
    script.begin = answer(200, b"<InitiateMultipartUpload><UploadId>u</UploadId></InitiateMultipartUpload>")
    script.reply = answer(200, headers={**OBJECT, "ETag": '"900150983cd24fb0d6963f7d28e17f72"'})
    # The parts are acknowledged; the join is then answered with nothing, which is what fails.
    with pytest.raises(StorageError, match="CompleteMultipartUpload"):
        storage.upload("k", large())


def test_another_root_is_taken_where_the_fields_are_those_of_the_operation(storage: S3Storage, script: Script) -> None:
    script.reply = answer(200, PAGE.replace(b"ListBucketResult", b"ListObjectsV2Output"))
    assert list(storage.list("k")) == []
    script.reply = answer(200, b"<DeleteObjectsOutput><Deleted><Key>k</Key></Deleted></DeleteObjectsOutput>")
    assert storage.delete_files(["k"]).deleted == ("k",)
    for root in (b"ListVersionsResult", b"html"):
        script.reply = answer(200, PAGE.replace(b"ListBucketResult", root))
        with pytest.raises(StorageError, match="instead of ListBucketResult"):
            list(storage.list("k"))


@pytest.mark.parametrize(("operation", "status"), [("delete_files, alone", 200), ("upload", 201), ("upload", 204)])
def test_another_status_of_success_counts_with_a_header_of_s3_and_without_a_body(
    storage: S3Storage, script: Script, operation: str, status: int
) -> None:
    sound = {**OBJECT, "ETag": '"900150983cd24fb0d6963f7d28e17f72"'}
    script.reply = answer(status, headers=sound | REQUEST_ID)
    OPERATIONS[operation](storage)
    pages = [answer(status, headers=sound)]
    pages += [answer(status, HTML, headers=sound | REQUEST_ID)] if status != 204 else []
    for reply in pages:
        script.reply = reply
        with pytest.raises(StorageError):
            OPERATIONS[operation](storage)


def test_an_object_without_an_etag_counts_with_a_header_of_s3_only(storage: S3Storage, script: Script) -> None:
    fields = {"Last-Modified": "Sun, 01 Nov 2026 10:00:00 GMT"}
    script.reply = answer(200, b"abc", headers=fields | REQUEST_ID)
    assert (storage.download("k"), storage.stat("k").etag) == (b"abc", None)
    script.reply = answer(200, b"abc", headers=fields)
    for operation in ("download", "stat"):
        with pytest.raises(StorageError, match="without etag"):
            OPERATIONS[operation](storage)


# --- any answer ---------------------------------------------------------------------------------------------------

NAMES = (
    *("ListBucketResult", "IsTruncated", "NextContinuationToken", "Contents", "Key", "Size", "LastModified", "ETag"),
    *("EncodingType", "KeyCount", "CommonPrefixes", "Prefix", "Owner", "DisplayName", "DeleteResult", "Deleted"),
    *("Error", "Code", "Message", "VersionId", "DeleteMarker", "InitiateMultipartUploadResult", "UploadId"),
    *("CompleteMultipartUploadResult", "ChecksumAlgorithm", "ChecksumCRC32", "Foreign"),
)
TEXTS = ("", "true", "false", "1", "-1", "x", "k", "l", "url", "%zz", "2026-11-01T10:00:00Z", "0001-01-01T00:00:00Z",
         "9999-12-31T23:59:59-23:59", "9" * 30, "NoSuchKey", "InternalError", "\U0001f600")  # fmt: skip
texts = st.sampled_from(TEXTS).map(xml.sax.saxutils.escape)
names = st.sampled_from(NAMES)


def element(name: str, prefix: str, inner: str) -> str:
    return f"<{prefix}{name}>{inner}</{prefix}{name}>"


elements = st.recursive(
    st.builds(element, names, st.just(""), texts),
    lambda inner: st.builds(
        element, names, st.sampled_from(["", "", "f:"]), st.lists(inner | texts, max_size=5).map("".join)
    ),
    max_leaves=12,
)
ROOTS = (
    "ListBucketResult",
    "DeleteResult",
    "InitiateMultipartUploadResult",
    "CompleteMultipartUploadResult",
    "Error",
    "x",
)


def document(root: str, inner: list[str], cut: int | None) -> bytes:
    text = f'<{root} xmlns:f="urn:foreign">{"".join(inner)}</{root}>'.encode()
    return text if cut is None else text[: len(text) * cut // 100]


documents = st.builds(document, st.sampled_from(ROOTS), st.lists(elements, max_size=5), st.none() | st.integers(0, 99))
bodies = documents | documents | st.binary(max_size=60)
headers = st.fixed_dictionaries(
    {},
    optional={
        "ETag": st.sampled_from(['"900150983cd24fb0d6963f7d28e17f72"', '"', "", "x"]),
        "Last-Modified": st.sampled_from(["Sun, 01 Nov 2026 10:00:00 GMT", "yesterday GMT", "Z", "9" * 40 + "Z"]),
        "Date": st.sampled_from(["Sun, 99 Nov 2026 10:00:00 GMT", "GMT", ""]),
        "Content-Type": st.sampled_from(["", "text/html", "\xe9"]),
        "x-amz-error-code": st.just("x"),
        "x-amz-meta-x": st.just("=?utf-8?q?=ff?="),
        "x-amz-missing-meta": st.sampled_from(["x", "1"]),
        "x-amz-delete-marker": st.just("maybe"),
        "x-amz-mp-parts-count": st.just("many"),
        "x-amz-checksum-crc32": st.sampled_from(["AAAAAA==", "x"]),
        "Expires": st.just("never"),
    },
)
STATUSES = (200, 200, 200, 200, 201, 204, 206, 301, 304, 307, 400, 403, 404, 409, 412, 416, 418, 429, 500, 501, 503)


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    operation=st.sampled_from([name for name in OPERATIONS if name != "upload in parts"]),
    status=st.sampled_from(STATUSES),
    body=bodies,
    fields=headers,
)
@example(operation="delete_files", status=200, body=TWO_KEYS, fields={})
@example(operation="list", status=200, body=b"<ListBucketResult><IsTruncated/></ListBucketResult>", fields={})
def test_no_response_causes_another_exception_than_the_storages_own(
    storage: S3Storage, script: Script, operation: str, status: int, body: bytes, fields: dict[str, str]
) -> None:
    script.begin = None
    script.reply = answer(status, b"" if status in (204, 304) else body, headers={**fields, "Connection": "close"})
    with suppress(StorageError):
        OPERATIONS[operation](storage)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(begin=bodies, reply=bodies, fields=headers)
@example(begin=BEGUN, reply=b"", fields=OBJECT)
@example(begin=BEGUN, reply=b"<CompleteMultipartUploadResult><ETag/></CompleteMultipartUploadResult>", fields=OBJECT)
def test_no_response_to_an_upload_in_parts_causes_another_exception(
    storage: S3Storage, script: Script, begin: bytes, reply: bytes, fields: dict[str, str]
) -> None:
    script.begin, script.reply = answer(200, begin), answer(200, reply, headers=fields)
    with suppress(StorageError):
        storage.upload("k", large())
