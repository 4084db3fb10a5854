"""A versioned S3 store in memory, without sockets, that knows the owner of each thing and can list wrongly on demand.

It records every change of somebody else's thing in :attr:`MemoryS3.harm`, which the tests of the removal check. It
checks no signatures and supports only the requests of opening, removing and cleaning.
"""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

from bucket_conformance.conformance.wire.exchange import Headers
from bucket_conformance.conformance.wire.transport import HttpResponse

REFERENCES: Final = {"&#13;": "\r", "&#10;": "\n", "&#9;": "\t", "&quot;": '"', "&apos;": "'"}


class Broken(enum.Enum):
    """The fault of the server's listings."""

    NOTHING = "nothing"
    PREFIX_IGNORED = "the prefix is ignored"
    DECODED_TWICE = "the query is decoded twice"
    ONE_BUCKET = "one bucket stands behind every name"
    CUT = "the answer ends in the middle, with status 200"
    NO_TOKEN = "truncated, with no token to go on"
    SAME_TOKEN = "truncated, always with the same token"
    FOREIGN = "keys of other people among those asked for"
    REPEATED = "each key twice"
    NO_NAME = "an entry with an empty key beside each"
    OTHER_NAME = "the name of another bucket"
    HTML = "a page of HTML with status 200"
    EMPTY = "an empty body with status 200"
    WRONG_ROOT = "another document"
    NOT_ENCODED = "says that keys are encoded, which they are not"
    REFUSED = "403 to every listing"


@dataclass(slots=True, kw_only=True)
class Version:
    """One version of an object, or a delete marker. ``owner``: who wrote it."""

    id: str
    owner: str
    body: bytes
    modified: float
    marker: bool = False


@dataclass(slots=True, kw_only=True)
class Upload:
    id: str
    key: str
    owner: str
    begun: float


@dataclass(slots=True, kw_only=True)
class Bucket:
    name: str
    owner: str
    made: float
    versioned: bool = False
    keys: dict[str, list[Version]] = field(default_factory=dict)
    """The versions of each key, the oldest first; never an empty list."""
    uploads: dict[str, Upload] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return not self.keys and not self.uploads

    def current(self, key: str) -> Version | None:
        versions = self.keys.get(key)
        return None if not versions or versions[-1].marker else versions[-1]


def everything_is_its_own(actor: str, owner: str) -> bool:
    return actor == owner


class MemoryS3:
    """``send`` answers one request of an actor. ``may(actor, owner)`` says whose things an actor may change."""

    def __init__(
        self,
        *,
        broken: Broken = Broken.NOTHING,
        broken_from: int = 0,
        page: int = 1000,
        removes_full_buckets: bool = False,
        versions_known: bool = True,
        versions_removable: bool = True,
        locked: bool = False,
        now: float,
        may: Callable[[str, str], bool] = everything_is_its_own,
    ) -> None:
        self.buckets: dict[str, Bucket] = {}
        self.harm: list[str] = []
        self.requests = 0
        self.now = now
        self._broken = broken
        self._broken_from = broken_from
        self._page = page
        self._removes_full_buckets = removes_full_buckets
        self._versions_known = versions_known
        self._versions_removable = versions_removable
        self._locked = locked
        self._may = may
        self._ids = 0

    # Setting up, past the protocol.

    def bucket(self, name: str, owner: str, *, versioned: bool = False, age_s: float = 0.0) -> Bucket:
        made = self.buckets[name] = Bucket(name=name, owner=owner, made=self.now - age_s, versioned=versioned)
        return made

    def store(self, bucket: Bucket, key: str, owner: str, *, age_s: float = 0.0, marker: bool = False) -> None:
        self._add(bucket, key, owner, b"" if marker else b"theirs", self.now - age_s, marker=marker)

    def begin(self, bucket: Bucket, key: str, owner: str, *, age_s: float = 0.0) -> None:
        id = self._new_id("u")
        bucket.uploads[id] = Upload(id=id, key=key, owner=owner, begun=self.now - age_s)

    def of(self, owner: str) -> dict[str, object]:
        """Return everything of one owner, to be compared."""
        found: dict[str, object] = {}
        for bucket in self.buckets.values():
            if bucket.owner == owner:
                found[bucket.name] = bucket.versioned
            for key, versions in bucket.keys.items():
                for at, version in enumerate(versions):
                    if version.owner == owner:
                        # Its place from the end: newer versions hide an older one.
                        found[f"{bucket.name}/{key}?{version.id}"] = (version.body, version.marker, len(versions) - at)
            for upload in bucket.uploads.values():
                if upload.owner == owner:
                    found[f"{bucket.name}/{upload.key}?upload={upload.id}"] = upload.begun
        return found

    # The protocol.

    def send(self, actor: str, method: str, url: str, headers: Headers, body: bytes) -> HttpResponse:
        self.requests += 1
        parts = urlsplit(url)
        name, _, key = parts.path.lstrip("/").partition("/")
        name, key = unquote(name), unquote(key)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        if not name:
            return self._buckets()
        bucket = self._find(name)
        if not key:
            return self._bucket(actor, method, name, bucket, query, parts.query, body)
        if bucket is None:
            return _error(404, "NoSuchBucket")
        return self._object(actor, method, bucket, key, query, body)

    @property
    def _fault(self) -> Broken:
        late = self.requests <= self._broken_from and self._broken is not Broken.ONE_BUCKET
        return Broken.NOTHING if late else self._broken

    def _find(self, name: str) -> Bucket | None:
        if self._broken is Broken.ONE_BUCKET:
            return next(iter(self.buckets.values()), None)
        return self.buckets.get(name)

    def _touch(self, actor: str, owner: str, what: str) -> None:
        if not self._may(actor, owner):
            self.harm.append(f"{actor} {what} of {owner}")

    def _buckets(self) -> HttpResponse:
        names = "".join(
            f"<Bucket><Name>{escape(bucket.name)}</Name><CreationDate>{_iso(bucket.made)}</CreationDate></Bucket>"
            for bucket in self.buckets.values()
        )
        return self._listed("ListAllMyBucketsResult", f"<Owner><ID>o</ID></Owner><Buckets>{names}</Buckets>")

    def _bucket(
        self, actor: str, method: str, name: str, bucket: Bucket | None, query: dict[str, str], raw: str, body: bytes
    ) -> HttpResponse:
        if method == "PUT" and not query:
            if bucket is None:
                self.bucket(name, actor)
                return self._answer(200)
            return (
                self._answer(200)
                if bucket.owner == actor or self._broken is Broken.ONE_BUCKET
                else _error(409, "BucketAlreadyOwnedByYou")
            )
        if bucket is None:
            return _error(404, "NoSuchBucket")
        if method == "POST" and "delete" in query:
            return self._delete_batch(actor, bucket, body)
        if method == "DELETE" and not query:
            return self._delete_bucket(actor, bucket)
        if method in ("GET", "HEAD"):
            return self._about(bucket, name, query, raw)
        return _error(501, "NotImplemented")

    def _delete_bucket(self, actor: str, bucket: Bucket) -> HttpResponse:
        if not bucket.is_empty and not self._removes_full_buckets:
            return _error(409, "BucketNotEmpty")
        self._touch(actor, bucket.owner, f"removed the bucket {bucket.name}")
        for key, versions in bucket.keys.items():
            for version in versions:
                self._touch(actor, version.owner, f"removed with its bucket {key!r}")
        for upload in bucket.uploads.values():
            self._touch(actor, upload.owner, f"removed with its bucket the upload of {upload.key!r}")
        del self.buckets[bucket.name]
        return self._answer(204)

    def _about(self, bucket: Bucket, name: str, query: dict[str, str], raw: str) -> HttpResponse:
        if "versioning" in query:
            status = "<Status>Enabled</Status>" if bucket.versioned else ""
            return self._answer(200, f"<VersioningConfiguration>{status}</VersioningConfiguration>")
        if "object-lock" in query and self._locked:
            enabled = "<ObjectLockEnabled>Enabled</ObjectLockEnabled>"
            return self._answer(200, f"<ObjectLockConfiguration>{enabled}</ObjectLockConfiguration>")
        if "object-lock" in query:
            return _error(404, "ObjectLockConfigurationNotFoundError")
        if self._fault is Broken.REFUSED:
            return _error(403, "AccessDenied")
        if self._fault is Broken.DECODED_TWICE:
            # As behind a proxy that decodes the query and forwards the decoded form.
            query = dict(parse_qsl(unquote(raw).partition("#")[0], keep_blank_values=True))
        if self._fault in (Broken.PREFIX_IGNORED, Broken.FOREIGN):
            query = {**query, "prefix": ""}
        if "versions" in query:
            return self._list_versions(bucket, name, query) if self._versions_known else _error(501, "NotImplemented")
        if "uploads" in query:
            return self._list_uploads(bucket, name, query)
        return self._list_keys(bucket, name, query)

    def _list_keys(self, bucket: Bucket, name: str, query: dict[str, str]) -> HttpResponse:
        prefix = query.get("prefix", "")
        after = unquote(query.get("continuation-token", "")) or query.get("start-after", "")
        current = {key: version for key in sorted(bucket.keys) if (version := bucket.current(key)) is not None}
        found = [key for key in current if key.startswith(prefix) and key > after]
        page = found[: min(self._page, _count(query.get("max-keys")))]
        entries = [
            f"<Contents><Key>{self._key(key, query)}</Key><LastModified>{_iso(current[key].modified)}</LastModified>"
            f"<ETag>&quot;{hashlib.md5(current[key].body, usedforsecurity=False).hexdigest()}&quot;</ETag>"
            f"<Size>{len(current[key].body)}</Size></Contents>"
            for key in page
        ]
        more = len(page) < len(found)
        token = f"<NextContinuationToken>{quote(page[-1], safe='')}</NextContinuationToken>" if more and page else ""
        return self._page_of("ListBucketResult", name, query, entries, more=more, token=token)

    def _list_versions(self, bucket: Bucket, name: str, query: dict[str, str]) -> HttpResponse:
        prefix, after = query.get("prefix", ""), (query.get("key-marker", ""), query.get("version-id-marker", ""))
        found = [
            (key, version, version is versions[-1])
            for key, versions in sorted(bucket.keys.items())
            for version in reversed(versions)
            if key.startswith(prefix)
        ]
        if after[0]:
            start = next((at for at, (key, version, _) in enumerate(found) if (key, version.id) == after), None)
            found = found[start + 1 :] if start is not None else [each for each in found if each[0] > after[0]]
        page = found[: min(self._page, _count(query.get("max-keys")))]
        entries = []
        for key, version, latest in page:
            tag = "DeleteMarker" if version.marker else "Version"
            entries.append(
                f"<{tag}><Key>{self._key(key, query)}</Key><VersionId>{version.id}</VersionId>"
                f"<IsLatest>{str(latest).lower()}</IsLatest><LastModified>{_iso(version.modified)}</LastModified></{tag}>"
            )
        more = len(page) < len(found)
        token = ""
        if more and page:
            token = (
                f"<NextKeyMarker>{self._key(page[-1][0], query)}</NextKeyMarker>"
                f"<NextVersionIdMarker>{page[-1][1].id}</NextVersionIdMarker>"
            )
        return self._page_of("ListVersionsResult", name, query, entries, more=more, token=token)

    def _list_uploads(self, bucket: Bucket, name: str, query: dict[str, str]) -> HttpResponse:
        prefix, after = query.get("prefix", ""), (query.get("key-marker", ""), query.get("upload-id-marker", ""))
        found = [each for each in bucket.uploads.values() if each.key.startswith(prefix)]
        found = [each for each in sorted(found, key=lambda each: (each.key, each.id)) if (each.key, each.id) > after]
        page = found[: min(self._page, _count(query.get("max-uploads")))]
        entries = [
            f"<Upload><Key>{self._key(each.key, query)}</Key><UploadId>{each.id}</UploadId>"
            f"<Initiated>{_iso(each.begun)}</Initiated></Upload>"
            for each in page
        ]
        more = len(page) < len(found)
        token = ""
        if more and page:
            token = (
                f"<NextKeyMarker>{self._key(page[-1].key, query)}</NextKeyMarker>"
                f"<NextUploadIdMarker>{page[-1].id}</NextUploadIdMarker>"
            )
        return self._page_of("ListMultipartUploadsResult", name, query, entries, more=more, token=token)

    def _page_of(
        self, root: str, name: str, query: dict[str, str], entries: Iterable[str], *, more: bool, token: str
    ) -> HttpResponse:
        if self._fault is Broken.REPEATED:
            entries = [each for each in entries for _ in range(2)]
        if self._fault is Broken.NO_NAME:
            entries = [each for entry in entries for each in (entry, re.sub(r"<Key>.*?</Key>", "<Key></Key>", entry))]
        if self._fault is Broken.NO_TOKEN:
            more, token = True, ""
        if self._fault is Broken.SAME_TOKEN:
            more, token = True, "<NextContinuationToken>%21</NextContinuationToken><NextKeyMarker>!</NextKeyMarker>"
        shown = "somebodys" if self._fault is Broken.OTHER_NAME else name
        if self._broken is Broken.ONE_BUCKET:
            shown = next(iter(self.buckets))
        tag = "Bucket" if root == "ListMultipartUploadsResult" else "Name"
        encoding = "<EncodingType>url</EncodingType>" if query.get("encoding-type") == "url" else ""
        prefix = f"<Prefix>{self._key(query.get('prefix', ''), query)}</Prefix>"
        inner = f"<{tag}>{escape(shown)}</{tag}>{prefix}{encoding}<IsTruncated>{str(more).lower()}</IsTruncated>{token}"
        return self._listed(root, inner + "".join(entries))

    def _listed(self, root: str, inner: str) -> HttpResponse:
        text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}>{inner}</{root}>'
        match self._fault:
            case Broken.CUT:
                text = text[: len(text) * 2 // 3]
            case Broken.HTML:
                text = "<html><body><h1>It works!</h1></body></html>"
            case Broken.EMPTY:
                text = ""
            case Broken.WRONG_ROOT:
                text = f"<Anything>{inner}</Anything>"
        return self._answer(200, text)

    def _key(self, key: str, query: dict[str, str]) -> str:
        if query.get("encoding-type") == "url" and self._fault is not Broken.NOT_ENCODED:
            return quote(key, safe="/")
        return escape(re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "?", key))

    def _object(
        self, actor: str, method: str, bucket: Bucket, key: str, query: dict[str, str], body: bytes
    ) -> HttpResponse:
        current = bucket.current(key)
        match method:
            case "PUT" if not query:
                if current is not None:
                    self._touch(actor, current.owner, f"overwrote {key!r}")
                version = self._add(bucket, key, actor, body, self.now)
                return self._answer(200, headers=self._version_header(bucket, version))
            case "GET" | "HEAD":
                if current is None:
                    return _error(404, "NoSuchKey")
                modified = ("Last-Modified", formatdate(current.modified, usegmt=True))
                body = current.body if method == "GET" else b""
                return HttpResponse(status=200, headers=(self._date(), modified), body=body)
            case "DELETE" if "uploadId" in query:
                upload = bucket.uploads.get(query["uploadId"])
                if upload is None or upload.key != key:
                    return _error(404, "NoSuchUpload")
                self._touch(actor, upload.owner, f"aborted the upload of {key!r}")
                del bucket.uploads[upload.id]
                return self._answer(204)
            case "DELETE" if "versionId" in query and not self._versions_removable:
                return _error(403, "AccessDenied")
            case "DELETE":
                self._delete(actor, bucket, key, query.get("versionId"))
                return self._answer(204)
            case "POST" if "uploads" in query:
                id = self._new_id("u")
                bucket.uploads[id] = Upload(id=id, key=key, owner=actor, begun=self.now)
                upload_id = f"<UploadId>{id}</UploadId>"
                return self._answer(200, f"<InitiateMultipartUploadResult>{upload_id}</InitiateMultipartUploadResult>")
        return _error(501, "NotImplemented")

    def _delete_batch(self, actor: str, bucket: Bucket, body: bytes) -> HttpResponse:
        for found in re.findall(r"<Object>(.*?)</Object>", body.decode(), re.DOTALL):
            key = re.search(r"<Key>(.*?)</Key>", found, re.DOTALL)
            version = re.search(r"<VersionId>(.*?)</VersionId>", found)
            if key is not None and (version is None or self._versions_removable):
                self._delete(actor, bucket, unescape(key[1], REFERENCES), version[1] if version else None)
        return self._answer(200, "<DeleteResult></DeleteResult>")

    def _delete(self, actor: str, bucket: Bucket, key: str, version_id: str | None) -> None:
        versions = bucket.keys.get(key, [])
        if version_id is not None:
            for version in [each for each in versions if each.id == version_id]:
                self._touch(actor, version.owner, f"removed a version of {key!r}")
                versions.remove(version)
        elif bucket.versioned:
            if versions:
                self._touch(actor, versions[-1].owner, f"hid {key!r} behind a delete marker")
            self._add(bucket, key, actor, b"", self.now, marker=True)
            return
        else:
            for version in versions:
                self._touch(actor, version.owner, f"removed {key!r}")
            versions.clear()
        if key in bucket.keys and not versions:
            del bucket.keys[key]

    def _add(
        self, bucket: Bucket, key: str, owner: str, body: bytes, modified: float, *, marker: bool = False
    ) -> Version:
        id = self._new_id("v") if bucket.versioned else "null"
        made = Version(id=id, owner=owner, body=body, modified=modified, marker=marker)
        if bucket.versioned:
            bucket.keys.setdefault(key, []).append(made)
        else:
            bucket.keys[key] = [made]
        return made

    def _new_id(self, letter: str) -> str:
        self._ids += 1
        return f"{letter}{self._ids}"

    def _date(self) -> tuple[str, str]:
        return ("Date", formatdate(self.now, usegmt=True))

    def _version_header(self, bucket: Bucket, version: Version) -> Headers:
        return (("x-amz-version-id", version.id),) if bucket.versioned else ()

    def _answer(self, status: int, text: str = "", headers: Headers = ()) -> HttpResponse:
        return HttpResponse(status=status, headers=(self._date(), *headers), body=text.encode())


def _error(status: int, code: str) -> HttpResponse:
    return HttpResponse(status=status, body=f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())


def _count(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 1000


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
