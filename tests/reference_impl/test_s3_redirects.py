"""A server that redirects the storage or has another clock: the error says what to do, and no redirect is followed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
import time_machine

from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.s3 import S3Storage
from bucket_conformance.reference_impl.s3_client import make_client
from tests.reference_impl.stub_s3 import Request, answer, error, running

OPERATIONS: tuple[Callable[[S3Storage], object], ...] = (
    lambda storage: storage.upload("k", b"x"),
    lambda storage: storage.download("k"),
    lambda storage: storage.stat("k"),
    lambda storage: list(storage.list()),
    lambda storage: storage.delete_files(["k"]),
    lambda storage: storage.check(),
)
MOVED = b"<Error><Code>PermanentRedirect</Code><Message>m</Message><Endpoint>elsewhere.example</Endpoint></Error>"


def storage_at(url: str) -> S3Storage:
    made = make_client(endpoint=url, region="us-east-1", access_key="key-of-the-test", secret_key="secret-of-the-test")
    return S3Storage(made, "files")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("body", [b"", b"<html>moved</html>", MOVED], ids=["nothing", "a page", "S3's own"])
def test_a_redirect_is_reported_with_its_location_and_never_followed(status: int, body: bytes) -> None:
    with running(lambda request: answer(200)) as other:

        def respond(request: Request) -> bytes:
            return answer(status, body, headers={"Location": f"{other.url}{request.target}?X-Amz-Signature=abc"})

        with running(respond) as stub:
            for number, operation in enumerate(OPERATIONS, 1):
                with pytest.raises(StorageError) as caught:
                    operation(storage_at(stub.url))
                for part in (other.url, "AP_S3_ENDPOINT", str(status)):
                    assert part in str(caught.value)
                assert "X-Amz-Signature" not in str(caught.value)
                # Of `check`, the removal of its probe is one more.
                assert len(stub.requests) in (number, number + 1)
        assert other.requests == []


def test_a_bucket_in_another_region_is_reported_with_the_region() -> None:
    reply = answer(301, MOVED, headers={"x-amz-bucket-region": "eu-west-3"})
    with running(lambda request: reply) as stub:
        for operation in OPERATIONS:
            with pytest.raises(StorageError, match="AP_S3_REGION=eu-west-3"):
                operation(storage_at(stub.url))


@pytest.mark.parametrize("location", ["", "/elsewhere", "ftp://x/", "http://user:secret-word@host/p"])
def test_a_location_that_leads_nowhere_makes_no_other_error(location: str) -> None:
    with running(lambda request: answer(302, headers={"Location": location})) as stub:
        for operation in OPERATIONS:
            with pytest.raises(StorageError, match="redirect") as caught:
                operation(storage_at(stub.url))
            assert "secret-word" not in str(caught.value)


def test_clocks_that_are_far_apart_are_named_as_the_clock() -> None:
    """The stub dates its answers 1 November 2026, 10:00."""
    with running(lambda request: answer(403)) as stub:
        clock_error = pytest.raises(StorageError, match=r"16 minutes apart.*set the clock")
        with time_machine.travel("2026-11-01T10:16:00Z", tick=False), clock_error:
            storage_at(stub.url).stat("k")
        with time_machine.travel("2026-11-01T10:14:00Z", tick=False), pytest.raises(StorageError) as caught:
            storage_at(stub.url).stat("k")
        assert "apart" not in caught.value.hint
    with running(lambda request: error(403, "RequestTimeTooSkewed")) as stub:
        for operation in OPERATIONS[:2]:
            with pytest.raises(StorageError, match="set the clock") as caught:
                operation(storage_at(stub.url))
            assert caught.value.code is ErrorCode.INVALID_CREDENTIALS


def test_a_probe_that_is_listed_elsewhere_is_named_and_removed() -> None:
    def respond(request: Request) -> bytes:
        if "list-type" in request.target:
            return answer(200, b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
        if request.method == "POST":
            return answer(200, b"<DeleteResult></DeleteResult>")
        body = bodies.setdefault("probe", request.body)
        etag = {"ETag": f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'}
        return answer(200, body if request.method == "GET" else b"", headers=etag)

    bodies: dict[str, bytes] = {}
    with running(respond) as stub:
        with pytest.raises(StorageError, match="not listed under its key"):
            storage_at(stub.url).check()
        assert stub.count("POST", "delete") == 1
