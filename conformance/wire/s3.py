"""Single S3 requests, signed by botocore's signer and sent unchanged: for requests that no SDK would send."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit
from xml.sax.saxutils import escape

from bucket_conformance.conformance.target import S3Endpoint
from bucket_conformance.conformance.wire.exchange import Auth, Headers, SignedFrom
from bucket_conformance.conformance.wire.transport import HttpResponse, HttpTransport

if TYPE_CHECKING:
    from bucket_conformance.conformance.wire.botocore_internals import Credentials as BotocoreCredentials

UNSIGNED_PAYLOAD: Final = "UNSIGNED-PAYLOAD"

XML_NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"
"""The namespace of the elements of S3."""

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Credentials to sign with. Clauses also use invalid ones, to check that the backend rejects them.

    ``label`` is their name in transcripts and reproducers: ``"own"``, ``"wrong secret"`` or ``"unknown key"``.
    """

    access_key: str
    secret_key: str
    token: str | None = None
    label: str = "own"

    def __repr__(self) -> str:
        return "Keys(…)"


_BASE32: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_ALPHABETS: Final = ("0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def stranger_like(own: str) -> str:
    """Return a key id of the same form and length as ``own``, of whose characters it tells only the kind.

    The start AKIA or ASIA is kept, hexadecimal stays hexadecimal. The reproducer's client does the same.
    """
    start = own[:4] if own[:4] in ("AKIA", "ASIA") else ""
    rest, made = own[len(start) :], ""
    whole = next((kind for kind in ("0123456789abcdef", "0123456789ABCDEF") if set(rest) <= set(kind)), "")
    for at, char in enumerate(rest):
        kind = _BASE32 if start else whole or next((each for each in _ALPHABETS if char in each), char)
        pick = kind[(7 * at + 3) % len(kind)]
        made += kind[(7 * at + 4) % len(kind)] if at == len(rest) - 1 and made + pick == rest else pick
    return start + made


class S3Wire:
    """A signing client for one bucket. The transport records its requests and responses."""

    def __init__(
        self, endpoint: S3Endpoint, bucket: str, transport: HttpTransport, *, clock_offset_s: float = 0.0
    ) -> None:
        self.endpoint = endpoint
        self.bucket = bucket
        self.transport = transport
        self.clock_offset_s = clock_offset_s
        self.keys = Credentials(
            access_key=endpoint.access_key, secret_key=endpoint.secret_key, token=endpoint.session_token
        )

    def url(self, key: str | None = None, query: Query = (), *, bucket: str | None = None) -> str:
        """Return the unsigned URL of a key, or of the bucket. It is percent-encoded, and nothing is normalised."""
        name = self.bucket if bucket is None else bucket
        base = self.endpoint.url.rstrip("/")
        if self.endpoint.addressing == "virtual" and name:
            scheme, _, rest = base.partition("://")
            base = f"{scheme}://{name}.{rest}"
        elif name:
            base = f"{base}/{quote(name, safe='')}"
        path = "" if key is None else "/" + quote(key.encode("utf-8"), safe="/-._~")
        if not urlsplit(base + path).path:
            path = "/"
        return base + path + ("?" + encode_query(query) if query else "")

    def wrong_secret(self) -> Credentials:
        """Return credentials with the session's own key id and another secret."""
        return Credentials(
            access_key=self.keys.access_key, secret_key="not-the-secret-of-this-key", label="wrong secret"
        )

    def unknown_key(self) -> Credentials:
        """Return credentials that no server knows; the key id has the form and length of the session's own.

        A server may reject a malformed key id in another way than an unknown one.
        """
        stranger = stranger_like(self.keys.access_key)
        return Credentials(access_key=stranger, secret_key="nobody-has-this-secret", label="unknown key")

    def request(
        self,
        method: str,
        key: str | None = None,
        *,
        query: Query = (),
        headers: Headers = (),
        body: bytes = b"",
        bucket: str | None = None,
        keys: Credentials | None = None,
        age_s: float = 0.0,
        signed: bool = True,
        payload_hash: str | None = None,
        cut_after: int | None = None,
    ) -> HttpResponse:
        """Send one request for ``key`` (``None``: for the bucket) and return the response.

        - ``age_s``: dates the signature back by so many seconds.
        - ``keys``: signs with other credentials; ``signed=False`` sends none.
        - ``payload_hash``: replaces the value of ``x-amz-content-sha256`` (default: the SHA-256 of ``body``).
        - ``cut_after``: sends so many bytes of the body, then hangs up.
        """
        url = self.url(key, query, bucket=bucket)
        sent = list(headers)
        if signed:
            sent = self.sign(method, url, sent, body, keys=keys, age_s=age_s, payload_hash=payload_hash)
        return self.transport.send(
            method,
            url,
            headers=sent,
            body=body,
            cut_after=cut_after,
            auth=Auth.HEADER if signed else Auth.NONE,
            signer=(keys or self.keys).label,
            age_s=age_s,
        )

    def sign(
        self,
        method: str,
        url: str,
        headers: Headers,
        body: bytes,
        *,
        keys: Credentials | None = None,
        age_s: float = 0.0,
        payload_hash: str | None = None,
    ) -> list[tuple[str, str]]:
        """Return ``headers`` together with those of Signature Version 4 (Authorization, X-Amz-Date, …)."""
        from bucket_conformance.conformance.wire import signing

        return signing.sign_headers(
            method,
            url,
            headers=headers,
            body=body,
            credentials=self._credentials(keys),
            region=self.endpoint.region,
            payload_hash=payload_hash or hashlib.sha256(body).hexdigest(),
            shift_s=self.clock_offset_s - age_s,
        )

    def presign(
        self,
        method: str,
        key: str | None = None,
        *,
        expires: int | str = 3600,
        age_s: float = 0.0,
        query: Query = (),
        headers: Headers = (),
        keys: Credentials | None = None,
        bucket: str | None = None,
    ) -> str:
        """Return a presigned URL.

        ``expires`` is the lifetime in seconds; any value is accepted, also an invalid one. ``headers`` are signed, and
        must be sent with the URL.
        """
        from bucket_conformance.conformance.wire import signing

        return signing.sign_url(
            method,
            self.url(key, query, bucket=bucket),
            headers=headers,
            credentials=self._credentials(keys),
            region=self.endpoint.region,
            expires=expires,
            shift_s=self.clock_offset_s - age_s,
        )

    def fetch_presigned(
        self,
        method: str,
        key: str | None = None,
        *,
        expires: int | str = 3600,
        age_s: float = 0.0,
        query: Query = (),
        headers: Headers = (),
        keys: Credentials | None = None,
        sent: Headers | None = None,
        body: bytes = b"",
        cut_after: int | None = None,
    ) -> HttpResponse:
        """Presign a URL, send the request, and return the response.

        ``sent`` are the headers to send, where they differ from the signed ones.
        """
        url = self.presign(method, key, expires=expires, age_s=age_s, query=query, headers=headers, keys=keys)
        made = SignedFrom(method=method, url=url, age_s=age_s, expires=str(expires), headers=tuple(headers))
        return self.transport.send(
            method,
            url,
            headers=headers if sent is None else sent,
            body=body,
            cut_after=cut_after,
            auth=Auth.URL,
            signed_from=made,
            signer=(keys or self.keys).label,
        )

    def put(self, key: str, body: bytes, headers: Headers = ()) -> HttpResponse:
        """Send a PUT and return the response."""
        return self.request("PUT", key, body=body, headers=headers)

    def get(self, key: str, headers: Headers = ()) -> HttpResponse:
        """Send a GET and return the response."""
        return self.request("GET", key, headers=headers)

    def head(self, key: str, headers: Headers = ()) -> HttpResponse:
        """Send a HEAD and return the response."""
        return self.request("HEAD", key, headers=headers)

    def delete(self, key: str) -> HttpResponse:
        """Send a DELETE for one key and return the response."""
        return self.request("DELETE", key)

    def delete_objects(
        self, keys: Iterable[str | tuple[str, str]], *, quiet: bool = False, headers: Headers | None = None
    ) -> HttpResponse:
        """Send one DeleteObjects for the keys, as they are, with Content-MD5 unless ``headers`` says otherwise.

        A key in a pair with the id of a version names this version.
        """
        body = delete_body(keys, quiet=quiet)
        given = headers if headers is not None else (("Content-MD5", content_md5(body)),)
        return self.request("POST", query=(("delete", ""),), headers=given, body=body)

    def _credentials(self, keys: Credentials | None) -> BotocoreCredentials:
        from bucket_conformance.conformance.wire import signing

        used = keys or self.keys
        return signing.credentials_of(used.access_key, used.secret_key, used.token)


def encode_query(query: Query) -> str:
    """Return a query string in the given order, with every name and value percent-encoded."""
    return "&".join(f"{quote(name, safe='-._~')}={quote(value, safe='-._~')}" for name, value in query)


def content_md5(body: bytes) -> str:
    """Return the value of the Content-MD5 header for a body (RFC 1864)."""
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode("ascii")


def delete_body(keys: Iterable[str | tuple[str, str]], *, quiet: bool = False) -> bytes:
    """Return the XML of DeleteObjects, for keys or pairs of a key and the id of a version.

    Characters that parsers would fold (CR, LF, tab) go as references.
    """
    entities = {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;", '"': "&quot;", "'": "&apos;"}

    def named(key: str, version_id: str = "") -> str:
        version = f"<VersionId>{escape(version_id, entities)}</VersionId>" if version_id else ""
        return f"<Object><Key>{escape(key, entities)}</Key>{version}</Object>"

    objects = "".join(named(key) if isinstance(key, str) else named(*key) for key in keys)
    flag = "<Quiet>true</Quiet>" if quiet else ""
    return f'<Delete xmlns="{XML_NAMESPACE}">{flag}{objects}</Delete>'.encode()
