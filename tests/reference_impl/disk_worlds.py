"""Real file systems to test the local storage on: a full one, one that folds case, one without permissions."""

from __future__ import annotations

import os
import subprocess
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

NOBODY = 65534


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot make this file system here: {command[0]}: {done.stderr.strip() or done.returncode}")


@contextmanager
def small_disk(at: Path, *, size: str = "1m") -> Iterator[Path]:
    """Mount a tmpfs of ``size``; skips the test if mounting is not allowed."""
    at.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(at))
    try:
        yield at
    finally:
        subprocess.run(["umount", str(at)], check=True)


@contextmanager
def folding_names() -> Iterator[None]:
    """Make every file system fold case and normal form for this process, as macOS and Windows shares do.

    Emulated where names are looked up relative to a folder, because not every Linux kernel can fold names.
    """

    def stored(name: bytes | str, folder: int | None) -> bytes | str:
        if folder is None:
            return name
        wanted = _fold(os.fsdecode(name))
        with os.scandir(folder) as entries:
            return next((os.fsencode(entry.name) for entry in entries if _fold(entry.name) == wanted), name)

    def folding(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *args: Any, dir_fd: int | None = None, **rest: Any) -> Any:
            return real(stored(path, dir_fd), *args, dir_fd=dir_fd, **rest)

        return call

    def rename(source: Any, target: Any, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        real_rename(source, stored(target, dst_dir_fd), src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    real_rename = os.rename
    with ExitStack() as stack:
        for name in ("open", "stat", "mkdir", "unlink", "rmdir"):
            stack.enter_context(mock.patch.object(os, name, folding(getattr(os, name))))
        stack.enter_context(mock.patch.object(os, "rename", rename))
        yield


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


@contextmanager
def without_privileges() -> Iterator[None]:
    """Act as an ordinary user inside the block, so that file modes count for root too."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def tree(root: Path) -> dict[str, bytes]:
    """Every file below ``root``, unfinished uploads included, seen without the storage."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
