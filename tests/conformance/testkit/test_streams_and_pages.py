"""Streams that break and pages of listings: the streams that clauses send and how they read the responses."""

from __future__ import annotations

import pytest

from bucket_conformance.conformance.clauses.deletion import batches_of
from bucket_conformance.conformance.clauses.round_trip_wire import _media_type
from bucket_conformance.conformance.testkit.listings import page_of
from bucket_conformance.conformance.testkit.streams import OneWay, StreamBroke
from bucket_conformance.conformance.verdict import Deviation, ViewError
from bucket_conformance.conformance.wire.exchange import Auth, Exchange
from bucket_conformance.conformance.wire.transport import HttpResponse


def test_a_stream_that_breaks_also_breaks_for_those_who_read_all_at_once() -> None:
    for size in (-1, None):
        stream = OneWay(11, breaks_after=10)
        assert len(stream.read(4)) == 4
        with pytest.raises(StreamBroke, match="after 10 bytes"):
            stream.read(size)
    assert len(OneWay(11).read()) == 11


def test_raw_control_characters_in_a_listing_are_named_as_the_reason() -> None:
    body = b"<ListBucketResult><Contents><Key>a\x01b</Key></Contents></ListBucketResult>"
    with pytest.raises(Deviation, match=r"raw control character b'\\x01' at byte 34, which XML cannot carry"):
        page_of(HttpResponse(status=200, body=body))
    with pytest.raises(Deviation) as caught:
        page_of(HttpResponse(status=200, body=b"<html>"))
    assert "control" not in caught.value.observation.observed


def test_charset_names_and_parameter_names_have_no_case() -> None:
    content_type = "text/plain;Charset=UTF-8"
    assert _media_type(content_type) == _media_type("text/plain; charset=utf-8")
    assert _media_type("multipart/form-data; boundary=A") != _media_type("multipart/form-data; boundary=a")


@pytest.mark.parametrize(("status", "backends"), [(200, True), (206, True), (403, False), (500, True), (0, False)])
def test_an_incomplete_success_response_is_the_backends_fault(status: int, backends: bool) -> None:
    assert ViewError("reading", status=status).is_backends_failure is backends


def _deletes(*tries: tuple[str, int | None]) -> list[Exchange]:
    return [
        Exchange(
            origin="storage",
            method="POST",
            target="/b?delete",
            headers=(),
            body=f"<Delete><Object><Key>{key}</Key></Object></Delete>".encode(),
            body_size=0,
            auth=Auth.HEADER,
            status=status,
        )
        for key, status in tries
    ]


def test_requests_that_the_backend_refused_were_sent_and_tries_of_one_batch_are_one() -> None:
    assert batches_of(_deletes(("a", 501), ("b", 501), ("c", 501))) == [["a"], ["b"], ["c"]]
    assert batches_of(_deletes(("a", 503), ("a", None), ("a", 200), ("b", 500), ("b", 500))) == [["a"], ["b"]]
