"""Reads the reports that a subcommand is given, and writes what it makes of them."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bucket_conformance.conformance.endpoint_options import UsageError
from bucket_conformance.conformance.report.document import Section, read
from bucket_conformance.conformance.report.merge import merge, read_all


def one(path: str) -> list[Section]:
    """Return the sections of one report. ``DocumentError`` where it cannot be trusted."""
    _must_exist(path)
    return read(Path(path))


def merged(paths: Sequence[str]) -> list[Section]:
    """Return the sections of all reports, shards joined."""
    for path in paths:
        _must_exist(path)
    return merge(read_all(Path(path) for path in paths))


def write(option: str, path: str, text: str) -> None:
    """Write a text, whole or not at all; a folder that is missing is made.

    ``UsageError`` names the option where that fails; then what was there before is still there.
    """
    target = Path(path)
    content = text.encode("utf-8", "backslashreplace")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not target.is_file():
            target.write_bytes(content)  # a pipe or a device: there is nothing to keep
        else:
            _replace(target.resolve(), content)
    except OSError as error:
        raise UsageError(f"{option} {path}: {error.strerror}") from None


def _replace(target: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            mode = stat.S_IMODE(target.stat().st_mode)
        except FileNotFoundError:
            mode = 0o666 & ~_umask()
        Path(name).chmod(mode)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _must_exist(path: str) -> None:
    if not Path(path).is_file():
        raise UsageError(f"there is no report {path}; `conformance run --report {path}` writes one")
