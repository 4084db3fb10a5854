"""Reading one signed URL as a reader does: without credentials and without following a redirect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from botocore import exceptions as sdk

from bucket_conformance.reference_impl.botocore_internals import AWSRequest, URLLib3Session, get_environ_proxies
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.s3_codes import error_code_in
from bucket_conformance.reference_impl.s3_errors import scrub

VARIABLE: Final = "AP_S3_PUBLIC_ENDPOINT"
TIMEOUT_S: Final = 10
"""Seconds to wait for a connection, and again for each piece of the response."""

MAX_READ: Final = 64 * 1024
"""Most bytes of a response that are read: a page of a proxy may have no end."""


def try_public_url(url: str, expected: bytes, *, timeout_s: int = TIMEOUT_S) -> str | None:
    """Fetch ``url`` by GET and return ``None`` if the response is ``expected``, or a warning if there is no response.

    No response is no error, because readers may reach an address that this machine cannot reach. Raises
    ``StorageError`` for any other response: ``INTEGRITY`` where the status is 200 and the bytes are others, ``UNKNOWN``
    otherwise. The texts name the variable and the origin of ``url``, but never its signature.
    """
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    try:
        session = URLLib3Session(timeout=timeout_s, proxies=get_environ_proxies(url))
        try:
            response = session.send(AWSRequest(method="GET", url=url, stream_output=True).prepare())
            body = response.raw.read(MAX_READ)
            response.raw.close()
        finally:
            session.close()
    except sdk.SSLError:
        return _not_tried(origin, "its certificate is not trusted here")
    # The HTTP library has its own exceptions for a body that breaks off.
    except Exception as error:
        return _not_tried(origin, f"no response came ({type(error).__name__})")
    if response.status_code == 200 and body == expected:
        return None
    if response.status_code == 200:
        promised = str(response.headers.get("content-length", ""))
        if promised.isascii() and promised.isdigit() and len(body) < min(MAX_READ, int(promised[:19])):
            return _not_tried(origin, f"the response ended after {len(body)} of {promised[:19]} bytes")
        hint = f"a signed URL there serves {len(body)} other bytes than the object has; name an address of this bucket"
        raise StorageError(ErrorCode.INTEGRITY, "check", None, f"{VARIABLE} is {origin!r}: {hint}")
    raise StorageError(
        ErrorCode.UNKNOWN,
        "check",
        None,
        f"{VARIABLE} is {origin!r}: a signed URL there gets {_shown(response.status_code, body)}, although the same "
        f"object can be read directly; {_advice(response.status_code, response.headers)}",
    )


def _not_tried(origin: str, why: str) -> str:
    return f"{VARIABLE} is {origin!r}, and could not be tried from here: {why}; try a signed URL where readers are"


def _shown(status: int, body: bytes) -> str:
    code = error_code_in(body)
    return f"status {status} ({scrub(code)})" if code else f"status {status}"


def _advice(status: int, headers: Mapping[str, str]) -> str:
    if 300 <= status < 400:
        try:
            to = urlsplit(str(headers.get("location", "")))
            place = f"{to.scheme}://{to.netloc.rpartition('@')[2]}" if to.hostname else ""
        except ValueError:
            place = ""
        return (
            f"it redirects to {place}: set {VARIABLE} to that address" if place else f"set {VARIABLE} to where it leads"
        )
    return (
        "a proxy there must pass on Host (with its port) and the path unchanged, because the signature covers both: "
        f"change the proxy, or set {VARIABLE} to an address that does so"
    )
