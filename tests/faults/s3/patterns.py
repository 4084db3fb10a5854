"""The first faults of an S3 server, as patterns for the families that follow."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import threading
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import unquote

from tests.exemplar.payload import open_body
from tests.exemplar.sigv4 import real_now
from tests.exemplar.types import Request, Response
from tests.faults.gateway import Forward, fault


def _age_s(request: Request) -> float:
    """Return the age of a signed URL, in seconds; 0 where its date cannot be read."""
    try:
        signed_at = datetime.strptime(request.query.get("X-Amz-Date", ""), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return 0.0
    return real_now() - signed_at.timestamp()


def bare(request: Request, method: str) -> Request:
    """Return a new request on the same bucket and key, without query, body and further headers."""
    return Request(method=method, target=request.path, headers=(("Host", request.header("host")),))


@fault(
    "serves-expired-urls",
    "an expired signed URL is served as if it were alive",
    breaks=["URL-003", "URL-004", "URL-018", "URL-022"],
)
def serves_expired_urls(request: Request, forward: Forward) -> Response:
    refused = forward.authentic(request)
    if refused is not None and b"Request has expired" in refused.body:
        return forward.trusted(request)
    return forward(request)


@fault(
    "ignores-url-signature",
    "the signature of a signed URL is never compared",
    breaks=["URL-009", "URL-010", "URL-012", "URL-017", "URL-021", "URL-022", "URL-023"],
)
def ignores_url_signature(request: Request, forward: Forward) -> Response:
    refused = forward.authentic(request) if request.is_presigned else None
    if refused is not None and b"SignatureDoesNotMatch" in refused.body:
        return forward.trusted(request)
    return forward(request)


@fault(
    "caps-url-life-at-skew-window",
    "a signed URL dies after 15 minutes, whatever life it was signed for",
    breaks=["URL-002", "URL-004", "URL-005"],
)
def caps_url_life(request: Request, forward: Forward) -> Response:
    if (
        request.is_presigned
        and re.fullmatch(r"\d{8}T\d{6}Z", request.query.get("X-Amz-Date", ""))
        and _age_s(request) > 900
    ):
        body = b"<Error><Code>RequestTimeTooSkewed</Code><Message>too old</Message></Error>"
        return Response(status=403, headers=(("Content-Type", "application/xml"),), body=body)
    return forward(request)


@fault(
    "ignores-response-content-disposition",
    "the signed response-content-disposition does not come back",
    breaks=["URL-011"],
)
def ignores_disposition(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    return (
        answer.with_header("Content-Disposition", None) if "response-content-disposition" in request.query else answer
    )


@fault(
    "delete-drops-prefix-siblings",
    "a batch delete takes along every key that starts with a named one",
    breaks=["DEL-001", "DEL-006", "KEY-013"],
)
def delete_drops_prefix_siblings(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    if request.is_batch_delete() and answer.status == 200:
        bucket = bare(request, "GET")
        for key in re.findall(rb"<Deleted><Key>([^<]+)</Key>", answer.body):
            listing = forward.trusted(bucket.with_query(list_type="2", prefix=html.unescape(key.decode())))
            for sibling in re.findall(rb"<Contents><Key>([^<]+)</Key>", listing.body):
                forward.trusted(replace(bucket, method="DELETE").with_key(html.unescape(sibling.decode())))
    return answer


@fault("delete-ignores-quiet", "Quiet is ignored: every deleted key is named", breaks=["DEL-011"])
def delete_ignores_quiet(request: Request, forward: Forward) -> Response:
    if request.is_batch_delete() and b"<Quiet>true</Quiet>" in request.body and forward.authentic(request) is None:
        return forward.trusted(with_digest(request, request.body.replace(b"<Quiet>true</Quiet>", b"")))
    return forward(request)


def with_digest(request: Request, body: bytes) -> Request:
    """Return the request with another body that carries its own Content-MD5."""
    return request.with_body(body).with_header("Content-MD5", base64.b64encode(hashlib.md5(body).digest()).decode())


@fault("delete-takes-1001", "a batch of 1001 keys is accepted", breaks=["DEL-010", "DEL-015"])
def delete_takes_1001(request: Request, forward: Forward) -> Response:
    objects = re.findall(rb"<Object>.*?</Object>", request.body, re.DOTALL) if request.is_batch_delete() else []
    if len(objects) <= 1000 or forward.authentic(request) is not None:
        return forward(request)
    for at in range(0, len(objects), 1000):
        body = b"<Delete>" + b"".join(objects[at : at + 1000]) + b"</Delete>"
        answer = forward.trusted(with_digest(request, body))
    return answer


@fault(
    "list-skips-last-of-full-page", "a page that is exactly full loses its last key", breaks=["LIST-001", "LIST-007"]
)
def list_skips_last(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    entries = list(re.finditer(rb"<Contents>.*?</Contents>", answer.body, re.DOTALL)) if request.is_listing() else []
    if entries and str(len(entries)) == request.query.get("max-keys", "1000"):
        last = entries[-1]
        return answer.with_body(answer.body[: last.start()] + answer.body[last.end() :])
    return answer


@fault(
    "overwrite-keeps-old-tail",
    "a shorter value written over a longer one keeps the old tail",
    breaks=["RT-002", "CON-002", "CON-006"],
)
def overwrite_keeps_old_tail(request: Request, forward: Forward) -> Response:
    if not request.is_object("PUT"):
        return forward(request)
    old = forward.trusted(bare(request, "GET"))
    answer = forward(request)
    if answer.status == 200 and old.status == 200:
        plain = open_body(request, None)
        forward.trusted(plain.with_body(plain.body + old.body[len(plain.body) :]))
    return answer


@fault(
    "get-missing-gives-empty-200",
    "a missing key reads as an empty object",
    breaks=["RT-003", "DEL-014", "URL-013", "CON-001"],
)
def get_missing_gives_empty(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    if request.is_object("GET") and answer.status == 404 and b"NoSuchKey" in answer.body:
        return Response(status=200, headers=(("ETag", '"d41d8cd98f00b204e9800998ecf8427e"'),))
    return answer


def rekeyed(request: Request, forward: Forward, key: str) -> Response:
    """Answer an object request as if it named ``key``, if it may be answered at all."""
    if not request.key or key == request.key or not key:
        return forward(request)
    return forward.authentic(request) or forward.trusted(request.with_key(key))


@fault(
    "lowercases-keys",
    "keys are kept in lower case, as on a case-folding file system",
    breaks=["KEY-007", "KEY-008", "KEY-009", "KEY-010"],
)
def lowercases_keys(request: Request, forward: Forward) -> Response:
    return rekeyed(request, forward, request.key.lower())


@fault("decodes-keys-twice", "the key is percent-decoded twice", breaks=["KEY-009", "KEY-010"])
def decodes_keys_twice(request: Request, forward: Forward) -> Response:
    return rekeyed(request, forward, unquote(request.key))


@fault(
    "collapses-double-slashes",
    "`a//b` becomes `a/b`",
    breaks=["KEY-010"],
    origin="what a cleaning file-path function does to keys",
)
def collapses_double_slashes(request: Request, forward: Forward) -> Response:
    return rekeyed(request, forward, re.sub("/+", "/", request.key))


@fault(
    "collapses-spaces",
    "spaces in a row become one",
    breaks=["KEY-009", "KEY-010"],
    origin="white space in XML or in a command line that is normalised",
)
def collapses_spaces(request: Request, forward: Forward) -> Response:
    return rekeyed(request, forward, re.sub(" +", " ", request.key))


@fault(
    "normalises-keys-to-nfc",
    "decomposed characters are composed: NFD and NFC twins are one object",
    breaks=["KEY-009", "KEY-010"],
)
def normalises_keys(request: Request, forward: Forward) -> Response:
    return rekeyed(request, forward, unicodedata.normalize("NFC", request.key))


@fault(
    "stale-read-after-overwrite",
    "the first read after an overwrite still gives the old value",
    breaks=["CON-001", "CON-005", "CON-006", "RT-002", "URL-013"],
)
def stale_read(request: Request, forward: Forward) -> Response:
    name = (request.bucket, request.key)
    if request.is_object("PUT"):
        old = forward.trusted(bare(request, "GET"))
        answer = forward(request)
        if answer.status == 200 and old.status == 200:
            with forward.lock:
                forward.memory[name] = old
        return answer
    answer = forward(request)
    if request.is_object("GET") and answer.status == 200:
        with forward.lock:
            old_answer: Response = forward.memory.pop(name, answer)
            return old_answer
    return answer


@fault(
    "if-none-match-not-atomic",
    "creators race between the check of If-None-Match and the write: several win",
    breaks=["CON-003", "CON-011"],
)
def if_none_match_not_atomic(request: Request, forward: Forward) -> Response:
    if not (request.is_object("PUT") and request.header("if-none-match") == "*"):
        return forward(request)
    refused = forward.authentic(request)
    if refused is not None:
        return refused
    probe = bare(request, "HEAD")
    with forward.lock:
        waiting = forward.memory.setdefault((request.bucket, request.key), Meeting())
    exists = forward.trusted(probe).status == 200
    waiting.meet()
    return forward(request) if exists else forward.trusted(request.with_header("If-None-Match", None))


class Meeting:
    """Holds each thread until another one arrives, or for a tenth of a second, which makes a race certain."""

    def __init__(self) -> None:
        self._came = threading.Condition()
        self._count = 0

    def meet(self) -> None:
        with self._came:
            self._count += 1
            self._came.notify_all()
            self._came.wait_for(lambda: self._count >= 2, timeout=0.1)
