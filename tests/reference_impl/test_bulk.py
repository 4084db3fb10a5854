"""The faster client of a migration: used only where it keeps what the SDK keeps, and believed only with proof."""

from __future__ import annotations

import base64
import gc
import hashlib
import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from bucket_conformance.reference_impl import s3_bulk
from bucket_conformance.reference_impl.api import ObjectStat
from bucket_conformance.reference_impl.errors import StorageError
from bucket_conformance.reference_impl.s3 import S3Storage
from bucket_conformance.reference_impl.s3_bulk import GIVE_UP_AFTER, MAX_BYTES, BulkUploads, prepare_bulk
from bucket_conformance.reference_impl.s3_client import ChecksumMode, make_client
from bucket_conformance.reference_impl.s3_retries import RetryBudget
from tests.exemplar.server import Exemplar
from tests.reference_impl.stub_s3 import RESET, Request, Stub, answer, error, running

pytest.importorskip("obstore", reason="obstore is not installed: the extra `bulk`")

BODY = b"twelve bytes"
MD5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()
GOOD = {"ETag": f'"{MD5}"'}


@pytest.fixture(autouse=True)
def plain_environment(bare_aws_environment: None) -> None:
    """No variable of this machine decides here."""


def storage_at(url: str, *, checksums: ChecksumMode | None = None, tries: int = 1) -> S3Storage:
    client = make_client(
        endpoint=url,
        region="eu-test-1",
        access_key="key-of-the-test",
        secret_key="secret-of-the-test",
        checksums=checksums,
        retries=RetryBudget(max_attempts=tries, draw=lambda: 0.0),
    )
    return S3Storage(client, "files")


def bulk_of(storage: S3Storage) -> BulkUploads:
    found = storage.bulk_uploads()
    assert isinstance(found, BulkUploads), found
    found.wait = lambda seconds: None
    return found


def outcome(action: Callable[[], ObjectStat]) -> tuple[object, ...]:
    try:
        stat = action()
    except StorageError as failed:
        return (failed.code, failed.operation, failed.key, failed.hint)
    return (stat.key, stat.size, stat.etag, stat.content_type)


def by(request: Request) -> str:
    return "obstore" if "object_store" in request.headers["user-agent"] else "boto3"


def test_one_request_stores_the_bytes_with_type_and_signed_content() -> None:
    with running(lambda request: answer(200, headers=GOOD)) as stub:
        bulk = bulk_of(storage_at(stub.url))
        stat = bulk.upload("project/p/FILE/a_b-c.d", BODY, content_type="text/x; charset=utf-8")
    (request,) = stub.requests
    assert (stat.key, stat.size, stat.etag) == ("project/p/FILE/a_b-c.d", len(BODY), MD5)
    assert stat.content_type == "text/x; charset=utf-8"
    assert (by(request), request.method, request.target) == ("obstore", "PUT", "/files/project/p/FILE/a_b-c.d")
    assert request.body == BODY
    assert request.headers["content-type"] == "text/x; charset=utf-8"
    assert "x-amz-security-token" not in request.headers
    assert request.headers["x-amz-content-sha256"] == hashlib.sha256(BODY).hexdigest()
    assert "/eu-test-1/s3/aws4_request" in request.headers["authorization"]
    assert not [name for name in request.headers if name.startswith("x-amz-checksum")]
    assert bulk.sent == 1


def test_a_server_that_checks_signatures_takes_what_obstore_sends() -> None:
    with Exemplar("AKexemplar", "exemplar-secret") as server:
        client = make_client(
            endpoint=server.url, region="us-east-1", access_key="AKexemplar", secret_key="exemplar-secret"
        )
        client.create_bucket(Bucket="files")
        storage = S3Storage(client, "files")
        bulk = bulk_of(storage)
        bulk.upload("a/b", BODY, content_type="text/x")
        bulk.upload("a/empty", b"")
        assert (bulk.sent, bulk.unproved) == (2, 0)
        assert (storage.download("a/b"), storage.download("a/empty")) == (BODY, b"")
        assert (storage.stat("a/b").content_type, storage.stat("a/b").etag) == ("text/x", MD5)
        assert storage.stat("a/empty").content_type == "application/octet-stream"


ANSWERS = {
    "another ETag": answer(200, headers={"ETag": '"0123456789abcdef0123456789abcdef"', "x-amz-request-id": "r"}),
    "a weak ETag": answer(200, headers={"ETag": f'W/"{MD5}"'}),
    "a cut ETag": answer(200, headers={"ETag": f'"{MD5}'}),
    "nothing": answer(200),
    "a page": answer(200, b"<html>hello</html>", headers={"Content-Type": "text/html"}),
    "a page with an ETag": answer(200, b"<html>hello</html>", headers={"Content-Type": "text/html", "ETag": '"x"'}),
    "an error within 200": answer(200, b"<Error><Code>InternalError</Code></Error>"),
    "created": answer(201),
    "accepted": answer(202),
    "refused": error(403, "AccessDenied"),
    "no bucket": error(404, "NoSuchBucket"),
    "a conflict": error(412, "PreconditionFailed"),
    "a busy server": error(503, "SlowDown"),
    "a full disk": error(507, "InsufficientStorage"),
    "a wrong digest": error(400, "BadDigest"),
    "a reset": RESET,
}


@pytest.mark.parametrize("reply", ANSWERS.values(), ids=ANSWERS.keys())
def test_what_proves_nothing_is_sent_by_the_sdk_and_judged_like_an_upload(reply: bytes) -> None:
    with running(lambda request: reply) as stub:
        storage = storage_at(stub.url)
        alone = outcome(lambda: storage.upload("k", BODY))
        before = len(stub.requests)
        bulk = bulk_of(storage)
        assert outcome(lambda: bulk.upload("k", BODY)) == alone
        assert [by(request) for request in stub.requests[before:]] == ["obstore", "boto3"]
    assert (bulk.sent, bulk.unproved) == (0, 1)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_never_followed(status: int) -> None:
    with running(lambda request: answer(200, headers=GOOD)) as other:
        moved = answer(status, headers={"Location": f"{other.url}/files/k"})
        with running(lambda request: moved) as stub:
            bulk = bulk_of(storage_at(stub.url))
            with pytest.raises(StorageError) as caught:
                bulk.upload("k", BODY)
            assert "AP_S3_ENDPOINT" in caught.value.hint
        assert other.requests == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_303_is_followed_without_credentials_and_proves_nothing() -> None:
    with running(lambda request: answer(200, b"a page", headers={"ETag": '"x"'})) as other:
        moved = answer(303, headers={"Location": f"{other.url}/files/k"})
        with running(lambda request: moved) as stub, pytest.raises(StorageError):
            bulk_of(storage_at(stub.url)).upload("k", BODY)
        for request in other.requests:
            assert (request.method, request.body) == ("GET", b"")
            assert not request.headers.keys() & {"authorization", "x-amz-security-token"}
    # The SDK forgets the connection of a redirect that it cannot read.
    gc.collect()


def test_temporary_credentials_are_left_to_the_sdk_outside_aws() -> None:
    def found(endpoint: str | None) -> BulkUploads | str:
        client = make_client(
            endpoint=endpoint, region="eu-west-1", access_key="a", secret_key="b", session_token="token-of-the-test"
        )
        return S3Storage(client, "files").bulk_uploads()

    assert "session token" in str(found("http://127.0.0.1:1"))
    assert "session token" in str(found("https://amazonaws.com.example"))
    assert "token-of-the-test" not in str(found("http://127.0.0.1:1"))
    assert isinstance(found(None), BulkUploads)


def test_a_server_that_comes_back_gets_the_file_by_the_storages_own_retries() -> None:
    replies = iter([RESET, RESET, error(503, "SlowDown")])
    with running(lambda request: next(replies, answer(200, headers=GOOD))) as stub:
        bulk = bulk_of(storage_at(stub.url, tries=5))
        assert bulk.upload("k", BODY).etag == MD5
        assert [by(request) for request in stub.requests] == ["obstore", "boto3", "boto3", "boto3"]
        bulk.upload("k", BODY)
        assert by(stub.requests[-1]) == "obstore"


def test_a_server_whose_etags_prove_nothing_ends_the_use_of_obstore(caplog: pytest.LogCaptureFixture) -> None:
    with running(lambda request: answer(200, headers={"ETag": '"x"'})) as stub, caplog.at_level(logging.WARNING):
        bulk = bulk_of(storage_at(stub.url))
        for _ in range(GIVE_UP_AFTER - 1):
            bulk.upload("k", BODY)
        assert bulk.takes("k", 1)
        bulk.upload("k", BODY)
        assert not bulk.takes("k", 1)
    assert f"{GIVE_UP_AFTER} requests" in (bulk.why_ended or "")
    assert [record.levelname for record in caplog.records if record.name == s3_bulk.__name__] == ["WARNING"]


@pytest.mark.parametrize(
    "key", ["a//b", "/a", "a/", "a/../b", ".", "..", "a/.", "a b", "a%20b", "ü", "a\nb", "a\n", ""]
)
def test_keys_that_obstore_would_change_are_left_to_the_sdk(key: str) -> None:
    bulk = BulkUploads(store=None, otherwise=None, default_type="")  # type: ignore[arg-type]
    assert not bulk.takes(key, 1)
    assert not bulk.takes("a" * 1025, 1)
    assert not bulk.takes("a", MAX_BYTES + 1)
    assert bulk.takes("a/..b/c./.d...", MAX_BYTES)


@pytest.fixture(scope="module")
def echo() -> Iterator[tuple[Stub, BulkUploads]]:
    with running(lambda request: answer(200, headers=GOOD)) as stub:
        yield stub, bulk_of(storage_at(stub.url))


@given(key=st.text(st.sampled_from("ab.-_/0Z"), min_size=1, max_size=12))
def test_every_key_that_is_taken_reaches_the_server_as_it_is(echo: tuple[Stub, BulkUploads], key: str) -> None:
    stub, bulk = echo
    if bulk.takes(key, len(BODY)):
        bulk.upload(key, BODY)
        assert (stub.requests[-1].target, by(stub.requests[-1])) == (f"/files/{key}", "obstore")


def test_a_checksum_goes_along_where_the_sdk_would_send_one() -> None:
    with running(lambda request: answer(200, headers=GOOD)) as stub:
        bulk_of(storage_at(stub.url, checksums="when_supported")).upload("k", BODY)
    expected = base64.b64encode(hashlib.sha256(BODY).digest()).decode()
    assert stub.requests[-1].headers["x-amz-checksum-sha256"] == expected


def test_an_endpoint_below_a_path_is_kept() -> None:
    with running(lambda request: answer(200, headers=GOOD)) as stub:
        bulk_of(storage_at(f"{stub.url}/s3/gate")).upload("k", BODY)
    assert stub.requests[-1].target == "/s3/gate/files/k"


@pytest.mark.parametrize(
    ("region", "bucket", "virtual", "endpoint"),
    [
        ("eu-central-1", "files", True, "https://files.s3.eu-central-1.amazonaws.com"),
        ("us-east-1", "files", True, "https://files.s3.us-east-1.amazonaws.com"),
        ("cn-north-1", "files", True, "https://files.s3.cn-north-1.amazonaws.com.cn"),
        ("eu-central-1", "with.dots", False, "https://s3.eu-central-1.amazonaws.com"),
    ],
)
def test_the_address_is_the_one_of_the_sdk(region: str, bucket: str, virtual: bool, endpoint: str) -> None:
    client = make_client(region=region, access_key="key-of-the-test", secret_key="secret-of-the-test")
    place = s3_bulk._place(client, bucket)
    assert place is not None
    assert (place.endpoint, place.virtual) == (endpoint, virtual)
    if "ca_bundle" not in repr(client.meta.config):
        assert isinstance(S3Storage(client, bucket).bulk_uploads(), BulkUploads)


def test_credentials_of_a_profile_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "credentials"
    file.write_text("[mine]\naws_access_key_id = key-of-the-profile\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-another-program")
    with running(lambda request: answer(200, headers=GOOD)) as stub:
        bulk_of(S3Storage(make_client(endpoint=stub.url, region="us-east-1"), "files")).upload("k", BODY)
    assert "Credential=key-of-the-profile/" in stub.requests[-1].headers["authorization"]
    assert "x-amz-security-token" not in stub.requests[-1].headers


class Renewing:
    """Credentials of the SDK whose token differs each time."""

    def __init__(self) -> None:
        self.asked = 0

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        self.asked += 1
        return ReadOnlyCredentials("key-of-the-test", "secret-of-the-test", f"token-{self.asked}")


def test_temporary_credentials_are_renewed_by_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    renewing = Renewing()
    with running(lambda request: answer(200, headers=GOOD)) as stub:
        storage = storage_at(stub.url)
        monkeypatch.setattr(s3_bulk, "_is_aws", lambda place: True)
        monkeypatch.setattr(s3_bulk, "credentials_of", lambda client: renewing)
        monkeypatch.setattr(s3_bulk, "credentials_end", lambda client: "unknown")
        monkeypatch.setattr(s3_bulk, "CREDENTIALS_LIFE", timedelta(0))
        bulk = bulk_of(storage)
        for _ in range(3):
            bulk.upload("k", BODY)
    tokens = [request.headers["x-amz-security-token"] for request in stub.requests]
    assert tokens == ["token-1", "token-2", "token-3"]


def test_credentials_that_cannot_be_had_are_left_to_the_sdk() -> None:
    client = make_client(endpoint="http://127.0.0.1:1", region="us-east-1", access_key="a", secret_key="b")
    client.meta.events.register_first("before-sign.s3.*", _refuse)
    found = S3Storage(client, "files").bulk_uploads()
    assert isinstance(found, str)
    assert "boto3 cannot sign" in found


def _refuse(**_: object) -> None:
    raise ValueError("no")


@pytest.mark.parametrize(
    "name",
    [
        "AWS_SERVER_SIDE_ENCRYPTION",
        "AWS_ALLOW_INVALID_CERTIFICATES",
        "aws_skip_signature",
        "AWS_S3_EXPRESS",
        "AWS_BUCKET",
    ],
)
def test_variables_that_only_obstore_reads_leave_everything_to_the_sdk(name: str) -> None:
    storage = storage_at("http://127.0.0.1:1")
    found = prepare_bulk(storage._client, "files", storage._uploader.put, default_type="a/b", environ={name: "x"})
    assert isinstance(found, str)
    assert name in found


@pytest.mark.parametrize("name", ["HTTP_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_leaves_everything_to_the_sdk(name: str) -> None:
    storage = storage_at("http://127.0.0.1:1")
    environ = {name: "http://127.0.0.1:9"}
    found = prepare_bulk(storage._client, "files", storage._uploader.put, default_type="a/b", environ=environ)
    assert isinstance(found, str)
    assert "proxy" in found


def test_an_endpoint_for_another_program_is_not_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_REGION", "mars-1")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-another-program")
    with running(lambda request: answer(200, headers=GOOD)) as stub:
        bulk_of(storage_at(stub.url)).upload("k", BODY)
    assert "x-amz-security-token" not in stub.requests[-1].headers
    assert "/eu-test-1/s3/" in stub.requests[-1].headers["authorization"]


def test_an_authority_of_your_own_leaves_everything_to_the_sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import certifi

    client = make_client(
        endpoint="https://127.0.0.1:1",
        region="us-east-1",
        access_key="a",
        secret_key="b",
        ca_file=Path(certifi.where()),
    )
    assert "certificate" in str(S3Storage(client, "files").bulk_uploads())
    monkeypatch.setenv("AWS_CA_BUNDLE", certifi.where())
    client = make_client(endpoint="https://127.0.0.1:1", region="us-east-1", access_key="a", secret_key="b")
    assert "certificate" in str(S3Storage(client, "files").bulk_uploads())
    monkeypatch.delenv("AWS_CA_BUNDLE")
    client = make_client(endpoint="https://127.0.0.1:1", region="us-east-1", access_key="a", secret_key="b")
    assert isinstance(S3Storage(client, "files").bulk_uploads(), BulkUploads)


def test_no_obstore_is_a_reason_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "obstore", None)
    found = storage_at("http://127.0.0.1:1").bulk_uploads()
    assert isinstance(found, str)
    assert "bucket-conformance[bulk]" in found
