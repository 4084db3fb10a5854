"""Signature Version 4, both ways, written from the specification.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote_to_bytes

import time_machine

from tests.exemplar.types import UNRESERVED, Request, S3Error

ALGORITHM: Final = "AWS4-HMAC-SHA256"
EMPTY_SHA256: Final = hashlib.sha256(b"").hexdigest()
UNSIGNED: Final = "UNSIGNED-PAYLOAD"
MAX_SKEW_S: Final = 900
MAX_EXPIRES_S: Final = 604_800
_PRESIGNED: Final = ("Algorithm", "Credential", "Signature", "Date", "SignedHeaders", "Expires")
_WHITESPACE: Final = re.compile(" +")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The key pair a server knows, and its region."""

    access_key: str
    secret_key: str
    region: str = "us-east-1"

    def __repr__(self) -> str:
        return f"Credentials(region={self.region!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A verified signature: what a chunked body's signatures are chained to."""

    signature: str
    amz_date: str
    scope: str
    payload_hash: str
    signing_key: bytes


def _wall_clock() -> float:
    hatch = time_machine.escape_hatch
    return hatch.time.time() if hatch.is_travelling() else time.time()


_MONOTONIC_ZERO: Final = _wall_clock() - time.monotonic()


def real_now() -> float:
    """Return the true POSIX time, also while a test travels in time: the server must not travel along.

    Counted by the monotonic clock, which no time travel moves and no thread can see half-moved.
    """
    return _MONOTONIC_ZERO + time.monotonic()


@lru_cache(maxsize=64)
def signing_key(secret_key: str, date: str, region: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (date, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _parse_date(text: str) -> float | None:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _canonical_request(request: Request, signed_headers: Iterable[str], payload_hash: str) -> str:
    path = quote(unquote_to_bytes(request.path.encode("latin-1")), safe=UNRESERVED + "/")
    pairs = sorted(
        (quote(name, safe=UNRESERVED), quote(value, safe=UNRESERVED))
        for name, value in request.pairs
        if name != "X-Amz-Signature"
    )
    query = "&".join(f"{name}={value}" for name, value in pairs)
    names = list(signed_headers)
    lines = "".join(f"{name}:{_WHITESPACE.sub(' ', request.header(name).strip())}\n" for name in names)
    return f"{request.method}\n{path}\n{query}\n{lines}\n{';'.join(names)}\n{payload_hash}"


def _signature(request: Request, names: Iterable[str], payload_hash: str, amz_date: str, scope: str, key: bytes) -> str:
    digest = hashlib.sha256(_canonical_request(request, names, payload_hash).encode("latin-1")).hexdigest()
    return hmac.new(key, f"{ALGORITHM}\n{amz_date}\n{scope}\n{digest}".encode(), "sha256").hexdigest()


def _check_scope(credential: str, amz_date: str, credentials: Credentials, code: str) -> tuple[str, str]:
    parts = credential.rsplit("/", 4)
    if len(parts) != 5:
        raise S3Error(400, code, "The Credential is mal-formed; expecting AKID/YYYYMMDD/REGION/SERVICE/aws4_request.")
    access_key, date, region, service, terminator = parts
    if "%" in access_key or "/" in access_key or not access_key:
        raise S3Error(400, code, "The Credential is mal-formed; expecting AKID/YYYYMMDD/REGION/SERVICE/aws4_request.")
    if terminator != "aws4_request" or service != "s3":
        raise S3Error(400, code, f"The Credential names {service!r}/{terminator!r}; expecting 's3'/'aws4_request'.")
    if access_key != credentials.access_key:
        raise S3Error(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
    if date != amz_date[:8]:
        raise S3Error(400, code, f"Invalid credential date {date!r}. This date is not the same as X-Amz-Date.")
    if region != credentials.region:
        raise S3Error(400, code, f"The region {region!r} is wrong; expecting {credentials.region!r}.")
    return "/".join(parts[1:]), date


def _check_signed_headers(request: Request, names: list[str]) -> None:
    unsigned = sorted(
        name
        for name in {key.lower() for key, _ in request.headers}
        if ((name.startswith("x-amz-") and name != "x-amz-content-sha256") or name == "host") and name not in names
    )
    if unsigned:
        raise S3Error(
            403,
            "AccessDenied",
            "There were headers present in the request which were not signed",
            fields=(("HeadersNotSigned", ", ".join(unsigned)),),
        )


def _finish(
    request: Request, names: list[str], payload_hash: str, amz_date: str, scope: str, key: bytes, given: str
) -> Signed:
    expected = _signature(request, names, payload_hash, amz_date, scope, key)
    if not hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace")):
        raise S3Error(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method.",
        )
    return Signed(signature=given, amz_date=amz_date, scope=scope, payload_hash=payload_hash, signing_key=key)


def _verify_presigned(request: Request, credentials: Credentials, now: float) -> Signed:
    code = "AuthorizationQueryParametersError"
    query: Mapping[str, str] = request.query
    if any(f"X-Amz-{name}" not in query for name in _PRESIGNED):
        wanted = ", ".join(f"X-Amz-{name}" for name in _PRESIGNED)
        raise S3Error(400, code, f"Query-string authentication version 4 requires the {wanted} parameters.")
    if query["X-Amz-Algorithm"] != ALGORITHM:
        raise S3Error(400, code, f'X-Amz-Algorithm only supports "{ALGORITHM}"')
    amz_date = query["X-Amz-Date"]
    signed_at = _parse_date(amz_date)
    if signed_at is None:
        raise S3Error(400, code, "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
    text = query["X-Amz-Expires"]
    if not re.fullmatch("-?[0-9]{1,18}", text):
        raise S3Error(400, code, "X-Amz-Expires should be a number")
    expires = int(text)
    if expires < 0:
        raise S3Error(400, code, "X-Amz-Expires must be non-negative")
    if not 1 <= expires <= MAX_EXPIRES_S:
        raise S3Error(400, code, "X-Amz-Expires must be between 1 second and a week (in seconds)")
    scope, date = _check_scope(query["X-Amz-Credential"], amz_date, credentials, code)
    if "X-Amz-Security-Token" in query:
        raise S3Error(400, "InvalidToken", "The provided token is malformed or otherwise invalid.")
    if signed_at > now + MAX_SKEW_S:
        raise S3Error(403, "AccessDenied", "Request is not valid yet")
    if now > signed_at + expires:
        raise S3Error(403, "AccessDenied", "Request has expired", fields=(("X-Amz-Expires", text),))
    names = query["X-Amz-SignedHeaders"].split(";")
    _check_signed_headers(request, names)
    payload_hash = query.get("X-Amz-Content-Sha256") or request.header("x-amz-content-sha256") or UNSIGNED
    key = signing_key(credentials.secret_key, date, credentials.region)
    return _finish(request, names, payload_hash, amz_date, scope, key, query["X-Amz-Signature"])


def _verify_header(request: Request, credentials: Credentials, now: float) -> Signed:
    code = "AuthorizationHeaderMalformed"
    kind, _, rest = request.header("authorization").partition(" ")
    if kind == "AWS":
        raise S3Error(400, "InvalidRequest", f"The authorization mechanism is not supported. Please use {ALGORITHM}.")
    if kind != ALGORITHM:
        raise S3Error(400, "InvalidArgument", "Unsupported Authorization Type")
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    if not {"Credential", "SignedHeaders", "Signature"} <= fields.keys():
        raise S3Error(400, code, "The authorization header is malformed; it needs Credential, SignedHeaders, Signature")
    amz_date = request.header("x-amz-date")
    signed_at = _parse_date(amz_date)
    if signed_at is None:
        raise S3Error(403, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
    scope, date = _check_scope(fields["Credential"], amz_date, credentials, code)
    if request.has_header("x-amz-security-token"):
        raise S3Error(400, "InvalidToken", "The provided token is malformed or otherwise invalid.")
    if abs(now - signed_at) > MAX_SKEW_S:
        message = "The difference between the request time and the current time is too large."
        raise S3Error(403, "RequestTimeTooSkewed", message, fields=(("MaxAllowedSkewMilliseconds", "900000"),))
    payload_hash = request.header("x-amz-content-sha256")
    if not payload_hash:
        raise S3Error(400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    names = fields["SignedHeaders"].split(";")
    _check_signed_headers(request, names)
    key = signing_key(credentials.secret_key, date, credentials.region)
    return _finish(request, names, payload_hash, amz_date, scope, key, fields["Signature"])


def verify(request: Request, credentials: Credentials) -> Signed:
    """Return the proof that ``request`` is signed by the one known key; raise the documented refusal otherwise."""
    in_query = any(name.startswith("X-Amz-") and name[6:] in _PRESIGNED for name in request.query)
    in_header = request.has_header("authorization")
    if in_query and in_header:
        raise S3Error(400, "InvalidArgument", "Only one auth mechanism allowed")
    if in_query:
        return _verify_presigned(request, credentials, real_now())
    if in_header:
        return _verify_header(request, credentials, real_now())
    if "Signature" in request.query and "AWSAccessKeyId" in request.query:
        raise S3Error(400, "InvalidRequest", f"The authorization mechanism is not supported. Please use {ALGORITHM}.")
    if any(name.startswith("response-") for name in request.query):
        message = "Request specific response headers cannot be used for anonymous GET requests."
        raise S3Error(400, "InvalidRequest", message)
    raise S3Error(403, "AccessDenied", "Access Denied")


def sign(request: Request, credentials: Credentials) -> Request:
    """Return ``request`` with a new Authorization header; its body must be free of ``aws-chunked``."""
    amz_date = datetime.fromtimestamp(real_now(), UTC).strftime("%Y%m%dT%H%M%SZ")
    bare = request.unsigned().with_header("x-amz-date", amz_date).with_header("x-amz-security-token", None)
    payload_hash = hashlib.sha256(request.body).hexdigest()
    bare = bare.with_header("x-amz-content-sha256", payload_hash)
    names = sorted({name.lower() for name, _ in bare.headers if name.lower().startswith("x-amz-")} | {"host"})
    scope = f"{amz_date[:8]}/{credentials.region}/s3/aws4_request"
    key = signing_key(credentials.secret_key, amz_date[:8], credentials.region)
    given = _signature(bare, names, payload_hash, amz_date, scope, key)
    value = (
        f"{ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={';'.join(names)}, Signature={given}"
    )
    return replace(bare, headers=(*bare.headers, ("Authorization", value)))
