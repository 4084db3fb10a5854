"""The storage on local disk: every object is the file at its key below a root folder (POSIX only)."""

from __future__ import annotations

import errno
import io
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from bucket_conformance.reference_impl.api import (
    MAX_URL_LIFE_S,
    CheckResult,
    DeleteError,
    DeleteFailure,
    DeleteResult,
    ObjectStat,
    require_collection,
    require_content_type,
    require_key,
    require_url_life,
)
from bucket_conformance.reference_impl.check import run_check
from bucket_conformance.reference_impl.disposition import attachment
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.listing import last_modified, list_files
from bucket_conformance.reference_impl.safe_paths import (
    NameFoldedError,
    Segments,
    is_case_sensitive_fs,
    open_file,
    opened_root,
    remove_file,
    segments_of,
    storage_error,
)
from bucket_conformance.reference_impl.staging import (
    DEFAULT_CONTENT_TYPE,
    UnsyncedError,
    Upload,
    keep_content_type,
    kept_content_type,
    new_upload,
    remove_left_overs,
)
from bucket_conformance.reference_impl.url_signing import UrlSigner

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PIECE_BYTES: Final = 256 * 1024
"""Bytes that uploads and downloads by stream move at a time."""


@contextmanager
def _disk(operation: str, key: str | None) -> Iterator[None]:
    try:
        yield
    except NameFoldedError as error:
        hint = f"this file system takes {str(error)!r} for another name already stored; rename one of the two"
        raise StorageError(ErrorCode.CONFLICT, operation, key, hint) from None
    except FileNotFoundError:
        raise StorageError(ErrorCode.NOT_FOUND, operation, key, "no such object") from None
    except UnsyncedError as unsynced:
        ours = storage_error(unsynced.error, operation, key)
        said = f"{unsynced.error.strerror} ({_errno_name(unsynced.error)})"
        hint = (
            f"the new object is in its place and is read, but its folder could not be synced: {said}; until an upload "
            "succeeds, a power failure may bring back what was there before: check the disk, then upload again"
        )
        raise StorageError(ours.code, operation, key, hint) from None
    except OSError as error:
        raise storage_error(error, operation, key) from None


class _OneVersion(io.RawIOBase):
    """Reads an open file up to the size it had when opened; one that has become shorter is an error, not an end."""

    def __init__(self, file: int, size: int, key: str) -> None:
        self._file, self._size, self._key, self._at = file, size, key, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"seek to {base + offset}; positions start at 0")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), max(0, self._size - self._at))
        with _disk("open", self._key):
            got = os.preadv(self._file, [view[:wanted]], self._at) if wanted else 0
        if wanted and not got:
            hint = f"the file ends after {self._at} of {self._size} bytes: it was cut while being read; read it again"
            raise StorageError(ErrorCode.INTEGRITY, "open", self._key, hint)
        self._at += got
        return got

    def readall(self) -> bytes:
        # The inherited one moves 8 KiB at a time.
        whole = bytearray(max(0, self._size - self._at))
        rest = memoryview(whole)
        while rest:
            rest = rest[self.readinto(rest) :]
        return bytes(whole)


class Writer:
    """One upload under way on local disk; see :meth:`LocalStorage.writer`."""

    def __init__(
        self, upload: Upload, root_fd: int, *, key: str, path: Segments, exact: bool, content_type: str
    ) -> None:
        self._upload, self._root_fd = upload, root_fd
        self._key, self._path, self._exact, self._content_type = key, path, exact, content_type

    def write(self, piece: bytes | bytearray | memoryview) -> None:
        with _disk("upload", self._key):
            self._upload.write(piece)

    def publish(self) -> ObjectStat:
        """Make what was written the object, durably, and return its stat."""
        with _disk("upload", self._key):
            keep_content_type(self._upload.file, self._content_type)
            info = self._upload.publish(self._root_fd, self._path, exact=self._exact)
        kept = kept_content_type(self._upload.file)
        return ObjectStat(key=self._key, size=info.st_size, last_modified=last_modified(info), content_type=kept)


class LocalStorage:
    """:class:`Storage` on a local folder.

    ``root`` must exist. With ``base_url`` (where :mod:`signed_urls` serves it, such as
    ``"https://files.example/files"``) and ``secret`` (at least 16 bytes) it signs URLs; ``url_life`` is their default
    life in seconds. Keys with empty, ``.`` or ``..`` parts, with NUL, or with a part over 255 bytes are
    ``INVALID_KEY``; of ``a`` and ``a/b`` only one can be stored, the second is ``CONFLICT``. A symbolic link below the
    root is never followed and never an object. Where the file system folds case or normal form, a key that would
    land on another's file is ``CONFLICT`` to write and absent to read. There are no ETags. Content types are kept
    where the file system has extended attributes, and are ``application/octet-stream`` elsewhere. A removal is seen at
    once, but may be undone by a power failure right after it. The first use, of whatever kind, makes the hidden folder
    of unfinished uploads below the root, if it may; that folder and all objects must be one file system.
    """

    def __init__(
        self, root: Path, *, base_url: str | None = None, secret: bytes | None = None, url_life: int = MAX_URL_LIFE_S
    ) -> None:
        self.root = Path(root).absolute()
        self.base_url = base_url
        self._secret = secret
        if not 1 <= url_life <= MAX_URL_LIFE_S:
            raise ValueError(f"url_life is {url_life}; 1 to {MAX_URL_LIFE_S} seconds are allowed")
        self._url_life = url_life
        self._signer = UrlSigner(base_url, secret) if base_url is not None and secret is not None else None
        self._exact: bool | None = None

    def __repr__(self) -> str:
        return f"LocalStorage({str(self.root)!r}, base_url={self.base_url!r})"

    def with_urls(self, base_url: str, secret: bytes | None = None) -> LocalStorage:
        """Return a storage of the same root that signs for ``base_url``, by default with the same secret or, where
        there is none, with a random one that lives as long as the returned object."""
        secret = secret or self._secret or secrets.token_bytes(32)
        return LocalStorage(self.root, base_url=base_url, secret=secret, url_life=self._url_life)

    @contextmanager
    def _opened(self, operation: str, key: str | None = None) -> Iterator[tuple[int, bool]]:
        with opened_root(self.root, operation, key) as root_fd:
            if self._exact is None:
                self._exact = is_case_sensitive_fs(root_fd)
            yield root_fd, self._exact

    def upload(self, key: str, body: bytes | BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        with self.writer(key, content_type=content_type) as writer:
            # The stream's own errors pass through untouched, only what touches the disk is translated.
            for piece in _pieces(body, key):
                writer.write(piece)
            return writer.publish()

    @contextmanager
    def writer(self, key: str, *, content_type: str | None = None) -> Iterator[Writer]:
        """As ``upload``, for bytes that come by themselves: ``write`` each piece, then ``publish`` once.

        Leaving the block without ``publish`` stores nothing. The block may be entered, used and left by different
        threads, one after the other. Errors as of ``upload``.
        """
        path = segments_of(key, "upload")
        kind = require_content_type(DEFAULT_CONTENT_TYPE if content_type is None else content_type, "upload", key)
        with self._opened("upload", key) as (root_fd, exact):
            temporary = new_upload(root_fd)
            with _disk("upload", key):
                upload = temporary.__enter__()
            try:
                yield Writer(upload, root_fd, key=key, path=path, exact=exact, content_type=kind)
            finally:
                temporary.__exit__(None, None, None)

    @contextmanager
    def reader(self, key: str, operation: str = "open") -> Iterator[tuple[ObjectStat, BinaryIO]]:
        """As ``open``, with the stat of the very version that the stream reads. The stream can be seeked."""
        path = segments_of(key, operation)
        with self._opened(operation, key) as (root_fd, exact), _disk(operation, key):
            file = open_file(root_fd, path, exact=exact)
        try:
            with _disk(operation, key):
                info = os.fstat(file)
            stat = ObjectStat(
                key=key,
                size=info.st_size,
                last_modified=last_modified(info),
                content_type=kept_content_type(file),
            )
            with io.BufferedReader(_OneVersion(file, info.st_size, key), PIECE_BYTES) as stream:
                yield stat, stream
        finally:
            os.close(file)

    @contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        with self.reader(key) as (_, stream):
            yield stream

    def download(self, key: str) -> bytes:
        with self.reader(key, "download") as (stat, stream):
            return stream.read(stat.size)

    def stat(self, key: str) -> ObjectStat:
        with self.reader(key, "stat") as (stat, _):
            return stat

    def exists(self, key: str) -> bool:
        try:
            with self.reader(key, "exists"):
                return True
        except StorageError as error:
            if error.code is ErrorCode.NOT_FOUND:
                return False
            raise

    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        with self._opened("list") as (root_fd, exact):
            found = list_files(root_fd, prefix, exact=exact)
            while True:
                with _disk("list", None):
                    stat = next(found, None)
                if stat is None:
                    return
                yield stat

    def delete_files(self, keys: Iterable[str]) -> DeleteResult:
        paths = {key: segments_of(key, "delete_files") for key in require_collection(keys)}
        if not paths:
            return DeleteResult()
        deleted: list[str] = []
        failed: list[DeleteFailure] = []
        with self._opened("delete_files") as (root_fd, exact):
            for key, path in paths.items():
                try:
                    remove_file(root_fd, path, exact=exact)
                    deleted.append(key)
                except OSError as error:
                    why = storage_error(error, "delete_files", key)
                    failed.append(
                        DeleteFailure(key=key, code=why.code, backend_code=_errno_name(error), message=why.hint)
                    )
        result = DeleteResult(deleted=tuple(deleted), failed=tuple(failed))
        if failed:
            hint = f"{len(failed)} of {len(paths)} keys could not be deleted; first: {failed[0].message}"
            raise DeleteError(failed[0].code, result, hint)
        return result

    def remove_stale_uploads(self, *, older_than_s: float = 3600) -> int:
        """Remove what killed writers left unfinished at least ``older_than_s`` seconds ago; return how many files.

        Uploads still under way, in any process of this machine, are recognised by their lock and left alone.
        """
        with self._opened("remove_stale_uploads") as (root_fd, _), _disk("remove_stale_uploads", None):
            return remove_left_overs(root_fd, older_than_s=older_than_s)

    @property
    def signer(self) -> UrlSigner:
        """What makes and verifies this storage's URLs; ``UNSUPPORTED`` where it was given no address or secret."""
        return self._require_signer("signer", None)

    def _require_signer(self, operation: str, key: str | None) -> UrlSigner:
        if self._signer is None:
            missing = " and ".join(
                name for name, value in (("base_url", self.base_url), ("secret", self._secret)) if value is None
            )
            hint = f"local disk signs URLs only with base_url and secret; give LocalStorage its {missing}"
            raise StorageError(ErrorCode.UNSUPPORTED, operation, key, hint)
        return self._signer

    def signed_url(self, key: str, file_name: str | None = None, *, expires_in: int | None = None) -> str:
        disposition = None if file_name is None else attachment(file_name)
        return self._sign("signed_url", "GET", key, expires_in, disposition=disposition)

    def signed_upload_url(self, key: str, *, expires_in: int | None = None, content_type: str | None = None) -> str:
        return self._sign("signed_upload_url", "PUT", key, expires_in, content_type=content_type)

    def _sign(
        self,
        operation: str,
        method: str,
        key: str,
        expires_in: int | None,
        *,
        disposition: str | None = None,
        content_type: str | None = None,
    ) -> str:
        segments_of(require_key(key, operation), operation)
        life = require_url_life(self._url_life if expires_in is None else expires_in, operation, key)
        if content_type is not None:
            require_content_type(content_type, operation, key)
        signer = self._require_signer(operation, key)
        return signer.sign(method, key, expires_in=life, disposition=disposition, content_type=content_type)

    def check(self) -> CheckResult:
        return run_check(self, str(self.root))


def _errno_name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "")


def _pieces(body: bytes | BinaryIO, key: str) -> Iterator[memoryview]:
    if isinstance(body, bytes | bytearray | memoryview):
        yield _flat(body)
        return
    if not hasattr(body, "read"):
        hint = f"body is {type(body).__name__}; pass bytes or a stream in binary mode"
        raise StorageError(ErrorCode.INVALID_ARGUMENT, "upload", key, hint)
    while True:
        # Check the type at run time: callers do pass text files and non-blocking sockets despite the annotation.
        piece: object = body.read(PIECE_BYTES)
        if not isinstance(piece, bytes | bytearray | memoryview):
            hint = f"the stream's read() gave {type(piece).__name__}, not bytes; pass a blocking stream in binary mode"
            raise StorageError(ErrorCode.INVALID_ARGUMENT, "upload", key, hint)
        if not piece:
            return
        yield _flat(piece)


def _flat(data: bytes | bytearray | memoryview) -> memoryview:
    view = memoryview(data)
    return view.cast("B") if view.c_contiguous else memoryview(view.tobytes())
