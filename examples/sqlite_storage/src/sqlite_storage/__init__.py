"""Stores objects in one SQLite file; implements the storage port of bucket-conformance."""

from sqlite_storage.storage import SqliteStorage

__all__ = ["SqliteStorage"]
