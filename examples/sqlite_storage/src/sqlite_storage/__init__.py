"""Objects in one SQLite file, behind the storage port of bucket-conformance."""

from sqlite_storage.storage import SqliteStorage

__all__ = ["SqliteStorage"]
