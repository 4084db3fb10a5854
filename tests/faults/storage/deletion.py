"""Faults of a storage class that show in deleting."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from bucket_conformance.reference_impl.api import (
    DEFAULT_BATCH_SIZE,
    DeleteError,
    DeleteFailure,
    DeleteResult,
    ObjectStat,
    Storage,
)
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.s3 import S3Storage
from tests.faults.local_faults import WrappedStorage, storage_fault


def _distinct(keys: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(keys))


def _with_batches_of(storage: Storage, size: int) -> Storage:
    """Return the same S3 storage with another batch size."""
    assert isinstance(storage, S3Storage)
    return S3Storage(storage._client, storage._bucket, batch_size=size)


def _batch_size(storage: Storage) -> int:
    size: int = vars(storage).get("_batch_size", 100)
    return size


@storage_fault(
    "delete-stops-at-missing-key",
    "deleting stops, without an error, at the first key that is not there",
    breaks=["DEL-001", "DEL-004"],
)
class DeleteStopsAtMissingKey(WrappedStorage):
    def delete_files(self, keys: Iterable[str]) -> DeleteResult:
        named = _distinct(keys)
        there = next((at for at, key in enumerate(named) if not self.inner.exists(key)), len(named))
        self.inner.delete_files(named[:there])
        return DeleteResult(deleted=tuple(named))


@storage_fault(
    "delete-nothing-deletes-everything",
    "an empty list counts as no restriction: everything is deleted",
    breaks=["DEL-002"],
)
class DeleteNothingDeletesEverything(WrappedStorage):
    def delete_files(self, keys: Iterable[str]) -> DeleteResult:
        named = list(keys)
        return self.inner.delete_files(named or [stat.key for stat in self.inner.list()])


@storage_fault(
    "delete-nothing-sends-a-request",
    "an empty list is sent to the server nevertheless",
    breaks=["DEL-002"],
    on="s3",
    origin="a DeleteObjects without objects is answered MalformedXML",
)
class DeleteNothingSendsARequest(WrappedStorage):
    def delete_files(self, keys: Iterable[str]) -> DeleteResult:
        named = list(keys)
        if named:
            return self.inner.delete_files(named)
        self.inner.exists("conformance-nothing")
        return DeleteResult()


@storage_fault(
    "delete-batches-of-101",
    "a batch holds one key more than configured: `<=` where `<` is meant",
    breaks=["DEL-003"],
    on="s3",
)
class DeleteBatchesOf101(WrappedStorage):
    def delete_files(self, keys: Iterable[str]) -> DeleteResult:
        size = min(_batch_size(self.inner) + 1, 1000)
        return _with_batches_of(self.inner, size).delete_files(keys)


@storage_fault(
    "delete-batches-of-1000-by-default",
    "where no batch size is configured, a batch holds what Amazon S3 allows",
    breaks=["DEL-003"],
    origin="clients written for Amazon S3 alone",
    on="s3",
)
class DeleteBatchesOf1000ByDefault(WrappedStorage):
    def delete_files(self, keys: Iterable[str]) -> DeleteResult:
        size = _batch_size(self.inner)
        return _with_batches_of(self.inner, 1000 if size == DEFAULT_BATCH_SIZE else size).delete_files(keys)


@storage_fault("delete-one-by-one", "every key gets its own request", breaks=["DEL-003"], on="s3")
class DeleteOneByOne(WrappedStorage):
    def delete_files(self, keys: Iterable[str]) -> DeleteResult:
        return _with_batches_of(self.inner, 1).delete_files(keys)


@storage_fault("delete-only-first-thousand", "keys after the thousandth are forgotten", breaks=["DEL-004"])
class DeleteOnlyFirstThousand(WrappedStorage):
    def delete_files(self, keys: Iterable[str]) -> DeleteResult:
        named = _distinct(keys)
        self.inner.delete_files(named[:1000])
        return DeleteResult(deleted=tuple(named))


@storage_fault(
    "delete-drops-last-partial-batch",
    "only full batches are sent: what is left over after them is forgotten",
    breaks=["DEL-001", "DEL-004", "DEL-014"],
)
class DeleteDropsLastPartialBatch(WrappedStorage):
    def delete_files(self, keys: Iterable[str]) -> DeleteResult:
        named = _distinct(keys)
        self.inner.delete_files(named[: len(named) // 100 * 100])
        return DeleteResult(deleted=tuple(named))


@storage_fault(
    "delete-missing-is-an-error", "a missing key is reported as refused", breaks=["DEL-001", "DEL-005", "DEL-017"]
)
class DeleteMissingIsAnError(WrappedStorage):
    def delete_files(self, keys: Iterable[str]) -> DeleteResult:
        named = _distinct(keys)
        missing = [key for key in named if not self.inner.exists(key)]
        result = self.inner.delete_files(named)
        if not missing:
            return result
        failed = tuple(DeleteFailure(key=key, code=ErrorCode.NOT_FOUND) for key in missing)
        deleted = tuple(key for key in named if key not in missing)
        raise DeleteError(ErrorCode.NOT_FOUND, DeleteResult(deleted=deleted, failed=failed))


@storage_fault("delete-reports-repeats-twice", "a key named twice is reported twice", breaks=["DEL-005"])
class DeleteReportsRepeatsTwice(WrappedStorage):
    def delete_files(self, keys: Iterable[str]) -> DeleteResult:
        named = list(keys)
        self.inner.delete_files(named)
        return DeleteResult(deleted=tuple(named))


@storage_fault(
    "delete-folds-case",
    "deleting takes along the key in the other case",
    breaks=["DEL-006"],
    origin="case-folding disks",
)
class DeleteFoldsCase(WrappedStorage):
    def delete_files(self, keys: Iterable[str]) -> DeleteResult:
        named = _distinct(keys)
        for key in named:
            folder = key.rpartition("/")[0] + "/"
            twins = [stat.key for stat in self.inner.list(folder) if stat.key.lower() == key.lower()]
            self.inner.delete_files(twins)
        return self.inner.delete_files(named)


@storage_fault(
    "delete-swallows-key-errors",
    "errors of single keys in a good answer are never read",
    breaks=["DEL-008"],
    origin="an SDK's batch delete raises nothing for the Errors of a 200 answer",
)
class DeleteSwallowsKeyErrors(WrappedStorage):
    def delete_files(self, keys: Iterable[str]) -> DeleteResult:
        try:
            return self.inner.delete_files(keys)
        except DeleteError as error:
            return DeleteResult(deleted=error.result.deleted, requests=error.result.requests)


@storage_fault(
    "delete-reports-all-deleted", "what was asked for is reported as deleted, whatever came of it", breaks=["DEL-008"]
)
class DeleteReportsAllDeleted(WrappedStorage):
    def delete_files(self, keys: Iterable[str]) -> DeleteResult:
        named = _distinct(keys)
        with contextlib.suppress(DeleteError):
            self.inner.delete_files(named)
        return DeleteResult(deleted=tuple(named))


@storage_fault(
    "delete-stops-at-first-failing-batch",
    "batches after the first with a refused key are never sent, and their keys are not reported",
    breaks=["DEL-008"],
    on="s3",
)
class DeleteStopsAtFirstFailingBatch(WrappedStorage):
    def delete_files(self, keys: Iterable[str]) -> DeleteResult:
        named = _distinct(keys)
        deleted: tuple[str, ...] = ()
        for start in range(0, len(named), 100):
            try:
                deleted += self.inner.delete_files(named[start : start + 100]).deleted
            except DeleteError as error:
                result = DeleteResult(deleted=deleted + error.result.deleted, failed=error.result.failed)
                raise DeleteError(error.code, result) from None
        return DeleteResult(deleted=deleted)


@storage_fault(
    "delete-gives-up-after-a-reset", "a broken delete request is not tried again", breaks=["DEL-009"], on="s3"
)
class DeleteGivesUpAfterAReset(WrappedStorage):
    def __init__(self, inner: Storage) -> None:
        super().__init__(inner)
        assert isinstance(inner, S3Storage)
        handler: Any = inner._client.meta.events
        handler.unregister("needs-retry.s3", unique_id="storage-retries")


@storage_fault(
    "delete-drops-unknown-keys",
    "keys of a request that broke off are left out of the result",
    breaks=["DEL-009"],
    on="s3",
)
class DeleteDropsUnknownKeys(WrappedStorage):
    def delete_files(self, keys: Iterable[str]) -> DeleteResult:
        try:
            return self.inner.delete_files(keys)
        except DeleteError as error:
            result = DeleteResult(deleted=error.result.deleted, failed=error.result.failed)
            raise DeleteError(error.code, result) from None


@storage_fault(
    "delete-calls-broken-batches-deleted",
    "the keys of a request that broke off are reported as deleted",
    breaks=["DEL-009"],
    on="s3",
)
class DeleteCallsBrokenBatchesDeleted(WrappedStorage):
    def delete_files(self, keys: Iterable[str]) -> DeleteResult:
        named = _distinct(keys)
        try:
            return self.inner.delete_files(named)
        except DeleteError as error:
            if error.result.failed:
                raise
            return DeleteResult(deleted=tuple(named))


class _Remembering(WrappedStorage):
    """Knows every key that was ever uploaded or listed through it."""

    def __init__(self, inner: Storage) -> None:
        super().__init__(inner)
        self.stats: dict[str, ObjectStat] = {}

    def delete_files(self, keys: Iterable[str]) -> DeleteResult:
        named = _distinct(keys)
        for key in named:
            if self.inner.exists(key):
                self.stats[key] = self.inner.stat(key)
        return self.inner.delete_files(named)


@storage_fault("deleted-key-still-listed", "a listing shows deleted keys a while longer", breaks=["DEL-014", "CON-006"])
class DeletedKeyStillListed(_Remembering):
    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        found = {stat.key: stat for stat in self.inner.list(prefix)}
        found |= {key: stat for key, stat in self.stats.items() if key.startswith(prefix) and key not in found}
        return iter(sorted(found.values(), key=lambda stat: stat.key.encode()))


@storage_fault(
    "stat-remembers-deleted-keys",
    "a stat is answered from a cache that deleting does not clear",
    breaks=["DEL-014", "CON-006"],
)
class StatRemembersDeletedKeys(_Remembering):
    def stat(self, key: str) -> ObjectStat:
        try:
            return self.inner.stat(key)
        except StorageError:
            if key in self.stats:
                return self.stats[key]
            raise
