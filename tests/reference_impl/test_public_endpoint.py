"""``check`` with a public endpoint: it downloads its probe there as a reader does."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.s3_codes import error_code_in
from bucket_conformance.reference_impl.settings import load, open_storage
from tests.reference_impl.bucket_world import SECRET, Bucket, fresh_bucket, moto_server, run
from tests.reference_impl.stub_s3 import RESET, answer, error, running


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture
def bucket(server: str) -> Bucket:
    return fresh_bucket(server)


def with_public(bucket: Bucket, url: str) -> dict[str, str]:
    return bucket.environ | {"AP_S3_PUBLIC_ENDPOINT": url}


def test_a_public_endpoint_that_serves_the_probe_passes_without_a_warning(bucket: Bucket, server: str) -> None:
    environ = with_public(bucket, server.replace("127.0.0.1", "localhost"))
    found = open_storage(load(environ)).check()
    assert (len(found.permissions), found.warnings) == (4, ())
    assert list(bucket.storage.list()) == []


@pytest.mark.parametrize(
    ("reply", "code", "parts"),
    [
        (error(403, "SignatureDoesNotMatch"), ErrorCode.UNKNOWN, ("status 403 (SignatureDoesNotMatch)", "Host")),
        (answer(404, b"<html>nothing here"), ErrorCode.UNKNOWN, ("status 404,", "path")),
        (answer(502, b""), ErrorCode.UNKNOWN, ("status 502,",)),
        (answer(200, b"<html>welcome"), ErrorCode.INTEGRITY, ("13 other bytes",)),
        (answer(200, b"x" * 200_000), ErrorCode.INTEGRITY, ("65536 other bytes",)),
        (answer(200, b""), ErrorCode.INTEGRITY, ("0 other bytes",)),
        (
            answer(301, b"", headers={"Location": "https://u:p@files.example/x?X-Amz-Signature=abc"}),
            ErrorCode.UNKNOWN,
            ("status 301,", "redirects to https://files.example:"),
        ),
        (answer(302, b""), ErrorCode.UNKNOWN, ("status 302,", "where it leads")),
    ],
)
def test_a_wrong_response_is_an_error_that_names_the_variable(
    bucket: Bucket, reply: bytes, code: ErrorCode, parts: tuple[str, ...]
) -> None:
    with running(lambda request: reply) as proxy, pytest.raises(StorageError) as caught:
        open_storage(load(with_public(bucket, proxy.url))).check()
    assert (caught.value.code, len(proxy.requests)) == (code, 1)
    assert "authorization" not in proxy.requests[0].headers
    hint = caught.value.hint
    assert hint.startswith(f"AP_S3_PUBLIC_ENDPOINT is {proxy.url!r}")
    assert [part for part in parts if part not in hint] == []
    assert "Signature=" not in hint
    assert list(bucket.storage.list()) == []


def test_no_response_is_a_warning_that_names_the_variable(bucket: Bucket, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with running(lambda request: RESET) as resets, running(lambda request: answer(200, b"x" * 64, cut_to=9)) as cuts:
        for url in (closed, resets.url, cuts.url, closed.replace("http:", "https:")):
            found = open_storage(load(with_public(bucket, url))).check()
            assert len(found.permissions) == 4
            (warning,) = found.warnings
            assert warning.startswith(f"AP_S3_PUBLIC_ENDPOINT is {url!r}, and could not be tried")
    assert list(bucket.storage.list()) == []


def test_the_command_prints_the_warning_on_stderr_and_in_json(bucket: Bucket, tmp_path: Path) -> None:
    with running(lambda request: RESET) as proxy:
        done = run("check", "--json", variables=with_public(bucket, proxy.url), home=tmp_path)
    assert done.returncode == 0
    assert "AP_S3_PUBLIC_ENDPOINT" in json.loads(done.stdout)["warnings"][0]
    assert b"warning: AP_S3_PUBLIC_ENDPOINT" in done.stderr
    assert SECRET.encode() not in done.stdout + done.stderr


def test_an_error_code_is_read_from_an_error_document_only() -> None:
    assert error_code_in(b"<?xml version='1.0'?><Error><Message>m</Message><Code>AccessDenied</Code></Error>") == (
        "AccessDenied"
    )
    for other in (b"", b"<html><Code>x</Code>", b"<Error><Code>a b</Code></Error>", b"<Error><Code>cut"):
        assert error_code_in(other) == ""
