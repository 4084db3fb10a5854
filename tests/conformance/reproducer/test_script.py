"""Reproducers run as a stranger runs them: a file, an isolated interpreter, an environment, a real server."""

from __future__ import annotations

import ast
import hashlib
import hmac
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from moto.server import ThreadedMotoServer

from bucket_conformance.conformance.reproducer.script import _undecided
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.strategies import HOSTILE_KEYS, pattern_bytes
from bucket_conformance.conformance.wire.exchange import Auth, Exchange, SignedFrom
from bucket_conformance.conformance.wire.s3 import delete_body
from tests.conformance.reproducer.reproducing import (
    ACCESS,
    BUCKET,
    SECRET,
    environment,
    run,
    script_of,
    session_on,
    wire_to,
    written,
)
from tests.exemplar.http import HttpFront
from tests.exemplar.server import Exemplar
from tests.exemplar.types import Request, Response


@pytest.fixture(scope="module")
def exemplar() -> Iterator[Exemplar]:
    with Exemplar(ACCESS, SECRET) as server:
        with wire_to(server.url) as wire:
            assert wire.request("PUT").ok
        yield server


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    with wire_to(url) as wire:
        assert wire.request("PUT").ok
    yield url
    server.stop()


def _keys(url: str) -> str:
    with wire_to(url) as wire:
        return wire.request("GET", query=(("list-type", "2"),)).body.decode()


Scene = Callable[[Session], None]


def _expired_url(session: Session) -> None:
    key = session.fresh_key()
    session.wire.put(key, b"content")
    session.fetch(session.signed_url(key, expires_in=60, age_s=62))


def _living_url(session: Session) -> None:
    key = session.fresh_key()
    session.wire.put(key, b"content")
    session.fetch(session.signed_url(key, "annual report.pdf", expires_in=604_800, age_s=604_800 - 5))


def _tampered_signature(session: Session) -> None:
    key = session.fresh_key()
    session.wire.put(key, b"content")
    url = session.signed_url(key)
    head, _, signature = url.rpartition("X-Amz-Signature=")
    other = "0" if signature[5] != "0" else "1"
    session.fetch(f"{head}X-Amz-Signature={signature[:5]}{other}{signature[6:]}", made_from=url)


def _other_key(session: Session) -> None:
    key, other = session.fresh_key(), session.fresh_key()
    session.wire.put(key, b"content")
    session.wire.put(other, b"other content")
    url = session.signed_url(key)
    session.fetch(url.replace(quote(key), quote(other)), made_from=url)


def _longer_life(session: Session) -> None:
    key = session.fresh_key()
    session.wire.put(key, b"content")
    url = session.signed_url(key, expires_in=60)
    session.fetch(url.replace("X-Amz-Expires=60", "X-Amz-Expires=3600"), made_from=url)
    session.fetch(re.sub("&X-Amz-Signature=[0-9a-f]+", "", url), made_from=url)
    session.fetch(url + "&response-content-type=text%2Fhtml", made_from=url)


def _other_method(session: Session) -> None:
    key = session.fresh_key()
    session.wire.put(key, b"content")
    url = session.signed_url(key)
    session.fetch(url, method="PUT", body=b"overwritten", made_from=url)
    session.wire.get(key)


def _strangers(session: Session) -> None:
    key = session.fresh_key()
    session.wire.put(key, b"content")
    session.wire.request("GET", key, keys=session.wire.wrong_secret())
    session.wire.request("GET", key, keys=session.wire.unknown_key())
    session.wire.request("GET", key, signed=False)
    session.wire.fetch_presigned("GET", key, keys=session.wire.wrong_secret())
    session.wire.request("GET", key, age_s=3600)


def _bound_content_type(session: Session) -> None:
    key = session.fresh_key()
    url = session.signed_upload_url(key, content_type="text/plain")
    session.fetch(url, method="PUT", body=b"content", headers=(("Content-Type", "text/plain"),))
    session.fetch(url, method="PUT", body=b"content", headers=(("Content-Type", "text/html"),))


def _hostile_keys(session: Session) -> None:
    prefix = session.fresh_prefix()
    for number, tail in enumerate(HOSTILE_KEYS.values()):
        body = pattern_bytes(number * 7)
        session.wire.put(prefix + tail, body, headers=(("x-amz-meta-number", str(number)),))
        session.wire.get(prefix + tail)
    session.wire.request("GET", query=(("list-type", "2"), ("prefix", prefix), ("encoding-type", "url")))
    session.wire.delete_objects([prefix + tail for tail in HOSTILE_KEYS.values()])


def _multipart(session: Session) -> None:
    key = session.fresh_key()
    started = session.wire.request("POST", key, query=(("uploads", ""),)).xml()
    assert started is not None
    upload = started.findtext("UploadId") or ""
    rows = ""
    for number, body in ((1, pattern_bytes(5 * 1024 * 1024, 3)), (2, b"tail")):
        query = (("partNumber", str(number)), ("uploadId", upload))
        etag = session.wire.request("PUT", key, query=query, body=body).header("etag") or ""
        escaped = etag.replace('"', "&quot;")
        rows += f"<Part><PartNumber>{number}</PartNumber><ETag>{escaped}</ETag></Part>"
    body = f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>".encode()
    assert session.wire.request("POST", key, query=(("uploadId", upload),), body=body).ok
    session.wire.get(key)


def _pages_and_conditions(session: Session) -> None:
    prefix = session.fresh_prefix()
    keys = [f"{prefix}{number:04d}-with-a-name-of-some-length" for number in range(40)]
    session.populate(keys, b"x")
    token = ""
    while True:
        query = [("list-type", "2"), ("prefix", prefix), ("max-keys", "15")]
        page = session.wire.request("GET", query=query + ([("continuation-token", token)] if token else [])).xml()
        assert page is not None
        token = page.findtext("NextContinuationToken") or ""
        if not token:
            break
    first = session.wire.put(keys[0], b"second value").header("etag") or ""
    session.wire.request("PUT", keys[0], body=b"third value", headers=(("If-Match", first),))
    session.wire.request("PUT", keys[0], body=b"fourth value", headers=(("If-Match", first),))
    session.wire.request("PUT", keys[0], body=b"never", headers=(("If-None-Match", "*"),))
    source = f"/{BUCKET}/{quote(keys[0])}"
    session.wire.request("PUT", keys[1], headers=(("x-amz-copy-source", source),))
    modified = session.wire.get(keys[1]).header("last-modified") or ""
    session.wire.get(keys[1], headers=(("If-Modified-Since", modified),))


def _broken_promises_of_the_body(session: Session) -> None:
    key = session.fresh_key()
    session.wire.request("PUT", key, body=b"content", headers=(("Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg=="),))
    session.wire.request("PUT", key, body=b"content", payload_hash=hashlib.sha256(b"other").hexdigest())
    session.wire.request("PUT", key, body=b"content" * 100, cut_after=20)
    session.wire.get(key)
    session.wire.request("PUT", key, body=b"content", payload_hash="UNSIGNED-PAYLOAD")
    session.wire.get(key, headers=(("Range", "bytes=2-4"),))


SCENES: tuple[Scene, ...] = (
    _expired_url,
    _living_url,
    _tampered_signature,
    _other_key,
    _longer_life,
    _other_method,
    _strangers,
    _bound_content_type,
    _hostile_keys,
    _multipart,
    _pages_and_conditions,
    _broken_promises_of_the_body,
)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__[1:])
def test_what_a_verifying_server_answered_it_answers_again_and_nothing_stays_behind(
    scene: Scene, exemplar: Exemplar, tmp_path: Path
) -> None:
    with session_on(exemplar.url) as session:
        scene(session)
        script = script_of(session)
    done = run(tmp_path, script, environment(exemplar.url))
    assert (done.returncode, done.stderr) == (1, ""), done.stdout + done.stderr
    assert "still there" in done.stdout
    assert "This script is partial" not in script
    assert "<Key>" not in _keys(exemplar.url)


@pytest.mark.parametrize(
    ("scene", "difference"),
    [
        (_expired_url, "status 403 instead of 200"),
        (_tampered_signature, "status 403 instead of 200"),
        (_other_key, "status 403 instead of 200"),
        (_strangers, "status 403 instead of 200"),
        (_longer_life, "status 403 instead of 200"),
    ],
    ids=lambda value: value.__name__[1:] if callable(value) else "",
)
def test_a_lenient_server_s_deviation_is_still_there_with_it_and_gone_with_a_verifying_one(
    scene: Scene, difference: str, moto: str, exemplar: Exemplar, tmp_path: Path
) -> None:
    with session_on(moto) as session:
        scene(session)
        script = script_of(session)
    again = run(tmp_path, script, environment(moto))
    assert (again.returncode, again.stderr) == (1, ""), again.stdout
    fixed = run(tmp_path, script, environment(exemplar.url))
    assert (fixed.returncode, fixed.stderr) == (0, ""), fixed.stdout
    assert "gone" in fixed.stdout
    assert difference in fixed.stdout
    assert "<Key>" not in _keys(exemplar.url) + _keys(moto)


def test_a_batch_of_1001_keys_is_written_as_a_range_and_replayed(moto: str, exemplar: Exemplar, tmp_path: Path) -> None:
    with session_on(moto) as session:
        prefix = session.fresh_prefix()
        keys = [f"{prefix}{number:04d}" for number in range(1001)]
        session.populate(keys[:60])
        session.wire.delete_objects(keys)
        script = script_of(session)
    assert "range(0, 1001)" in script
    assert "range(0, 60)" in script
    assert len(script) < 40_000
    assert run(tmp_path, script, environment(moto)).returncode == 1
    fixed = run(tmp_path, script, environment(exemplar.url))
    assert fixed.returncode == 0, fixed.stdout + fixed.stderr
    assert "and 59 more -> 200" in fixed.stdout
    assert "status 400 instead of 200" in fixed.stdout


def test_signed_chunks_are_signed_again(exemplar: Exemplar, tmp_path: Path) -> None:
    with session_on(exemplar.url) as session:
        _send_chunked(session, session.fresh_key(), pattern_bytes(70_000))
        assert [exchange.status for exchange in session.recorder.kept()] == [200, 200]
        script = script_of(session)
    done = run(tmp_path, script, environment(exemplar.url))
    assert (done.returncode, done.stderr) == (1, ""), done.stdout + done.stderr
    assert "This script is partial" not in script


def _send_chunked(session: Session, key: str, body: bytes) -> None:
    wire, kind = session.wire, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    sizes = [body[:65536], body[65536:], b""]
    length = sum(len(f"{len(part):x};chunk-signature=") + 64 + 4 + len(part) for part in sizes)
    headers = [("Content-Encoding", "aws-chunked"), ("x-amz-decoded-content-length", str(len(body)))]
    signed = wire.sign("PUT", wire.url(key), headers, b"", payload_hash=kind)
    fields = {name.lower(): value for name, value in signed}
    stamp, previous = fields["x-amz-date"], fields["authorization"].rpartition("=")[2]
    scope = f"{stamp[:8]}/us-east-1/s3/aws4_request"
    secret = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        secret = hmac.digest(secret, part.encode(), "sha256")
    framed = b""
    for chunk in sizes:
        text = ("AWS4-HMAC-SHA256-PAYLOAD", stamp, scope, previous, hashlib.sha256().hexdigest())
        previous = hmac.new(
            secret, "\n".join((*text, hashlib.sha256(chunk).hexdigest())).encode(), "sha256"
        ).hexdigest()
        framed += f"{len(chunk):x};chunk-signature={previous}\r\n".encode() + chunk + b"\r\n"
    assert len(framed) == length
    wire.transport.send("PUT", wire.url(key), headers=signed, body=framed, auth=Auth.HEADER)
    wire.get(key)


def test_other_bytes_in_an_object_are_a_difference(tmp_path: Path) -> None:
    truth = [b"recorded"]

    def answer(request: Request) -> Response:
        return Response(status=200, body=truth[0] if request.method == "GET" and "/a" in request.path else b"")

    with HttpFront(answer) as front:
        with wire_to(front.url) as wire:
            wire.get("a/key")
            script = written(wire.transport.recorder.kept())
        assert script is not None
        assert run(tmp_path, script, environment(front.url)).returncode == 1
        truth[0] = b"repaired"
        done = run(tmp_path, script, environment(front.url))
    assert done.returncode == 0, done.stdout
    assert "other bytes in the body" in done.stdout


def test_missing_settings_and_a_dead_endpoint_have_exit_codes_of_their_own(exemplar: Exemplar, tmp_path: Path) -> None:
    with session_on(exemplar.url) as session:
        _expired_url(session)
        script = script_of(session)
    unset = run(tmp_path, script, {"S3_ENDPOINT": exemplar.url})
    assert unset.returncode == 2
    assert "AWS_SECRET_ACCESS_KEY" in unset.stderr
    wrong = run(tmp_path, script, environment("127.0.0.1:9000"))
    assert wrong.returncode == 2
    assert "S3_ENDPOINT" in wrong.stderr
    nowhere = run(tmp_path, script, environment(exemplar.url, S3_BUCKET="there-is-no-such-bucket"))
    assert nowhere.returncode == 2
    refused = run(tmp_path, script, environment(exemplar.url, AWS_SECRET_ACCESS_KEY="another"))
    assert refused.returncode == 2
    assert "SignatureDoesNotMatch" in refused.stderr
    dead = run(tmp_path, script, environment("http://127.0.0.1:9"))
    assert dead.returncode == 3
    assert "Traceback" not in unset.stderr + wrong.stderr + nowhere.stderr + refused.stderr + dead.stderr


def test_an_interrupt_removes_what_was_written(exemplar: Exemplar, tmp_path: Path) -> None:
    with session_on(exemplar.url) as session:
        prefix = session.fresh_prefix()
        for number in range(3):
            session.wire.put(f"{prefix}{'abc'[number]}", b"x")
        script = script_of(session)
    seen: list[str] = []

    def slow(request: Request) -> Response:
        seen.append(f"{request.method} {request.path}")
        if request.method == "PUT" and request.path.endswith("/b"):
            os.kill(process.pid, signal.SIGINT)
        return exemplar.handle(request, trusted=True)

    path = tmp_path / "reproducer.py"
    path.write_text(script)
    with HttpFront(slow) as front:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(path)], env=environment(front.url), stderr=subprocess.PIPE, text=True
        )
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "stopped" in said
    assert [line.split("/")[0] + line[-2:] for line in seen if line.startswith("DELETE")] == ["DELETE /b", "DELETE /a"]
    assert "<Key>" not in _keys(exemplar.url)


def test_secrets_in_headers_bodies_keys_and_texts_are_masked() -> None:
    exchange = Exchange(
        origin="wire",
        method="PUT",
        target=f"/{BUCKET}/{quote(SECRET, safe='')}?x={quote(SECRET)}",
        headers=(("x-amz-meta-a", SECRET), ("Authorization", f"Bearer {SECRET}"), ("Cookie", "session=abc")),
        body=f"<a>{SECRET}</a>".encode(),
        response_body=f"<Error><Code>{ACCESS}</Code></Error>".encode(),
        status=400,
    )
    text = written([exchange], statement=f"about {SECRET}", example=f"key={SECRET!r}")
    assert text is not None
    for form in (SECRET, quote(SECRET), quote(SECRET, safe=""), ACCESS):
        assert form not in text
    ast.parse(text, feature_version=(3, 9))
    assert "masked" in text


def test_redacting_a_script_once_more_changes_nothing(exemplar: Exemplar) -> None:
    with session_on(exemplar.url) as session:
        for scene in (_expired_url, _longer_life, _multipart, _strangers):
            scene(session)
        script = script_of(session)
        assert session.redactor.text(script) == script


def test_what_cannot_be_replayed_is_noted_or_no_script_is_written(exemplar: Exemplar, tmp_path: Path) -> None:
    url = "http://127.0.0.1:1/files/a?expires=1&sig=abc"
    local = Exchange(
        origin="url",
        method="GET",
        target="/files/a?expires=1&sig=abc",
        auth=Auth.URL,
        signed_from=SignedFrom(method="GET", url=url, age_s=0, expires="1"),
        status=200,
    )
    assert written([local]) is None
    assert written([]) is None
    with session_on(exemplar.url) as session:
        _expired_url(session)
        kept = session.recorder.kept()
    streamed = Exchange(
        origin="storage", method="PUT", target=f"/{BUCKET}/k", body=None, body_size=99, auth=Auth.HEADER, status=200
    )
    made_up = Exchange(
        origin="storage",
        method="DELETE",
        target=f"/{BUCKET}/k",
        auth=Auth.HEADER,
        status=503,
        response_body=b"<Error><Code>SlowDown</Code><Message>made by the suite</Message></Error>",
    )
    text = written([*kept, streamed, made_up])
    assert text is not None
    assert "This script is partial" in text
    assert "99 bytes was streamed" in text
    done = run(tmp_path, text, environment(exemplar.url))
    assert done.returncode == 5
    assert "note: 1 of 4 requests could not be kept" in done.stdout
    assert "cannot tell" in done.stdout


def test_requests_of_the_sdk_are_replayed_without_its_noise(exemplar: Exemplar, tmp_path: Path) -> None:
    with session_on(exemplar.url) as session:
        keys = [session.fresh_key() for _ in range(3)]
        for key in keys:
            session.storage.upload(key, pattern_bytes(100_000, 9))
        session.storage.delete_files(keys)
        script = script_of(session)
    for noise in ("user-agent", "amz-sdk", "invocation", "accept-encoding"):
        assert noise not in script.lower().split("steps = ")[1].split("sent_headers")[0]
    assert "pattern(100000, 9)" in script
    done = run(tmp_path, script, environment(exemplar.url))
    assert (done.returncode, done.stderr) == (1, ""), done.stdout + done.stderr


def test_a_large_complete_delete_body_without_pattern_is_left_out_honestly() -> None:
    keys = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(1500)]
    exchange = Exchange(
        origin="wire", method="POST", target=f"/{BUCKET}?delete", body=delete_body(keys), auth=Auth.HEADER, status=200
    )
    assert written([exchange]) is None
    text = written([exchange, Exchange(origin="wire", method="GET", target=f"/{BUCKET}/a", status=403)])
    assert text is not None
    assert "too large to be written down" in text


def test_control_characters_are_printed_escaped(exemplar: Exemplar, tmp_path: Path) -> None:
    with session_on(exemplar.url) as session:
        session.wire.put(session.fresh_prefix() + "a\nb\x7f\u202e", b"x")
        script = script_of(session, example="key='a\\nb\u202e'", statement='quotes """ and \\ in it')
    done = run(tmp_path, script, environment(exemplar.url))
    assert done.returncode == 1
    assert "a\\nb\\x7f\\u202e -> 200" in done.stdout
    assert "\u202e" not in script + done.stdout


def test_virtual_addressing_keeps_the_bucket_out_of_the_path_and_names_a_foreign_one() -> None:
    def request(host: str, target: str) -> Exchange:
        return Exchange(origin="wire", method="GET", target=target, headers=(("Host", host),), status=404)

    exchanges = [request(f"{BUCKET}.s3.test", "/base/a%20b"), request("other.s3.test", "/base/c")]
    text = written(exchanges, addressing="virtual", endpoint_path="/base")
    assert text is not None
    names: dict[str, Any] = {"__name__": "reproducer"}
    exec(compile(text, "reproducer", "exec"), names)
    steps = names["STEPS"]
    assert [(step.get("bucket"), step["key"]) for step in steps] == [(None, "a b"), ("other", "c")]
    keys = {"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET}
    client = names["Client"]({"S3_ENDPOINT": "https://s3.example:443/top", "S3_BUCKET": "mine", **keys})
    assert client.place(steps[0]) == ("mine.s3.example", "/top/a%20b")
    assert client.place(steps[1]) == ("other.s3.example", "/top/c")


def test_a_note_that_reads_like_a_missing_request_is_none() -> None:
    note = "parts of the recording could not be kept"
    assert _undecided(None, {}, notes=[note], unkept=[]) == ("", note)
    assert _undecided(None, {}, notes=[note], unkept=[note]) == (note, note)
