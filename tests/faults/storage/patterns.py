"""The first faults of a storage class, as patterns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from bucket_conformance.reference_impl.api import DeleteResult, ObjectStat
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from tests.faults.local_faults import WrappedStorage, storage_fault


@storage_fault(
    "download-missing-gives-empty",
    "a missing key is downloaded as no bytes at all",
    breaks=["RT-003", "CON-006", "DEL-014"],
)
class DownloadMissingGivesEmpty(WrappedStorage):
    def download(self, key: str) -> bytes:
        try:
            return self.inner.download(key)
        except StorageError as error:
            if error.code is ErrorCode.NOT_FOUND:
                return b""
            raise


@storage_fault(
    "upload-keeps-old-tail",
    "a shorter value over a longer one keeps the longer one's tail: the file is not cut",
    breaks=["RT-002", "CON-002", "CON-006"],
)
class UploadKeepsOldTail(WrappedStorage):
    def upload(self, key: str, body: bytes | BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        data = body if isinstance(body, bytes) else body.read()
        old = self.inner.download(key) if self.inner.exists(key) else b""
        return self.inner.upload(key, data + old[len(data) :], content_type=content_type)


@storage_fault(
    "list-prefix-is-a-folder",
    "a prefix is treated as a folder: a part of a name matches nothing",
    breaks=["LIST-002"],
)
class ListPrefixIsAFolder(WrappedStorage):
    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        folder = prefix if not prefix or prefix.endswith("/") else prefix + "/"
        return self.inner.list(folder)


@storage_fault(
    "delete-forgets-last-of-batch",
    "a batch that is exactly full loses its last key",
    breaks=["DEL-001", "DEL-004"],
)
class DeleteForgetsLastOfBatch(WrappedStorage):
    def delete_files(self, keys: Iterable[str]) -> DeleteResult:
        named = list(dict.fromkeys(keys))
        self.inner.delete_files(key for number, key in enumerate(named, 1) if number % 100)
        return DeleteResult(deleted=tuple(named))
