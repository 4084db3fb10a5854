"""Recorded answers to signed URLs."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.wire.transport import HttpResponse
from tests.exemplar.types import Request
from tests.recordings.model import fact

SIGNING = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders")


def whole(request: Request) -> bool:
    """A signed URL with every parameter that one has."""
    return request.is_presigned and all(name in request.query for name in (*SIGNING, "X-Amz-Signature"))


def without_a_parameter(request: Request) -> bool:
    return not whole(request) and any(name in request.query for name in (*SIGNING, "X-Amz-Signature"))


def with_damaged_credential(request: Request) -> bool:
    return whole(request) and request.query["X-Amz-Credential"].count("/") != 4


def object_url(session: Session, key: str, *, expires: int = 3600, age_s: float = 0.0) -> str:
    session.wire.put(key, b"something")
    return session.wire.presign("GET", key, expires=expires, age_s=age_s)


@fact(
    "TestS3PresignedUrl::test_s3_presigned_url_expired[s3v4]",
    "expired-exception",
    "URL-003",
    "URL-004",
    "URL-018",
    shape=whole,
    status=None,
    code="AccessDenied",
    fields={"X-Amz-Expires": "2"},
)
def a_url_past_its_life(session: Session, p: str) -> HttpResponse:
    return session.fetch(object_url(session, p + "k", expires=2, age_s=5))


@fact(
    "TestS3PresignedUrl::test_presigned_url_signature_authentication_expired[s3v4-True]",
    "expired",
    "URL-003",
    "URL-018",
    shape=whole,
    status=None,
    code="AccessDenied",
    fields={"X-Amz-Expires": "1"},
)
def a_url_of_one_second(session: Session, p: str) -> HttpResponse:
    return session.fetch(object_url(session, p + "k", expires=1, age_s=4))


@fact(
    "TestS3PresignedUrl::test_presigned_url_signature_authentication[s3v4-True]",
    "invalid-get-1",
    "URL-009",
    "URL-012",
    shape=whole,
    status=None,
    code="SignatureDoesNotMatch",
)
def a_url_changed_after_signing(session: Session, p: str) -> HttpResponse:
    return session.fetch(object_url(session, p + "k") + "&response-content-type=text%2Fplain")


@fact(
    "TestS3PresignedUrl::test_presigned_url_signature_authentication[s3v4-True]",
    "invalid-put-1",
    "URL-022",
    shape=lambda request: whole(request) and request.method == "PUT",
    status=None,
    code="SignatureDoesNotMatch",
)
def an_upload_url_changed_after_signing(session: Session, p: str) -> HttpResponse:
    url = session.wire.presign("PUT", p + "k")
    return session.fetch(url.replace(urlsplit(url).path, urlsplit(url).path + "2"), method="PUT", body=b"x")


@fact(
    "TestS3PresignedUrl::test_s3_put_presigned_url_missing_sig_param[s3v4]",
    "missing-param-exception",
    "URL-009",
    shape=without_a_parameter,
    status=None,
    code="AuthorizationQueryParametersError",
)
def a_url_without_one_of_its_parameters(session: Session, p: str) -> HttpResponse:
    url = session.wire.presign("PUT", p + "k")
    address, _, query = url.partition("?")
    kept = [part for part in query.split("&") if not part.startswith("X-Amz-Date=")]
    return session.fetch(f"{address}?{'&'.join(kept)}", method="PUT", body=b"x")


@fact(
    "TestS3PresignedUrl::test_presigned_double_encoded_credentials",
    "error-malformed",
    "URL-009",
    shape=with_damaged_credential,
    status=None,
    code="AuthorizationQueryParametersError",
)
def a_url_whose_credential_is_encoded_twice(session: Session, p: str) -> HttpResponse:
    url = object_url(session, p + "k")
    credential = next(part for part in url.partition("?")[2].split("&") if part.startswith("X-Amz-Credential="))
    name, _, value = credential.partition("=")
    return session.fetch(url.replace(credential, f"{name}={quote(value, safe='')}"))


@fact(
    "TestS3PresignedUrl::test_s3_put_presigned_url_with_different_headers[s3v4]",
    "content-type-exception",
    "URL-023",
    shape=lambda request: whole(request) and request.method == "PUT",
    status=None,
    code="SignatureDoesNotMatch",
)
def an_upload_url_with_another_content_type(session: Session, p: str) -> HttpResponse:
    signed = (("Content-Type", "text/plain"),)
    sent = (("Content-Type", "text/html"),)
    return session.wire.fetch_presigned("PUT", p + "k", headers=signed, sent=sent, body=b"x")
