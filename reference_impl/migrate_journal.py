"""The journal of a migration: which files are finished, so that a killed run is taken up where it ended."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bucket_conformance.reference_impl.api import ObjectStat
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError

SYNC_EVERY: Final = 64
"""Finished files between two ``fsync`` of the journal. A kill loses none of them, a power failure at most these, and
losing one costs a comparison with the target, never a file."""


class Journal:
    """An append-only file with one line per finished file, after a first line that names source and target.

    A line cut off at the end is dropped, an unreadable line is passed over: both only mean that the file is looked at
    again. Use as a context manager; one process at a time, held by a lock. With ``writable=False`` nothing on disk is
    made or changed, and a missing journal is an empty one.

    Raises ``INVALID_ARGUMENT`` where the file is not a journal or belongs to another source or target (it is left as
    it is), ``CONFLICT`` where another process holds it.
    """

    def __init__(self, path: Path, *, source: str, target: str, writable: bool = True) -> None:
        self.path = path
        self._header = _line({"migration-journal": 1, "source": source, "target": target})
        self._writable = writable
        self._finished: set[bytes] = set()
        self._file = -1
        self._unsynced = 0

    def __enter__(self) -> Self:
        try:
            self._open()
        except OSError as error:
            self._close()
            raise self._refuse(f"cannot be used: {error.strerror}; name another with --journal") from None
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.sync()
        finally:
            self._close()

    def __contains__(self, stat: ObjectStat) -> bool:
        """Return whether this very version of the file (key, size, time of last write) was finished before."""
        return _mark(stat) in self._finished

    def __len__(self) -> int:
        return len(self._finished)

    def add(self, stat: ObjectStat, sha256: str) -> None:
        """Note that this version of the file is at the target, verified. Survives a kill of this process at once."""
        self._write(
            _line({"key": stat.key, "size": stat.size, "modified": stat.last_modified.isoformat(), "sha256": sha256})
        )
        self._finished.add(_mark(stat))
        self._unsynced += 1
        if self._unsynced >= SYNC_EVERY:
            self.sync()

    def sync(self) -> None:
        """Make what was added survive a power failure too."""
        if self._unsynced:
            os.fsync(self._file)
            self._unsynced = 0

    def _open(self) -> None:
        if self._writable:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                hint = f"another migration is using the journal {str(self.path)!r}; wait for it or stop it"
                raise StorageError(ErrorCode.CONFLICT, "migrate", None, hint) from None
        else:
            try:
                self._file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return
        whole = self._read()
        if self._writable:
            os.ftruncate(self._file, whole)
            if not whole:
                self._write(self._header)
                os.fsync(self._file)

    def _read(self) -> int:
        """Read what is there; return how many bytes of it are whole lines."""
        whole = 0
        with open(self._file, "rb", closefd=False) as lines:
            for number, line in enumerate(lines):
                if number == 0:
                    self._check_header(line)
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                if number and (mark := _mark_of(line)) is not None:
                    self._finished.add(mark)
        return whole

    def _check_header(self, line: bytes) -> None:
        # Killed while making the journal: a part of the very line that we would write, and nothing after it.
        if line == self._header or (not line.endswith(b"\n") and self._header.startswith(line)):
            return
        try:
            found = json.loads(line)
            source, target = str(found["source"]), str(found["target"])
            found["migration-journal"]
        except (ValueError, TypeError, KeyError):
            raise self._refuse("is no journal of a migration; name another file with --journal") from None
        raise self._refuse(f"belongs to the migration of {source} to {target}; name another file with --journal")

    def _refuse(self, why: str) -> StorageError:
        return StorageError(ErrorCode.INVALID_ARGUMENT, "migrate", None, f"the journal {str(self.path)!r} {why}")

    def _write(self, line: bytes) -> None:
        try:
            while line:
                line = line[os.write(self._file, line) :]
        except OSError as error:
            code = ErrorCode.NO_SPACE if error.errno in (errno.ENOSPC, errno.EDQUOT) else ErrorCode.UNKNOWN
            hint = f"the journal {str(self.path)!r} cannot be written: {error.strerror}; run again when it can"
            raise StorageError(code, "migrate", None, hint) from None

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _line(fields: dict[str, object]) -> bytes:
    return json.dumps(fields).encode("ascii") + b"\n"


def _mark(stat: ObjectStat) -> bytes:
    return _digest(stat.key, stat.size, stat.last_modified.isoformat())


def _mark_of(line: bytes) -> bytes | None:
    try:
        found = json.loads(line)
        return _digest(found["key"], found["size"], found["modified"])
    except (ValueError, TypeError, KeyError):
        return None


def _digest(key: str, size: int, modified: str) -> bytes:
    # Sixteen bytes instead of the key: a journal of millions of files is held in memory.
    return hashlib.blake2b(json.dumps([key, size, modified]).encode("ascii"), digest_size=16).digest()
