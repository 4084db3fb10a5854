"""What the exemplary server keeps: buckets, versions, uploads. One lock; every operation is atomic under it."""

from __future__ import annotations

import bisect
import itertools
import secrets
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from tests.exemplar.checksums import Checksum
from tests.exemplar.sigv4 import real_now
from tests.exemplar.types import Headers, S3Error

Versioning = Literal["", "Enabled", "Suspended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of an object, or a delete marker. ``etag`` is without quotes; ``part_sizes`` in bytes."""

    key: str
    version_id: str
    last_modified: datetime
    body: bytes = b""
    etag: str = ""
    headers: Headers = ()
    metadata: Headers = ()
    checksum: Checksum | None = None
    part_sizes: tuple[int, ...] = ()
    is_marker: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    body: bytes
    etag: str
    last_modified: datetime
    checksum: Checksum | None


@dataclass(slots=True, kw_only=True)
class Upload:
    """A multipart upload in progress. ``sequence`` dates its start among the bucket's changes."""

    upload_id: str
    key: str
    initiated: datetime
    sequence: int
    headers: Headers
    metadata: Headers
    algorithm: str = ""
    kind: str = ""
    parts: dict[int, Part] = field(default_factory=dict)


def now() -> datetime:
    """Return the true time in whole seconds: Amazon S3 dates objects no finer."""
    return datetime.fromtimestamp(int(real_now()), UTC)


@dataclass(slots=True)
class Bucket:
    """One bucket. Callers hold the store's lock."""

    name: str
    created: datetime = field(default_factory=now)
    location: str = ""
    versioning: Versioning = ""
    lifecycle: str | None = None
    uploads: dict[str, Upload] = field(default_factory=dict)
    versions: dict[str, list[Version]] = field(default_factory=dict)
    changes: dict[str, int] = field(default_factory=dict)
    _order: list[tuple[bytes, str]] = field(default_factory=list)
    _sequence: itertools.count[int] = field(default_factory=itertools.count)

    def current(self, key: str) -> Version | None:
        """Return the newest version if it is an object, not a delete marker."""
        newest = self.newest(key)
        return None if newest is None or newest.is_marker else newest

    def newest(self, key: str) -> Version | None:
        versions = self.versions.get(key)
        return versions[-1] if versions else None

    def version(self, key: str, version_id: str) -> Version | None:
        return next((v for v in self.versions.get(key, ()) if v.version_id == version_id), None)

    def new_version_id(self) -> str:
        return secrets.token_urlsafe(24) if self.versioning == "Enabled" else "null"

    def tick(self) -> int:
        return next(self._sequence)

    def add(self, version: Version) -> None:
        """Make ``version`` the newest; a null version replaces the null version there was."""
        versions = self.versions.setdefault(version.key, [])
        if not versions:
            bisect.insort(self._order, (version.key.encode(), version.key))
        if version.version_id == "null":
            versions[:] = [v for v in versions if v.version_id != "null"]
        versions.append(version)
        self.changes[version.key] = self.tick()

    def remove(self, key: str, version_id: str) -> Version | None:
        """Remove one version for good and return it."""
        found = self.version(key, version_id)
        if found is None:
            return None
        versions = self.versions[key]
        versions.remove(found)
        if not versions:
            del self.versions[key]
            del self._order[bisect.bisect_left(self._order, (key.encode(), key))]
        self.changes[key] = self.tick()
        return found

    def keys_from(self, start: bytes) -> itertools.islice[tuple[bytes, str]]:
        """Return the keys not below ``start``, in UTF-8 byte order, delete markers included."""
        return itertools.islice(self._order, bisect.bisect_left(self._order, (start, "")), None)


class Store:
    """All buckets. ``lock`` is held for the deciding part of every operation."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.buckets: dict[str, Bucket] = {}

    def bucket(self, name: str) -> Bucket:
        found = self.buckets.get(name)
        if found is None:
            message = "The specified bucket does not exist"
            raise S3Error(404, "NoSuchBucket", message, fields=(("BucketName", name),))
        return found
