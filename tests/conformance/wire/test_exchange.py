"""Exchanges, how they are billed and counted, and no rendering contains a secret or breaks a log."""

from __future__ import annotations

import base64
import html
import json
import threading
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucket_conformance.conformance.wire.exchange import Exchange, Recorder, Redactor, RequestClass, render, visible

SECRET = "wJalr/XUtn+FEMI=K7&MDENG<bPx>Rfi\"CY'EX"


@pytest.mark.parametrize(
    ("method", "target", "billed"),
    [
        ("PUT", "/b/k", RequestClass.WRITE),
        ("PUT", "/b", RequestClass.WRITE),
        ("POST", "/b/k?uploads=", RequestClass.WRITE),
        ("POST", "/b?delete=", RequestClass.WRITE),
        ("GET", "/", RequestClass.WRITE),
        ("GET", "/b?list-type=2&prefix=a%2Fb", RequestClass.WRITE),
        ("GET", "/b/?prefix=x", RequestClass.WRITE),
        ("GET", "/mounted/below/b?list-type=2", RequestClass.WRITE),
        ("GET", "/b?uploads=", RequestClass.WRITE),
        ("GET", "/b?versions=", RequestClass.WRITE),
        ("GET", "/b/k?uploadId=1", RequestClass.WRITE),
        ("GET", "/b/k", RequestClass.READ),
        ("GET", "/b/k?versionId=1", RequestClass.READ),
        ("GET", "/b/k?response-content-type=text%2Fplain", RequestClass.READ),
        ("GET", "/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0", RequestClass.READ),
        ("GET", "/b?location=", RequestClass.READ),
        ("HEAD", "/b", RequestClass.READ),
        ("HEAD", "/b/k", RequestClass.READ),
        ("DELETE", "/b/k", RequestClass.FREE),
        ("DELETE", "/b/k?uploadId=1", RequestClass.FREE),
    ],
)
def test_requests_are_classed_as_they_are_billed(method: str, target: str, billed: RequestClass) -> None:
    assert Exchange(origin="wire", method=method, target=target).request_class is billed


def test_a_recorder_used_from_many_threads_loses_no_exchange() -> None:
    recorder, threads = Recorder(), 8

    def work(number: int) -> None:
        for step in range(200):
            recorder.add(Exchange(origin="wire", method="GET" if step % 2 else "PUT", target=f"/b/{number}-{step}"))

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert recorder.total == len(recorder.kept()) == threads * 200
    assert recorder.by_class[RequestClass.WRITE] == recorder.by_class[RequestClass.READ] == threads * 100


def test_clearing_forgets_exchanges_but_not_their_number() -> None:
    recorder = Recorder()
    recorder.add(Exchange(origin="wire", method="GET", target="/b/1"))
    mark = recorder.mark()
    recorder.add(Exchange(origin="wire", method="GET", target="/b/2"))
    assert [exchange.target for exchange in recorder.since(mark)] == ["/b/2"]
    recorder.clear()
    assert recorder.kept() == []
    assert recorder.total == 2


def written(secret: str) -> list[str]:
    raw = secret.encode()
    return [
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote(secret, safe="").replace("%2F", "%2f").replace("%2B", "%2b"),
        quote_plus(secret),
        html.escape(secret),
        secret.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
        json.dumps(secret)[1:-1],
        secret.replace("/", "\\/"),
        repr(secret)[1:-1],
        base64.b64encode(raw).decode(),
        raw.hex(),
    ]


@pytest.mark.parametrize("form", written(SECRET))
@pytest.mark.parametrize("frame", ["{}", "Key: {}\r\n", "<Secret>{}</Secret>", '{{"secret": "{}"}}', "x={}&y=1"])
def test_a_secret_is_taken_out_however_it_is_written(form: str, frame: str) -> None:
    cleaned = Redactor([SECRET]).text(frame.format(form))
    assert form not in cleaned
    assert Redactor.MASK in cleaned


@given(before=st.binary(max_size=20), after=st.binary(max_size=20), secret=st.binary(min_size=12, max_size=40))
def test_a_secret_inside_base64_of_something_longer_is_taken_out(before: bytes, after: bytes, secret: bytes) -> None:
    text = secret.hex()
    encoded = base64.b64encode(before + text.encode() + after).decode()
    # A character more of Base64 than is masked can stand on either side: it mixes the secret with its neighbour.
    left = Redactor([text]).text(encoded).split(Redactor.MASK)
    assert len(left) >= 2
    assert len("".join(left)) <= (len(before) + len(after)) * 4 / 3 + 8


def test_a_short_secret_goes_where_it_stands_alone_and_stays_inside_words() -> None:
    cleaned = Redactor(["test"]).text("key=test; /test/ <K>test</K> contest testing")
    assert cleaned == "key=[redacted]; /[redacted]/ <K>[redacted]</K> contest testing"


def test_no_secret_and_a_missing_one_are_fine() -> None:
    assert (
        Redactor([None, "", "ab"]).text("ab is too short to be distinguished from text")
        == "ab is too short to be distinguished from text"
    )


def test_unknown_values_in_the_place_of_credentials_are_redacted() -> None:
    text = (
        "> GET /b/k?X-Amz-Credential=AKIA%2F20260101&X-Amz-Signature=abcdef&X-Amz-Security-Token=FQoG&X-Amz-Date=1\n"
        "> Authorization: AWS4-HMAC-SHA256 Credential=AKIA/2026/s3, SignedHeaders=host, Signature=0123abc\n"
        "> Authorization: Basic dXNlcjpwYXNz\n"
        "> X-Amz-Security-Token: FQoGZXIvYXdz\n"
        "< Set-Cookie: session=1234\n"
    )
    cleaned = Redactor([]).text(text)
    for secret in ("AKIA", "abcdef", "FQoG", "0123abc", "dXNlcjpwYXNz", "session=1234"):
        assert secret not in cleaned
    assert "X-Amz-Date=1" in cleaned
    assert "SignedHeaders=host" in cleaned


def test_every_text_of_a_structure_is_cleaned_and_everything_else_stays() -> None:
    value = {"a": [SECRET, 1, None, True], f"key {SECRET}": {"deep": (f"x{SECRET}x", 2.5)}}
    cleaned = Redactor([SECRET]).data(value)
    assert SECRET not in json.dumps(cleaned)
    assert cleaned == {"a": ["[redacted]", 1, None, True], "key [redacted]": {"deep": ["x[redacted]x", 2.5]}}


def hostile_exchange() -> Exchange:
    return Exchange(
        origin="wire",
        method="GET",
        target="/b/\x1b[2J",
        headers=(("x-a", "\x1b]0;title\x07"), ("Date", "dull")),
        body=b"\x00\x1b[31m",
        body_size=6,
        status=200,
        response_headers=(("x-b", "two\nlines\r\u202e"),),
        response_body="\x9b31m<a>ü</a>".encode(),
        response_size=5000,
        error="cut\x08",
    )


def test_a_transcript_has_no_character_that_steers_a_log() -> None:
    text = render([hostile_exchange()], Redactor([]))
    assert all(char == "\n" or char.isprintable() for char in text), repr(text)
    assert "dull" not in text
    assert "two\\nlines" in text
    assert "(5000 bytes)" in text
    assert all(line.startswith(("> ", "< ")) for line in text.splitlines())


@given(st.text())
def test_visible_text_is_printable_whatever_it_was(text: str) -> None:
    assert all(char == "\n" or char.isprintable() for char in visible(text))


def test_a_transcript_shows_no_secret_of_any_part_of_an_exchange() -> None:
    exchange = Exchange(
        origin="wire",
        method="PUT",
        target=f"/b/{quote(SECRET, safe='')}",
        headers=(("x-amz-meta-a", SECRET),),
        body=SECRET.encode(),
        body_size=len(SECRET),
        status=403,
        response_headers=(("x-echo", quote_plus(SECRET)),),
        response_body=f"<Error><StringToSign>{html.escape(SECRET)}</StringToSign></Error>".encode(),
    )
    text = render([exchange], Redactor([SECRET]))
    assert all(form not in text for form in written(SECRET))


def test_a_long_transcript_leaves_out_its_middle_and_says_how_much() -> None:
    exchanges = [Exchange(origin="wire", method="GET", target=f"/b/{number}", status=200) for number in range(100)]
    text = render(exchanges, Redactor([]), limit=10)
    assert "… 90 exchanges left out …" in text
    assert text.count("> GET") == 10
    assert "/b/0" in text
    assert "/b/99" in text


def test_a_transcript_shows_a_streamed_body_a_hang_up_and_a_missing_response() -> None:
    exchange = Exchange(
        origin="wire", method="PUT", target="/b/k", body=None, body_size=7, cut_after=3, error="TimeoutError"
    )
    assert render([exchange], Redactor([])).splitlines() == [
        "> PUT /b/k",
        "> (7 bytes, streamed)",
        "> (hung up after 3 bytes of the body)",
        "< no answer: TimeoutError",
    ]
