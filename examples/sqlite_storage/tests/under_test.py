"""The storage to judge: each call returns a new client of the same SQLite file."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from sqlite_storage import SqliteStorage


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Return one directory per process, removed at its end: `pytest -n 4` judges four files in parallel."""
    return tempfile.TemporaryDirectory(prefix="sqlite-storage-")


def make_client() -> SqliteStorage:
    return SqliteStorage(Path(_folder().name) / "objects.db")
