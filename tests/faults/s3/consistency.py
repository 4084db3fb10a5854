"""Faults of an S3 server that show in conditional requests."""

from __future__ import annotations

from tests.exemplar.types import Request, Response
from tests.faults.gateway import Forward, fault


def _without(request: Request, forward: Forward, *names: str) -> Response:
    """Answer as if the headers had not been sent."""
    if not any(request.has_header(name) for name in names):
        return forward(request)
    refused = forward.authentic(request)
    if refused is not None:
        return refused
    for name in names:
        request = request.with_header(name, None)
    return forward.trusted(request)


@fault(
    "if-none-match-ignored",
    "If-None-Match on a put is ignored",
    breaks=["CON-003", "CON-011"],
    origin="Garage stores the object nevertheless",
)
def if_none_match_ignored(request: Request, forward: Forward) -> Response:
    return _without(request, forward, "If-None-Match") if request.is_object("PUT") else forward(request)


@fault("if-match-ignored", "If-Match on a put is ignored", breaks=["CON-004", "CON-007", "CON-008", "CON-011"])
def if_match_ignored(request: Request, forward: Forward) -> Response:
    return _without(request, forward, "If-Match") if request.is_object("PUT") else forward(request)


@fault(
    "if-match-wants-bare-etag",
    "If-Match on a put matches only without the quotes that the ETag was returned with",
    breaks=["CON-004"],
    origin="Ceph RGW 16 answers 412 to the quoted ETag",
)
def if_match_wants_bare_etag(request: Request, forward: Forward) -> Response:
    if request.is_object("PUT") and request.header("If-Match").startswith('"'):
        refused = forward.authentic(request)
        return refused or Response(status=412, body=b"<Error><Code>PreconditionFailed</Code></Error>")
    return forward(request)


@fault("if-match-creates", "If-Match on a key that does not exist creates it", breaks=["CON-008"])
def if_match_creates(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    if request.is_object("PUT") and request.has_header("If-Match") and answer.status == 404:
        return forward.trusted(request.with_header("If-Match", None))
    return answer


@fault("conditional-reads-ignored", "conditions on reads are ignored: always 200", breaks=["CON-009"])
def conditional_reads_ignored(request: Request, forward: Forward) -> Response:
    names = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since")
    return _without(request, forward, *names) if request.is_object("GET", "HEAD") else forward(request)


@fault("if-none-match-gives-412", "a read whose If-None-Match fails is answered 412, as a put is", breaks=["CON-009"])
def if_none_match_gives_412(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    if answer.status == 304 and request.has_header("If-None-Match"):
        return Response(status=412, body=b"<Error><Code>PreconditionFailed</Code></Error>")
    return answer


@fault("conditional-dates-ignored", "the date forms of conditional reads are ignored", breaks=["CON-009"])
def conditional_dates_ignored(request: Request, forward: Forward) -> Response:
    names = ("If-Modified-Since", "If-Unmodified-Since")
    return _without(request, forward, *names) if request.is_object("GET", "HEAD") else forward(request)
