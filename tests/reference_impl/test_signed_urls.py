"""Signed URLs of local disk, over real sockets."""

from __future__ import annotations

import re
import time
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import pytest
import time_machine
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.local import LocalStorage
from bucket_conformance.reference_impl.safe_paths import INCOMING
from bucket_conformance.reference_impl.signed_urls import UrlServer, create_app
from bucket_conformance.reference_impl.url_signing import UrlSigner
from tests.reference_impl.url_world import BODY, SECRET, call, running_server, storage_with_object, url_of_object  # noqa: F401

WEEK = 604_800


def signed_at_age(age: float, storage: LocalStorage, *, expires_in: int = WEEK) -> str:
    with time_machine.travel(time.time() - age, tick=True):
        return storage.signed_url("project/p/FILE/k", expires_in=expires_in)


def test_a_get_gives_the_bytes_and_the_headers_as_signed(url: str) -> None:
    answer = call(url)
    assert (answer.status, answer.body) == (200, BODY)
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Last-Modified"].endswith(" GMT")
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="na_me__X-Evil: 1.txt"')
    assert "X-Evil" not in answer.headers
    assert "Server" not in answer.headers


@pytest.mark.parametrize(
    ("expires_in", "age", "served"),
    [
        (WEEK, 0, True), (WEEK, WEEK - 10, True), (WEEK, WEEK - 2, True), (WEEK, WEEK + 2, False),
        (WEEK, 16 * 60, True), (WEEK, 86_400, True), (3, 1, True), (1, 3, False),
        (3600, 3598, True), (3600, 3602, False),
        (WEEK, -890, True), (WEEK, -910, False),
    ],
)  # fmt: skip
def test_a_url_lives_from_its_date_to_its_end(storage: LocalStorage, expires_in: int, age: int, served: bool) -> None:
    url = signed_at_age(age, storage, expires_in=expires_in)
    answer, head = call(url), call(url, "HEAD")
    if served:
        assert (answer.status, answer.body) == (200, BODY)
    else:
        assert (answer.status, answer.code) == (403, "AccessDenied")
    assert (head.status, head.body) == (403, b"")


@pytest.mark.parametrize(
    "life", ["604801", "0", "-1", "-7", "", "NaN", "1e3", "99999999999999999999", "+60", "060", "\u0663"]
)
def test_a_life_out_of_range_is_refused_by_the_server(url: str, life: str) -> None:
    changed = re.sub(r"X-Storage-Expires=\d+", f"X-Storage-Expires={quote(life)}", url)
    answer = call(changed)
    assert (answer.status, answer.code) == (400, "AuthorizationQueryParametersError")


@pytest.mark.parametrize("life", [0, -1, WEEK + 1, True, 1.5, "60"])
def test_a_life_out_of_range_is_refused_by_the_signer(storage: LocalStorage, life: int) -> None:
    for sign in (storage.signed_url, storage.signed_upload_url):
        with pytest.raises(StorageError) as caught:
            sign("k", expires_in=life)
        assert caught.value.code is ErrorCode.INVALID_ARGUMENT


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80, deadline=None)
def test_no_character_of_a_url_can_be_changed(server: UrlServer, url: str, data: st.DataObject) -> None:
    start = url.index("/files/") + 1
    at = data.draw(st.integers(start, len(url) - 1))
    char = data.draw(st.sampled_from([c for c in "abcXYZ019-._~%&=/" if c != url[at]]))
    changed = url[:at] + char + url[at + 1 :]
    # The digits of a percent code may come in either case: that is no change.
    assume(unquote(changed) != unquote(url))
    answer = call(changed)
    assert answer.status in (400, 403)
    assert BODY[:64] not in answer.body
    assert answer.code in ("AccessDenied", "SignatureDoesNotMatch", "AuthorizationQueryParametersError")


@pytest.mark.parametrize(
    "added",
    ["response-content-type=text/html", "response-content-disposition=inline", "x=y", "x", "=", "versionId=1",
     "X-Storage-Expires=604800", "X-Storage-Signature=0", "X-Storage-Content-Type=text/html", ""],
)  # fmt: skip
def test_nothing_can_be_added_to_a_url(storage: LocalStorage, added: str) -> None:
    for url in (storage.signed_url("project/p/FILE/k"), storage.signed_url("project/p/FILE/k", "n")):
        for changed in (f"{url}&{added}", url.replace("?", f"?{added}&")):
            answer = call(changed)
            assert answer.status in (400, 403), changed
            assert answer.body != BODY


def test_without_signature_with_parts_of_it_or_another_secret_nothing_is_served(
    storage: LocalStorage, url: str
) -> None:
    bare = call(url.partition("?")[0])
    assert (bare.status, bare.code) == (403, "AccessDenied")
    for name, _ in parse_qsl(urlsplit(url).query):
        answer = call(re.sub(rf"{name}=[^&]*&?", "", url).rstrip("&?"))
        assert answer.status in (400, 403)
        assert answer.body != BODY
    other = LocalStorage(storage.root, base_url=storage.base_url, secret=SECRET[::-1])
    answer = call(other.signed_url("project/p/FILE/k"))
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize(
    "path", ["/", "/files", "/files/", "/files/project/", "/files/../etc/passwd", f"/files/{INCOMING}/", "/x", "//"]
)
def test_no_folder_and_no_other_path_answers(server: UrlServer, url: str, path: str) -> None:
    base, query = server.url.removesuffix("/files"), url.partition("?")[2]
    assert call(base + path).status == 403
    assert call(f"{base}{path}?{query}").status == 403


def test_a_url_is_bound_to_its_method(storage: LocalStorage, url: str) -> None:
    for method in ("PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"):
        answer = call(url, method, body=b"changed" if method in ("PUT", "POST", "PATCH") else None)
        assert answer.status == 403, method
    assert storage.download("project/p/FILE/k") == BODY
    upload = storage.signed_upload_url("project/p/FILE/k")
    for method in ("GET", "HEAD", "DELETE"):
        assert call(upload, method).status == 403
    head = call(storage.signer.sign("HEAD", "project/p/FILE/k"), "HEAD")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(BODY)))


def test_missing_deleted_and_overwritten_objects_are_distinguished(storage: LocalStorage) -> None:
    url = storage.signed_url("comes & goes<>\x01")
    assert (call(url).status, call(url).code) == (404, "NoSuchKey")
    storage.upload("comes & goes<>\x01", b"old")
    assert call(url).body == b"old"
    storage.upload("comes & goes<>\x01", b"new")
    assert call(url).body == b"new"
    storage.delete_files(["comes & goes<>\x01"])
    assert call(url).status == 404
    head = call(storage.signer.sign("HEAD", "missing"), "HEAD")
    assert (head.status, head.body) == (404, b"")


@pytest.mark.parametrize("at", range(64))
def test_every_digit_of_the_signature_counts(url: str, at: int) -> None:
    signature = url.rpartition("=")[2]
    changed = signature[:at] + ("0" if signature[at] != "0" else "1") + signature[at + 1 :]
    answer = call(url.replace(signature, changed))
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")


@given(
    key=st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=12).filter(
            lambda name: name not in (".", "..", INCOMING)
        ),
        min_size=1,
        max_size=3,
    ).map(lambda parts: "keys/" + "/".join(parts))
)
@example(key="keys/a%2Fb+c d&e=f?g#h")
@example(key="keys/a\nb\r\t\x7f\x01")
@example(key="keys/...hidden/%2e%2e/..x")
@example(key="keys/e\u0301/\u00e9 \U0001f600")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_every_key_is_served_and_taken_as_itself(storage: LocalStorage, key: str) -> None:
    assert call(storage.signed_upload_url(key), "PUT", body=key.encode()).status == 200
    try:
        assert storage.download(key) == key.encode()
        assert call(storage.signed_url(key)).body == key.encode()
    finally:
        storage.delete_files([key])


def test_an_encoded_slash_is_not_a_slash(storage: LocalStorage) -> None:
    storage.upload("s/a%2Fb", b"encoded")
    storage.upload("s/a/b", b"folder")
    assert call(storage.signed_url("s/a%2Fb")).body == b"encoded"
    url = storage.signed_url("s/a/b")
    assert call(url).body == b"folder"
    assert call(url.replace("s/a/b", "s/a%2Fb")).status == 403
    assert call(url.replace("s/a/b", "s/a/./b")).status == 403
    assert call(url.replace("s/a/b", "s/x/../a/b")).status == 403


def test_without_address_or_secret_urls_are_unsupported(tmp_path: Path) -> None:
    for storage in (
        LocalStorage(tmp_path),
        LocalStorage(tmp_path, secret=SECRET),
        LocalStorage(tmp_path, base_url="http://h/f"),
    ):
        for sign in (storage.signed_url, storage.signed_upload_url):
            with pytest.raises(StorageError, match="base_url and secret") as caught:
                sign("k")
            assert caught.value.code is ErrorCode.UNSUPPORTED
        with pytest.raises(StorageError):
            create_app(storage)


@pytest.mark.parametrize("base", ["", "h/f", "ftp://h/f", "http://", "http://h/f?x", "http://h/f#x"])
def test_an_address_that_is_none_is_refused(base: str) -> None:
    with pytest.raises(StorageError, match="base_url"):
        UrlSigner(base, SECRET)


def test_short_secrets_are_refused_and_secrets_never_show(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="at least 16") as caught:
        UrlSigner("http://h/f", b"hunter2")
    assert "hunter2" not in str(caught.value)
    storage = LocalStorage(tmp_path, base_url="http://h/f", secret=SECRET)
    assert SECRET.decode() not in f"{storage!r} {storage.signer!r} {storage.signed_url('k')}"


def test_the_configured_life_is_the_default(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path, base_url="http://h/f/", secret=SECRET, url_life=60)
    assert "X-Storage-Expires=60&" in storage.signed_url("k")
    assert "X-Storage-Expires=61&" in storage.signed_url("k", expires_in=61)
    assert storage.signed_url("k").startswith("http://h/f/k?")
    assert "X-Storage-Expires=604800&" in LocalStorage(tmp_path, base_url="http://h/f", secret=SECRET).signed_url("k")
