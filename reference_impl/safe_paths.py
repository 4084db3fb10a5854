"""Files below a root, reached so that no key, symbolic link or race leads outside it (POSIX only).

Every path is walked segment by segment from an open root directory, each step relative to the directory before it and
refusing symbolic links, so a link planted at any moment ends the walk instead of bending it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from bucket_conformance.reference_impl.api import require_key
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError

INCOMING: Final = ".incoming-uploads"
"""Folder of unfinished uploads, directly below the root. No key can name it; it is never listed or served."""

MAX_SEGMENT_BYTES: Final = 255
"""Longest part of a key between slashes, in UTF-8 bytes; what Linux and macOS file systems take as one name."""

Segments = tuple[bytes, ...]

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Not blocking, so that a named pipe at the path of a key is recognised instead of waited for.
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_CODES: Final = {
    errno.EACCES: ErrorCode.ACCESS_DENIED,
    errno.EPERM: ErrorCode.ACCESS_DENIED,
    errno.EROFS: ErrorCode.ACCESS_DENIED,
    errno.ENOSPC: ErrorCode.NO_SPACE,
    errno.EDQUOT: ErrorCode.NO_SPACE,
    errno.EFBIG: ErrorCode.TOO_LARGE,
    errno.ENAMETOOLONG: ErrorCode.INVALID_KEY,
    errno.EILSEQ: ErrorCode.INVALID_KEY,
    errno.EINVAL: ErrorCode.INVALID_KEY,
    errno.ENOTDIR: ErrorCode.CONFLICT,
    errno.EISDIR: ErrorCode.CONFLICT,
    errno.ELOOP: ErrorCode.CONFLICT,
    errno.EEXIST: ErrorCode.CONFLICT,
    errno.EXDEV: ErrorCode.UNSUPPORTED,
    errno.ENOTEMPTY: ErrorCode.CONFLICT,
    errno.EMFILE: ErrorCode.UNAVAILABLE,
    errno.ENFILE: ErrorCode.UNAVAILABLE,
    errno.ENOMEM: ErrorCode.UNAVAILABLE,
    errno.ESTALE: ErrorCode.UNAVAILABLE,
    errno.ETIMEDOUT: ErrorCode.UNAVAILABLE,
}

_ADVICE: Final = {
    ErrorCode.ACCESS_DENIED: "check owner, mode and mount options of the storage root",
    ErrorCode.NO_SPACE: "free space or raise the quota; the old value, if any, is untouched",
    ErrorCode.INVALID_KEY: "this file system cannot hold a file of that name; choose another key",
    ErrorCode.CONFLICT: "a file, folder or symbolic link stands where this key needs another; move it away",
    ErrorCode.UNSUPPORTED: "a folder below the storage root is a separate mount; mount the root as a whole",
    ErrorCode.UNAVAILABLE: "out of descriptors or memory, or the disk is not reachable; try again later",
}


class NameFoldedError(Exception):
    """The file system answered for a name that is not the one asked for (other case, other normal form)."""


def storage_error(error: OSError, operation: str, key: str | None) -> StorageError:
    """Return the :class:`StorageError` that stands for an ``OSError`` of the file system."""
    code = _CODES.get(error.errno or 0, ErrorCode.UNKNOWN)
    said = f"{error.strerror or error} ({errno.errorcode.get(error.errno or 0, 'no errno')})"
    return StorageError(code, operation, key, "; ".join(filter(None, (said, _ADVICE.get(code, "")))))


def segments_of(key: str, operation: str) -> Segments:
    """Return the path of ``key`` below the root; raise ``INVALID_KEY`` for one that no file can stand for."""
    segments = tuple(require_key(key, operation).encode().split(b"/"))
    why = ""
    if b"" in segments:
        why = "on local disk a key has no leading, trailing or doubled '/'"
    elif b"." in segments or b".." in segments:
        why = "on local disk '.' and '..' cannot be parts of a key"
    elif "\0" in key:
        why = "on local disk a key has no NUL"
    elif segments[0] == INCOMING.encode():
        why = f"{INCOMING!r} is kept for unfinished uploads"
    elif (longest := max(map(len, segments))) > MAX_SEGMENT_BYTES:
        why = f"on local disk a part between '/' has at most {MAX_SEGMENT_BYTES} bytes of UTF-8, not {longest}"
    if why:
        raise StorageError(ErrorCode.INVALID_KEY, operation, key, why + "; choose another key")
    return segments


@contextmanager
def opened_root(root: Path, operation: str, key: str | None = None) -> Iterator[int]:
    """Open the root for the length of one operation; raise ``BUCKET_NOT_FOUND`` where there is none."""
    try:
        root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as error:
        hint = f"storage root {str(root)!r}: {error.strerror}; create the folder or mount the volume"
        raise StorageError(ErrorCode.BUCKET_NOT_FOUND, operation, key, hint) from None
    except OSError as error:
        raise storage_error(error, operation, key) from None
    try:
        yield root_fd
    finally:
        os.close(root_fd)


@contextmanager
def folders(root_fd: int, path: Segments, *, exact: bool, create: bool = False) -> Iterator[tuple[int, ...]]:
    """Open the root's folders along ``path``: yields descriptors from the root down to the last, closed afterwards.

    ``exact`` says that the file system keeps names apart as bytes; otherwise each name is compared with the stored
    one and :class:`NameFoldedError` raised where they differ. Raises ``OSError`` for what is missing or no folder.
    """
    opened = [root_fd]
    try:
        for name in path:
            if create:
                with suppress(FileExistsError):
                    os.mkdir(name, dir_fd=opened[-1])
            opened.append(os.open(name, _DIRECTORY, dir_fd=opened[-1]))
            if not exact:
                require_exact(opened[-2], name)
        yield tuple(opened)
    finally:
        for folder in opened[1:]:
            os.close(folder)


def names_in(folder: int) -> tuple[bytes, ...]:
    """Return the names in an open folder, as the bytes they are stored under."""
    with os.scandir(folder) as entries:
        return tuple(os.fsencode(entry.name) for entry in entries)


def require_exact(folder: int, name: bytes) -> None:
    """Raise :class:`NameFoldedError` if ``folder`` finds ``name`` but stores it under other bytes."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    if name not in names_in(folder):
        raise NameFoldedError(os.fsdecode(name))


def open_file(root_fd: int, path: Segments, *, exact: bool) -> int:
    """Open the regular file at ``path`` for reading. Raises ``FileNotFoundError`` where no object lies."""
    try:
        with folders(root_fd, path[:-1], exact=exact) as opened:
            if not exact:
                require_exact(opened[-1], path[-1])
            file = os.open(path[-1], _READ, dir_fd=opened[-1])
    except (NotADirectoryError, NameFoldedError):
        raise FileNotFoundError from None
    except OSError as error:
        # A link gives ELOOP, a socket or a pipe without a peer ENXIO: none of them is an object.
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise FileNotFoundError from None
        raise
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise FileNotFoundError
    return file


def remove_file(root_fd: int, path: Segments, *, exact: bool) -> None:
    """Remove the regular file at ``path``, if there is one, and the folders that this leaves empty."""
    try:
        with exclusive_writer(root_fd, needed=not exact), folders(root_fd, path[:-1], exact=exact) as opened:
            if not exact:
                require_exact(opened[-1], path[-1])
            if stat.S_ISREG(os.stat(path[-1], dir_fd=opened[-1], follow_symlinks=False).st_mode):
                os.unlink(path[-1], dir_fd=opened[-1])
                _prune(opened, path[:-1])
    except (FileNotFoundError, NotADirectoryError, NameFoldedError):
        return
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise


@contextmanager
def exclusive_writer(root_fd: int, *, needed: bool) -> Iterator[None]:
    # Where `A` and `a` are one file, two writers could both find the name free; there changes take turns.
    if not needed:
        yield
        return
    lock = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root_fd)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def prune(root_fd: int, path: Segments, *, exact: bool) -> None:
    """Remove the empty folders at the end of ``path``; anything in the way is left alone."""
    with suppress(OSError, NameFoldedError), folders(root_fd, path, exact=exact) as opened:
        _prune(opened, path)


def _prune(opened: tuple[int, ...], path: Segments) -> None:
    # A folder that a writer fills meanwhile is not empty and stays; one that it only just made is made again by it.
    with suppress(OSError):
        for parent, name in zip(reversed(opened[:-1]), reversed(path), strict=True):
            os.rmdir(name, dir_fd=parent)


def is_case_sensitive_fs(root_fd: int) -> bool:
    """Return whether names that differ in case or normal form are different files below the root and kept as given.

    Found by trying, with a file that is removed again. ``False`` where that is not possible (a read-only root): the
    slower comparison of names is right everywhere.
    """
    token = secrets.token_hex(8)
    name = f"names-{token}-\u00e9a"
    twins = (name.upper(), unicodedata.normalize("NFD", name))
    try:
        with folders(root_fd, (INCOMING.encode(),), exact=True, create=True) as (_, incoming):
            os.close(os.open(name.encode(), os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, dir_fd=incoming))
            try:
                kept = name.encode() in names_in(incoming)
                return kept and not any(_exists(incoming, twin.encode()) for twin in twins)
            finally:
                os.unlink(name.encode(), dir_fd=incoming)
    except OSError:
        return False


def _exists(folder: int, name: bytes) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
