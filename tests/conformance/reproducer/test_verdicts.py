"""A reproducer prints "gone" only if the deviation is gone, and "cannot tell" if its requests decide nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from bucket_conformance.conformance.verdict import Moment
from bucket_conformance.conformance.wire.aws_chunked import Framing, put_chunked
from bucket_conformance.conformance.wire.exchange import Auth, Exchange
from bucket_conformance.reference_impl.errors import StorageError
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

GONE, STILL_THERE, CANNOT_TELL = 0, 1, 5


@pytest.fixture(scope="module")
def exemplar() -> Iterator[Exemplar]:
    with Exemplar(ACCESS, SECRET) as server:
        with wire_to(server.url) as wire:
            assert wire.request("PUT").ok
        yield server


class Shelf:
    """A minimal server: it checks nothing and stores whatever arrives, framing included."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}

    def __call__(self, request: Request) -> Response:
        if request.method == "PUT":
            self.stored[request.key] = request.body
        elif request.method == "DELETE":
            self.stored.pop(request.key, None)
            return Response(status=204)
        elif request.key:
            body = self.stored.get(request.key)
            return Response(status=404) if body is None else Response(status=200, body=body)
        return Response(status=200)


def _script(exchanges: list[Exchange], moment: Moment | None = None) -> str:
    text = written(exchanges, moment=moment)
    assert text is not None
    return text


def _verdict(folder: Path, script: str, url: str) -> tuple[int, str]:
    done = run(folder, script, environment(url))
    assert done.stderr == "", done.stderr
    return done.returncode, done.stdout


@pytest.mark.parametrize("body", [b"", b"7", b"x" * 9000], ids=len)
def test_a_stored_framing_is_compared_apart_from_its_signatures(
    body: bytes, exemplar: Exemplar, tmp_path: Path
) -> None:
    with HttpFront(Shelf()) as front:
        with wire_to(front.url) as wire:
            put_chunked(wire, "a/key", body, Framing.SIGNED)
            assert b";chunk-signature=" in wire.get("a/key").body
            script = _script(wire.transport.recorder.kept())
        assert _verdict(tmp_path, script, front.url)[0] == STILL_THERE
    mended, said = _verdict(tmp_path, script, exemplar.url)
    assert mended == GONE
    assert f"a body of {len(body)} bytes instead of" in said


def test_a_chunk_that_was_changed_under_its_signature_is_sent_so_again(exemplar: Exemplar, tmp_path: Path) -> None:
    with HttpFront(Shelf()) as front:
        with wire_to(front.url) as wire:
            put_chunked(wire, "a/key", b"signed" * 20_000, Framing.SIGNED, sent_body=b"signed" * 19_999 + b"forged")
            script = _script(wire.transport.recorder.kept())
        assert _verdict(tmp_path, script, front.url)[0] == STILL_THERE
    mended, said = _verdict(tmp_path, script, exemplar.url)
    assert (mended, "status 403 instead of 200" in said) == (GONE, True), said


def test_a_body_that_stops_coming_is_cut_off_and_not_no_answer(tmp_path: Path) -> None:
    whole = False

    def answer(request: Request) -> Response:
        if request.method != "GET" or not request.key:
            return Response(status=200)
        return Response(status=200, headers=(("Content-Length", "11"),), body=b"from before" if whole else b"")

    exchange = Exchange(
        origin="wire",
        method="GET",
        target=f"/{BUCKET}/a/key",
        auth=Auth.HEADER,
        status=200,
        response_headers=(("Content-Length", "11"),),
        response_size=0,
        error="TimeoutError: timed out",
    )
    script = _script([exchange])
    assert script.count("TIMEOUT_S = 60") == 1
    script = script.replace("TIMEOUT_S = 60", "TIMEOUT_S = 1")
    with HttpFront(answer) as front:
        code, said = _verdict(tmp_path, script, front.url)
        assert (code, "200 (body cut off: TimeoutError)" in said) == (STILL_THERE, True), said
        whole = True
        code, said = _verdict(tmp_path, script, front.url)
        assert (code, "a whole body of 11 bytes" in said) == (GONE, True), said


def test_a_download_that_the_sdk_sees_break_off_is_recorded_as_cut_off(exemplar: Exemplar, tmp_path: Path) -> None:
    cut: int | None = 2000

    def answer(request: Request) -> Response:
        given = exemplar.handle(request, trusted=True)
        return replace(given, cut_after=cut) if request.is_object("GET") and "project/" in request.key else given

    with HttpFront(answer) as front, session_on(front.url) as session:
        key = session.fresh_key()
        session.storage.upload(key, b"y" * 5000)
        with pytest.raises(StorageError):
            session.storage.download(key)
        script = script_of(session)
        assert "'broken': True" in script
        assert _verdict(tmp_path, script, front.url)[0] == STILL_THERE
        cut = None
        assert _verdict(tmp_path, script, front.url)[0] == GONE


def test_what_comes_back_at_the_second_try_is_not_gone(tmp_path: Path) -> None:
    asked = iter((200, 500, 200))

    def answer(request: Request) -> Response:
        return Response(status=next(asked) if request.method == "POST" else 204)

    with HttpFront(answer) as front:
        with wire_to(front.url) as wire:
            wire.delete_objects(["a/key"])
            script = _script(wire.transport.recorder.kept())
        code, said = _verdict(tmp_path, script, front.url)
    assert (code, "not as recorded: step 1" in said) == (STILL_THERE, True), said


@pytest.mark.parametrize("there", [False, True])
def test_a_key_that_cannot_be_removed_is_reported_only_if_it_exists(there: bool, tmp_path: Path) -> None:
    def answer(request: Request) -> Response:
        if request.method == "HEAD" and there:
            return Response(status=200)
        return Response(status=400 if request.key else 200)

    with HttpFront(answer) as front:
        with wire_to(front.url) as wire:
            wire.put("a//b", b"x")
            script = _script(wire.transport.recorder.kept())
        done = run(tmp_path, script, environment(front.url))
    assert done.returncode == STILL_THERE, done.stdout
    assert ("could not remove /a//b: 400" in done.stderr) == there, done.stderr


def test_headers_that_were_not_recorded_are_not_compared(tmp_path: Path) -> None:
    shelf = Shelf()
    with HttpFront(shelf) as front:
        with wire_to(front.url) as wire:
            wire.put("a/key", b"x" * 256)
            wire.transport.bytes_after_head(wire.url("a/key"))
            script = _script(wire.transport.recorder.kept())
        code, said = _verdict(tmp_path, script, front.url)
    assert code == STILL_THERE, said


def _race(wire_url: str) -> list[Exchange]:
    with wire_to(wire_url) as wire:
        for value in (b"one", b"two"):
            wire.put("a/key", value, (("If-None-Match", "*"),))
        return wire.transport.recorder.kept()


def test_a_race_replayed_in_line_is_never_called_gone(exemplar: Exemplar, tmp_path: Path) -> None:
    with HttpFront(Shelf()) as front:
        exchanges = _race(front.url)
        script = _script(exchanges, Moment.SIDE_BY_SIDE)
        # Two winners even in sequence: it takes no race to show the deviation.
        assert _verdict(tmp_path, script, front.url)[0] == STILL_THERE
        other, said = _verdict(tmp_path, script, exemplar.url)
        assert other == CANNOT_TELL
        assert "cannot tell: the requests once ran side by side. First difference: step 2" in said
        killed = _script(exchanges, Moment.KILLED)
        for url in (front.url, exemplar.url):
            code, said = _verdict(tmp_path, killed, url)
            assert code == CANNOT_TELL
            assert "a process was killed in the middle" in said
    assert _verdict(tmp_path, _script(exchanges), exemplar.url)[0] == GONE
    assert "5 cannot tell" in script


def test_a_race_whose_answers_were_kept_in_part_is_not_called_still_there(tmp_path: Path) -> None:
    with HttpFront(Shelf()) as front:
        with wire_to(front.url) as wire:
            wire.put("a/key", b"x" * 100_000)
            wire.get("a/key")
            kept = wire.transport.recorder.kept()
        code, said = _verdict(tmp_path, _script(kept, Moment.SIDE_BY_SIDE), front.url)
        assert (code, "not all bytes of the answers are recorded" in said) == (CANNOT_TELL, True), said
        assert _verdict(tmp_path, _script(kept), front.url)[0] == STILL_THERE


def test_without_the_deciding_request_the_verdict_is_cannot_tell(exemplar: Exemplar, tmp_path: Path) -> None:
    def without_answer(exchange: Exchange) -> Exchange:
        exchange.status, exchange.error = None, "ReadTimeoutError: no answer"
        exchange.origin = "storage"
        return exchange

    with wire_to(exemplar.url) as wire:
        wire.put("a/key", b"content")
        wire.delete("a/key")
        wire.get("a/key")
        stored, deleted, read = wire.transport.recorder.kept()
    script = _script([stored, without_answer(deleted), read])
    code, said = _verdict(tmp_path, script, exemplar.url)
    assert code == CANNOT_TELL
    assert "cannot tell: 1 of 3 requests could not be kept" in said
    again = _script([stored, without_answer(deleted)])
    code, said = _verdict(tmp_path, again, exemplar.url)
    assert (code, "every answer is as recorded, but 1 of 2" in said) == (CANNOT_TELL, True), said


class Numbering(Shelf):
    """Names uploads and pages by short numbers, and accepts only the most recent ones."""

    def __init__(self) -> None:
        super().__init__()
        self.last = 15

    def __call__(self, request: Request) -> Response:
        query = request.query
        given = query.get("uploadId") or query.get("continuation-token")
        if given not in (None, str(self.last)):
            return Response(status=404, body=b"<Error><Code>NoSuchUpload</Code></Error>")
        self.last += 1
        if "uploads" in query:
            body = f"<InitiateMultipartUploadResult><UploadId>{self.last}</UploadId></InitiateMultipartUploadResult>"
            return Response(status=200, body=body.encode())
        if "prefix" in query:
            token = f"<NextContinuationToken>{self.last}</NextContinuationToken>"
            return Response(status=200, body=f"<ListBucketResult>{token}<Key>a</Key></ListBucketResult>".encode())
        return Response(status=200)


@pytest.mark.parametrize("what", ["upload", "page"])
def test_short_ids_and_tokens_are_those_of_the_replay_s_own_answers(what: str, tmp_path: Path) -> None:
    with HttpFront(Numbering()) as front:
        with wire_to(front.url) as wire:
            if what == "upload":
                upload = wire.request("POST", "a/key", query=(("uploads", ""),)).xml()
                assert upload is not None
                query = (("partNumber", "16"), ("uploadId", upload.findtext("UploadId") or ""))
                assert wire.request("PUT", "a/key", query=query, body=b"part").ok
            else:
                pages = [("list-type", "2"), ("max-keys", "16"), ("prefix", "a")]
                page = wire.request("GET", query=pages).xml()
                assert page is not None
                token = page.findtext("NextContinuationToken") or ""
                assert wire.request("GET", query=[*pages, ("continuation-token", token)]).ok
            script = _script(wire.transport.recorder.kept())
        assert "=16" in script, "other parameters that happen to be as short keep their values"
        done = run(tmp_path, script, environment(front.url))
    assert done.returncode == STILL_THERE, done.stdout


class PagesByTheBucket(Shelf):
    """Reports a list as truncated if the bucket, not the prefix, holds more keys; or, if fixed, if the prefix does."""

    mended = False

    def __call__(self, request: Request) -> Response:
        prefix = request.query.get("prefix")
        if prefix is None or request.key:
            return super().__call__(request)
        keys = sorted(self.stored)
        listed = [key for key in keys if key.startswith(prefix)]
        more = not self.mended and bool(listed) and listed[-1] != keys[-1]
        rows = "".join(f"<Key>{escape(key)}</Key>" for key in listed)
        body = f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{rows}</ListBucketResult>"
        return Response(status=200, body=body.encode())


def test_a_listing_that_depends_on_other_keys_is_replayed_with_other_keys_in_the_bucket(tmp_path: Path) -> None:
    shelf = PagesByTheBucket()
    shelf.stored["project/what-an-earlier-example-stored"] = b"x"
    with HttpFront(shelf) as front:
        with wire_to(front.url) as wire:
            wire.put("conformance-1/a", b"x")
            wire.request("GET", query=(("list-type", "2"), ("prefix", "conformance-1/")))
            script = _script(wire.transport.recorder.kept())
        shelf.stored.clear()
        code, said = _verdict(tmp_path, script, front.url)
        assert (code, "once more, in a bucket that holds other keys too" in said) == (STILL_THERE, True), said
        assert shelf.stored == {}
        shelf.mended = True
        assert _verdict(tmp_path, script, front.url)[0] == GONE
        assert shelf.stored == {}
