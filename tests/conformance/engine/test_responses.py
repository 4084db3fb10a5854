"""The responses of a deviation as a report holds them: each once, in the backend's words, without secrets."""

from __future__ import annotations

import pytest

from bucket_conformance.conformance.engine.responses import MOST, responses_of
from bucket_conformance.conformance.target import S3Endpoint
from bucket_conformance.conformance.wire.exchange import Auth, Exchange, Redactor

SECRET = "a-secret-that-nobody-may-see"
ERROR = b"<?xml version='1.0'?><Error><Code>NotImplemented</Code><Message>Not  here.</Message></Error>"


def exchange(target: str, status: int | None = 200, body: bytes = b"", **more: object) -> Exchange:
    given = {"method": "GET", "auth": Auth.HEADER, **more}
    return Exchange(origin="http://x", target=target, status=status, response_body=body, **given)  # type: ignore[arg-type]


@pytest.fixture
def target() -> S3Endpoint:
    return S3Endpoint(
        url="http://127.0.0.1:1/below",
        region="us-east-1",
        access_key="key",
        secret_key=SECRET,
    )


def test_a_refusal_is_told_by_operation_status_code_and_message(target: S3Endpoint) -> None:
    [seen] = responses_of([exchange("/below/b?delete&x=1", 501, ERROR, method="POST")], target, Redactor([]))
    assert (seen.operation, seen.request, seen.signed) == ("DeleteObjects", "POST /b?delete&x", True)
    assert (seen.status, seen.code, seen.message) == (501, "NotImplemented", "Not here.")


def test_an_equal_response_stands_once_and_where_it_came_last(target: S3Endpoint) -> None:
    seen = responses_of([exchange("/below/b/a"), exchange("/below/b/c"), exchange("/below/b/a")], target, Redactor([]))
    assert [one.request for one in seen] == ["GET /b/c", "GET /b/a"]
    assert len(responses_of([exchange(f"/below/b/{n}") for n in range(99)], target, Redactor([]))) == MOST


def test_secrets_values_of_queries_and_what_steers_a_terminal_stay_out(target: S3Endpoint) -> None:
    body = f"<Error><Code>A</Code><Message>{SECRET} &#27;</Message></Error>".replace("&#27;", "\u202e").encode()
    [seen] = responses_of(
        [exchange(f"/below/b/{SECRET}?X-Amz-Signature=abc&prefix=private", 403, body, auth=Auth.URL)],
        target,
        Redactor([SECRET]),
    )
    assert SECRET not in str(seen)
    assert "private" not in str(seen)
    assert "abc" not in str(seen)
    assert "\u202e" not in seen.message
    assert not seen.signed


def test_no_response_has_status_0_and_a_stranger_is_not_signed(target: S3Endpoint) -> None:
    lost, stranger = responses_of(
        [exchange("/below/b/a", None), exchange("/below/b/a", signer="wrong secret")], target, Redactor([])
    )
    assert lost.status == 0
    assert not stranger.signed


def test_what_is_no_error_document_has_no_code(target: S3Endpoint) -> None:
    entities = b"<!DOCTYPE a [<!ENTITY b 'c'>]><Error><Code>&b;</Code></Error>"
    seen = responses_of([exchange("/below/b/a", 400, body) for body in (b"<html>", entities)], target, Redactor([]))
    assert {one.code for one in seen} == {""}
