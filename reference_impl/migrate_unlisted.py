"""Finds entries of a local root that are no objects: no listing shows them, so a migration must report them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from bucket_conformance.reference_impl.api import MAX_KEY_BYTES, Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlistedFile:
    """An entry below the root, as its path there (undecodable bytes as ``\\xNN``), and why it is no object."""

    path: str
    why: str


def unlisted(storage: Storage, prefix: str = "") -> Iterator[UnlistedFile]:
    """Yield what lies in the folder of a local storage, below ``prefix``, but is no object; nothing for another one."""
    from bucket_conformance.reference_impl.local import LocalStorage
    from bucket_conformance.reference_impl.safe_paths import INCOMING

    if not isinstance(storage, LocalStorage):
        return
    root = os.fsencode(storage.root)
    wanted = os.fsencode(prefix)
    stack = [b""]
    while stack:
        folder = stack.pop()
        try:
            with os.scandir(root + b"/" + folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            yield UnlistedFile(path=_shown(folder), why=f"cannot be read: {error.strerror}")
            continue
        for entry in entries:
            path = folder + b"/" + entry.name if folder else entry.name
            if entry.is_dir(follow_symlinks=False):
                if path != INCOMING.encode() and (path + b"/").startswith(wanted[: len(path) + 1]):
                    stack.append(path)
            elif path.startswith(wanted) and (why := _why(entry, path)):
                yield UnlistedFile(path=_shown(path), why=why)


def _why(entry: os.DirEntry[bytes], path: bytes) -> str:
    if entry.is_symlink():
        return "a symbolic link"
    if not entry.is_file(follow_symlinks=False):
        return "neither a file nor a folder"
    try:
        path.decode()
    except UnicodeDecodeError:
        return "the name is not UTF-8"
    return f"the path is over {MAX_KEY_BYTES} bytes" if len(path) > MAX_KEY_BYTES else ""


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")
