"""Faults of a storage class that show in what is read after a write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from bucket_conformance.reference_impl.api import DeleteResult, ObjectStat, Storage
from tests.faults.local_faults import WrappedStorage, storage_fault


@storage_fault(
    "listing-lags-behind",
    "a listing shows what was there at the listing before",
    breaks=["CON-001", "CON-006", "CON-005"],
    origin="stores that list from an index updated later",
)
class ListingLagsBehind(WrappedStorage):
    def __init__(self, inner: Storage) -> None:
        super().__init__(inner)
        self._before: dict[str, list[ObjectStat]] = {}

    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        now = [*self.inner.list(prefix)]
        before, self._before[prefix] = self._before.get(prefix, now), now
        return iter(before)


@storage_fault(
    "download-serves-from-cache",
    "a reader keeps the first value it read of a key, whatever is written later elsewhere",
    breaks=["CON-001"],
    origin="a cache in front of the store that only its own writes clear",
)
class DownloadServesFromCache(WrappedStorage):
    def __init__(self, inner: Storage) -> None:
        super().__init__(inner)
        self._cache: dict[str, bytes] = {}

    def download(self, key: str) -> bytes:
        if key not in self._cache:
            self._cache[key] = self.inner.download(key)
        return self._cache[key]

    def upload(self, key: str, body: bytes | BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        self._cache.pop(key, None)
        return self.inner.upload(key, body, content_type=content_type)

    def delete_files(self, keys: Iterable[str]) -> DeleteResult:
        named = [*keys]
        for key in named:
            self._cache.pop(key, None)
        return self.inner.delete_files(named)


@storage_fault(
    "upload-in-place",
    "uploads write pieces straight into the object, so that writers at the same time mix",
    breaks=["CON-002"],
    origin="writing to the file itself instead of a temporary one that is renamed",
)
class UploadInPlace(WrappedStorage):
    def upload(self, key: str, body: bytes | BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        data = body if isinstance(body, bytes) else body.read()
        stat = self.inner.upload(key, b"", content_type=content_type)
        for start in range(0, len(data), 10_000):
            so_far = self.inner.download(key)[:start].ljust(start, b"\0")
            stat = self.inner.upload(key, so_far + data[start : start + 10_000], content_type=content_type)
        return stat
