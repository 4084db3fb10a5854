"""DeleteObjects: up to 1000 keys in one request."""

from __future__ import annotations

from typing import Final

from tests.exemplar import objects, xml
from tests.exemplar.checksums import check_given, check_md5
from tests.exemplar.store import Bucket, Store
from tests.exemplar.types import Request, Response, S3Error

MAX_KEYS: Final = 1000
Named = tuple[str, str | None, str | None]


def require_digest(request: Request) -> None:
    """Raise unless the body is covered by a right Content-MD5 or checksum."""
    headers = {name.lower(): value for name, value in request.headers}
    md5 = headers.get("content-md5")
    check_md5(md5, request.body)
    if check_given(headers, request.body) is None and md5 is None:
        message = "Missing required header for this request: Content-MD5 OR x-amz-checksum-*"
        raise S3Error(400, "InvalidRequest", message)


def parse(body: bytes) -> tuple[list[Named], bool]:
    """Return the (key, version id, ETag) triples named, in order, and whether Quiet is on."""
    found = xml.children(xml.parse(body, "Delete"), ("Object", "Quiet"))
    nodes = found.get("Object", [])
    if not 1 <= len(nodes) <= MAX_KEYS or len(found.get("Quiet", [])) > 1:
        xml.malformed()
    named: list[Named] = []
    for node in nodes:
        inner = xml.children(node, ("Key", "VersionId", "ETag", "LastModifiedTime", "Size"))
        if "Key" not in inner or any(len(values) > 1 for values in inner.values()):
            xml.malformed()
        if inner.keys() & {"LastModifiedTime", "Size"}:
            raise S3Error(501, "NotImplemented", "LastModifiedTime and Size are for directory buckets")
        texts = {name: xml.text(values[0]) for name, values in inner.items()}
        if not texts["Key"]:
            raise S3Error(400, "UserKeyMustBeSpecified", "The bucket POST must contain the specified field name.")
        named.append((texts["Key"], texts.get("VersionId") or None, texts.get("ETag") or None))
    quiet = xml.text(found["Quiet"][0]).strip().lower() if "Quiet" in found else "false"
    if quiet not in ("true", "false", "1", "0"):
        xml.malformed()
    return named, quiet in ("true", "1")


def _error(key: str, code: str, message: str, version_id: str | None) -> str:
    inner = xml.element("Key", key) + xml.element("Code", code) + xml.element("Message", message)
    return f"<Error>{inner}{xml.element('VersionId', version_id) if version_id else ''}</Error>"


def _delete_one(bucket: Bucket, named: Named, *, quiet: bool) -> str:
    key, version_id, etag = named
    if len(key.encode()) > objects.MAX_KEY_BYTES:
        return _error(key, "KeyTooLongError", "Your key is too long", version_id)
    if version_id is not None and bucket.version(key, version_id) is None:
        return _error(key, "NoSuchVersion", "The specified version does not exist.", version_id)
    if etag is not None:
        current = bucket.current(key)
        if current is None:
            return _error(key, "NoSuchKey", "The specified key does not exist.", version_id)
        if etag.strip('"') not in (current.etag, "*"):
            message = "At least one of the pre-conditions you specified did not hold"
            return _error(key, "PreconditionFailed", message, version_id)
    touched, made_marker = objects.remove(bucket, key, version_id)
    if quiet:
        return ""
    inner = xml.element("Key", key)
    if version_id is not None:
        inner += xml.element("VersionId", version_id)
    if touched is not None and touched.is_marker:
        inner += xml.element("DeleteMarker", True) + xml.element("DeleteMarkerVersionId", touched.version_id)
    return f"<Deleted>{inner}</Deleted>" if made_marker or touched is not None or version_id is None else ""


def delete_objects(store: Store, request: Request) -> Response:
    with store.lock:
        bucket = store.bucket(request.bucket)
        require_digest(request)
        named, quiet = parse(request.body)
        parts = [_delete_one(bucket, one, quiet=quiet) for one in dict.fromkeys(named)]
    return xml.document("DeleteResult", parts)
