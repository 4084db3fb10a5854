"""The suite's own requests: a server that verifies every signature accepts them, or refuses them where it should."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

import pytest

from bucket_conformance.conformance.backend.sdk_hook import batch_keys
from bucket_conformance.conformance.reproducer import template
from bucket_conformance.conformance.target import S3Endpoint
from bucket_conformance.conformance.wire.exchange import Recorder
from bucket_conformance.conformance.wire.s3 import S3Wire, delete_body, stranger_like
from bucket_conformance.conformance.wire.transport import HttpTransport
from tests.exemplar.server import Exemplar

HOSTILE = [
    "plain",
    "a b",
    " padded ",
    "a+b",
    "a%2Fb",
    "a%20b",
    "a//b",
    "a/./b",
    "a/../b",
    "/a",
    "a/",
    "e\u0301",
    "\u00e9",
    "\U0001f600",
    "&<>'\";=?#~!()*@:,$[]{}|^`\\",
    "tab\tnewline\ncr\r",
    "\x01\x7f",
    "\u202eright-to-left",
    "k" * 1024,
]


def endpoint(url: str) -> S3Endpoint:
    return S3Endpoint(url=url, access_key="exemplar", secret_key="exemplar-secret")


@pytest.fixture(scope="module")
def wire() -> Iterator[S3Wire]:
    with Exemplar() as server:
        transport = HttpTransport(Recorder())
        made = S3Wire(endpoint(server.url), "bucket", transport)
        assert made.request("PUT").ok
        yield made
        transport.close()


@pytest.mark.parametrize("key", HOSTILE)
def test_every_key_is_written_read_and_deleted_under_its_own_name(wire: S3Wire, key: str) -> None:
    assert wire.put(key, key.encode()).status == 200
    assert wire.get(key).body == key.encode()
    url = wire.presign("GET", key)
    assert wire.transport.send("GET", url).body == key.encode()
    assert wire.fetch_presigned("PUT", key, body=b"by url").status == 200
    assert wire.get(key).body == b"by url"
    assert wire.delete(key).status == 204
    assert wire.get(key).status == 404


@pytest.mark.parametrize("value", ["", "a b", "a+b", "a%b", "&=?#/", "é😀", "'\"<>"])
def test_query_values_of_any_kind_are_signed_as_they_are_sent(wire: S3Wire, value: str) -> None:
    answer = wire.request("GET", query=(("list-type", "2"), ("prefix", value)))
    assert answer.status == 200, answer.summary
    wire.put("q", b"x")
    query = (("response-content-language", quote(value) or "en"), ("x-id", value))
    assert wire.request("GET", "q", query=query).status == 200
    assert wire.fetch_presigned("GET", "q", query=query).status == 200


def test_other_credentials_are_refused_with_the_code_for_them(wire: S3Wire) -> None:
    wire.put("k", b"secret content")
    for keys, code in ((wire.wrong_secret(), "SignatureDoesNotMatch"), (wire.unknown_key(), "InvalidAccessKeyId")):
        for answer in (wire.request("GET", "k", keys=keys), wire.fetch_presigned("GET", "k", keys=keys)):
            assert (answer.status, answer.code) == (403, code)
        assert keys.secret_key not in repr(keys)
    assert wire.request("GET", "k", signed=False).code == "AccessDenied"
    assert [exchange.signer for exchange in wire.transport.recorder.kept()[-5:]] == [
        "wrong secret",
        "wrong secret",
        "unknown key",
        "unknown key",
        "own",
    ]


@pytest.mark.parametrize(
    ("own", "form"),
    [
        ("AKIAIOSFODNN7EXAMPLE", r"AKIA[A-Z2-7]{16}"),
        ("0123456789abcdef0123456789abcdef", r"[0-9a-f]{32}"),
        ("GK31c2f218a2e44f485b94239e", r"[A-Z]{2}[0-9a-z]{24}"),
        ("minio-admin", r"[a-z]{5}-[a-z]{5}"),
        ("d", r"[a-f0-9]"),
    ],
)
def test_foreign_credentials_have_the_form_of_the_users_own_but_differ(own: str, form: str) -> None:
    assert re.fullmatch(form, stranger_like(own))
    assert stranger_like(own) != own
    assert stranger_like(stranger_like(own)) != stranger_like(own)
    assert template.stranger_like(own) == stranger_like(own)


def test_a_signature_dated_back_is_refused_beyond_the_window_and_a_url_beyond_its_life(wire: S3Wire) -> None:
    wire.put("k", b"x")
    assert wire.request("GET", "k", age_s=600).status == 200
    assert wire.request("GET", "k", age_s=3600).code == "RequestTimeTooSkewed"
    assert wire.fetch_presigned("GET", "k", expires=100, age_s=90).status == 200
    assert wire.fetch_presigned("GET", "k", expires=100, age_s=110).status == 403


def test_nonsense_for_a_life_goes_out_as_it_is(wire: S3Wire) -> None:
    for nonsense in ("-7", "NaN", "", "604801"):
        url = wire.presign("GET", "k", expires=nonsense)
        assert f"X-Amz-Expires={nonsense}&" in url + "&"
        assert wire.transport.send("GET", url).status == 400


def test_a_wrong_payload_hash_is_refused_and_nothing_is_stored(wire: S3Wire) -> None:
    answer = wire.request("PUT", "hashed", body=b"body", payload_hash="0" * 64)
    assert answer.status == 400
    assert wire.get("hashed").status == 404


def test_batches_name_keys_that_xml_would_fold() -> None:
    keys = ["a\rb", "a\nb", "a\tb", "<&>\"'", "é"]
    assert batch_keys(delete_body(keys)) == keys


def test_a_batch_deletes_what_it_names(wire: S3Wire) -> None:
    keys = ["batch/&<>", "batch/a\nb", "batch/c"]
    for key in keys:
        wire.put(key, b"x")
    assert wire.delete_objects(keys[:2]).status == 200
    assert [wire.get(key).status for key in keys] == [404, 404, 200]


def test_a_session_token_is_sent_in_headers_and_in_urls() -> None:
    target = replace(endpoint("http://127.0.0.1:1"), session_token="the+token/of=it")
    made = S3Wire(target, "bucket", HttpTransport(Recorder()))
    headers = dict(made.sign("GET", made.url("k"), [], b""))
    assert headers["X-Amz-Security-Token"] == "the+token/of=it"
    assert "x-amz-security-token" in headers["Authorization"]
    assert "X-Amz-Security-Token=the%2Btoken%2Fof%3Dit" in made.presign("GET", "k")


@pytest.mark.parametrize(
    ("url", "addressing", "expected"),
    [
        ("http://host:9000", "path", "http://host:9000/bucket/a%20b"),
        ("http://host:9000/", "path", "http://host:9000/bucket/a%20b"),
        ("https://host/mounted/s3/", "path", "https://host/mounted/s3/bucket/a%20b"),
        ("https://host.example", "virtual", "https://bucket.host.example/a%20b"),
    ],
)
def test_the_address_of_a_key_follows_the_endpoint(url: str, addressing: str, expected: str) -> None:
    target = replace(endpoint(url), addressing=addressing)  # type: ignore[arg-type]
    made = S3Wire(target, "bucket", HttpTransport(Recorder()))
    assert made.url("a b") == expected
    assert made.url().startswith(expected.removesuffix("a%20b").rstrip("/"))
    # The signature covers the requested host, so that a virtual host cannot be exchanged.
    assert made.presign("GET", "a b").startswith(expected + "?")
