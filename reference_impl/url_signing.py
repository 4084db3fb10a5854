"""Signed URLs for local disk: HMAC-SHA256 over all that a URL grants, and the check that honours nothing else.

A URL carries when it was made and how long it lives, as Amazon S3's do. Its refusals are those of S3
(https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal
from urllib.parse import quote, unquote_to_bytes, urlsplit

from bucket_conformance.reference_impl.api import MAX_URL_LIFE_S, require_key, require_url_life
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError

MAX_CLOCK_SKEW_S: Final = 900
"""How far in the future a URL may be dated, in seconds: the 15 minutes that S3 allows."""

MIN_SECRET_BYTES: Final = 16

DATE: Final = "X-Storage-Date"
EXPIRES: Final = "X-Storage-Expires"
SIGNATURE: Final = "X-Storage-Signature"
CONTENT_TYPE: Final = "X-Storage-Content-Type"
DISPOSITION: Final = "response-content-disposition"

_AUTHORIZATION: Final = (DATE, EXPIRES, SIGNATURE)
_METHODS: Final = ("GET", "HEAD", "PUT")
_DATE_FORMAT: Final = "%Y%m%dT%H%M%SZ"
_VERSION: Final = b"local-signed-url-1"

RefusalCode = Literal["AccessDenied", "SignatureDoesNotMatch", "AuthorizationQueryParametersError"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a verified URL allows: one method on one key, and the response header it asks for."""

    method: str
    key: str
    disposition: str | None = None


class UrlRejected(Exception):
    """A URL that grants nothing: the HTTP status, S3's error code, and a message that may be shown."""

    def __init__(self, code: RefusalCode, message: str) -> None:
        self.status = 400 if code == "AuthorizationQueryParametersError" else 403
        self.code = code
        self.message = message
        super().__init__(code, message)


class UrlSigner:
    """Makes and verifies the URLs below one address. The secret never shows.

    ``base_url`` is an ``http`` or ``https`` address without query; keys follow it after a slash. The host is not
    signed, so a proxy may present the server under another name.
    """

    def __init__(self, base_url: str, secret: bytes) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.netloc or "?" in base_url or "#" in base_url:
            hint = f"base_url {base_url!r} is not http(s)://host[:port][/path]; pass the address of the URL server"
            raise StorageError(ErrorCode.INVALID_ARGUMENT, "UrlSigner", None, hint)
        if len(secret) < MIN_SECRET_BYTES:
            hint = f"the secret has {len(secret)} bytes; use at least {MIN_SECRET_BYTES} random ones"
            raise StorageError(ErrorCode.INVALID_ARGUMENT, "UrlSigner", None, hint)
        self.base_url = base_url.rstrip("/")
        self._path = urlsplit(self.base_url).path.encode() + b"/"
        self._secret = secret

    def sign(
        self,
        method: str,
        key: str,
        *,
        expires_in: int = MAX_URL_LIFE_S,
        disposition: str | None = None,
        content_type: str | None = None,
    ) -> str:
        """Return a URL for one ``method`` (GET, HEAD, PUT) on ``key``, valid for ``expires_in`` seconds from now.

        ``disposition`` comes back as Content-Disposition; ``content_type`` must then be sent, exactly so, by a PUT.
        """
        require_key(key, "sign")
        require_url_life(expires_in, "sign", key)
        if method not in _METHODS:
            hint = f"method {method!r} cannot be signed; use one of {', '.join(_METHODS)}"
            raise StorageError(ErrorCode.INVALID_ARGUMENT, "sign", key, hint)
        if disposition is not None and not _is_header(disposition):
            hint = f"disposition {disposition!r} is not printable ASCII; build it with disposition.attachment"
            raise StorageError(ErrorCode.INVALID_ARGUMENT, "sign", key, hint)
        fields = {DATE: datetime.fromtimestamp(int(time.time()), UTC).strftime(_DATE_FORMAT), EXPIRES: str(expires_in)}
        if content_type is not None:
            fields[CONTENT_TYPE] = content_type
        if disposition is not None:
            fields[DISPOSITION] = disposition
        fields[SIGNATURE] = self._signature(method, key.encode(), {n: v.encode() for n, v in fields.items()})
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items())
        return f"{self.base_url}/{quote(key, safe='/')}?{query}"

    def verify(self, method: str, raw_path: bytes, raw_query: bytes, *, content_type: str | None = None) -> Grant:
        """Return what the URL grants, or raise :class:`UrlRejected`.

        ``raw_path`` and ``raw_query`` are as sent, still percent-encoded; ``content_type`` is the request's header.
        """
        fields = _parse(raw_query)
        date, life = _period(fields)
        key = self._key(raw_path)
        given = fields.pop(SIGNATURE)
        # Every parameter is signed, known or not: one that was added is refused like one that was changed.
        if not hmac.compare_digest(given, self._signature(method, key, fields).encode()):
            raise _mismatch()
        # The signature is now known to be right, so the response may say that the URL is not yet valid or has expired.
        now = time.time()
        if date - now > MAX_CLOCK_SKEW_S:
            raise UrlRejected("AccessDenied", "Request is not valid yet")
        if now > date + life:
            raise UrlRejected("AccessDenied", "Request has expired")
        if CONTENT_TYPE in fields and fields[CONTENT_TYPE] != (content_type or "").encode():
            raise _mismatch()
        disposition = fields.get(DISPOSITION)
        return Grant(method=method, key=key.decode(), disposition=disposition.decode() if disposition else None)

    def _key(self, raw_path: bytes) -> bytes:
        # An encoded slash is not the slash between two parts of a key; telling them apart ends here, after decoding.
        if not raw_path.startswith(self._path) or b"%2f" in raw_path.lower():
            raise _mismatch()
        key = _decode(raw_path[len(self._path) :])
        try:
            key.decode()
        except UnicodeDecodeError:
            raise _mismatch() from None
        return key

    def _signature(self, method: str, key: bytes, fields: dict[str, bytes]) -> str:
        # Each part carries its length, so no two grants are signed over the same bytes.
        parts = [_VERSION, method.encode(), key]
        for name in sorted(fields):
            parts += [name.encode(), fields[name]]
        message = b"".join(b"%d:%s" % (len(part), part) for part in parts)
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()


def _mismatch() -> UrlRejected:
    return UrlRejected("SignatureDoesNotMatch", "The signature does not match what the request asks for")


def _is_header(value: str) -> bool:
    return value.isascii() and value.isprintable()


def _decode(text: bytes) -> bytes:
    if re.search(rb"%(?![0-9A-Fa-f]{2})", text):
        raise _mismatch()
    return unquote_to_bytes(text)


def _parse(raw_query: bytes) -> dict[str, bytes]:
    fields: dict[str, bytes] = {}
    names = [part.partition(b"=")[0] for part in raw_query.split(b"&")] if raw_query else []
    if not {name.encode() for name in _AUTHORIZATION} & set(names):
        raise UrlRejected("AccessDenied", "Access Denied")
    for part in raw_query.split(b"&"):
        raw_name, _, value = part.partition(b"=")
        name = raw_name.decode("latin-1")
        if name in fields:
            raise UrlRejected("AuthorizationQueryParametersError", "A query parameter is given more than once")
        fields[name] = _decode(value)
    for name in _AUTHORIZATION:
        if not fields.get(name):
            raise UrlRejected("AuthorizationQueryParametersError", f"Query-string authentication requires {name}")
    return fields


def _period(fields: dict[str, bytes]) -> tuple[float, int]:
    """Return when the URL was made, in seconds since the epoch, and its life in seconds."""
    if not re.fullmatch(rb"[1-9][0-9]{0,5}", fields[EXPIRES]) or int(fields[EXPIRES]) > MAX_URL_LIFE_S:
        raise UrlRejected("AuthorizationQueryParametersError", f"{EXPIRES} must be 1 to {MAX_URL_LIFE_S} whole seconds")
    try:
        if not re.fullmatch(rb"[0-9]{8}T[0-9]{6}Z", fields[DATE]):
            raise ValueError
        date = datetime.strptime(fields[DATE].decode(), _DATE_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        raise UrlRejected(
            "AuthorizationQueryParametersError", f"{DATE} must be a UTC time as yyyymmddThhmmssZ"
        ) from None
    return date.timestamp(), int(fields[EXPIRES])
