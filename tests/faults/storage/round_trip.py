"""Faults of a storage class that show when stored values are read back."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import BinaryIO

from bucket_conformance.reference_impl.api import ObjectStat, Storage
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from tests.faults.local_faults import WrappedStorage, storage_fault


def _read_all(body: bytes | BinaryIO) -> bytes:
    return body if isinstance(body, bytes) else b"".join(iter(lambda: body.read(65_536), b""))


@storage_fault("stat-rounds-size", "the stat gives the size in whole KiB", breaks=["RT-001", "RT-002"])
class StatRoundsSize(WrappedStorage):
    def stat(self, key: str) -> ObjectStat:
        found = self.inner.stat(key)
        return replace(found, size=found.size // 1024 * 1024)


@storage_fault(
    "translates-line-ends",
    "files are written in text mode: a lone line feed becomes CR LF",
    breaks=["RT-001"],
    origin="a file opened without binary mode where line ends are translated",
)
class TranslatesLineEnds(WrappedStorage):
    def upload(self, key: str, body: bytes | BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        return self.inner.upload(key, _read_all(body).replace(b"\n", b"\r\n"), content_type=content_type)


@storage_fault(
    "upload-takes-one-read",
    "of a stream only what its first read gives is stored",
    breaks=["RT-001"],
    origin="a single read that is assumed to reach the end, although sockets return what they have",
)
class UploadTakesOneRead(WrappedStorage):
    def upload(self, key: str, body: bytes | BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        whole = body if isinstance(body, bytes) else body.read(8 * 1024 * 1024)
        return self.inner.upload(key, whole, content_type=content_type)


@storage_fault(
    "upload-writes-in-place",
    "an overwrite empties the object before it writes the new value",
    breaks=["RT-002"],
    origin="opening the target itself for writing instead of renaming a finished file over it",
)
class UploadWritesInPlace(WrappedStorage):
    def upload(self, key: str, body: bytes | BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        data = _read_all(body)
        for end in (0, len(data) // 2, len(data)):
            stat = self.inner.upload(key, data[:end], content_type=content_type)
        return stat


@storage_fault(
    "open-asks-anew-for-each-piece",
    "a stream asks for the key anew with each read: an overwrite in between mixes two versions",
    breaks=["RT-002"],
)
class OpenAsksAnew(WrappedStorage):
    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        storage = self.inner
        storage.stat(key)

        class Anew(io.RawIOBase):
            at = 0

            def readable(self) -> bool:
                return True

            def read(self, size: int | None = -1, /) -> bytes:
                whole = storage.download(key)
                end = len(whole) if size is None or size < 0 else self.at + size
                piece = whole[self.at : end]
                self.at += len(piece)
                return piece

        return contextlib.nullcontext(Anew())  # type: ignore[arg-type]


@storage_fault(
    "stat-remembers-old-size",
    "after an overwrite the stat still gives the size of the first upload",
    breaks=["RT-002"],
    origin="a cache of metadata that an overwrite does not clear",
)
class StatRemembersOldSize(WrappedStorage):
    def __init__(self, inner: Storage) -> None:
        super().__init__(inner)
        self._sizes: dict[str, int] = {}

    def stat(self, key: str) -> ObjectStat:
        found = self.inner.stat(key)
        return replace(found, size=self._sizes.setdefault(key, found.size))


@storage_fault("stat-missing-gives-zero", "a missing key has a stat of zero bytes", breaks=["RT-003"])
class StatMissingGivesZero(WrappedStorage):
    def stat(self, key: str) -> ObjectStat:
        try:
            return self.inner.stat(key)
        except StorageError as error:
            if error.code is not ErrorCode.NOT_FOUND:
                raise
            return replace(self.inner.upload(f"{key}-", b""), key=key)


@storage_fault("upload-reads-the-stream-whole", "a stream is read whole before it is stored", breaks=["RT-004"])
class UploadReadsTheStreamWhole(WrappedStorage):
    def upload(self, key: str, body: bytes | BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        return self.inner.upload(key, body if isinstance(body, bytes) else body.read(), content_type=content_type)


@storage_fault(
    "upload-collects-the-pieces", "the pieces of a stream are collected before they are stored", breaks=["RT-004"]
)
class UploadCollectsThePieces(WrappedStorage):
    def upload(self, key: str, body: bytes | BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        return self.inner.upload(key, io.BytesIO(_read_all(body)), content_type=content_type)


@storage_fault("open-reads-the-value-whole", "a value is read whole before the first byte is given", breaks=["RT-004"])
class OpenReadsTheValueWhole(WrappedStorage):
    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        return contextlib.nullcontext(io.BytesIO(self.inner.download(key)))


class _Broken(io.RawIOBase):
    """Ends where the stream inside breaks."""

    def __init__(self, inside: BinaryIO) -> None:
        super().__init__()
        self._inside = inside

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        try:
            return self._inside.read(-1 if size is None else size)
        except Exception:
            return b""


@storage_fault(
    "upload-keeps-what-a-broken-stream-gave",
    "what a stream gave before it broke is stored, and the exception is passed on",
    breaks=["RT-005"],
)
class UploadKeepsWhatCame(WrappedStorage):
    def upload(self, key: str, body: bytes | BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        if isinstance(body, bytes):
            return self.inner.upload(key, body, content_type=content_type)
        come: list[bytes] = []
        try:
            while piece := body.read(65_536):
                come.append(piece)
        finally:
            stat = self.inner.upload(key, b"".join(come), content_type=content_type)
        return stat


@storage_fault("upload-hides-a-broken-stream", "a stream that breaks counts as one that ends", breaks=["RT-005"])
class UploadHidesABrokenStream(WrappedStorage):
    def upload(self, key: str, body: bytes | BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        taken = body if isinstance(body, bytes) else _Broken(body)
        return self.inner.upload(key, taken, content_type=content_type)  # type: ignore[arg-type]


@storage_fault(
    "download-takes-short-bodies",
    "a download that is cut under way gives what came",
    breaks=["RT-005"],
    on="s3",
    origin="a client that does not compare the length of the body with Content-Length",
)
class DownloadTakesShortBodies(WrappedStorage):
    def download(self, key: str) -> bytes:
        come = b""
        with contextlib.suppress(StorageError), self.inner.open(key) as stream:
            while piece := stream.read(1):
                come += piece
                if len(come) > 4096:
                    break
            else:
                return come
        return come if len(come) <= 4096 else self.inner.download(key)


@storage_fault(
    "open-ends-where-the-body-broke-off",
    "a stream that is cut under way looks as if it had ended",
    breaks=["RT-005"],
    on="s3",
)
class OpenEndsWhereTheBodyBrokeOff(WrappedStorage):
    @contextlib.contextmanager
    def _opened(self, key: str) -> Iterator[BinaryIO]:
        with self.inner.open(key) as stream:
            yield _Broken(stream)  # type: ignore[misc]

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        return self._opened(key)
