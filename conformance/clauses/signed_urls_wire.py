"""URL: how an S3 server handles signed URLs, by single requests: invalid periods, ranges, uploads, error codes."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from bucket_conformance.conformance.catalogue import clause
from bucket_conformance.conformance.contract import Capability, Harm, Level, Profile
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.strategies import KIB, bodies, examples, pattern_bytes
from bucket_conformance.conformance.testkit.sources import ERRORS, GET_OBJECT, PRESIGNED_UPLOADS, PUT_OBJECT, QUERY_AUTH
from bucket_conformance.conformance.testkit.url_outcomes import (
    AS_BEFORE,
    CHANGED,
    REFUSED,
    SERVED,
    STORED,
    bypass,
    outcome,
    require_each,
    secret_content,
    stored,
)
from bucket_conformance.conformance.testkit.url_tampering import SignedUrl, other_character, unsigned
from bucket_conformance.conformance.verdict import compare
from bucket_conformance.conformance.wire.clock import TOLERANCE_S
from bucket_conformance.conformance.wire.exchange import Headers, SignedFrom
from bucket_conformance.conformance.wire.s3 import content_md5
from bucket_conformance.reference_impl.api import MAX_URL_LIFE_S

URLS: Final = (Capability.SIGNED_URLS,)
UPLOADS: Final = (Capability.SIGNED_URLS, Capability.SIGNED_UPLOADS)

SKEW_S: Final = 900
"""Maximum difference between clocks, in seconds: 15 minutes."""

NO_LIVES: Final = (
    "0",
    "-1",
    "-7",
    "",
    "NaN",
    "1e3",
    "7.5",
    "0x10",
    "-0.5",
    "Infinity",
    "1000000",
    str(2**63),
    "9" * 40,
)
"""Values of X-Amz-Expires that are not a lifetime between 1 and 604800 s."""


@clause(
    "URL-007",
    "An X-Amz-Expires that is no whole number from 1 to 604800 is refused: 0, negative, empty, NaN, 1e3, huge.",
    level=Level.MUST,
    profile=Profile.S3,
    source=QUERY_AUTH,
    proved_by=("reads-lives-leniently", "life-of-zero-never-ends"),
    requires=URLS,
)
@examples("expires", NO_LIVES)
@given(
    expires=st.integers(max_value=0).map(str)
    | st.integers(10**6).map(str)
    | st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8)
)
def test_what_is_no_life_is_refused(session: Session, expires: str) -> None:
    key, content = stored(session)
    # Dated one minute ahead, as clocks may differ, so that a server cannot reject the value as a lifetime that is over.
    # For 0 it may: Amazon S3 names 1 as the minimum, and its error only mentions values below 0.
    other_age = 60 if expires == "0" else -60
    seen = {
        age: outcome(session.wire.fetch_presigned("GET", key, expires=expires, age_s=age), content)
        for age in (TOLERANCE_S, other_age)
    }
    _require_alive(session, key, content)
    compare(seen, dict.fromkeys(seen, REFUSED), f"X-Amz-Expires={expires!r}, by age of the signature in seconds")


def _require_alive(session: Session, key: str, content: bytes) -> None:
    """Raise ``Deviation`` unless the same request is served with a good life: else its refusal proves nothing."""
    seen = outcome(session.wire.fetch_presigned("GET", key), content)
    compare(seen, SERVED, "the same URL with a life of an hour, just signed")


@clause(
    "URL-024",
    "A URL with a life over 7 days (X-Amz-Expires over 604800) is refused with a 4xx, and shows none of the content.",
    level=Level.MUST,
    profile=Profile.S3,
    source=QUERY_AUTH,
    proved_by="accepts-lives-over-a-week",
    requires=URLS,
)
@examples("expires", (MAX_URL_LIFE_S + 1, 2 * MAX_URL_LIFE_S))
@given(expires=st.integers(MAX_URL_LIFE_S + 1, 10**9))
def test_a_life_over_a_week_is_refused(session: Session, expires: int) -> None:
    key, content = stored(session)
    seen = outcome(session.wire.fetch_presigned("GET", key, expires=expires), content)
    _require_alive(session, key, content)
    compare(seen, REFUSED, f"X-Amz-Expires={expires}")


@clause(
    "URL-025",
    "The answer to a life over 7 days is AuthorizationQueryParametersError; its status is contested, so 400 and 403 "
    "are both taken.",
    level=Level.MAY,
    profile=Profile.S3,
    source=(QUERY_AUTH, ERRORS),
    proved_by="refuses-lives-over-a-week-as-expired",
    requires=URLS,
)
@examples("expires", (MAX_URL_LIFE_S + 1, 2 * MAX_URL_LIFE_S))
@given(expires=st.integers(MAX_URL_LIFE_S + 1, 10**9))
def test_a_life_over_a_week_is_refused_by_its_code(session: Session, expires: int) -> None:
    key, content = stored(session)
    response = session.wire.fetch_presigned("GET", key, expires=expires)
    _require_alive(session, key, content)
    # The code of Amazon S3 was seen, and recorded with 400 for another cause; a suite that runs on it wants 403.
    observed = (response.status in (400, 403), response.code)
    what = f"status 400 or 403, and code, of the answer to X-Amz-Expires={expires} ({response.summary})"
    compare(observed, (True, "AuthorizationQueryParametersError"), what)


@clause(
    "URL-008",
    "A URL dated over 15 minutes in the future is refused; dated less, it is served, as clocks differ.",
    level=Level.SHOULD,
    profile=Profile.S3,
    source=(ERRORS, QUERY_AUTH),
    proved_by=("serves-urls-of-the-future", "refuses-clocks-a-minute-ahead"),
    requires=URLS,
)
@examples("ahead", (SKEW_S + TOLERANCE_S, SKEW_S - TOLERANCE_S, 60, 3600, 86_400, 365 * 86_400))
@given(ahead=st.integers(1, SKEW_S - TOLERANCE_S) | st.integers(SKEW_S + TOLERANCE_S, MAX_URL_LIFE_S))
def test_a_url_of_the_future_is_refused(session: Session, ahead: int) -> None:
    key, content = stored(session)
    seen = outcome(session.wire.fetch_presigned("GET", key, age_s=-ahead), content)
    _require_alive(session, key, content)
    compare(seen, SERVED if ahead < SKEW_S else REFUSED, f"URL dated {ahead} s ahead")


RANGED: Final = pattern_bytes(1000)


@clause(
    "URL-015",
    "A Range on a signed URL gives 206 and the bytes asked for; one that cannot be satisfied gives 416.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(GET_OBJECT, "https://www.rfc-editor.org/rfc/rfc9110.html#section-14.2"),
    proved_by=("url-ignores-ranges", "url-range-end-is-exclusive"),
    requires=URLS,
)
@examples(
    "span",
    [(0, 0), (0, 99), (500, 999), (999, 999), (0, 999), (990, 2000), (500, None), (None, 1), (None, 999), (None, 1001)],
)
@given(
    span=st.tuples(st.integers(0, 999), st.integers(0, 1500)).map(lambda pair: (pair[0], pair[0] + pair[1]))
    | st.tuples(st.integers(0, 999), st.none())
    | st.tuples(st.none(), st.integers(1, 1500))
)
def test_a_url_serves_ranges(session: Session, span: tuple[int | None, int | None]) -> None:
    key = session.fresh_key()
    session.populate([key], RANGED)
    first, last = span
    wanted = RANGED[-last:] if first is None and last else RANGED[first : None if last is None else last + 1]
    text = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    url = session.signed_url(key)
    part = session.fetch(url, headers=(("Range", text),))
    beyond = session.fetch(url, headers=(("Range", "bytes=1000-"),))
    start = len(RANGED) - len(wanted) if first is None else first
    compare(
        (part.summary, part.body, part.header("content-range"), beyond.status),
        ("206", wanted, f"bytes {start}-{start + len(wanted) - 1}/{len(RANGED)}", 416),
        f"Range {text} of {len(RANGED)} bytes: status, bytes, Content-Range; status beyond the end",
    )


@clause(
    "URL-016",
    "A PUT by a signed URL stores its body, and nothing else than its body.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(PRESIGNED_UPLOADS, PUT_OBJECT),
    proved_by=("signed-put-stores-nothing", "signed-put-drops-the-last-byte"),
    requires=UPLOADS,
)
@examples("body", [pattern_bytes(size) for size in (0, 1, KIB, 64 * KIB, 64 * KIB + 1, 1024 * KIB)])
@given(body=bodies(max_size=64 * KIB))
def test_a_signed_put_stores_its_body(session: Session, body: bytes) -> None:
    key = session.fresh_key()
    response = session.fetch(session.signed_upload_url(key), method="PUT", body=body)
    compare(response.summary, "200", "answer to a PUT by URL")
    compare(session.wire.get(key).body, body, "bytes stored by a signed PUT")


@clause(
    "URL-018",
    "The answer to an expired URL is 403 AccessDenied in a well-formed error document; to a HEAD, 403 without a body.",
    level=Level.SHOULD,
    profile=Profile.S3,
    source=(ERRORS, QUERY_AUTH),
    proved_by=("expired-url-gets-400", "refused-head-has-a-body", "serves-expired-urls", "refuses-every-head-by-url"),
    requires=URLS,
)
def test_an_expired_url_gets_access_denied(session: Session) -> None:
    key, content = stored(session)
    response = session.wire.fetch_presigned("GET", key, expires=60, age_s=3600)
    head = session.wire.fetch_presigned("HEAD", key, expires=60, age_s=3600)
    _require_alive(session, key, content)
    compare(session.wire.fetch_presigned("HEAD", key).status, 200, "status of a HEAD by a URL that lives")
    url = session.wire.presign("HEAD", key, expires=60, age_s=3600)
    made = SignedFrom(method="HEAD", url=url, age_s=3600, expires="60")
    rest = session.transport.bytes_after_head(url, signed_from=made)
    compare(
        (response.summary, head.status, rest),
        ("403 AccessDenied", 403, b""),
        "expired URL: answer to GET, status of HEAD, bytes after the head of the answer to HEAD",
    )


@clause(
    "URL-021",
    "Refusals carry the documented codes, all with 403: AccessDenied without a signature, SignatureDoesNotMatch, "
    "InvalidAccessKeyId.",
    level=Level.SHOULD,
    profile=Profile.S3,
    source=ERRORS,
    proved_by=("unknown-access-key-gets-404", "ignores-url-signature"),
    requires=URLS,
)
def test_refusals_carry_the_documented_codes(session: Session) -> None:
    key, content = stored(session)
    wire = session.wire
    url = session.signed_url(key)
    compare(outcome(session.fetch(url), content), SERVED, "the URL as it was signed")
    seen = {
        "no signature": session.fetch(unsigned(url)).summary,
        "another signature": session.fetch(_with_other_signature(url, key), made_from=url).summary,
        "a wrong secret": wire.fetch_presigned("GET", key, keys=wire.wrong_secret()).summary,
        "an unknown access key": wire.fetch_presigned("GET", key, keys=wire.unknown_key()).summary,
    }
    promised = {
        "no signature": "403 AccessDenied",
        "another signature": "403 SignatureDoesNotMatch",
        "a wrong secret": "403 SignatureDoesNotMatch",
        "an unknown access key": "403 InvalidAccessKeyId",
    }
    require_each(seen, promised, "refusals")


def _with_other_signature(url: str, key: str) -> str:
    signed = SignedUrl.of(url, key)
    truth = signed.signature
    changed = truth[:-1] + other_character(truth[-1])
    return signed.build(tuple((name, changed if value == truth else value) for name, value in signed.pairs))


@clause(
    "URL-022",
    "A signed PUT that is expired, changed or signed by a stranger is refused and stores nothing, also not over an "
    "object that is there.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(PRESIGNED_UPLOADS, QUERY_AUTH),
    proved_by=("stores-before-it-refuses", "serves-expired-urls", "ignores-url-signature", "remembers-good-signatures"),
    requires=UPLOADS,
)
def test_a_refused_put_stores_nothing(session: Session) -> None:
    seen = {}
    for occupied in (False, True):
        for how in REFUSED_PUTS:
            key, there = session.fresh_key(), None
            if occupied:
                _, there = stored(session, key)
            answer_and_left = _refused_put(session, how, key, there)
            seen[how + (", over an object" if occupied else "")] = answer_and_left
    key, body = session.fresh_key(), secret_content(session)
    url = session.signed_upload_url(key)
    alive = session.fetch(url, method="PUT", body=body)
    left = "its body stored" if session.view.read(key) == body else "not its body stored"
    # The same URL, changed after it was of use: whoever remembers signatures that were good is fooled by it.
    other = secret_content(session)
    changed = session.fetch(_with_other_signature(url, key), made_from=url, method="PUT", body=other)
    signed, elsewhere = SignedUrl.of(url, key), session.fresh_key()
    moved = session.fetch(signed.build(signed.pairs, key=elsewhere), made_from=url, method="PUT", body=other)
    kept = AS_BEFORE if session.view.read(key) == body else CHANGED
    seen["another signature, after a good use"] = (outcome(changed, other), kept)
    held = STORED if session.view.read(elsewhere) is not None else AS_BEFORE
    seen["another key, after a good use"] = (outcome(moved, other), held)
    require_each(seen, (REFUSED, AS_BEFORE), "a PUT that must change nothing", harm=bypass(*seen.values()))
    compare((alive.summary, left), ("200", "its body stored"), "the good PUT between them")


REFUSED_PUTS: Final = ("expired", "another signature", "another key", "a wrong secret", "an unknown key", "none")


def _refused_put(session: Session, how: str, key: str, there: bytes | None) -> tuple[str, str]:
    wire, body = session.wire, secret_content(session)
    if how == "expired":
        url = session.signed_upload_url(key, expires_in=60, age_s=60 + TOLERANCE_S)
        response = session.fetch(url, method="PUT", body=body)
    elif how == "another signature":
        url = session.signed_upload_url(key)
        response = session.fetch(_with_other_signature(url, key), made_from=url, method="PUT", body=body)
    elif how == "another key":
        url = session.signed_upload_url(other := session.fresh_key())
        signed = SignedUrl.of(url, other)
        response = session.fetch(signed.build(signed.pairs, key=key), made_from=url, method="PUT", body=body)
    elif how == "none":
        response = session.fetch(unsigned(session.signed_upload_url(key)), method="PUT", body=body)
    else:
        keys = wire.wrong_secret() if how == "a wrong secret" else wire.unknown_key()
        response = wire.fetch_presigned("PUT", key, keys=keys, body=body)
    left = session.view.read(key)
    return outcome(response, body), AS_BEFORE if left == there else CHANGED if there else STORED


def _sha256(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode("ascii")


def _bound(body: bytes, other: bytes) -> dict[str, tuple[Headers, Headers, bytes]]:
    """Return ways to break what a PUT of ``body`` signs: the signed headers, the sent headers, and the sent body."""
    kind, md5 = (("Content-Type", "text/plain"),), (("Content-MD5", content_md5(body)),)
    length, sha = (("Content-Length", str(len(body))),), (("x-amz-checksum-sha256", _sha256(body)),)
    return {
        "another Content-Type": (kind, (("Content-Type", "text/html"),), body),
        "no Content-Type": (kind, (), body),
        "a longer body": (length, (), body + b"!"),
        "a shorter body": (length, (), body[:-1]),
        "a body that the Content-MD5 is not of": (md5, md5, other),
        "no Content-MD5": (md5, (), other),
        "another Content-MD5": (md5, (("Content-MD5", content_md5(other)),), other),
        "a body that the checksum is not of": (sha, sha, other),
        "no checksum": (sha, (), other),
        "another checksum": (sha, (("x-amz-checksum-sha256", _sha256(other)),), other),
    }


@clause(
    "URL-023",
    "A signed PUT enforces what it binds (Content-Type, Content-Length, Content-MD5, checksum): kept, it stores the "
    "body; broken, it is refused and stores nothing.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(QUERY_AUTH, PRESIGNED_UPLOADS, PUT_OBJECT),
    proved_by=("signed-headers-are-not-checked", "signed-put-ignores-checksums", "ignores-url-signature"),
    requires=UPLOADS,
)
def test_a_signed_put_enforces_what_it_binds(session: Session) -> None:
    body, other = secret_content(session), secret_content(session)
    seen: dict[str, tuple[str, str]] = {}
    promised: dict[str, tuple[str, str]] = {}
    harms: set[Harm] = set()
    for how, (signed, sent, sent_body) in _bound(body, other).items():
        key = session.fresh_key()
        response = session.wire.fetch_presigned("PUT", key, headers=signed, sent=sent, body=sent_body)
        left = session.view.read(key)
        seen[how] = (outcome(response, b""), "nothing stored" if left is None else f"{len(left)} bytes stored")
        promised[how] = (REFUSED, "nothing stored")
        if left is not None:
            # Sent as signed and yet with another body, or not sent as signed.
            harms.add(Harm.STORES_WRONG_DATA if sent == signed else Harm.BYPASSES_AUTHENTICATION)
        name = signed[0][0]
        if name not in seen:
            response = session.wire.fetch_presigned("PUT", key, headers=signed, body=body)
            seen[name] = (response.summary, "stored" if session.view.read(key) == body else "not stored")
            promised[name] = ("200", "stored")
    gravest_first = (Harm.BYPASSES_AUTHENTICATION, Harm.STORES_WRONG_DATA)
    harm = next((each for each in gravest_first if each in harms), None)
    require_each(seen, promised, "a signed PUT", harm=harm)
