"""ListObjectsV2, ListObjects and ListObjectVersions."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.exemplar import xml
from tests.exemplar.copy import iso
from tests.exemplar.multipart import encoding
from tests.exemplar.store import Bucket, Store, Version
from tests.exemplar.types import Request, Response, S3Error

OWNER_ID: Final = hashlib.sha256(b"the one owner").hexdigest()
_TOKEN_KEY: Final = secrets.token_bytes(16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page: objects or common prefixes in order, and where the next page starts (``None``: there is none)."""

    items: tuple[Version | str, ...]
    next_start: bytes | None

    @property
    def last_name(self) -> str:
        last = self.items[-1]
        return last if isinstance(last, str) else last.key


def _behind_prefix(prefix: bytes) -> bytes:
    """Return the first byte string above everything that starts with ``prefix``; UTF-8 never ends in 0xFF."""
    return prefix[:-1] + bytes((prefix[-1] + 1,))


def _common_prefix(key: str, prefix: str, delimiter: str) -> str:
    at = key.find(delimiter, len(prefix)) if delimiter else -1
    return "" if at < 0 else key[: at + len(delimiter)]


def _scan(bucket: Bucket, start: bytes, prefix: str, delimiter: str, most: int) -> Page:
    items: list[Version | str] = []
    wanted = prefix.encode()
    at = max(start, wanted)
    next_start = at
    while True:
        restart: bytes | None = None
        for raw, key in bucket.keys_from(at):
            if not raw.startswith(wanted):
                break
            current = bucket.current(key)
            if current is None:
                continue
            if len(items) == most:
                return Page(items=tuple(items), next_start=next_start)
            common = _common_prefix(key, prefix, delimiter)
            if common:
                items.append(common)
                next_start = restart = _behind_prefix(common.encode())
                break
            items.append(current)
            next_start = raw + b"\0"
        if restart is None:
            return Page(items=tuple(items), next_start=None)
        at = restart


def _after(marker: str, prefix: str, delimiter: str) -> bytes:
    """Return where a listing starts that excludes ``marker``, and the common prefix that the marker lies in."""
    if not marker:
        return b""
    common = _common_prefix(marker, prefix, delimiter) if marker.startswith(prefix) else ""
    return _behind_prefix(common.encode()) if common else marker.encode() + b"\0"


def _token(start: bytes) -> str:
    return base64.urlsafe_b64encode(hmac.digest(_TOKEN_KEY, start, "sha256")[:12] + start).decode()


def _read_token(token: str) -> bytes:
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) < 12 or not hmac.compare_digest(hmac.digest(_TOKEN_KEY, raw[12:], "sha256")[:12], raw[:12]):
        message = "The continuation token provided is incorrect"
        raise S3Error(400, "InvalidArgument", message, fields=(("ArgumentName", "continuation-token"),))
    return raw[12:]


def max_keys(request: Request) -> int:
    text = request.query.get("max-keys") or "1000"
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal()) or abs(int(text[:12])) > 2_147_483_647 or len(text) > 12:
        message = "Provided max-keys not an integer or within integer range"
        fields = (("ArgumentName", "max-keys"), ("ArgumentValue", text))
        raise S3Error(400, "InvalidArgument", message, fields=fields)
    if int(text) < 0:
        message = "Argument maxKeys must be an integer between 0 and 2147483647"
        fields = (("ArgumentName", "maxKeys"), ("ArgumentValue", text))
        raise S3Error(400, "InvalidArgument", message, fields=fields)
    return min(int(text), 1000)


def _owner() -> str:
    return f"<Owner>{xml.element('ID', OWNER_ID)}</Owner>"


def _item(item: Version | str, encode: Callable[[str], str], *, owner: bool) -> str:
    if isinstance(item, str):
        return f"<CommonPrefixes>{xml.element('Prefix', encode(item))}</CommonPrefixes>"
    inner = xml.element("Key", encode(item.key)) + xml.element("LastModified", iso(item))
    inner += f"<ETag>&quot;{item.etag}&quot;</ETag>"
    if item.checksum is not None:
        inner += xml.element("ChecksumAlgorithm", item.checksum.algorithm.upper())
        inner += xml.element("ChecksumType", item.checksum.kind)
    inner += xml.element("Size", len(item.body)) + (_owner() if owner else "")
    inner += xml.element("StorageClass", dict(item.headers).get("x-amz-storage-class", "STANDARD"))
    return f"<Contents>{inner}</Contents>"


def list_objects(store: Store, request: Request) -> Response:
    query = request.query
    if query.get("list-type", "2") != "2":
        raise S3Error(400, "InvalidArgument", "Invalid List Type specified in Request")
    v2 = "list-type" in query
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    encode: Callable[[str], str] = xml.url_encode if encoding(request) else str
    most = max_keys(request)
    marker = query.get("start-after" if v2 else "marker", "")
    token = query.get("continuation-token") if v2 else None
    start = _after(marker, prefix, delimiter) if token is None else _read_token(token)
    with store.lock:
        bucket = store.bucket(request.bucket)
        page = _scan(bucket, start, prefix, delimiter, most) if most else Page(items=(), next_start=None)
    parts = [xml.element("Name", request.bucket), xml.element("Prefix", encode(prefix))]
    parts += [xml.element("MaxKeys", most), xml.element("IsTruncated", page.next_start is not None)]
    if delimiter:
        parts.append(xml.element("Delimiter", encode(delimiter)))
    if "encoding-type" in query:
        parts.append(xml.element("EncodingType", "url"))
    if v2:
        parts.append(xml.element("KeyCount", len(page.items)))
        if marker:
            parts.append(xml.element("StartAfter", encode(marker)))
        if token is not None:
            parts.append(xml.element("ContinuationToken", token))
        if page.next_start is not None:
            parts.append(xml.element("NextContinuationToken", _token(page.next_start)))
    else:
        parts.append(xml.element("Marker", encode(marker)))
        if delimiter and page.next_start is not None:
            parts.append(xml.element("NextMarker", encode(page.last_name)))
    owner = not v2 or query.get("fetch-owner") == "true"
    objects = [_item(item, encode, owner=owner) for item in page.items if not isinstance(item, str)]
    prefixes = [_item(item, encode, owner=owner) for item in page.items if isinstance(item, str)]
    return xml.document("ListBucketResult", [*parts, *objects, *prefixes])


def _version(version: Version, encode: Callable[[str], str], *, latest: bool) -> str:
    inner = xml.element("Key", encode(version.key)) + xml.element("VersionId", version.version_id)
    inner += xml.element("IsLatest", latest) + xml.element("LastModified", iso(version))
    if version.is_marker:
        return f"<DeleteMarker>{inner}{_owner()}</DeleteMarker>"
    inner += f"<ETag>&quot;{version.etag}&quot;</ETag>" + xml.element("Size", len(version.body))
    return f"<Version>{inner}{_owner()}{xml.element('StorageClass', 'STANDARD')}</Version>"


def list_versions(store: Store, request: Request) -> Response:
    """Answer ListObjectVersions, newest first per key; a delimiter is refused rather than ignored."""
    query = request.query
    if query.get("delimiter"):
        raise S3Error(501, "NotImplemented", "ListObjectVersions with a delimiter is not implemented")
    encode: Callable[[str], str] = xml.url_encode if encoding(request) else str
    most, prefix = max_keys(request), query.get("prefix", "")
    key_marker, id_marker = query.get("key-marker", ""), query.get("version-id-marker", "")
    with store.lock:
        bucket = store.bucket(request.bucket)
        found: list[tuple[Version, bool]] = []
        skipping = bool(id_marker)
        for _, key in bucket.keys_from(key_marker.encode()):
            if not key.startswith(prefix) or (key == key_marker and not id_marker):
                continue
            for index, version in enumerate(reversed(bucket.versions[key])):
                if skipping and key == key_marker:
                    skipping = version.version_id != id_marker
                    continue
                found.append((version, index == 0))
            if len(found) > most:
                break
    page = found[:most]
    truncated = bool(most) and len(found) > most
    parts = [xml.element("Name", request.bucket), xml.element("Prefix", encode(prefix))]
    parts += [xml.element("KeyMarker", encode(key_marker)), xml.element("VersionIdMarker", id_marker)]
    parts += [xml.element("MaxKeys", most), xml.element("IsTruncated", truncated)]
    if "encoding-type" in query:
        parts.append(xml.element("EncodingType", "url"))
    if truncated:
        parts.append(xml.element("NextKeyMarker", encode(page[-1][0].key)))
        parts.append(xml.element("NextVersionIdMarker", page[-1][0].version_id))
    parts += [_version(version, encode, latest=latest) for version, latest in page]
    return xml.document("ListVersionsResult", parts)
