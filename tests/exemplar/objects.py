"""PutObject, GetObject, HeadObject, DeleteObject."""

from __future__ import annotations

import base64
import re
from typing import Final

from tests.exemplar import conditions
from tests.exemplar.checksums import check_given, check_md5
from tests.exemplar.store import Bucket, Store, Version, now
from tests.exemplar.types import Headers, Request, Response, S3Error

MAX_KEY_BYTES: Final = 1024
KEPT: Final = (
    "content-type",
    "content-encoding",
    "content-disposition",
    "content-language",
    "cache-control",
    "expires",
    "x-amz-website-redirect-location",
    "x-amz-storage-class",
)
_CLASSES: Final = {
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
}
_RANGE: Final = re.compile("bytes=([0-9]*)-([0-9]*)")
_VERSION_ID: Final = re.compile("null|[A-Za-z0-9._-]{32}")


def require_key(key: str) -> str:
    size = len(key.encode())
    if size > MAX_KEY_BYTES:
        fields = (("Size", str(size)), ("MaxSizeAllowed", str(MAX_KEY_BYTES)))
        raise S3Error(400, "KeyTooLongError", "Your key is too long", fields=fields)
    return key


def kept_headers(request: Request) -> tuple[Headers, Headers]:
    """Return the system headers to keep with an object, and its user metadata."""
    if request.has_header("x-amz-tagging") or request.has_header("x-amz-server-side-encryption-customer-algorithm"):
        raise S3Error(501, "NotImplemented", "A header you provided implies functionality that is not implemented")
    if any(name.lower().startswith("x-amz-object-lock-") for name, _ in request.headers):
        raise S3Error(400, "InvalidRequest", "Bucket is missing Object Lock Configuration")
    if request.header("x-amz-acl", "private") not in ("private", "bucket-owner-full-control"):
        raise S3Error(400, "AccessControlListNotSupported", "The bucket does not allow ACLs")
    if request.header("x-amz-storage-class", "STANDARD") not in _CLASSES:
        raise S3Error(400, "InvalidStorageClass", "The storage class you specified is not valid")
    system = {name: request.header(name) for name in KEPT if request.has_header(name)}
    if system.get("x-amz-storage-class") == "STANDARD":
        del system["x-amz-storage-class"]
    system.setdefault("content-type", "binary/octet-stream")
    prefix = "x-amz-meta-"
    names = dict.fromkeys(name.lower() for name, _ in request.headers if name.lower().startswith(prefix))
    metadata = tuple((name, request.header(name)) for name in names)
    size = sum(len(name) - len(prefix) + len(value.encode("latin-1")) for name, value in metadata)
    if size > 2048:
        message = "Your metadata headers exceed the maximum allowed metadata size"
        raise S3Error(400, "MetadataTooLarge", message, fields=(("Size", str(size)), ("MaxSizeAllowed", "2048")))
    return tuple(system.items()), metadata


def put(store: Store, request: Request) -> Response:
    key = require_key(request.key)
    body = request.body
    if "chunked" in request.header("transfer-encoding").lower():
        message = "A header you provided implies functionality that is not implemented"
        raise S3Error(501, "NotImplemented", message, fields=(("Header", "Transfer-Encoding"),))
    system, metadata = kept_headers(request)
    etag = check_md5(request.header("content-md5") if request.has_header("content-md5") else None, body)
    checksum = check_given({name.lower(): value for name, value in request.headers}, body)
    with store.lock:
        bucket = store.bucket(request.bucket)
        conditions.check_write(request, bucket, key)
        version = Version(
            key=key,
            version_id=bucket.new_version_id(),
            last_modified=now(),
            body=body,
            etag=etag,
            headers=system,
            metadata=metadata,
            checksum=checksum,
        )
        bucket.add(version)
        versioned = bucket.versioning == "Enabled"
    headers = [("ETag", f'"{etag}"'), *checksum_headers(version)]
    if versioned:
        headers.append(("x-amz-version-id", version.version_id))
    return Response(status=200, headers=tuple(headers))


def checksum_headers(version: Version) -> list[tuple[str, str]]:
    if version.checksum is None:
        return []
    name = f"x-amz-checksum-{version.checksum.algorithm}"
    return [(name, version.checksum.value), ("x-amz-checksum-type", version.checksum.kind)]


def require_version_id(bucket: Bucket, version_id: str) -> None:
    """Raise unless the id could be one of this bucket's; without versioning only ``null`` can."""
    if not _VERSION_ID.fullmatch(version_id) or (bucket.versioning == "" and version_id != "null"):
        fields = (("ArgumentName", "versionId"), ("ArgumentValue", version_id))
        raise S3Error(400, "InvalidArgument", "Invalid version id specified", fields=fields)


def find(bucket: Bucket, key: str, version_id: str | None, method: str = "GET") -> Version:
    """Return the requested version; raise the documented refusal for missing ones and delete markers."""
    if version_id is not None:
        require_version_id(bucket, version_id)
        found = bucket.version(key, version_id)
        if found is None:
            fields = (("Key", key), ("VersionId", version_id))
            raise S3Error(404, "NoSuchVersion", "The specified version does not exist.", fields=fields)
        if found.is_marker:
            headers = (("x-amz-delete-marker", "true"), ("Allow", "DELETE"), ("x-amz-version-id", version_id))
            message = "The specified method is not allowed against this resource."
            fields = (("Method", method), ("ResourceType", "DeleteMarker"))
            raise S3Error(405, "MethodNotAllowed", message, headers=headers, fields=fields)
        return found
    newest = bucket.newest(key)
    if newest is None:
        raise conditions.no_such_key(key)
    if newest.is_marker:
        error = conditions.no_such_key(key)
        error.headers = (("x-amz-delete-marker", "true"), ("x-amz-version-id", newest.version_id))
        raise error
    return newest


def _metadata_value(value: str) -> str:
    """Return the value as it goes into a header: outside ASCII it becomes an RFC 2047 word."""
    if value.isascii():
        return value
    return f"=?UTF-8?B?{base64.b64encode(value.encode('latin-1')).decode()}?="


def _span(request: Request, version: Version) -> tuple[int, int] | None:
    """Return the half-open range to serve, or ``None`` for the whole object."""
    size = len(version.body)
    part = request.query.get("partNumber")
    if part is not None:
        sizes = version.part_sizes or (size,)
        if not part.isdecimal() or not 1 <= int(part) <= 10_000:
            raise S3Error(400, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
        if int(part) > len(sizes):
            raise S3Error(416, "InvalidPartNumber", "The requested partnumber is not satisfiable")
        start = sum(sizes[: int(part) - 1])
        return start, start + sizes[int(part) - 1]
    found = _RANGE.fullmatch(request.header("range").strip())
    if found is None or not (found[1] or found[2]):
        return None
    condition = request.header("if-range")
    if condition and condition not in (f'"{version.etag}"', conditions.http_date(version.last_modified)):
        return None
    if found[1]:
        start, end = int(found[1]), min(int(found[2]) + 1, size) if found[2] else size
        if found[2] and int(found[2]) < start:
            return None
    else:
        start, end = max(size - int(found[2]), 0), size
    if start >= size:
        raise S3Error(
            416,
            "InvalidRange",
            "The requested range is not satisfiable",
            headers=(("Content-Range", f"bytes */{size}"),),
            fields=(("RangeRequested", request.header("range")), ("ActualObjectSize", str(size))),
        )
    return start, end


def _overrides(request: Request) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in KEPT[:6]:
        value = request.query.get(f"response-{name}")
        if value is None:
            continue
        if re.search("[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]", value):
            message = "Header value cannot be represented using ISO-8859-1."
            raise S3Error(400, "InvalidArgument", message, fields=(("ArgumentName", f"response-{name}"),))
        found[name] = value
    return found


def get(store: Store, request: Request) -> Response:
    """Answer GET and HEAD alike; the router takes the body away from HEAD."""
    with store.lock:
        bucket = store.bucket(request.bucket)
        version = find(bucket, request.key, request.query.get("versionId"), request.method)
        versioned = bucket.versioning != ""
    base = [("ETag", f'"{version.etag}"'), ("Last-Modified", conditions.http_date(version.last_modified))]
    if versioned:
        base.append(("x-amz-version-id", version.version_id))
    if conditions.check_read(request, version):
        return Response(status=304, headers=tuple(base))
    span = _span(request, version)
    headers = [*base, ("Accept-Ranges", "bytes"), *({**dict(version.headers), **_overrides(request)}).items()]
    headers += [(name, _metadata_value(value)) for name, value in version.metadata]
    if version.part_sizes and "partNumber" in request.query:
        headers.append(("x-amz-mp-parts-count", str(len(version.part_sizes))))
    if span is None:
        if request.header("x-amz-checksum-mode").upper() == "ENABLED":
            headers += checksum_headers(version)
        return Response(status=200, headers=tuple(headers), body=version.body)
    start, end = span
    headers.append(("Content-Range", f"bytes {start}-{end - 1}/{len(version.body)}"))
    return Response(status=206, headers=tuple(headers), body=version.body[start:end])


def remove(bucket: Bucket, key: str, version_id: str | None) -> tuple[Version | None, bool]:
    """Delete as the bucket's versioning says; return the version made or removed, and whether a marker was made."""
    if version_id is not None:
        return bucket.remove(key, version_id), False
    if bucket.versioning == "":
        bucket.remove(key, "null")
        return None, False
    marker = Version(key=key, version_id=bucket.new_version_id(), last_modified=now(), is_marker=True)
    bucket.add(marker)
    return marker, True


def delete(store: Store, request: Request) -> Response:
    version_id = request.query.get("versionId")
    with store.lock:
        bucket = store.bucket(request.bucket)
        if version_id is not None:
            require_version_id(bucket, version_id)
        conditions.check_delete(request, bucket, request.key)
        touched, made_marker = remove(bucket, require_key(request.key), version_id)
    headers: list[tuple[str, str]] = []
    if made_marker or (touched is not None and touched.is_marker):
        headers.append(("x-amz-delete-marker", "true"))
    if version_id is not None or made_marker:
        headers.append(("x-amz-version-id", touched.version_id if touched is not None else version_id or ""))
    return Response(status=204, headers=tuple(headers))
