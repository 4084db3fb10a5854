"""Migration: copies every file of one storage to another once, verified, and resumable after a kill at any point.

Local disk to S3 is what the product needs; any :class:`Storage` can be source or target.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bucket_conformance.reference_impl import keys
from bucket_conformance.reference_impl.api import DeleteError, ObjectStat, Storage
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.migrate_index import TargetIndex
from bucket_conformance.reference_impl.migrate_journal import Journal
from bucket_conformance.reference_impl.migrate_report import (
    Failure,
    MigrationReport,
    OutsideName,
    Progress,
    Stage,
    Tally,
)
from bucket_conformance.reference_impl.migrate_transfer import Mover, Outcome, Transfer, same_version, stat_or_none
from bucket_conformance.reference_impl.migrate_unlisted import unlisted

if TYPE_CHECKING:
    from bucket_conformance.reference_impl.s3_bulk import BulkUploads

DEFAULT_WORKERS: Final = 8
REMOVE_EVERY: Final = 100
"""Files moved between two rounds of removing sources."""
STOP_AFTER: Final = 20
"""Failures in a row, each one that is no fault of the single file, after which the rest is left for another run."""

_LOG: Final = logging.getLogger(__name__)
_HOPELESS: Final = frozenset({ErrorCode.INVALID_CREDENTIALS, ErrorCode.BUCKET_NOT_FOUND})
_TIRING: Final = frozenset({ErrorCode.UNAVAILABLE, ErrorCode.NO_SPACE, ErrorCode.ACCESS_DENIED})


def migrate(
    source: Storage,
    target: Storage,
    *,
    journal: Path | None = None,
    prefix: str = "",
    dry_run: bool = False,
    remove_source: bool = False,
    include_outside: bool = False,
    overwrite: bool = False,
    read_back: bool = False,
    workers: int = DEFAULT_WORKERS,
    bulk: bool = True,
    progress: Callable[[Progress], None] | None = None,
    note: Callable[[str], None] = _LOG.info,
) -> MigrationReport:
    """Copy every file of ``source`` below ``prefix`` to ``target`` under the same key, and report on each.

    A file counts as moved once the target has been shown to hold the very bytes that were read: by the size and
    the ETag of its response where the ETag is their MD5, otherwise by reading them back (``read_back``: always so). The
    target is listed once, next to the source; only where that fails is it asked for each file. What the target holds
    already with the same bytes is not sent. Other bytes there are replaced only if they are older than the source's,
    or with ``overwrite``. A source that changes meanwhile is noticed and sent again.

    ``journal`` is a file that remembers the finished ones, so that a run after a kill goes on where that ended;
    without it each file is compared again. ``remove_source`` deletes a source after its target was verified and the
    journal is on disk, and trusts no journal for that: bytes are compared in this run. Names outside the key layout
    stay where they are and are reported, unless ``include_outside``. ``dry_run`` reads and compares but writes nothing.
    ``workers``: files under way at once. ``progress`` is called in the calling thread, after each file.

    With ``bulk``, small files go to an :class:`S3Storage` by obstore, where it is installed and can keep what the SDK
    keeps. Which of the two sends is decided before the first file, and told to ``note`` in one sentence.

    A failure of one file stops no other. Raises ``StorageError`` only where nothing can begin: ``INVALID_ARGUMENT``
    (source and target are the same, a journal of another migration), ``CONFLICT`` (the journal is in use), and with
    ``remove_source`` what the probe of the target raises. Nothing else may write to the two meanwhile.
    """
    if workers < 1:
        raise StorageError(ErrorCode.INVALID_ARGUMENT, "migrate", None, f"workers is {workers}; at least 1 is needed")
    place = _place_of(source)
    if source is target or (place is not None and place == _place_of(target)):
        hint = f"source and target are the same: {describe(source)}; name two places"
        raise StorageError(ErrorCode.INVALID_ARGUMENT, "migrate", None, hint)
    if remove_source and not dry_run:
        _require_apart(source, target)
    mover = Mover(
        source=source,
        target=target,
        bulk=_bulk_of(target, note) if bulk and not dry_run else None,
        dry_run=dry_run,
        overwrite=overwrite,
        read_back=read_back,
        strict=remove_source,
    )
    with contextlib.ExitStack() as stack:
        opened = None
        if journal is not None:
            opened = stack.enter_context(
                Journal(journal, source=describe(source), target=describe(target), writable=not dry_run)
            )
        run = _Run(
            mover=mover,
            journal=opened,
            remove_source=remove_source and not dry_run,
            include_outside=include_outside,
            progress=progress,
            own=_own_names(source, journal),
        )
        return run.all(prefix, workers)


def describe(storage: Storage) -> str:
    """Return the name of a storage in a journal, the same in every run and without secrets."""
    known = _place_of(storage)
    return known if known is not None else f"{type(storage).__module__}.{type(storage).__qualname__}"


def _place_of(storage: Storage) -> str | None:
    """Return what is different for every place that the project's two storages can mean, ``None`` for a foreign one."""
    from bucket_conformance.reference_impl.local import LocalStorage

    if isinstance(storage, LocalStorage):
        return str(storage.root.resolve())
    return repr(storage) if _is_s3(storage) else None


def _is_s3(storage: Storage) -> bool:
    # By name, because the module of that class loads the SDK; and not of a subclass, which may upload otherwise.
    return (
        f"{type(storage).__module__}.{type(storage).__qualname__}" == "bucket_conformance.reference_impl.s3.S3Storage"
    )


def _bulk_of(target: Storage, note: Callable[[str], None]) -> BulkUploads | None:
    if not _is_s3(target):
        return None
    found: BulkUploads | str = target.bulk_uploads()  # type: ignore[attr-defined]
    if isinstance(found, str):
        note(f"boto3 sends every file: {found}")
        return None
    note("obstore sends small files, boto3 the others")
    return found


def _require_apart(source: Storage, target: Storage) -> None:
    """Refuse a target that is the source under another name: removing the sources would then remove everything."""
    probe = f"storage-check/{secrets.token_hex(16)}"
    target.upload(probe, b"migration probe")
    try:
        same = source.exists(probe)
    finally:
        target.delete_files([probe])
    if same:
        hint = "source and target are one storage under two names; removing the sources would remove every file"
        raise StorageError(ErrorCode.INVALID_ARGUMENT, "migrate", None, hint)


def _own_names(source: Storage, journal: Path | None) -> frozenset[str]:
    """The key that the journal has where it lies below the source's root: it is no file of the product."""
    from bucket_conformance.reference_impl.local import LocalStorage

    if journal is None or not isinstance(source, LocalStorage):
        return frozenset()
    with contextlib.suppress(ValueError):
        return frozenset({str(journal.resolve().relative_to(source.root.resolve()))})
    return frozenset()


@dataclass(slots=True, kw_only=True)
class _Run:
    """One run: all state is touched by the calling thread only, the mover alone works in others."""

    mover: Mover
    journal: Journal | None
    remove_source: bool
    include_outside: bool
    progress: Callable[[Progress], None] | None
    own: frozenset[str]
    tally: Tally = field(default_factory=Tally)
    to_remove: list[Transfer] = field(default_factory=list)
    in_a_row: int = 0

    def all(self, prefix: str, workers: int) -> MigrationReport:
        pending: dict[Future[Transfer], ObjectStat] = {}
        index = TargetIndex(self.mover.target, prefix)
        with ThreadPoolExecutor(workers, thread_name_prefix="migrate") as pool:
            try:
                for stat in self._files(prefix):
                    pending[pool.submit(self.mover.move, stat, index.find(stat.key))] = stat
                    while len(pending) >= 2 * workers:
                        self._settle(pending)
                while pending:
                    self._settle(pending)
            except BaseException:
                # An interrupt lets the files under way end and begins no other.
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        self._remove()
        for name in unlisted(self.mover.source, prefix):
            self.tally.unlisted.append(name)
        return self.tally.report(dry_run=self.mover.dry_run)

    def _files(self, prefix: str) -> Iterator[ObjectStat]:
        """Yield what is to be moved, lazily; everything else is accounted for here."""
        listing = self.mover.source.list(prefix)
        while True:
            try:
                stat = next(listing, None)
            except StorageError as error:
                self._stop(f"the source could not be listed to its end: {error}")
                return
            if stat is None:
                return
            if stat.key in self.own:
                continue
            if not self.include_outside and not _in_layout(stat.key):
                self.tally.outside.append(OutsideName(key=stat.key, size=stat.size))
            elif self.journal is not None and not self.remove_source and stat in self.journal:
                self.tally.journalled += 1
                self._report(stat.key)
            elif self.tally.stopped is not None:
                self.tally.left.append(stat.key)
            else:
                yield stat

    def _settle(self, pending: dict[Future[Transfer], ObjectStat]) -> None:
        done, _ = wait(pending, return_when=FIRST_COMPLETED)
        for future in done:
            stat = pending.pop(future)
            try:
                transfer = future.result()
            except StorageError as error:
                self._failed(stat, error.code, error.hint)
            except Exception as error:
                # Not the text: what a foreign storage raises may quote what must not be shown.
                self._failed(stat, ErrorCode.UNKNOWN, f"the storage raised {type(error).__name__}")
            else:
                self._finished(transfer)
            self._report(stat.key)
        if len(self.to_remove) >= REMOVE_EVERY:
            self._remove()

    def _finished(self, transfer: Transfer) -> None:
        self.in_a_row = 0
        self.tally.count(transfer)
        if transfer.outcome in (Outcome.MOVED, Outcome.ALREADY_THERE):
            if self.journal is not None and not self.mover.dry_run:
                self.journal.add(transfer.stat, transfer.sha256)
            if self.remove_source:
                self.to_remove.append(transfer)

    def _failed(self, stat: ObjectStat, code: ErrorCode, hint: str) -> None:
        self.tally.failed.append(Failure(key=stat.key, code=code, hint=hint, stage=Stage.MOVE))
        self.tally.left.append(stat.key)
        self.in_a_row = self.in_a_row + 1 if code in _TIRING else 0
        if code in _HOPELESS:
            self._stop(f"{code.value}, which every other file would meet too: {hint}")
        elif self.in_a_row >= STOP_AFTER:
            self._stop(f"{self.in_a_row} files in a row failed, the last with {code.value}: {hint}")

    def _stop(self, why: str) -> None:
        self.tally.stopped = self.tally.stopped or why

    def _remove(self) -> None:
        """Delete the sources of verified files, unless they changed since."""
        if not self.to_remove:
            return
        batch, self.to_remove = self.to_remove, []
        if self.journal is not None:
            self.journal.sync()
        removable = [transfer.stat.key for transfer in batch if self._still_as_moved(transfer)]
        gone = len(removable)
        try:
            self.mover.source.delete_files(removable)
        except DeleteError as error:
            result = error.result
            gone = len(result.deleted)
            for failure in result.failed:
                self._not_removed(failure.key, failure.code, failure.message)
            for key in result.unknown:
                self._not_removed(key, error.code, "the request broke off, the source may or may not be gone")
        except StorageError as error:
            gone = 0
            for key in removable:
                self._not_removed(key, error.code, error.hint)
        self.tally.removed += gone

    def _still_as_moved(self, transfer: Transfer) -> bool:
        key = transfer.stat.key
        try:
            now = stat_or_none(self.mover.source, key)
            if now is not None and same_version(transfer.stat, now):
                return True
        except StorageError as error:
            self._not_removed(key, error.code, error.hint)
            return False
        if now is not None:
            self._not_removed(key, ErrorCode.CONFLICT, "the source changed after it was moved; run again")
            self.tally.left.append(key)
        return False

    def _not_removed(self, key: str, code: ErrorCode, hint: str) -> None:
        self.tally.failed.append(Failure(key=key, code=code, hint=hint, stage=Stage.REMOVE))

    def _report(self, key: str) -> None:
        if self.progress is not None:
            self.progress(self.tally.progress(key))


def _in_layout(key: str) -> bool:
    try:
        keys.parse(key)
    except StorageError:
        return False
    return True
