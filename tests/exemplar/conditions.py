"""Conditional requests: reads (RFC 9110), copy sources, and writes."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from tests.exemplar.store import Bucket, Version, now
from tests.exemplar.types import Request, S3Error


def http_date(moment: datetime) -> str:
    return moment.strftime("%a, %d %b %Y %H:%M:%S GMT")


def _date(text: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _names(text: str, etag: str) -> bool:
    given = [value.strip().removeprefix("W/").strip('"') for value in text.split(",")]
    return text.strip() == "*" or etag in given


def failed(condition: str) -> S3Error:
    message = "At least one of the pre-conditions you specified did not hold"
    return S3Error(412, "PreconditionFailed", message, fields=(("Condition", condition),))


def no_such_key(key: str) -> S3Error:
    return S3Error(404, "NoSuchKey", "The specified key does not exist.", fields=(("Key", key),))


def _first_failed(request: Request, version: Version, prefix: str) -> str:
    """Return the name of the condition that does not hold, or ``""``; tag conditions outrank the dates."""
    if match := request.header(f"{prefix}If-Match"):
        if not _names(match, version.etag):
            return "If-Match"
    elif (date := _date(request.header(f"{prefix}If-Unmodified-Since"))) and version.last_modified > date:
        return "If-Unmodified-Since"
    if none_match := request.header(f"{prefix}If-None-Match"):
        if _names(none_match, version.etag):
            return "If-None-Match"
    elif (date := _date(request.header(f"{prefix}If-Modified-Since"))) and version.last_modified <= date <= now():
        return "If-Modified-Since"
    return ""


def check_read(request: Request, version: Version) -> bool:
    """Return whether the answer is 304; raise 412 where a precondition does not hold."""
    name = _first_failed(request, version, "")
    if name in ("If-Match", "If-Unmodified-Since"):
        raise failed(name)
    return name != ""


def check_copy_source(request: Request, source: Version) -> None:
    prefix = "x-amz-copy-source-"
    if name := _first_failed(request, source, prefix):
        raise failed(prefix + name)


def _not_implemented(header: str, why: str) -> S3Error:
    message = "A header you provided implies functionality that is not implemented"
    return S3Error(501, "NotImplemented", message, fields=(("Header", header), ("additionalMessage", why)))


def check_write(request: Request, bucket: Bucket, key: str, *, since: int | None = None) -> None:
    """Raise unless If-None-Match / If-Match allow a write now. The lock must be held until the write is done.

    ``since`` dates the start of a multipart upload: a change of the key after it is a conflict.
    """
    match, none_match = request.header("If-Match"), request.header("If-None-Match")
    if match and none_match:
        why = "Multiple conditional request headers present in the request"
        raise _not_implemented("If-Match,If-None-Match", why)
    if none_match and none_match.strip() != "*":
        raise _not_implemented("If-None-Match", "We don't accept the provided value of If-None-Match header")
    if match.strip() == "*":
        raise _not_implemented("If-Match", "We don't accept the provided value of If-Match header for this API")
    current = bucket.current(key)
    if none_match and current is not None:
        raise failed("If-None-Match")
    if match and current is None:
        raise no_such_key(key)
    if match and current is not None and not _names(match, current.etag):
        raise failed("If-Match")
    if (match or none_match) and since is not None and bucket.changes.get(key, -1) > since:
        message = "The conditional request cannot succeed due to a conflicting operation against this resource."
        condition = "If-Match" if match else "If-None-Match"
        raise S3Error(409, "ConditionalRequestConflict", message, fields=(("Condition", condition), ("Key", key)))


def check_delete(request: Request, bucket: Bucket, key: str) -> None:
    for name in ("x-amz-if-match-last-modified-time", "x-amz-if-match-size"):
        if request.has_header(name):
            raise _not_implemented(name, "This header is for directory buckets")
    if match := request.header("If-Match"):
        current = bucket.current(key)
        if current is None:
            raise no_such_key(key)
        if not _names(match, current.etag):
            raise failed("If-Match")
