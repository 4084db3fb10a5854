"""Signs requests and URLs with botocore's signers, which its documentation does not promise.

Loading this takes a tenth of a second: :mod:`s3` imports it when it signs for the first time.
"""

from __future__ import annotations

from email.policy import Compat32
from typing import TYPE_CHECKING, Any, Final

from bucket_conformance.conformance.wire import clock
from bucket_conformance.conformance.wire.botocore_internals import (
    AWSRequest,
    Credentials,
    HTTPHeaders,
    S3SigV4Auth,
    S3SigV4QueryAuth,
)

if TYPE_CHECKING:
    from bucket_conformance.conformance.wire.exchange import Headers

_VALID_LIFE_S: Final = 3600
"""A valid lifetime for the signer's constructor, which rejects others; the wanted one replaces it."""


class _AsGiven(Compat32):
    """Headers exactly as given. The default policy searches each value for surrogates on each access."""

    def header_fetch_parse(self, name: str, value: str) -> Any:
        return value


_AS_GIVEN: Final = _AsGiven()


class _PayloadAuth(S3SigV4Auth):
    """botocore's signer with a payload hash that the caller chooses."""

    def __init__(self, credentials: Credentials, region: str, payload_hash: str) -> None:
        super().__init__(credentials, "s3", region)
        self._payload_hash = payload_hash

    def payload(self, request: Any) -> str:
        return self._payload_hash

    def headers_to_sign(self, request: Any) -> Any:
        # Called twice per signature, and half of its cost; so keep the result.
        if "headers_to_sign" not in request.context:
            request.context["headers_to_sign"] = super().headers_to_sign(request)
        return request.context["headers_to_sign"]


def credentials_of(access_key: str, secret_key: str, token: str | None) -> Credentials:
    """Return credentials as the signers take them."""
    return Credentials(access_key, secret_key, token)


def sign_headers(
    method: str,
    url: str,
    *,
    headers: Headers,
    body: bytes,
    credentials: Credentials,
    region: str,
    payload_hash: str,
    shift_s: float,
) -> list[tuple[str, str]]:
    """Return ``headers`` and those of Signature Version 4, for a clock that is ``shift_s`` seconds ahead."""
    request = AWSRequest(method=method, url=url, data=body)
    request.headers = HTTPHeaders(policy=_AS_GIVEN)
    for name, value in headers:
        request.headers[name] = value
    auth = _PayloadAuth(credentials, region, payload_hash)
    if shift_s:
        with clock.shifted(shift_s):
            auth.add_auth(request)
    else:
        auth.add_auth(request)
    return [(name, value) for name, value in request.headers.items()]


def sign_url(
    method: str,
    url: str,
    *,
    headers: Headers,
    credentials: Credentials,
    region: str,
    expires: int | str,
    shift_s: float,
) -> str:
    """Return the URL, signed for a clock that is ``shift_s`` seconds ahead. ``expires``: any value, also invalid."""
    request = AWSRequest(method=method, url=url)
    for name, value in headers:
        request.headers[name] = value
    auth = S3SigV4QueryAuth(credentials, "s3", region, expires=_VALID_LIFE_S)
    vars(auth)["_expires"] = expires  # the public parameter rejects invalid values, which clauses need
    with clock.shifted(shift_s):
        auth.add_auth(request)
    return str(request.url)
