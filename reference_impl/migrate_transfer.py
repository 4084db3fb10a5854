"""Moves one file from one storage to another and proves that it arrived."""

from __future__ import annotations

import contextlib
import enum
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from bucket_conformance.reference_impl.api import ObjectStat, Storage
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.local import LocalStorage
from bucket_conformance.reference_impl.migrate_index import ASK, Unlisted

if TYPE_CHECKING:
    from bucket_conformance.reference_impl.s3_bulk import BulkUploads

ATTEMPTS: Final = 3
"""Times one file is sent before it is given up, where it changes under way or arrives changed."""

PIECE_BYTES: Final = 1024 * 1024
SMALL_BYTES: Final = 1024 * 1024
"""Size of a file, in bytes, below which it is read whole before it is sent."""


class Proof(enum.StrEnum):
    """How the bytes at the target were proved equal to those read from the source."""

    ETAG = "etag"
    """The size is equal and the ETag is the MD5 of the bytes that were read."""
    READ_BACK = "read-back"
    """The target was read and its SHA-256 compared: wherever the ETag is missing or not that MD5, for whatever reason
    (joined from parts, encrypted, local disk)."""


class Outcome(enum.StrEnum):
    """What became of one file."""

    MOVED = "moved"
    ALREADY_THERE = "already_there"
    WOULD_MOVE = "would_move"
    VANISHED = "vanished"
    """Deleted from the source before it was its turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """Length in bytes and hex digests of one body."""

    size: int
    md5: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """The outcome for one file; ``stat`` is the version of the source that ``sha256`` and ``proof`` speak of."""

    outcome: Outcome
    stat: ObjectStat
    sha256: str = ""
    proof: Proof | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """Moves files from ``source`` to ``target``, one per call, from any number of threads.

    ``overwrite``: replace other bytes at the target even where they are newer than the source's. ``read_back``: never
    take an ETag for proof. ``strict``: read the source again before calling it unchanged, not only its stat. ``bulk``:
    the faster way to ``target`` for small files, for the first try.
    """

    source: Storage
    target: Storage
    bulk: BulkUploads | None = None
    dry_run: bool = False
    overwrite: bool = False
    read_back: bool = False
    strict: bool = False

    def move(self, stat: ObjectStat, there: ObjectStat | Unlisted | None = ASK) -> Transfer:
        """Bring one file to the target unless the same bytes lie there already.

        ``stat`` is what the source listed, ``there`` what the target listed for the key: ``None`` where nothing was.

        Raises ``StorageError`` of either storage, and ``CONFLICT`` where the target holds other bytes not older than
        the source's, or the source keeps changing, or ``INTEGRITY`` where the target keeps giving back other bytes.
        """
        key = stat.key
        if there is None and not self.dry_run:
            return self._send_new(stat)
        before = stat_or_none(self.source, key)
        if before is None:
            return Transfer(outcome=Outcome.VANISHED, stat=stat)
        if there is ASK or (there is not None and self.strict):
            there = stat_or_none(self.target, key)
        if isinstance(there, ObjectStat):
            if there.size == before.size:
                digest = digest_of(self.source, key)
                proof = self._prove(there, digest)
                if proof is not None and self._unchanged(before, digest):
                    return Transfer(outcome=Outcome.ALREADY_THERE, stat=before, sha256=digest.sha256, proof=proof)
            # S3 tells whole seconds, so the source counts as newer within the same one.
            if not self.overwrite and before.last_modified < there.last_modified:
                theirs, ours = (f"{each.last_modified:%Y-%m-%dT%H:%M:%SZ}" for each in (there, before))
                hint = f"the target holds other bytes, written {theirs}, after the source's {ours}; "
                hint += "compare them, then run again with overwrite if the source is right"
                raise StorageError(ErrorCode.CONFLICT, "migrate", key, hint)
        if self.dry_run:
            return Transfer(outcome=Outcome.WOULD_MOVE, stat=before)
        return self._send(before)

    def _send_new(self, stat: ObjectStat) -> Transfer:
        """Send a file that the target does not have; ``VANISHED`` where the source lost it before it was opened."""
        before: ObjectStat | None = stat
        if not isinstance(self.source, LocalStorage):
            before = stat_or_none(self.source, stat.key)
        try:
            return self._send(before) if before is not None else Transfer(outcome=Outcome.VANISHED, stat=stat)
        except _VanishedError:
            return Transfer(outcome=Outcome.VANISHED, stat=stat)

    @contextmanager
    def _opened(self, before: ObjectStat) -> Iterator[tuple[ObjectStat, BinaryIO]]:
        """Open the source and yield its stat and its bytes: on local disk both are of one open file."""
        if isinstance(self.source, LocalStorage):
            with self.source.reader(before.key) as (stat, stream):
                yield stat, stream
            return
        with self.source.open(before.key) as stream:
            yield before, stream

    def _send(self, before: ObjectStat) -> Transfer:
        key, wrong = before.key, False
        for attempt in range(ATTEMPTS):
            with contextlib.ExitStack() as stack:
                try:
                    before, stream = stack.enter_context(self._opened(before))
                except StorageError as error:
                    if error.code is ErrorCode.NOT_FOUND and attempt == 0:
                        raise _VanishedError from None
                    raise
                reading = HashingReader(stream)
                # A small file is sent as bytes: the upload then needs no further read to find its end.
                small = isinstance(self.source, LocalStorage) and before.size < SMALL_BYTES
                body = reading.read(SMALL_BYTES) if small else cast(BinaryIO, reading)
                if (
                    self.bulk is not None
                    and attempt == 0
                    and isinstance(body, bytes)
                    and self.bulk.takes(key, len(body))
                ):
                    sent = self.bulk.upload(key, body, content_type=before.content_type)
                else:
                    sent = self.target.upload(key, body, content_type=before.content_type)
            digest = reading.digest()
            proof = self._prove_sent(sent, digest)
            wrong = proof is None
            if proof is not None and self._unchanged(before, digest):
                return Transfer(outcome=Outcome.MOVED, stat=before, sha256=digest.sha256, proof=proof)
            after = stat_or_none(self.source, key)
            if after is None:
                hint = "deleted from the source while it was moved; the target may hold a copy: delete it there too"
                raise StorageError(ErrorCode.NOT_FOUND, "migrate", key, hint)
            before = after
        if wrong:
            hint = f"the target gave back other bytes than were sent, {ATTEMPTS} times; overwrite once it is sound"
            raise StorageError(ErrorCode.INTEGRITY, "migrate", key, hint)
        hint = f"the source changed while it was moved, {ATTEMPTS} times; run again when nothing writes to it"
        raise StorageError(ErrorCode.CONFLICT, "migrate", key, hint)

    def _prove_sent(self, sent: ObjectStat, digest: Digest) -> Proof | None:
        """Return how the response to the upload proves the bytes; without such proof, ask the target."""
        if not self.read_back and sent.size == digest.size and sent.etag == digest.md5:
            return Proof.ETAG
        return self._prove(self.target.stat(sent.key), digest)

    def _prove(self, there: ObjectStat, digest: Digest) -> Proof | None:
        if there.size != digest.size:
            return None
        # Only equality proves something: an unequal ETag may be no MD5 at all, though it looks like one (SSE-KMS).
        if not self.read_back and there.etag == digest.md5:
            return Proof.ETAG
        return Proof.READ_BACK if digest_of(self.target, there.key).sha256 == digest.sha256 else None

    def _unchanged(self, before: ObjectStat, digest: Digest) -> bool:
        if digest.size != before.size:
            return False
        after = stat_or_none(self.source, before.key)
        if after is None or not same_version(before, after):
            return False
        return not self.strict or digest_of(self.source, before.key) == digest


class _VanishedError(Exception):
    """The source no longer has the file that was to be sent."""


def same_version(one: ObjectStat, other: ObjectStat) -> bool:
    """Return whether two stats of a key, as far as they tell, are of the same version."""
    etags = one.etag is None or other.etag is None or one.etag == other.etag
    return (one.size, one.last_modified) == (other.size, other.last_modified) and etags


def stat_or_none(storage: Storage, key: str) -> ObjectStat | None:
    """Return the stat of ``key``, ``None`` where it is not stored."""
    try:
        return storage.stat(key)
    except StorageError as error:
        if error.code is ErrorCode.NOT_FOUND:
            return None
        raise


def digest_of(storage: Storage, key: str) -> Digest:
    """Read ``key`` to its end, in pieces, and return its digest."""
    with storage.open(key) as stream:
        reading = HashingReader(stream)
        while reading.read(PIECE_BYTES):
            pass
    return reading.digest()


class HashingReader:
    """A stream that hashes what is read through it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256()
        self._size = 0

    def read(self, size: int = -1, /) -> bytes:
        piece = self._stream.read(size)
        self._md5.update(piece)
        self._sha256.update(piece)
        self._size += len(piece)
        return piece

    def digest(self) -> Digest:
        return Digest(size=self._size, md5=self._md5.hexdigest(), sha256=self._sha256.hexdigest())
