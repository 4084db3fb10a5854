"""Faults of a storage on disk that show when its writer is killed."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import BinaryIO

from bucket_conformance.reference_impl.api import ObjectStat, Storage
from tests.faults.local_faults import WrappedStorage, storage_fault

PIECE = 4096


def _root(storage: Storage) -> Path:
    return Path(storage.root)  # type: ignore[attr-defined]


def _whole(body: bytes | BinaryIO) -> bytes:
    return body if isinstance(body, bytes) else body.read()


@storage_fault(
    "answers-before-writing", "an upload is answered before it is written: it waits for the next", breaks=["DUR-001"]
)
class AnswersBeforeWriting(WrappedStorage):
    def __init__(self, inner: Storage) -> None:
        super().__init__(inner)
        self._waiting: list[tuple[str, bytes]] = []

    def upload(self, key: str, body: bytes | BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        data = _whole(body)
        if not self.inner.exists(key):
            return self.inner.upload(key, data, content_type=content_type)
        self._waiting.append((key, data))
        if len(self._waiting) > 1:
            self.inner.upload(*self._waiting.pop(0))
        return self.inner.stat(key)


@storage_fault("writes-in-place", "an overwrite empties the old file and fills it piece by piece", breaks=["DUR-001"])
class WritesInPlace(WrappedStorage):
    def upload(self, key: str, body: bytes | BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        data = _whole(body)
        if not self.inner.exists(key):
            return self.inner.upload(key, data, content_type=content_type)
        file = os.open(_root(self.inner) / key, os.O_WRONLY | os.O_TRUNC)
        try:
            for start in range(0, len(data), PIECE):
                os.write(file, data[start : start + PIECE])
        finally:
            os.close(file)
        return self.inner.stat(key)


@storage_fault(
    "writes-beside-the-key", "an unfinished upload is a file next to its key, and is listed", breaks=["DUR-001"]
)
class WritesBesideTheKey(WrappedStorage):
    def upload(self, key: str, body: bytes | BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        temporary = _root(self.inner) / f"{key}.{secrets.token_hex(4)}.part"
        temporary.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            data = _whole(body)
            for start in range(0, len(data), PIECE):
                file.write(data[start : start + PIECE])
                file.flush()
        temporary.rename(_root(self.inner) / key)
        return self.inner.stat(key)


@storage_fault(
    "removes-before-writing", "an overwrite removes the old value before the new one is there", breaks=["DUR-001"]
)
class RemovesBeforeWriting(WrappedStorage):
    def upload(self, key: str, body: bytes | BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        self.inner.delete_files([key])
        return self.inner.upload(key, body, content_type=content_type)
