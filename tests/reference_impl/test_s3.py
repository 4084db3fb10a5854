"""The S3 storage against a real server (moto) for normal behaviour, and a scripted one for failures."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import threading
import tracemalloc
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.etree import ElementTree

import pytest
import time_machine
from moto.server import ThreadedMotoServer

from bucket_conformance.reference_impl.api import MAX_URL_LIFE_S, CredentialsEndBeforeUrl, DeleteError, Storage
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.s3 import S3Storage
from bucket_conformance.reference_impl.s3_client import make_client
from bucket_conformance.reference_impl.s3_retries import RetryBudget
from bucket_conformance.reference_impl.s3_upload import MIN_PART_SIZE, PART_SIZE, PARTS_AT_ONCE
from tests.exemplar.server import Exemplar
from tests.reference_impl.stub_s3 import RESET, Request, Stub, answer, error, running

KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
BUCKET = "files"

HOSTILE = [
    "a b",
    " lead",
    "trail ",
    "a+b",
    "a%20b",
    "a%2Fb",
    "a//b",
    "a&b<c>\"d'e",
    "a\tb",
    "a\rb",
    "é/é",
    "ключ/😀",
    "a?b#c=d;e",
    "a\\b~!()*",
    ".dot",
]


def open_at(url: str, *, max_attempts: int = 2, batch_size: int = 100, part_size: int = PART_SIZE) -> S3Storage:
    client = make_client(
        endpoint=url,
        region="us-east-1",
        access_key=KEY_ID,
        secret_key=SECRET,
        retries=RetryBudget(max_attempts=max_attempts),
        connect_timeout_s=5,
        read_timeout_s=5,
    )
    return S3Storage(client, BUCKET, batch_size=batch_size, part_size=part_size)


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def storage(moto_url: str) -> S3Storage:
    urllib.request.urlopen(urllib.request.Request(f"{moto_url}/moto-api/reset", method="POST")).close()
    made = open_at(moto_url)
    made._client.create_bucket(Bucket=BUCKET)
    return made


def failing(code: ErrorCode, action: Callable[[], object]) -> StorageError:
    with pytest.raises(StorageError) as caught:
        action()
    shown = f"{caught.value} {caught.value!r}"
    assert caught.value.code is code, shown
    assert SECRET not in shown
    assert KEY_ID not in shown
    return caught.value


# --- what a sound server shows -----------------------------------------------------------------------------------


def test_the_s3_storage_is_a_storage(storage: S3Storage) -> None:
    as_port: Storage = storage
    assert isinstance(as_port, Storage)


@pytest.mark.parametrize("key", HOSTILE)
def test_a_key_stays_exactly_the_same_from_put_to_delete(storage: S3Storage, key: str) -> None:
    storage.upload(key, b"body of it", content_type="text/plain")
    found = storage.stat(key)
    assert (found.key, found.size, found.content_type) == (key, 10, "text/plain")
    assert found.last_modified.utcoffset() == timedelta(0)
    assert found.etag == hashlib.md5(b"body of it").hexdigest()
    assert storage.download(key) == b"body of it"
    assert [item.key for item in storage.list()] == [key]
    assert [item.key for item in storage.list(key[:2])] == [key]
    with urllib.request.urlopen(storage.signed_url(key)) as reply:
        assert reply.read() == b"body of it"


@pytest.mark.parametrize("key", [key for key in HOSTILE if "\r" not in key])
def test_a_batch_deletes_a_hostile_key_and_no_other(storage: S3Storage, key: str) -> None:
    storage.upload(key, b"x")
    storage.upload(key + "2", b"y")
    assert storage.delete_files([key]).deleted == (key,)
    assert not storage.exists(key)
    assert storage.exists(key + "2")


def test_upload_returns_what_stat_returns_afterwards(storage: S3Storage) -> None:
    uploaded = storage.upload("k", b"abc", content_type="text/plain")
    found = storage.stat("k")
    assert (uploaded.key, uploaded.size, uploaded.etag, uploaded.content_type) == (
        found.key,
        found.size,
        found.etag,
        found.content_type,
    )
    assert abs(uploaded.last_modified - found.last_modified) <= timedelta(seconds=5)


class Trickle(io.RawIOBase):
    """A stream that gives a few bytes at a time, cannot seek, and may fail."""

    def __init__(self, size: int, *, step: int = 300_000, fail_at: int | None = None) -> None:
        super().__init__()
        self.left, self.step, self.fail_at, self.given = size, step, fail_at, 0
        self.largest_ask = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        self.largest_ask = max(self.largest_ask, size)
        if self.fail_at is not None and self.given >= self.fail_at:
            raise LookupError("the source went away")
        count = min(self.left, self.step, size)
        self.left -= count
        self.given += count
        return bytes([self.given % 251]) * count


@pytest.mark.parametrize("size", [0, 1, MIN_PART_SIZE - 1, MIN_PART_SIZE, MIN_PART_SIZE + 1, 2 * MIN_PART_SIZE + 7])
def test_a_stream_is_stored_whole_at_every_part_boundary(storage: S3Storage, size: int, moto_url: str) -> None:
    small = open_at(moto_url, part_size=MIN_PART_SIZE)
    uploaded = small.upload("big", cast(BinaryIO, Trickle(size)))
    expected = b""
    source = Trickle(size)
    while piece := source.read(min(MIN_PART_SIZE - len(expected) % MIN_PART_SIZE, 10**9)):
        expected += piece
    assert storage.download("big") == expected
    found = storage.stat("big")
    # A whole second may begin between what the server notes down and the Date of its answer.
    assert abs(uploaded.last_modified - found.last_modified) <= timedelta(seconds=1)
    assert replace(uploaded, last_modified=found.last_modified) == found
    assert ("-" in (uploaded.etag or "")) is (size > MIN_PART_SIZE)


@pytest.mark.parametrize("fail_at", [0, 1, MIN_PART_SIZE, 2 * MIN_PART_SIZE + 5])
def test_a_stream_that_raises_gives_its_own_error_keeps_the_old_value_and_leaves_no_parts(
    storage: S3Storage, moto_url: str, fail_at: int
) -> None:
    storage.upload("k", b"old")
    small = open_at(moto_url, part_size=MIN_PART_SIZE)
    with pytest.raises(LookupError, match="went away"):
        small.upload("k", cast(BinaryIO, Trickle(3 * MIN_PART_SIZE, fail_at=fail_at)))
    assert storage.download("k") == b"old"
    assert "Uploads" not in storage._client.list_multipart_uploads(Bucket=BUCKET)


def test_a_stream_is_read_from_where_it_stands(storage: S3Storage) -> None:
    stream = io.BytesIO(b"skipped-kept")
    stream.seek(8)
    storage.upload("k", stream)
    assert storage.download("k") == b"kept"


@pytest.mark.parametrize("body", ["text", None, io.StringIO("text")])
def test_a_body_that_is_not_bytes_is_refused(storage: S3Storage, body: object) -> None:
    failing(ErrorCode.INVALID_ARGUMENT, lambda: storage.upload("k", cast(bytes, body)))
    assert not storage.exists("k")


@pytest.mark.parametrize("content_type", ["", "text/plain\r\nX-Evil: 1", "tëxt", " text/plain", "a" * 256])
def test_a_content_type_cannot_inject_a_header(storage: S3Storage, content_type: str) -> None:
    failing(ErrorCode.INVALID_ARGUMENT, lambda: storage.upload("k", b"", content_type=content_type))
    failing(ErrorCode.INVALID_ARGUMENT, lambda: storage.signed_upload_url("k", content_type=content_type))


def test_a_missing_key_is_not_found_by_every_way_to_read(storage: S3Storage) -> None:
    failing(ErrorCode.NOT_FOUND, lambda: storage.download("none"))
    failing(ErrorCode.NOT_FOUND, lambda: storage.stat("none"))
    failing(ErrorCode.NOT_FOUND, lambda: storage.open("none").__enter__())
    assert storage.exists("none") is False


def test_a_missing_bucket_is_distinguished_from_a_missing_key(moto_url: str) -> None:
    away = S3Storage(open_at(moto_url)._client, "not-made")
    for action in (
        lambda: away.upload("k", b""),
        lambda: away.download("k"),
        lambda: away.stat("k"),
        lambda: away.exists("k"),
        lambda: list(away.list()),
        lambda: away.check(),
    ):
        failing(ErrorCode.BUCKET_NOT_FOUND, action)


@pytest.mark.parametrize("key", ["", "a\ud800", "k" * 1025])
def test_a_key_that_the_port_forbids_is_refused_before_anything_is_sent(key: str) -> None:
    with running(lambda request: error(500, "InternalError")) as stub:
        storage = open_at(stub.url)
        for action in (
            lambda: storage.upload(key, b""),
            lambda: storage.download(key),
            lambda: storage.open(key).__enter__(),
            lambda: storage.stat(key),
            lambda: storage.exists(key),
            lambda: storage.delete_files(["fine", key]),
            lambda: storage.signed_url(key),
            lambda: storage.signed_upload_url(key),
        ):
            failing(ErrorCode.INVALID_KEY, action)
        assert stub.requests == []


def test_open_streams_in_pieces_and_lets_the_callers_own_error_pass(storage: S3Storage) -> None:
    body = bytes(range(256)) * 1000
    storage.upload("k", body)
    with storage.open("k") as stream:
        assert stream.read(10) == body[:10]
        assert stream.read() == body[10:]
        assert stream.read(1) == b""
    with pytest.raises(ZeroDivisionError), storage.open("k") as stream:
        len(stream.read(1)) // 0


def test_listing_crosses_pages_and_is_lazy(storage: S3Storage) -> None:
    keys = [f"p/{number:04}" for number in range(7)]
    for key in keys:
        storage.upload(key, b"")
    storage.upload("q", b"")
    pages: list[object] = []
    events = storage._client.meta.events
    events.register("before-parameter-build.s3.ListObjectsV2", lambda params, **_: params.update(MaxKeys=3))
    events.register("before-call.s3.ListObjectsV2", lambda **_: pages.append(1))
    listing = storage.list("p/")
    assert pages == []
    assert next(listing).key == "p/0000"
    assert len(pages) == 1
    assert ["p/0000", *(item.key for item in listing)] == keys
    assert len(pages) == 3
    assert list(storage.list("p" * 1025)) == []


def test_check_names_the_four_permissions_and_leaves_nothing(storage: S3Storage) -> None:
    result = storage.check()
    assert result.permissions == ("s3:PutObject", "s3:GetObject", "s3:ListBucket", "s3:DeleteObject")
    assert result.location == f"s3://{BUCKET}"
    assert list(storage.list()) == []


# --- deleting ----------------------------------------------------------------------------------------------------


def named_in(request: Request) -> list[str]:
    root = ElementTree.fromstring(request.body)
    return [element.text or "" for element in root.iter() if element.tag.endswith("Key")]


def xml(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("\r", "&#13;")


def deleted(keys: list[str], refused: dict[str, str] | None = None) -> bytes:
    inner = "".join(f"<Deleted><Key>{xml(key)}</Key></Deleted>" for key in keys)
    inner += "".join(
        f"<Error><Key>{xml(key)}</Key><Code>{code}</Code><Message>m</Message></Error>"
        for key, code in (refused or {}).items()
    )
    return answer(200, f"<DeleteResult>{inner}</DeleteResult>".encode(), headers={"Content-Type": "application/xml"})


@pytest.mark.parametrize(("count", "size"), [(1, 1), (5, 2), (99, 100), (100, 100), (101, 100), (1000, 1000)])
def test_batches_on_the_wire_are_the_ceiling_of_count_by_size_and_name_each_key_once(count: int, size: int) -> None:
    keys = [f"k{number}" for number in range(count)]
    with running(lambda request: deleted(named_in(request))) as stub:
        result = open_at(stub.url, batch_size=size).delete_files([*keys, *keys[:3]])
        batches = [named_in(request) for request in stub.requests]
    assert len(batches) == result.requests == -(-count // size)
    assert sorted(key for batch in batches for key in batch) == sorted(keys)
    assert max(map(len, batches)) <= size
    assert result.deleted == tuple(keys)


def test_deleting_takes_the_keys_as_a_collection_and_not_one_string() -> None:
    with running(lambda request: error(500, "InternalError")) as stub:
        failing(ErrorCode.INVALID_ARGUMENT, lambda: open_at(stub.url).delete_files("ab"))
        assert stub.requests == []


@pytest.mark.parametrize("key", [b"k", 5])
def test_a_key_that_is_no_string_is_refused_before_anything_is_sent(key: str) -> None:
    with running(lambda request: error(500, "InternalError")) as stub:
        storage = open_at(stub.url)
        failing(ErrorCode.INVALID_KEY, lambda: storage.stat(key))
        failing(ErrorCode.INVALID_KEY, lambda: storage.download(key))
        failing(ErrorCode.INVALID_KEY, lambda: storage.delete_files([key]))
        assert stub.requests == []


def test_deleting_nothing_sends_nothing() -> None:
    with running(lambda request: error(500, "InternalError")) as stub:
        assert open_at(stub.url).delete_files(iter([])).requests == 0
        assert stub.requests == []


def test_a_batch_carries_content_md5_and_no_other_checksum() -> None:
    with running(lambda request: deleted(named_in(request))) as stub:
        open_at(stub.url).delete_files(["a"])
    (request,) = stub.requests
    assert request.headers["content-md5"] == base64.b64encode(hashlib.md5(request.body).digest()).decode()
    assert [name for name in request.headers if "checksum" in name] == []
    assert "content-md5" in request.headers["authorization"]
    assert b"<Quiet>true" not in request.body


def test_where_the_sdk_adds_checksums_to_everything_a_batch_still_carries_md5_alone(moto_url: str) -> None:
    with running(lambda request: deleted(named_in(request))) as stub:
        client = make_client(
            endpoint=stub.url, region="us-east-1", access_key=KEY_ID, secret_key=SECRET, checksums="when_supported"
        )
        S3Storage(client, BUCKET).delete_files(["a"])
    (request,) = stub.requests
    assert "content-md5" in request.headers
    assert [name for name in request.headers if "checksum" in name] == []


@pytest.mark.parametrize(("size", "asks"), [(0, False), (1, False), (1024 * 1024 - 1, False), (1024 * 1024, True)])
def test_only_large_bodies_are_sent_with_expect_100_continue(size: int, asks: bool) -> None:
    with running(lambda request: answer(200, headers={"ETag": '"e"'})) as server:
        open_at(server.url).upload("key", b"x" * size)
    (request,) = server.requests
    assert len(request.body) == size
    assert ("expect" in request.headers) is asks


def test_a_stream_is_joined_where_the_sdk_adds_checksums_to_every_part(storage: S3Storage, moto_url: str) -> None:
    client = make_client(
        endpoint=moto_url, region="us-east-1", access_key=KEY_ID, secret_key=SECRET, checksums="when_supported"
    )
    body = bytes(range(256)) * 40_000
    S3Storage(client, BUCKET, part_size=MIN_PART_SIZE).upload("k", io.BytesIO(body))
    assert storage.download("k") == body


def test_parts_that_were_checked_are_not_named_with_their_checksums_where_the_upload_was_begun_without() -> None:
    body = bytes(range(256)) * 30_000
    with Exemplar(KEY_ID, SECRET) as server:
        client = make_client(
            endpoint=server.url, region="us-east-1", access_key=KEY_ID, secret_key=SECRET, checksums="when_supported"
        )
        client.create_bucket(Bucket=BUCKET)
        storage = S3Storage(client, BUCKET, part_size=MIN_PART_SIZE)
        storage.upload("k", io.BytesIO(body))
        assert storage.download("k") == body
        # Amazon S3 behaves like this, and so does the exemplary server.
        begun = client.create_multipart_upload(Bucket=BUCKET, Key="named")
        part = client.upload_part(Bucket=BUCKET, Key="named", UploadId=begun["UploadId"], PartNumber=1, Body=b"x")
        assert part["ChecksumCRC32"]
        with pytest.raises(client.exceptions.ClientError, match="InvalidPart"):
            client.complete_multipart_upload(
                Bucket=BUCKET,
                Key="named",
                UploadId=begun["UploadId"],
                MultipartUpload={
                    "Parts": [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}]
                },
            )


def test_refused_keys_reach_the_caller_by_key_and_code_and_the_others_are_deleted() -> None:
    refusals = {"k1": "AccessDenied", "k4": "InternalError", "k3": "NoSuchKey"}

    def respond(request: Request) -> bytes:
        keys = named_in(request)
        return deleted([key for key in keys if key not in refusals], {k: v for k, v in refusals.items() if k in keys})

    with running(respond) as stub:
        caught = failing(
            ErrorCode.ACCESS_DENIED,
            lambda: open_at(stub.url, batch_size=2).delete_files([f"k{number}" for number in range(6)]),
        )
    assert isinstance(caught, DeleteError)
    assert [(failure.key, failure.code, failure.backend_code) for failure in caught.result.failed] == [
        ("k1", ErrorCode.ACCESS_DENIED, "AccessDenied"),
        ("k4", ErrorCode.UNAVAILABLE, "InternalError"),
    ]
    assert caught.result.deleted == ("k0", "k2", "k3", "k5")
    assert caught.result.unknown == ()


@pytest.mark.parametrize("named", [[], ["a%20b"], ["other"]])
def test_a_key_that_the_answer_does_not_name_verbatim_is_unknown(named: list[str]) -> None:
    with running(lambda request: deleted(["plain", *named])) as stub:
        caught = failing(ErrorCode.UNKNOWN, lambda: open_at(stub.url).delete_files(["a b", "plain"]))
    assert isinstance(caught, DeleteError)
    assert (caught.result.deleted, caught.result.unknown) == (("plain",), ("a b",))


@pytest.mark.parametrize("reply", [RESET, error(503, "SlowDown"), error(500, "InternalError"), answer(200, b"<Delete")])
def test_a_batch_that_keeps_breaking_is_unknown_and_the_others_go_through(reply: bytes) -> None:
    def respond(request: Request) -> bytes:
        return reply if "k2" in named_in(request) else deleted(named_in(request))

    with running(respond) as stub, pytest.raises(DeleteError) as caught:
        open_at(stub.url, batch_size=2).delete_files([f"k{number}" for number in range(6)])
    assert caught.value.result.unknown == ("k2", "k3")
    assert caught.value.result.deleted == ("k0", "k1", "k4", "k5")
    assert caught.value.result.requests == 3
    assert caught.value.code in (ErrorCode.UNAVAILABLE, ErrorCode.INTEGRITY)


@pytest.mark.parametrize("first", [RESET, error(503, "SlowDown")])
def test_a_batch_that_breaks_once_is_tried_again(first: bytes) -> None:
    replies = [first]
    with running(lambda request: replies.pop() if replies else deleted(named_in(request))) as stub:
        result = open_at(stub.url).delete_files(["a", "b"])
        assert len(stub.requests) == 2
    assert (result.deleted, result.requests) == (("a", "b"), 1)


def test_a_batch_refused_as_a_whole_is_failed_not_unknown() -> None:
    with running(lambda request: error(403, "AccessDenied")) as stub:
        caught = failing(ErrorCode.ACCESS_DENIED, lambda: open_at(stub.url).delete_files(["a", "b"]))
    assert isinstance(caught, DeleteError)
    assert [failure.backend_code for failure in caught.result.failed] == ["AccessDenied"] * 2
    assert "s3:DeleteObject" in caught.result.failed[0].message


def test_a_batch_refused_after_a_retry_is_unknown_since_the_first_try_may_have_been_obeyed() -> None:
    replies = [error(403, "AccessDenied"), RESET]
    with running(lambda request: replies.pop()) as stub, pytest.raises(DeleteError) as caught:
        open_at(stub.url).delete_files(["a"])
    assert caught.value.result.unknown == ("a",)


@pytest.mark.parametrize("key", ["a\x01b", "a\ufffeb", "\x00"])
def test_a_key_that_xml_cannot_carry_is_deleted_alone(key: str) -> None:
    def respond(request: Request) -> bytes:
        return answer(204) if request.method == "DELETE" else deleted(named_in(request))

    with running(respond) as stub:
        result = open_at(stub.url).delete_files(["plain", key])
        assert [unquote(r.target) for r in stub.requests if r.method == "DELETE"] == [f"/{BUCKET}/{key}"]
        assert [named_in(r) for r in stub.requests if r.method == "POST"] == [["plain"]]
    assert (result.deleted, result.requests) == (("plain", key), 2)


@pytest.mark.parametrize("key", ["a\rb", "a\r\nb", "a\nb\t", " a ", "&amp;<>'\""])
def test_a_key_that_xml_must_escape_is_named_verbatim_in_the_batch(key: str) -> None:
    with running(lambda request: deleted(named_in(request))) as stub:
        assert open_at(stub.url).delete_files([key]).deleted == (key,)


# --- failures under way --------------------------------------------------------------------------------------------


def served(body: bytes, cut_to: int | None = None) -> bytes:
    etag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
    return answer(200, body, headers={"ETag": etag, "Last-Modified": "Sun, 01 Nov 2026 10:00:00 GMT"}, cut_to=cut_to)


def test_a_download_that_is_cut_off_every_time_is_an_integrity_error_after_three_tries() -> None:
    with running(lambda request: served(b"x" * 1000, cut_to=400)) as stub:
        failing(ErrorCode.INTEGRITY, lambda: open_at(stub.url).download("k"))
        assert stub.count("GET") == 3


def test_a_download_that_is_cut_off_once_comes_whole_at_the_second_try() -> None:
    cuts: list[int | None] = [None, 400]
    with running(lambda request: served(b"x" * 1000, cut_to=cuts.pop())) as stub:
        assert open_at(stub.url).download("k") == b"x" * 1000


@pytest.mark.parametrize("ask", [-1, 1, 333, 400, 100_000])
def test_an_opened_stream_that_is_cut_off_raises_and_keeps_raising(ask: int) -> None:
    with running(lambda request: served(b"x" * 1000, cut_to=400)) as stub, open_at(stub.url).open("k") as stream:

        def read_on() -> None:
            while stream.read(ask):
                pass

        failing(ErrorCode.INTEGRITY, read_on)
        failing(ErrorCode.INTEGRITY, read_on)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (RESET, ErrorCode.UNAVAILABLE),
        (error(503, "SlowDown"), ErrorCode.UNAVAILABLE),
        (error(429, "TooManyRequests"), ErrorCode.UNAVAILABLE),
        (error(403, "AccessDenied"), ErrorCode.ACCESS_DENIED),
        (error(403, "SignatureDoesNotMatch"), ErrorCode.INVALID_CREDENTIALS),
        (error(403, "InvalidAccessKeyId", f"{KEY_ID} is unknown"), ErrorCode.INVALID_CREDENTIALS),
        (error(400, "ExpiredToken"), ErrorCode.INVALID_CREDENTIALS),
        (error(404, "NoSuchBucket"), ErrorCode.BUCKET_NOT_FOUND),
        (error(400, "KeyTooLongError"), ErrorCode.INVALID_KEY),
        (error(400, "EntityTooLarge"), ErrorCode.TOO_LARGE),
        (error(507, "XMinioStorageFull"), ErrorCode.NO_SPACE),
        (error(400, "BadDigest"), ErrorCode.INTEGRITY),
        (error(412, "PreconditionFailed"), ErrorCode.CONFLICT),
        (error(418, "Teapot", f"key {KEY_ID} Signature={'a' * 64} secret {SECRET}"), ErrorCode.UNKNOWN),
        (error(501, "NotImplemented"), ErrorCode.UNKNOWN),
    ],
)
def test_every_error_of_the_server_becomes_an_error_code_without_secrets(reply: bytes, code: ErrorCode) -> None:
    with running(lambda request: reply) as stub:
        caught = failing(code, lambda: open_at(stub.url).upload("k", b"x"))
    assert (caught.operation, caught.key) == ("upload", "k")
    assert "a" * 64 not in caught.hint


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with running(lambda request: RESET) as stub:
        gone = open_at(stub.url)
    failing(ErrorCode.UNAVAILABLE, lambda: gone.download("k"))


def test_the_bucket_is_checked_once_however_many_keys_are_missing() -> None:
    def respond(request: Request) -> bytes:
        return answer(200) if request.target == f"/{BUCKET}" else answer(404)

    with running(respond) as stub:
        storage = open_at(stub.url)
        assert [storage.exists(key) for key in "abc"] == [False] * 3
        assert [request.target for request in stub.requests].count(f"/{BUCKET}") == 1
        assert len(stub.requests) == 4


@pytest.mark.parametrize("status", [403, 503])
def test_exists_raises_if_the_server_refuses(status: int) -> None:
    with running(lambda request: answer(status)) as stub:
        code = ErrorCode.ACCESS_DENIED if status == 403 else ErrorCode.UNAVAILABLE
        failing(code, lambda: open_at(stub.url).exists("k"))


def page(keys: list[str], token: str | None, *, truncated: str = "true") -> bytes:
    more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    entries = "".join(
        f"<Contents><Key>{quote(key)}</Key><Size>1</Size><LastModified>2026-11-01T10:00:00Z</LastModified></Contents>"
        for key in keys
    )
    return answer(
        200,
        f"<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{truncated}</IsTruncated>{more}{entries}"
        "</ListBucketResult>".encode(),
    )


def test_a_server_that_repeats_its_tokens_does_not_make_the_listing_endless() -> None:
    tokens = ["t1", "t2"]
    with running(lambda request: page(["k"], tokens[len(stub.requests) % 2])) as stub:
        caught = failing(ErrorCode.UNKNOWN, lambda: list(islice(open_at(stub.url).list(), 20)))
        assert len(stub.requests) == 3
    assert "continuation token" in caught.hint


def test_a_truncated_page_without_a_token_is_an_error_not_the_end() -> None:
    with running(lambda request: page(["k\x01"], None)) as stub:
        listing = open_at(stub.url).list()
        assert next(listing).key == "k\x01"
        failing(ErrorCode.UNKNOWN, lambda: next(listing))


def multipart_stub(
    fail: dict[str, bytes], etag: str = '"0123456789abcdef0123456789abcdef"'
) -> Callable[[Request], bytes]:
    def respond(request: Request) -> bytes:
        step = request.method
        if step == "POST":
            step = "create" if request.target.endswith("?uploads") else "complete"
        if step in fail:
            return fail[step]
        if step == "create":
            return answer(
                200, b"<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>"
            )
        if step == "complete":
            return answer(200, b"<CompleteMultipartUploadResult><ETag>e-2</ETag></CompleteMultipartUploadResult>")
        return answer(
            204 if step == "DELETE" else 200, headers={"ETag": etag, "Last-Modified": "Sun, 01 Nov 2026 10:00:00 GMT"}
        )

    return respond


def upload_two_parts(stub: Stub) -> object:
    body = io.BytesIO(bytes(MIN_PART_SIZE + 1))
    return open_at(stub.url, part_size=MIN_PART_SIZE).upload("k", body)


@pytest.mark.parametrize("step", ["PUT", "complete"])
@pytest.mark.parametrize("abort", [answer(204), error(403, "AccessDenied"), RESET])
def test_a_failing_part_aborts_the_upload_and_a_failing_abort_does_not_hide_it(step: str, abort: bytes) -> None:
    with running(multipart_stub({step: error(507, "XMinioStorageFull"), "DELETE": abort})) as stub:
        failing(ErrorCode.NO_SPACE, lambda: upload_two_parts(stub))
        assert stub.count("DELETE", "uploadId=u1") >= 1


def test_a_join_that_says_error_under_status_200_is_an_error() -> None:
    said = answer(200, b"<Error><Code>InternalError</Code><Message>m</Message></Error>")
    with running(multipart_stub({"complete": said})) as stub:
        failing(ErrorCode.UNAVAILABLE, lambda: upload_two_parts(stub))


@pytest.mark.parametrize("ours", [True, False])
def test_a_join_whose_answer_was_lost_succeeds_only_if_the_object_is_ours(ours: bool) -> None:
    part = "0123456789abcdef0123456789abcdef"
    joined = hashlib.md5(bytes.fromhex(part) * 2).hexdigest() + "-2"
    head = {"ETag": f'"{joined if ours else part}"', "Last-Modified": "Sun, 01 Nov 2026 10:00:00 GMT"}
    fail = {"complete": error(404, "NoSuchUpload"), "HEAD": answer(200, headers=head)}
    with running(multipart_stub(fail)) as stub:
        if ours:
            assert upload_two_parts(stub).etag == joined  # type: ignore[attr-defined]
            assert stub.count("DELETE") == 0
        else:
            failing(ErrorCode.CONFLICT, lambda: upload_two_parts(stub))


def test_a_long_stream_is_never_held_whole_in_memory() -> None:
    parts = 16
    # 16 parts of 5 MiB; four of them are ours, the rest of the bound is what the SDK, the sockets and the stub copy.
    with running(multipart_stub({}), keep_bodies=False) as stub:
        storage = open_at(stub.url, part_size=MIN_PART_SIZE)
        source = Trickle(parts * MIN_PART_SIZE, step=MIN_PART_SIZE)
        tracemalloc.start()
        try:
            storage.upload("k", cast(BinaryIO, source))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert stub.count("PUT") == parts
    assert peak < 12 * MIN_PART_SIZE
    assert source.largest_ask <= MIN_PART_SIZE


def test_parts_are_under_way_together_and_joined_in_order() -> None:
    # The stub holds back the first parts until all of them are there: sent one by one, they would never meet.
    together = threading.Barrier(PARTS_AT_ONCE, timeout=10)
    lock = threading.Lock()
    under_way: list[int] = []
    most = 0

    def respond(request: Request) -> bytes:
        nonlocal most
        if request.method != "PUT":
            return plain(request)
        number = int(request.target.partition("partNumber=")[2].partition("&")[0])
        with lock:
            under_way.append(number)
            most = max(most, len(under_way))
        if number <= PARTS_AT_ONCE:
            together.wait()
        with lock:
            under_way.remove(number)
        return answer(200, headers={"ETag": f'"etag-of-{number}"'})

    plain = multipart_stub({})
    with running(respond) as stub:
        open_at(stub.url, part_size=MIN_PART_SIZE).upload("k", io.BytesIO(bytes(5 * MIN_PART_SIZE + 1)))
        (joined,) = [request.body for request in stub.requests if request.target.endswith("uploadId=u1")]
    assert most == PARTS_AT_ONCE
    order = [joined.index(f"etag-of-{number}".encode()) for number in range(1, 7)]
    assert order == sorted(order)


def test_after_a_part_failed_no_other_is_begun_and_the_abort_comes_last() -> None:
    plain = multipart_stub({})

    def respond(request: Request) -> bytes:
        if "partNumber=2" in request.target:
            return error(507, "XMinioStorageFull")
        return plain(request)

    with running(respond, keep_bodies=False) as stub:
        storage = open_at(stub.url, part_size=MIN_PART_SIZE)
        failing(ErrorCode.NO_SPACE, lambda: storage.upload("k", io.BytesIO(bytes(9 * MIN_PART_SIZE))))
        assert stub.count("PUT") <= 2 + PARTS_AT_ONCE
        assert stub.requests[-1].method == "DELETE"


def test_the_stream_is_read_in_the_calling_thread_alone() -> None:
    readers: set[int] = set()

    class Watched(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            readers.add(threading.get_ident())
            return super().read(size)

    with running(multipart_stub({}), keep_bodies=False) as stub:
        open_at(stub.url, part_size=MIN_PART_SIZE).upload("k", Watched(bytes(4 * MIN_PART_SIZE)))
    assert readers == {threading.get_ident()}


@pytest.mark.parametrize(
    ("method", "permission"),
    [("PUT", "s3:PutObject"), ("GET", "s3:GetObject"), ("LIST", "s3:ListBucket"), ("POST", "s3:DeleteObject")],
)
def test_check_names_the_missing_permission_and_removes_the_probe(method: str, permission: str) -> None:
    bodies: dict[str, bytes] = {}

    def respond(request: Request) -> bytes:
        listing = "list-type=2" in request.target
        if method == ("LIST" if listing else request.method):
            return error(403, "AccessDenied")
        if listing:
            return page([unquote(path).removeprefix(f"/{BUCKET}/") for path in bodies], None, truncated="false")
        if request.method == "PUT":
            bodies[request.target] = request.body
            return answer(200, headers={"ETag": '"e"'})
        if request.method == "GET":
            return served(bodies[request.target])
        return deleted(named_in(request))

    with running(respond) as stub:
        caught = failing(ErrorCode.ACCESS_DENIED, lambda: open_at(stub.url).check())
        assert f"missing permission {permission} " in caught.hint
        assert stub.count("POST", "delete") >= 1


# --- signed URLs and credentials -------------------------------------------------------------------------------------


def test_a_shifted_clock_around_the_call_dates_the_url(storage: S3Storage) -> None:
    with time_machine.travel(datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC), tick=False):
        query = parse_qs(urlsplit(storage.signed_url("k", expires_in=60)).query)
    assert (query["X-Amz-Date"], query["X-Amz-Expires"]) == (["20310506T070809Z"], ["60"])


def test_a_url_lives_seven_days_by_default_and_longer_is_refused_never_shortened(storage: S3Storage) -> None:
    assert f"X-Amz-Expires={MAX_URL_LIFE_S}&" in storage.signed_url("k")
    assert f"X-Amz-Expires={MAX_URL_LIFE_S}&" in storage.signed_upload_url("k")
    for life in (0, -1, MAX_URL_LIFE_S + 1, True):
        failing(ErrorCode.INVALID_ARGUMENT, lambda life=life: storage.signed_url("k", expires_in=life))  # type: ignore[misc]
        failing(ErrorCode.INVALID_ARGUMENT, lambda life=life: storage.signed_upload_url("k", expires_in=life))  # type: ignore[misc]


def test_a_file_name_comes_back_as_an_attachment(storage: S3Storage) -> None:
    storage.upload("k", b"x")
    with urllib.request.urlopen(storage.signed_url("k", 'naïve "file".txt')) as reply:
        disposition = reply.headers["Content-Disposition"]
    assert disposition.startswith("attachment")
    assert quote("naïve") in disposition


def test_a_signed_upload_url_stores_the_body(storage: S3Storage) -> None:
    url = storage.signed_upload_url("k", content_type="text/plain")
    request = urllib.request.Request(url, data=b"put", method="PUT", headers={"Content-Type": "text/plain"})
    urllib.request.urlopen(request).close()
    assert storage.download("k") == b"put"
    assert "content-type" in parse_qs(urlsplit(url).query)["X-Amz-SignedHeaders"][0]


def test_long_lived_keys_raise_no_warning(storage: S3Storage) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        storage.signed_url("k")


def test_a_session_token_without_an_end_warns_of_an_unknown_end() -> None:
    client = make_client(region="us-east-1", access_key=KEY_ID, secret_key=SECRET, session_token="t0ken")
    with pytest.warns(CredentialsEndBeforeUrl, match="unknown time") as caught:
        S3Storage(client, BUCKET).signed_url("k")
    assert caught[0].filename == __file__
    assert "t0ken" not in str(caught[0].message)


def sts(request: Request) -> bytes:
    assert parse_qs(request.body.decode())["WebIdentityToken"] == ["identity-of-the-pod"]
    end = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return answer(
        200,
        f"""<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>
        <AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>temporary</SecretAccessKey>
        <SessionToken>session-of-the-pod</SessionToken><Expiration>{end}</Expiration></Credentials>
        <AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/s</Arn><AssumedRoleId>x:s</AssumedRoleId></AssumedRoleUser>
        </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>""".encode(),
        headers={"Content-Type": "text/xml"},
    )


@pytest.fixture
def pod(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The environment of a pod with a role: a token file, and nothing else that holds credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    token = tmp_path / "token"
    token.write_text("identity-of-the-pod")
    for name, value in {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
        "AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/r",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    return token


def test_a_web_identity_needs_no_keys_and_its_urls_are_reported_as_dying_with_it(
    pod: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(sts) as tokens, running(lambda request: served(b"body")) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", tokens.url)
        storage = S3Storage(make_client(endpoint=stub.url, region="us-east-1"), BUCKET)
        assert storage.download("k") == b"body"
        assert stub.requests[0].headers["x-amz-security-token"] == "session-of-the-pod"
        assert "Credential=ASIAEXAMPLE/" in stub.requests[0].headers["authorization"]
        with pytest.warns(CredentialsEndBeforeUrl, match=r"end at \d{4}-"):
            storage.signed_url("k")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            storage.signed_url("k", expires_in=600)
        assert len(tokens.requests) == 1


def test_a_refused_or_unreadable_web_identity_is_a_matter_of_credentials(
    pod: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"
    with running(lambda request: answer(403, refusal)) as tokens, running(lambda request: served(b"")) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", tokens.url)
        failing(
            ErrorCode.INVALID_CREDENTIALS,
            lambda: S3Storage(make_client(endpoint=stub.url, region="us-east-1"), BUCKET).download("k"),
        )
        pod.unlink()
        failing(
            ErrorCode.INVALID_CREDENTIALS,
            lambda: S3Storage(make_client(endpoint=stub.url, region="us-east-1"), BUCKET).upload("k", b""),
        )
        assert stub.requests == []


def test_a_web_identity_signs_alone_whatever_other_credentials_say(pod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "key-of-somebody-else")
    monkeypatch.setenv("AWS_PROFILE", "not-there")
    with running(sts) as tokens, running(lambda request: served(b"body")) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", tokens.url)
        client = make_client(endpoint=stub.url, region="us-east-1", web_identity_only=True)
        assert S3Storage(client, BUCKET).download("k") == b"body"
        assert "Credential=ASIAEXAMPLE/" in stub.requests[0].headers["authorization"]


@pytest.mark.parametrize("name", ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"])
def test_what_a_web_identity_lacks_is_named(pod: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def opened() -> object:
        return make_client(region="us-east-1", web_identity_only=True)

    with monkeypatch.context() as without:
        without.delenv(name)
        assert f"{name} not set" in failing(ErrorCode.INVALID_CREDENTIALS, opened).hint
    pod.unlink()
    assert str(pod) in failing(ErrorCode.INVALID_CREDENTIALS, opened).hint


def test_a_missing_profile_is_named_and_has_no_effect_if_credentials_are_given(
    pod: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "not-there")
    hint = failing(ErrorCode.INVALID_CREDENTIALS, lambda: make_client(region="us-east-1")).hint
    assert "AWS_PROFILE" in hint
    assert "not-there" in hint
    make_client(region="us-east-1", access_key=KEY_ID, secret_key=SECRET)


def test_missing_credentials_are_reported_as_missing(pod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_WEB_IDENTITY_TOKEN_FILE")
    with running(lambda request: served(b"")) as stub:
        storage = S3Storage(make_client(endpoint=stub.url, region="us-east-1"), BUCKET)
        failing(ErrorCode.INVALID_CREDENTIALS, lambda: storage.download("k"))
        failing(ErrorCode.INVALID_CREDENTIALS, lambda: storage.signed_url("k"))


def test_an_endpoint_variable_meant_for_others_does_not_redirect_the_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://elsewhere.invalid")
    storage = S3Storage(make_client(region="eu-west-1", access_key=KEY_ID, secret_key=SECRET), BUCKET)
    assert re.match(r"https://files\.s3\.eu-west-1\.amazonaws\.com/k\?", storage.signed_url("k"))
