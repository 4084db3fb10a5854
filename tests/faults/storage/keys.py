"""Faults of a storage class that show in keys, owners and listings."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import BinaryIO

from bucket_conformance.reference_impl.api import MAX_URL_LIFE_S, DeleteResult, ObjectStat
from tests.faults.local_faults import WrappedStorage, storage_fault


@storage_fault("storage-cuts-long-keys", "a key over 1024 bytes is cut instead of refused", breaks=["KEY-005"])
class StorageCutsLongKeys(WrappedStorage):
    def upload(self, key: str, body: bytes | BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        cut = key.encode("utf-8", "surrogatepass")[:1024].decode("utf-8", "ignore") if len(key) > 512 else key
        return self.inner.upload(cut, body, content_type=content_type)


@storage_fault(
    "storage-drops-surrogates", "half a character in a key is dropped instead of refused", breaks=["KEY-005"]
)
class StorageDropsSurrogates(WrappedStorage):
    def upload(self, key: str, body: bytes | BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        return self.inner.upload(key.encode("utf-8", "ignore").decode(), body, content_type=content_type)


class Renaming(WrappedStorage):
    """Keeps every object under another name, and knows no other."""

    def out(self, key: str) -> str:
        """Return the name in the backend."""
        raise NotImplementedError

    def back(self, name: str) -> str:
        """Return the key that has this name."""
        raise NotImplementedError

    def upload(self, key: str, body: bytes | BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        return replace(self.inner.upload(self.out(key), body, content_type=content_type), key=key)

    def download(self, key: str) -> bytes:
        return self.inner.download(self.out(key))

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        return self.inner.open(self.out(key))

    def stat(self, key: str) -> ObjectStat:
        return replace(self.inner.stat(self.out(key)), key=key)

    def exists(self, key: str) -> bool:
        return self.inner.exists(self.out(key))

    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        for stat in self.inner.list(self.out(prefix)):
            yield replace(stat, key=self.back(stat.key))

    def delete_files(self, keys: Iterable[str]) -> DeleteResult:
        named = {self.out(key): key for key in keys}
        result = self.inner.delete_files(list(named))
        return replace(result, deleted=tuple(named[name] for name in result.deleted))

    def signed_url(self, key: str, file_name: str | None = None, *, expires_in: int = MAX_URL_LIFE_S) -> str:
        return self.inner.signed_url(self.out(key), file_name, expires_in=expires_in)


@storage_fault("storage-lies-below-a-folder", "everything lies below a folder of the storage's own", breaks=["KEY-007"])
class StorageLiesBelowAFolder(Renaming):
    def out(self, key: str) -> str:
        return f"files/{key}"

    def back(self, name: str) -> str:
        return name.removeprefix("files/")


@storage_fault("storage-escapes-dots", "a dot in a key is written as %2E", breaks=["KEY-007"])
class StorageEscapesDots(Renaming):
    def out(self, key: str) -> str:
        return key.replace(".", "%2E")

    def back(self, name: str) -> str:
        return name.replace("%2E", ".")


@storage_fault(
    "storage-lists-by-bare-prefix",
    "the slash at the end of a prefix is dropped: `a/` also lists `ab/`",
    breaks=["KEY-008", "LIST-002"],
    origin="path joining that cleans what it joins",
)
class StorageListsByBarePrefix(WrappedStorage):
    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        return self.inner.list(prefix.rstrip("/"))


@storage_fault(
    "storage-clears-emptied-owners",
    "with the last file of an owner goes whatever begins with that owner's key",
    breaks=["KEY-008"],
)
class StorageClearsEmptiedOwners(WrappedStorage):
    def delete_files(self, keys: Iterable[str]) -> DeleteResult:
        named = list(keys)
        result = self.inner.delete_files(named)
        for owner in {"/".join(key.split("/")[:2]) for key in named}:
            if not any(self.inner.list(f"{owner}/")):
                self.inner.delete_files([stat.key for stat in self.inner.list(owner)])
        return result


@storage_fault(
    "storage-deletes-by-beginning",
    "deleting a file deletes those whose names begin like it",
    breaks=["KEY-013", "DEL-001", "DEL-006"],
)
class StorageDeletesByBeginning(WrappedStorage):
    def delete_files(self, keys: Iterable[str]) -> DeleteResult:
        named = list(keys)
        for key in named:
            self.inner.delete_files([stat.key for stat in self.inner.list(key)])
        return self.inner.delete_files(named)


@storage_fault("storage-lists-first-page-only", "a listing ends after its first thousand keys", breaks=["LIST-012"])
class StorageListsFirstPageOnly(WrappedStorage):
    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        return itertools.islice(self.inner.list(prefix), 1000)


@storage_fault("storage-lists-some-twice", "the first key after each hundred is listed twice", breaks=["LIST-012"])
class StorageListsSomeTwice(WrappedStorage):
    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        for number, stat in enumerate(self.inner.list(prefix)):
            yield stat
            if number and number % 100 == 0:
                yield stat
