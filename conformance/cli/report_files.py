"""Reads the reports that a subcommand is given, and writes what it makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from conformance.endpoint_options import UsageError
from conformance.report.document import Section, read
from conformance.report.merge import merge, read_all


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
    """Write a text; a folder that is missing is made. ``UsageError`` names the option where that fails."""
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
    except OSError as error:
        raise UsageError(f"{option} {path}: {error.strerror}") from None


def _must_exist(path: str) -> None:
    if not Path(path).is_file():
        raise UsageError(f"there is no report {path}; `conformance run --report {path}` writes one")
