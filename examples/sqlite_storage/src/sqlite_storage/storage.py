"""The storage port on one SQLite file. :class:`Storage` says what each method promises."""

from __future__ import annotations

import hashlib
import io
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from bucket_conformance.reference_impl.api import CheckResult, DeleteResult, ObjectStat, require_key, require_url_life
from bucket_conformance.reference_impl.check import run_check
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PIECE_BYTES: Final = 256 * 1024
PAGE_KEYS: Final = 500
BUSY_S: Final = 60.0
"""Seconds for which a writer waits for another one."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class SqliteStorage:
    """Stores objects in the file ``path``, which it creates where it does not exist. Several clients may share a file.

    Raises ``StorageError`` where the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with self._transaction("open", None) as database:
                database.execute("PRAGMA journal_mode = WAL")
            with self._transaction("open", None) as database:
                database.executescript(files("sqlite_storage").joinpath("schema.sql").read_text("utf-8"))
        except StorageError as error:
            raise StorageError(ErrorCode.BUCKET_NOT_FOUND, "open", None, f"{path}: {error.hint}") from None

    def upload(self, key: str, body: bytes | BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        require_key(key, "upload")
        digest, size = hashlib.sha256(), 0
        # Read the whole stream before writing: it may be slow, break off, or never end, and a transaction of SQLite
        # blocks every other writer.
        with tempfile.TemporaryFile() as spool:
            stream: BinaryIO = io.BytesIO(body) if isinstance(body, bytes) else body
            while piece := stream.read(PIECE_BYTES):
                digest.update(piece)
                size += len(piece)
                spool.write(piece)
            spool.seek(0)
            modified_us = (datetime.now(UTC) - _EPOCH) // timedelta(microseconds=1)
            row = (size, modified_us, digest.hexdigest(), content_type or "application/octet-stream")
            with self._transaction("upload", key) as database:
                database.execute("BEGIN IMMEDIATE")
                (version,) = database.execute("UPDATE newest SET version = version + 1 RETURNING version").fetchone()
                number = 0
                while piece := spool.read(PIECE_BYTES):
                    database.execute("INSERT INTO piece VALUES (?, ?, ?)", (version, number, piece))
                    number += 1
                _forget(database, key)
                database.execute("INSERT INTO object VALUES (?, ?, ?, ?, ?, ?)", (_bytes(key), version, *row))
        return _stat(_bytes(key), *row)

    def download(self, key: str) -> bytes:
        with self.open(key) as stream:
            return stream.read()

    @contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        require_key(key, "open")
        # The first SELECT fixes what this transaction sees; later overwrites and deletes do not affect it.
        with self._transaction("open", key) as database:
            database.execute("BEGIN")
            version, size = self._row(database, "open", key)[:2]
            with io.BufferedReader(_Pieces(database, key, version, size)) as stream:
                yield cast(BinaryIO, stream)

    def stat(self, key: str) -> ObjectStat:
        require_key(key, "stat")
        with self._transaction("stat", key) as database:
            row = self._row(database, "stat", key)
        return _stat(_bytes(key), *row[1:])

    def exists(self, key: str) -> bool:
        try:
            self.stat(key)
        except StorageError as error:
            if error.code is ErrorCode.NOT_FOUND:
                return False
            raise
        return True

    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        first = _bytes(prefix)
        after, above = b"", _end_of(first)
        while True:
            with self._transaction("list", None) as database:
                page = database.execute(
                    "SELECT key, size, modified_us, etag, content_type FROM object"
                    " WHERE key >= ? AND key > ? AND (? IS NULL OR key < ?) ORDER BY key LIMIT ?",
                    (first, after, above, above, PAGE_KEYS),
                ).fetchall()
            for row in page:
                yield _stat(*row)
            if len(page) < PAGE_KEYS:
                return
            after = page[-1][0]

    def delete_files(self, keys: Iterable[str]) -> DeleteResult:
        wanted = tuple(dict.fromkeys(require_key(key, "delete_files") for key in keys))
        if wanted:
            with self._transaction("delete_files", None) as database:
                database.execute("BEGIN IMMEDIATE")
                for key in wanted:
                    _forget(database, key)
        return DeleteResult(deleted=wanted)

    def signed_url(self, key: str, file_name: str | None = None, *, expires_in: int = 604_800) -> str:
        require_url_life(expires_in, "signed_url", require_key(key, "signed_url"))
        raise StorageError(ErrorCode.UNSUPPORTED, "signed_url", key, "no server serves a SQLite file")

    def signed_upload_url(self, key: str, *, expires_in: int = 604_800, content_type: str | None = None) -> str:
        require_url_life(expires_in, "signed_upload_url", require_key(key, "signed_upload_url"))
        raise StorageError(ErrorCode.UNSUPPORTED, "signed_upload_url", key, "no server serves a SQLite file")

    def check(self) -> CheckResult:
        return run_check(self, str(self._path))

    @contextmanager
    def _transaction(self, operation: str, key: str | None) -> Iterator[sqlite3.Connection]:
        """Yield a new connection, so that threads share nothing. Commit at the end; roll back after an error."""
        try:
            database = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            try:
                database.execute("PRAGMA synchronous = FULL")
                yield database
                if database.in_transaction:
                    database.execute("COMMIT")
            finally:
                database.close()
        except sqlite3.Error as error:
            full = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL
            code = ErrorCode.NO_SPACE if full else ErrorCode.UNAVAILABLE
            raise StorageError(code, operation, key, str(error)) from None

    def _row(self, database: sqlite3.Connection, operation: str, key: str) -> tuple[int, int, int, str, str]:
        query = "SELECT version, size, modified_us, etag, content_type FROM object WHERE key = ?"
        row: tuple[int, int, int, str, str] | None = database.execute(query, (_bytes(key),)).fetchone()
        if row is None:
            raise StorageError(ErrorCode.NOT_FOUND, operation, key, f"{self._path} holds no such key")
        return row


class _Pieces(io.RawIOBase):
    """Reads one version piece by piece. A missing piece is an error, and not the end of the stream."""

    def __init__(self, database: sqlite3.Connection, key: str, version: int, size: int) -> None:
        self._key, self._left = key, size
        query = "SELECT body FROM piece WHERE version = ? ORDER BY number"
        self._rows = database.execute(query, (version,))
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        if not self._piece:
            row = self._rows.fetchone()
            if row is None:
                if self._left:
                    raise StorageError(ErrorCode.INTEGRITY, "open", self._key, f"{self._left} bytes are missing")
                return 0
            self._piece = memoryview(row[0])
            self._left -= len(self._piece)
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._piece))
        target[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count


def _forget(database: sqlite3.Connection, key: str) -> None:
    for (version,) in database.execute("DELETE FROM object WHERE key = ? RETURNING version", (_bytes(key),)).fetchall():
        database.execute("DELETE FROM piece WHERE version = ?", (version,))


def _bytes(key: str) -> bytes:
    return key.encode("utf-8")


def _end_of(prefix: bytes) -> bytes | None:
    """Return the first bytes that sort after everything that begins with ``prefix``; ``None`` where nothing does."""
    cut = prefix.rstrip(b"\xff")
    return cut[:-1] + bytes([cut[-1] + 1]) if cut else None


def _stat(key: bytes, size: int, modified_us: int, etag: str, content_type: str) -> ObjectStat:
    return ObjectStat(
        key=key.decode("utf-8"),
        size=size,
        last_modified=_EPOCH + timedelta(microseconds=modified_us),
        etag=etag,
        content_type=content_type,
    )
