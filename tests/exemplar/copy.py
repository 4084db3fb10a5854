"""CopyObject, and the reading of copy sources for UploadPartCopy."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from urllib.parse import unquote_to_bytes

from tests.exemplar import conditions, xml
from tests.exemplar.checksums import Checksum, compute
from tests.exemplar.objects import find, kept_headers, require_key
from tests.exemplar.store import Store, Version, now
from tests.exemplar.types import Request, Response, S3Error

_CHANGING = ("x-amz-storage-class", "x-amz-website-redirect-location", "x-amz-server-side-encryption")


def iso(version_time: Version) -> str:
    return version_time.last_modified.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def source_of(store: Store, request: Request) -> tuple[Version, bool, str | None]:
    """Return the source version, whether it is the target's own current version, and the requested version id."""
    raw, _, version = request.header("x-amz-copy-source").partition("?versionId=")
    try:
        decoded = unquote_to_bytes(raw.encode("latin-1")).decode()
    except UnicodeDecodeError:
        decoded = ""
    name, slash, key = decoded.removeprefix("/").partition("/")
    if not slash or not key or not name:
        fields = (("ArgumentName", "x-amz-copy-source"), ("ArgumentValue", raw))
        raise S3Error(400, "InvalidArgument", "Invalid copy source object key", fields=fields)
    version_id = version or None
    bucket = store.bucket(name)
    try:
        found = find(bucket, key, version_id)
    except S3Error as error:
        if error.code == "MethodNotAllowed":
            message = "The source of a copy request may not specifically refer to a delete marker by version id."
            raise S3Error(400, "InvalidRequest", message) from None
        raise
    same = (name, key) == (request.bucket, request.key) and found is bucket.current(key)
    conditions.check_copy_source(request, found)
    return found, same, version_id


def copy(store: Store, request: Request) -> Response:
    key = require_key(request.key)
    directive = request.header("x-amz-metadata-directive", "COPY")
    if directive not in ("COPY", "REPLACE"):
        raise S3Error(400, "InvalidArgument", "Unknown metadata directive.")
    algorithm = request.header("x-amz-checksum-algorithm").lower()
    system, metadata = kept_headers(request)
    with store.lock:
        target = store.bucket(request.bucket)
        source, same, _ = source_of(store, request)
        if same and directive == "COPY" and not any(request.has_header(name) for name in _CHANGING):
            message = (
                "This copy request is illegal because it is trying to copy an object to itself without changing the "
                "object's metadata, storage class, website redirect location or encryption attributes."
            )
            raise S3Error(400, "InvalidRequest", message)
        conditions.check_write(request, target, key)
        if directive == "COPY":
            own = {name: value for name, value in system if name in _CHANGING}
            kept = {name: value for name, value in source.headers if name not in _CHANGING}
            system, metadata = tuple({**kept, **own}.items()), source.metadata
        checksum: Checksum | None = source.checksum
        if algorithm or (checksum is not None and checksum.kind == "COMPOSITE"):
            checksum = compute(algorithm or (checksum.algorithm if checksum else "crc32"), source.body)
        version = replace(
            source,
            key=key,
            version_id=target.new_version_id(),
            last_modified=now(),
            etag=hashlib.md5(source.body).hexdigest(),
            headers=system,
            metadata=metadata,
            checksum=checksum,
            part_sizes=(),
        )
        target.add(version)
        versioned = target.versioning == "Enabled"
    headers = [("x-amz-version-id", version.version_id)] if versioned else []
    if source.version_id != "null":
        headers.append(("x-amz-copy-source-version-id", source.version_id))
    parts = [xml.element("LastModified", iso(version)), xml.element("ETag", f'"{version.etag}"')]
    if checksum is not None:
        parts.append(xml.element(f"Checksum{checksum.algorithm.upper()}", checksum.value))
    answer = xml.document("CopyObjectResult", parts)
    return replace(answer, headers=(*answer.headers, *headers))


def source_range(request: Request, source: Version) -> bytes:
    """Return the bytes that UploadPartCopy takes from its source."""
    text = request.header("x-amz-copy-source-range")
    if not text:
        return source.body
    found = re.fullmatch("bytes=([0-9]+)-([0-9]+)", text)
    if found is None or int(found[1]) > int(found[2]):
        message = "The x-amz-copy-source-range value must be of the form bytes=first-last"
        raise S3Error(400, "InvalidArgument", message)
    first, last, size = int(found[1]), int(found[2]), len(source.body)
    if first >= size:
        raise S3Error(400, "InvalidRequest", "The specified copy range is invalid for the source object size")
    if last >= size:
        raise S3Error(400, "InvalidArgument", f"Range specified is not valid for source object of size: {size}")
    return source.body[first : last + 1]
