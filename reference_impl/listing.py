"""Listing a tree of files as the flat, ordered map of keys that it stands for."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime

from bucket_conformance.reference_impl.api import MAX_KEY_BYTES, ObjectStat
from bucket_conformance.reference_impl.safe_paths import INCOMING, NameFoldedError, folders

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def last_modified(info: os.stat_result) -> datetime:
    """Return the time of the last write, timezone-aware UTC."""
    return datetime.fromtimestamp(info.st_mtime, UTC)


def list_files(root_fd: int, prefix: str, *, exact: bool) -> Iterator[ObjectStat]:
    """Yield the regular files whose key starts with ``prefix``, in byte order of the keys; follow no symbolic link.

    Memory is bounded by the names in one folder per level. Names that are no key (not UTF-8) are passed over.
    """
    try:
        wanted = prefix.encode()
    except UnicodeEncodeError:
        return
    # Straight into the folder that the prefix names, instead of reading every folder above it.
    path = tuple(wanted.split(b"/")[:-1])
    if b"\0" in wanted or any(name in (b"", b".", b"..") for name in path) or path[:1] == (INCOMING.encode(),):
        return
    try:
        with folders(root_fd, path, exact=exact) as opened:
            base = b"".join(name + b"/" for name in path)
            yield from _walk(opened[-1], base, wanted)
    except (FileNotFoundError, NotADirectoryError, NameFoldedError):
        return


def _walk(top: int, base: bytes, wanted: bytes) -> Iterator[ObjectStat]:
    # A stack rather than recursion: a key may have hundreds of parts.
    stack = [(os.dup(top), base, _entries(top, base, wanted))]
    try:
        while stack:
            folder, base, entries = stack[-1]
            name = next(entries, None)
            if name is None:
                stack.pop()
                os.close(folder)
            elif name.endswith(b"/"):
                if (child := _open_folder(folder, name[:-1])) is not None:
                    stack.append((child, base + name, _entries(child, base + name, wanted)))
            elif (found := _stat(folder, name, base + name)) is not None:
                yield found
    finally:
        for folder, _, _ in stack:
            os.close(folder)


def _entries(folder: int, base: bytes, wanted: bytes) -> Iterator[bytes]:
    names = []
    with os.scandir(folder) as found:
        for entry in found:
            name = os.fsencode(entry.name)
            if entry.is_dir(follow_symlinks=False):
                if not base and entry.name == INCOMING:
                    continue
                # The slash takes part in the order: `a-` comes before `a/b`, which comes before `a0`.
                name += b"/"
                if wanted.startswith(base + name):
                    names.append(name)
                    continue
            if (base + name).startswith(wanted):
                names.append(name)
    return iter(sorted(names))


def _open_folder(folder: int, name: bytes) -> int | None:
    try:
        return os.open(name, _DIRECTORY, dir_fd=folder)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _stat(folder: int, name: bytes, full: bytes) -> ObjectStat | None:
    try:
        key = full.decode()
        info = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except (UnicodeDecodeError, FileNotFoundError):
        return None
    if not stat.S_ISREG(info.st_mode) or len(full) > MAX_KEY_BYTES:
        return None
    return ObjectStat(key=key, size=info.st_size, last_modified=last_modified(info))
