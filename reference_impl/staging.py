"""Uploads under way on local disk: a temporary file that becomes the object in one step, or leaves no trace.

The temporary files lie together in one hidden folder below the root rather than next to their targets: folders of
objects then hold nothing but objects, an unfinished upload never keeps an emptied folder alive, and what a killed
writer leaves behind is found in one place.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from bucket_conformance.reference_impl.api import is_content_type
from bucket_conformance.reference_impl.safe_paths import (
    INCOMING,
    NameFoldedError,
    Segments,
    exclusive_writer,
    folders,
    names_in,
    prune,
    require_exact,
)

DEFAULT_CONTENT_TYPE: Final = "application/octet-stream"
_CONTENT_TYPE: Final = "user.content_type"
_ATTEMPTS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An unfinished upload: the open temporary file, the folder it lies in, and its name there."""

    file: int
    folder: int
    name: bytes

    def write(self, piece: bytes | bytearray | memoryview) -> None:
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(self.file, rest) :]

    def publish(self, root_fd: int, path: Segments, *, exact: bool) -> os.stat_result:
        """Make the file the object at ``path``, durably: file first, then its name, then the folders above it.

        Raises :class:`UnsyncedError` where the object is in its place and only a folder could not be synced.
        """
        os.fsync(self.file)
        stat = os.fstat(self.file)
        try:
            with exclusive_writer(root_fd, needed=not exact):
                self._rename(root_fd, path, exact=exact)
        except (OSError, NameFoldedError):
            prune(root_fd, path[:-1], exact=exact)
            raise
        return stat

    def _rename(self, root_fd: int, path: Segments, *, exact: bool) -> None:
        for _ in range(_ATTEMPTS):
            try:
                with folders(root_fd, path[:-1], exact=exact, create=True) as opened:
                    if not exact:
                        require_exact(opened[-1], path[-1])
                    try:
                        os.rename(self.name, path[-1], src_dir_fd=self.folder, dst_dir_fd=opened[-1])
                    except IsADirectoryError:
                        # An empty folder holds no object, so it must not keep one away; a full one raises here.
                        os.rmdir(path[-1], dir_fd=opened[-1])
                        continue
                    _sync(opened)
                    return
            except FileNotFoundError:
                # A delete took an emptied folder from under us: make it again, as long as our own file is there.
                os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        raise OSError(errno.ESTALE, f"folders kept vanishing during {_ATTEMPTS} attempts")


class UnsyncedError(Exception):
    """The object is in its place, but the disk did not confirm its name: ``error`` is what the sync failed with."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error)
        self.error = error


def _sync(opened: tuple[int, ...]) -> None:
    for folder in reversed(opened):
        try:
            os.fsync(folder)
        except OSError as error:
            # Some network file systems cannot sync a folder; they order its changes themselves.
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise UnsyncedError(error) from None


@contextmanager
def new_upload(root_fd: int) -> Iterator[Upload]:
    """Start an upload. Leaving the block removes the temporary file unless it was published."""
    name = secrets.token_hex(16).encode()
    with folders(root_fd, (INCOMING.encode(),), exact=True, create=True) as (_, folder):
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(name, flags, 0o666, dir_fd=folder)
        try:
            # Held until the file is closed, by a kill too: tells a live upload from a left-over.
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield Upload(file=file, folder=folder, name=name)
        finally:
            # A published file has left this name, so whatever fails here follows an error that must be heard instead;
            # what stays is a left-over, as of a killed writer.
            try:
                with suppress(OSError):
                    os.unlink(name, dir_fd=folder)
            finally:
                os.close(file)


def remove_left_overs(root_fd: int, *, older_than_s: float) -> int:
    """Remove temporary files of killed writers that are at least this old, in seconds; return how many."""
    removed = 0
    try:
        with folders(root_fd, (INCOMING.encode(),), exact=True) as (_, folder):
            for name in names_in(folder):
                removed += _remove_left_over(folder, name, older_than_s)
    except FileNotFoundError:
        return removed
    return removed


def _remove_left_over(folder: int, name: bytes, older_than_s: float) -> bool:
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return False
    try:
        if time.time() - os.fstat(file).st_mtime < older_than_s:
            return False
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(name, dir_fd=folder)
    except (BlockingIOError, FileNotFoundError):
        return False
    finally:
        os.close(file)
    return True


def keep_content_type(file: int, content_type: str) -> None:
    """Note the content type with the file, where the file system has extended attributes."""
    if sys.platform == "linux" and content_type != DEFAULT_CONTENT_TYPE:
        try:
            os.setxattr(file, _CONTENT_TYPE, content_type.encode("ascii"))
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.EPERM):
                raise


def kept_content_type(file: int) -> str:
    """Return the content type noted with the file; the default where there is none that could be a header."""
    if sys.platform == "linux":
        with suppress(OSError):
            noted = os.getxattr(file, _CONTENT_TYPE).decode("ascii", "replace")
            if is_content_type(noted):
                return noted
    return DEFAULT_CONTENT_TYPE
