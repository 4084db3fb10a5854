"""The one place that turns what botocore and an S3 server say into an :class:`ErrorCode`.

Hints are made here too: our own words, the server's code, status and request id. What a server says in free text is
shown only where its code is unknown to us, and only after :func:`scrub`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from botocore import exceptions as sdk
from botocore.exceptions import BotoCoreError, ClientError

from bucket_conformance.reference_impl.botocore_internals import ResponseParserError
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.s3_codes import CUT_OFF, NOT_S3

T = TypeVar("T")

MOST_SKEW_S: Final = 900.0
"""Seconds that the clocks of client and server may be apart
(https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, RequestTimeTooSkewed)."""

MAX_QUOTED: Final = 200
"""Most characters of a server's own message that a hint quotes."""

PERMISSION: Final[dict[str, str]] = {
    "upload": "s3:PutObject",
    "download": "s3:GetObject",
    "open": "s3:GetObject",
    "stat": "s3:GetObject",
    "exists": "s3:GetObject",
    "list": "s3:ListBucket",
    "delete_files": "s3:DeleteObject",
}
"""The permission that each operation needs
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html)."""

_CODES: Final[dict[ErrorCode, tuple[str, ...]]] = {
    ErrorCode.NOT_FOUND: ("NoSuchKey", "NoSuchVersion", "NotFound"),
    ErrorCode.BUCKET_NOT_FOUND: ("NoSuchBucket",),
    ErrorCode.INVALID_KEY: (
        "KeyTooLongError",
        "KeyTooLong",
        "InvalidObjectName",
        "InvalidURI",
        "XMinioInvalidObjectName",
        "XMinioInvalidResourceName",
    ),
    ErrorCode.ACCESS_DENIED: ("AccessDenied", "AllAccessDisabled", "AccountProblem", "Forbidden", "NotSignedUp"),
    ErrorCode.INVALID_CREDENTIALS: (
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidToken",
        "InvalidSecurity",
        "TokenRefreshRequired",
        "Unauthorized",
        "RequestTimeTooSkewed",
    ),
    ErrorCode.CONFLICT: (
        "PreconditionFailed",
        "ConditionalRequestConflict",
        "OperationAborted",
        "NoSuchUpload",
        "XMinioObjectExistsAsDirectory",
        "XMinioParentIsObject",
    ),
    ErrorCode.NO_SPACE: ("QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage"),
    ErrorCode.TOO_LARGE: ("EntityTooLarge", "MaxMessageLengthExceeded"),
    ErrorCode.INTEGRITY: (
        CUT_OFF,
        NOT_S3,
        "BadDigest",
        "InvalidDigest",
        "IncompleteBody",
        "InvalidPart",
        "XAmzContentSHA256Mismatch",
        "XAmzContentChecksumMismatch",
    ),
    ErrorCode.UNAVAILABLE: (
        "InternalError",
        "ServiceUnavailable",
        "SlowDown",
        "SlowDownRead",
        "SlowDownWrite",
        "RequestTimeout",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
    ),
}
_BY_CODE: Final = {code: ours for ours, codes in _CODES.items() for code in codes}

# Used only if the code is no error code: HEAD responses have no body, so the SDK reports the bare status as the code.
_BY_STATUS: Final[dict[int, ErrorCode]] = {
    401: ErrorCode.INVALID_CREDENTIALS,
    403: ErrorCode.ACCESS_DENIED,
    404: ErrorCode.NOT_FOUND,
    408: ErrorCode.UNAVAILABLE,
    409: ErrorCode.CONFLICT,
    412: ErrorCode.CONFLICT,
    413: ErrorCode.TOO_LARGE,
    429: ErrorCode.UNAVAILABLE,
    500: ErrorCode.UNAVAILABLE,
    502: ErrorCode.UNAVAILABLE,
    503: ErrorCode.UNAVAILABLE,
    504: ErrorCode.UNAVAILABLE,
    507: ErrorCode.NO_SPACE,
}

_ADVICE: Final[dict[str, str]] = {
    "InvalidAccessKeyId": "the access key id is unknown to the server; check AP_S3_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "check AP_S3_SECRET_ACCESS_KEY, and that no proxy rewrites the request",
    "RequestTimeTooSkewed": "the clocks of this machine and the server are more than 15 minutes apart; set the clock",
    "ExpiredToken": "the temporary credentials have ended; renew them",
    "AuthorizationHeaderMalformed": "the server expects another region; check AP_S3_REGION",
    "PermanentRedirect": "the bucket is in another region or behind another endpoint; check AP_S3_REGION and "
    "AP_S3_ENDPOINT",
}
_ADVICE_BY_OURS: Final[dict[ErrorCode, str]] = {
    ErrorCode.BUCKET_NOT_FOUND: "the bucket does not exist; create it or check AP_S3_BUCKET",
    ErrorCode.NOT_FOUND: "nothing is stored under this key",
    ErrorCode.NO_SPACE: "the backend is full or over its quota; free space or raise the quota",
    ErrorCode.UNAVAILABLE: "the backend kept failing after the bounded retries; try again later",
}

_ILL_CREDENTIALS: Final = tuple(
    getattr(sdk, name)
    for name in (
        "NoCredentialsError",
        "PartialCredentialsError",
        "CredentialRetrievalError",
        "MetadataRetrievalError",
        "InvalidConfigError",
        "UnauthorizedSSOTokenError",
        "TokenRetrievalError",
        "SSOTokenLoadError",
        "InfiniteLoopConfigError",
        "ConfigNotFound",
    )
    if hasattr(sdk, name)
)
_BROKEN_BODY: Final = tuple(
    getattr(sdk, name)
    for name in ("IncompleteReadError", "ResponseStreamingError", "FlexibleChecksumError")
    if hasattr(sdk, name)
)

_TELLTALE: Final = re.compile(
    r"(?P<name>X-Amz-(?:Signature|Credential|Security-Token)|AWSAccessKeyId|Signature|Credential)(?P<is>\s*[=:]\s*)[^&\s,<]+"
    r"|\b[0-9a-f]{64}\b|\b(?:AKIA|ASIA)[0-9A-Z]{12,}\b",
    re.IGNORECASE,
)


def scrub(text: str, secrets: Iterable[str] = ()) -> str:
    """Return ``text`` cut to ``MAX_QUOTED`` characters, with signatures, key ids and all ``secrets`` masked."""
    for secret in sorted({secret for secret in secrets if secret}, key=len, reverse=True):
        text = text.replace(secret, "***")
    text = _TELLTALE.sub(lambda match: f"{match['name']}{match['is']}***" if match["name"] else "***", text)
    return text if len(text) <= MAX_QUOTED else text[:MAX_QUOTED] + "…"


def code_of(backend_code: str, status: int | None) -> ErrorCode:
    """Return our code for a server's error code, falling back to the HTTP status, then to ``UNKNOWN``."""
    known = _BY_CODE.get(backend_code)
    if known is not None:
        return known
    if backend_code.isdigit():
        return _BY_STATUS.get(int(backend_code), ErrorCode.UNKNOWN)
    if status is not None and (status >= 500 or not backend_code or status in (401, 403, 404, 429)) and status != 501:
        return _BY_STATUS.get(status, ErrorCode.UNKNOWN)
    return ErrorCode.UNKNOWN


def status_of(error: ClientError) -> int | None:
    """Return the HTTP status that came with ``error``, ``None`` where the SDK kept none."""
    status: Any = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status if isinstance(status, int) else None


def backend_code_of(error: ClientError) -> str:
    """Return the server's own error code, ``""`` where it gave none."""
    return str(error.response.get("Error", {}).get("Code") or "")


def translate(
    error: Exception, operation: str, key: str | None = None, *, secrets: Callable[[], Iterable[str]] = tuple
) -> StorageError:
    """Return the :class:`StorageError` that ``operation`` raises for an exception of the SDK or of the transport.

    ``secrets`` gives values that must never be shown; it is called only if the server's own words are quoted.
    """
    if isinstance(error, StorageError):
        return error
    if isinstance(error, ClientError):
        return _from_answer(error, operation, key, secrets)
    name = type(error).__name__
    if isinstance(error, _ILL_CREDENTIALS):
        return StorageError(
            ErrorCode.INVALID_CREDENTIALS,
            operation,
            key,
            f"no usable credentials ({name}); set AP_S3_ACCESS_KEY_ID and AP_S3_SECRET_ACCESS_KEY, or AP_S3_USE_IRSA "
            "with a web identity",
        )
    if isinstance(error, (*_BROKEN_BODY, ResponseParserError)):
        return StorageError(ErrorCode.INTEGRITY, operation, key, f"the body was cut off or changed under way ({name})")
    if isinstance(error, sdk.ParamValidationError):
        return StorageError(ErrorCode.INVALID_ARGUMENT, operation, key, "the SDK refused the parameters of the request")
    if type(error) is sdk.HTTPClientError:
        cause = type(error.kwargs.get("error")).__name__
        hint = f"the answer cannot be read ({cause}): a redirect without a usable Location, or no HTTP; "
        return StorageError(ErrorCode.UNAVAILABLE, operation, key, hint + "check AP_S3_ENDPOINT and any proxy")
    if isinstance(error, sdk.HTTPClientError | sdk.ConnectionError | ConnectionError | TimeoutError):
        return StorageError(
            ErrorCode.UNAVAILABLE, operation, key, f"the backend gave no answer ({name}); check AP_S3_ENDPOINT"
        )
    if isinstance(error, BotoCoreError):
        return StorageError(ErrorCode.UNKNOWN, operation, key, scrub(f"{name}: {error}", secrets()))
    if isinstance(error, OSError):
        # The web-identity chain reads its token from a file, at the first request and not before.
        return StorageError(
            ErrorCode.INVALID_CREDENTIALS, operation, key, f"credentials cannot be read ({name}, errno {error.errno})"
        )
    if isinstance(error, ValueError | TypeError | LookupError | AttributeError | ArithmeticError | RecursionError):
        # The SDK stumbles so over fields that it does not expect.
        return StorageError(
            ErrorCode.INTEGRITY, operation, key, f"the answer cannot be read ({name}): no S3 answers so"
        )
    return StorageError(ErrorCode.UNKNOWN, operation, key, scrub(f"{name}: {error}", secrets()))


def _from_answer(
    error: ClientError, operation: str, key: str | None, secrets: Callable[[], Iterable[str]]
) -> StorageError:
    theirs, status = backend_code_of(error), status_of(error)
    code = code_of(theirs, status)
    said = f"{theirs or 'no code'}, status {status}"
    metadata = error.response.get("ResponseMetadata", {})
    if theirs in (CUT_OFF, NOT_S3):
        words = scrub(str(error.response.get("Error", {}).get("Message") or ""), secrets())
        hint = f"{words}: {'it broke off' if theirs == CUT_OFF else 'no S3 answers so'}; check AP_S3_ENDPOINT and any "
        return StorageError(code, operation, key, hint + "proxy in between; the operation does not count as done")
    if status is not None and 300 <= status < 400:
        return StorageError(code, operation, key, _redirected(theirs, status, metadata.get("HTTPHeaders", {})))
    request_id = metadata.get("RequestId")
    if request_id:
        said += f", request {scrub(str(request_id))[:40]}"
    if error.operation_name.startswith("AssumeRole"):
        if code is not ErrorCode.UNAVAILABLE:
            code = ErrorCode.INVALID_CREDENTIALS
        return StorageError(code, operation, key, f"the token service refused {error.operation_name} ({said})")
    if code is ErrorCode.ACCESS_DENIED:
        advice = f"the credentials lack {PERMISSION.get(operation, 'a permission')}"
        if theirs.isdigit():
            advice = f"refused without a reason, as to every HEAD: the credentials are not accepted, or {advice}"
        if operation in ("stat", "exists"):
            advice += " (or s3:ListBucket, without which a missing key is refused instead of not found)"
    else:
        advice = _ADVICE.get(theirs) or _ADVICE_BY_OURS.get(code, "")
    apart = _clocks_apart_s(metadata.get("HTTPHeaders", {}))
    # A HEAD is refused without a code: only its Date tells of the clock then.
    if apart > MOST_SKEW_S and status in (400, 401, 403) and (theirs.isdigit() or not theirs):
        advice = (
            f"the clocks of this machine and the server are {apart / 60:.0f} minutes apart, and S3 refuses more than "
        )
        advice += f"{MOST_SKEW_S / 60:.0f}; set the clock first"
    if code is ErrorCode.UNKNOWN:
        words = scrub(str(error.response.get("Error", {}).get("Message") or ""), secrets())
        advice = "; ".join(part for part in (advice, f"the backend says: {words}" if words else "") if part)
    return StorageError(code, operation, key, f"{advice} ({said})" if advice else said)


def _clocks_apart_s(headers: Mapping[str, Any]) -> float:
    try:
        return abs((parsedate_to_datetime(str(headers["date"])) - datetime.now(UTC)).total_seconds())
    except (KeyError, ValueError, TypeError, OverflowError):
        return 0.0


def _redirected(theirs: str, status: int, headers: Mapping[str, Any]) -> str:
    said = f"the server redirects ({theirs}, status {status})"
    region = str(headers.get("x-amz-bucket-region", ""))
    if re.fullmatch(r"[a-z0-9-]{1,63}", region):
        said += f"; the bucket is in the region {region}: set AP_S3_REGION={region}"
    try:
        to = urlsplit(str(headers.get("location", "")))
        place = (
            f"{to.scheme}://{to.netloc.rpartition('@')[2]}" if to.scheme in ("http", "https") and to.hostname else ""
        )
    except ValueError:
        place = ""
    if place:
        said += (
            f"; to {scrub(place + to.path)}: set AP_S3_ENDPOINT to where the bucket is answered, such as {scrub(place)}"
        )
    elif "region" not in said:
        said += "; check AP_S3_ENDPOINT and AP_S3_REGION"
    return said + "; a redirect is never followed, because the credentials would follow it"


def guarded(
    operation: str, key: str | None, action: Callable[[], T], *, secrets: Callable[[], Iterable[str]] = tuple
) -> T:
    """Return ``action()``; whatever it raises becomes a :class:`StorageError` without the SDK's own traceback text."""
    try:
        return action()
    except Exception as error:
        raise translate(error, operation, key, secrets=secrets) from None
