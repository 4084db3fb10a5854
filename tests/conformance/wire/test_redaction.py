"""The exchanges that a session keeps contain neither the secret key nor a usable signature."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from bucket_conformance.conformance.clauses.security import require_silence
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.wire.exchange import render
from tests.bench import on_disk, on_exemplar


def _signature(url: str) -> str:
    query = parse_qs(urlsplit(url).query)
    # The longest value of a signed URL that is unlike any name is its signature, whatever it is called.
    return (query.get("X-Amz-Signature") or [max((value for values in query.values() for value in values), key=len)])[0]


def _use_signed_urls(session: Session) -> None:
    key = session.fresh_key()
    session.storage.upload(key, b"x")
    url = session.signed_url(key, expires_in=60)
    session.fetch(url)
    session.fetch(url + "0")
    kept = [render(session.recorder.kept(), session.redactor), session.redactor.text(url)]
    assert "GET" in kept[0]
    require_silence(kept, _signature(url), "signature")


def test_a_transcript_keeps_the_signatures_of_urls_of_a_server() -> None:
    with on_exemplar() as session:
        _use_signed_urls(session)


def test_a_transcript_keeps_the_signatures_of_urls_of_a_folder() -> None:
    with on_disk() as session:
        _use_signed_urls(session)


def test_a_transcript_keeps_the_secret_key() -> None:
    with on_exemplar() as session:
        key, wire = session.fresh_key(), session.wire
        wire.put(key, b"x")
        wire.get(key)
        wire.fetch_presigned("GET", key)
        wire.request("GET", key, keys=wire.wrong_secret())
        # What a server says back passes through the same redaction as what was sent.
        wire.request("GET", key, headers=(("x-amz-meta-note", wire.keys.secret_key),))
        kept = [render(session.recorder.kept(), session.redactor), repr(wire.keys), repr(wire.endpoint)]
        assert "x-amz-meta-note" in kept[0]
        require_silence(kept, wire.keys.secret_key, "secret key")
