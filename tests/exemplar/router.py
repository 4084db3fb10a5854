"""From a request to its operation: the pure function ``handle``."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from tests.exemplar import buckets, lifecycle, listing, multipart, objects
from tests.exemplar import copy as copying
from tests.exemplar import delete as deletion
from tests.exemplar.payload import open_body
from tests.exemplar.sigv4 import Credentials, verify
from tests.exemplar.store import Store
from tests.exemplar.types import Request, Response, S3Error
from tests.exemplar.xml import error_response

Operation = Callable[[Store, Request], Response]

SUBRESOURCES: Final = frozenset(
    {
        "accelerate",
        "acl",
        "analytics",
        "attributes",
        "cors",
        "delete",
        "encryption",
        "intelligent-tiering",
        "inventory",
        "legal-hold",
        "lifecycle",
        "location",
        "logging",
        "metadataConfiguration",
        "metadataTable",
        "metrics",
        "notification",
        "object-lock",
        "ownershipControls",
        "policy",
        "policyStatus",
        "publicAccessBlock",
        "renameObject",
        "replication",
        "requestPayment",
        "restore",
        "retention",
        "select",
        "session",
        "tagging",
        "torrent",
        "uploads",
        "versioning",
        "versions",
        "website",
    }
)
"""Every query parameter that makes a request address something else than the object or bucket itself."""

_BUCKET: Final[dict[tuple[str, str], Operation]] = {
    ("GET", ""): listing.list_objects,
    ("DELETE", ""): buckets.delete,
    ("POST", "delete"): deletion.delete_objects,
    ("GET", "versions"): listing.list_versions,
    ("GET", "uploads"): multipart.list_uploads,
    ("GET", "location"): buckets.location,
    ("GET", "acl"): buckets.acl,
    ("GET", "versioning"): buckets.get_versioning,
    ("PUT", "versioning"): buckets.put_versioning,
    ("GET", "lifecycle"): lifecycle.get,
    ("PUT", "lifecycle"): lifecycle.put,
    ("DELETE", "lifecycle"): lifecycle.delete,
}
_OBJECT: Final[dict[tuple[str, str], Operation]] = {
    ("GET", ""): objects.get,
    ("HEAD", ""): objects.get,
    ("PUT", ""): objects.put,
    ("DELETE", ""): objects.delete,
    ("PUT", "copy"): copying.copy,
    ("GET", "acl"): buckets.acl,
    ("POST", "uploads"): multipart.create,
    ("PUT", "uploadId"): multipart.put_part,
    ("POST", "uploadId"): multipart.complete,
    ("DELETE", "uploadId"): multipart.abort,
    ("GET", "uploadId"): multipart.list_parts,
}
_request_ids: Final = itertools.count(0xC0FFEE)


def _not_implemented(named: str) -> S3Error:
    message = "A header or query you provided implies functionality that is not implemented"
    return S3Error(501, "NotImplemented", message, fields=(("Header", named),))


def _route(store: Store, request: Request, region: str) -> Response:
    query = request.query
    named = sorted(SUBRESOURCES & query.keys())
    if len(named) > 1:
        raise S3Error(400, "InvalidArgument", f"Conflicting query string parameters: {', '.join(named)}")
    sub = named[0] if named else ""
    if not request.bucket:
        if request.method == "GET" and not sub:
            return buckets.list_buckets(store, request)
        raise S3Error(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
    if not request.key:
        if not sub and request.method == "PUT":
            return buckets.create(store, request, region)
        if not sub and request.method == "HEAD":
            return buckets.head(store, request, region)
        operation = _BUCKET.get((request.method, sub))
    else:
        if not sub and "uploadId" in query:
            sub = "uploadId"
            if request.method == "PUT" and "partNumber" not in query:
                raise S3Error(
                    400, "InvalidArgument", "This operation does not accept a query-string without partNumber"
                )
        elif not sub and request.method == "PUT" and request.has_header("x-amz-copy-source"):
            sub = "copy"
        elif not sub and request.method == "PUT" and query.keys() & {"partNumber", "versionId"}:
            raise S3Error(400, "InvalidArgument", "This operation does not accept partNumber or versionId here")
        operation = _OBJECT.get((request.method, sub))
    if operation is None and sub:
        raise _not_implemented(sub)
    if operation is None:
        raise S3Error(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
    return operation(store, request)


def _with_hoisted_headers(request: Request) -> Request:
    """Return the request with the ``x-amz-*`` query parameters of a signed URL as the headers they stand for."""
    hoisted = tuple(
        (name, value.encode().decode("latin-1"))
        for name, value in request.pairs
        if name.startswith("x-amz-") and not request.has_header(name)
    )
    return replace(request, headers=(*request.headers, *hoisted)) if hoisted else request


def handle(store: Store, credentials: Credentials, request: Request, *, trusted: bool = False) -> Response:
    """Answer one request. ``trusted`` skips authentication: only the gateway of a faulty server uses that."""
    request_id = f"{next(_request_ids):016X}"
    try:
        proof = None if trusted else verify(request, credentials)
        response = _route(store, open_body(_with_hoisted_headers(request), proof), credentials.region)
    except S3Error as error:
        response = error_response(error, request.path, request_id)
    if request.method == "HEAD" and response.status >= 400:
        response = replace(response, body=b"")
    return replace(response, headers=(("x-amz-request-id", request_id), *response.headers))
