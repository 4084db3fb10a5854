"""What a migration reports: while it runs, and at its end."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from bucket_conformance.reference_impl.errors import ErrorCode
from bucket_conformance.reference_impl.migrate_transfer import Outcome, Proof, Transfer
from bucket_conformance.reference_impl.migrate_unlisted import UnlistedFile


class Stage(enum.StrEnum):
    """Where a file failed: before it was proved to be at the target, or when its source was to be removed."""

    MOVE = "move"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One file that failed, why, and where."""

    key: str
    code: ErrorCode
    hint: str
    stage: Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideName:
    """A key of the source that the layout never builds, left in place; size in bytes."""

    key: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a running migration is. ``files`` is all files dealt with so far, ``sent_bytes`` those proved to have
    arrived (in a dry run: that would be sent); ``key`` is the file that was last dealt with."""

    files: int
    moved: int
    already_there: int
    failed: int
    sent_bytes: int
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationReport:
    """Everything that became of the source's files. Sizes in bytes.

    Every listed file is in exactly one of ``moved``, ``already_there``, ``journalled`` (finished in an earlier run,
    not looked at again), ``vanished`` (deleted from the source meanwhile), ``left`` and ``outside``; only one whose
    source changed after it was moved, so that the source was not removed, is in ``left`` too. In a dry run nothing is
    moved and ``left`` is what would be sent. ``stopped`` says why the rest was left, if it was.
    """

    dry_run: bool
    moved: int
    moved_bytes: int
    already_there: int
    already_there_bytes: int
    journalled: int
    vanished: int
    removed: int
    proved_by_etag: int
    proved_by_reading_back: int
    left: tuple[str, ...]
    left_bytes: int | None
    """Only known in a dry run."""
    failed: tuple[Failure, ...]
    outside: tuple[OutsideName, ...]
    unlisted: tuple[UnlistedFile, ...]
    """Entries on local disk that no key names: symbolic links, names that are not UTF-8. They stay in place."""
    stopped: str | None

    @property
    def complete(self) -> bool:
        """Return whether nothing failed and nothing was stopped. Names outside the layout do not count."""
        return not self.failed and self.stopped is None and (self.dry_run or not self.left)

    @property
    def stayed(self) -> int:
        """How many entries of the source are not at the target because no key of the layout names them."""
        return len(self.outside) + len(self.unlisted)


@dataclass(slots=True, kw_only=True)
class Tally:
    """The report while it is gathered."""

    moved: int = 0
    moved_bytes: int = 0
    already_there: int = 0
    already_there_bytes: int = 0
    journalled: int = 0
    vanished: int = 0
    removed: int = 0
    by_etag: int = 0
    by_reading: int = 0
    would_send: int = 0
    left: list[str] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    outside: list[OutsideName] = field(default_factory=list)
    unlisted: list[UnlistedFile] = field(default_factory=list)
    stopped: str | None = None

    def count(self, transfer: Transfer) -> None:
        """Add one file that did not fail."""
        match transfer.outcome:
            case Outcome.MOVED:
                self.moved += 1
                self.moved_bytes += transfer.stat.size
            case Outcome.ALREADY_THERE:
                self.already_there += 1
                self.already_there_bytes += transfer.stat.size
            case Outcome.VANISHED:
                self.vanished += 1
            case Outcome.WOULD_MOVE:
                self.left.append(transfer.stat.key)
                self.would_send += transfer.stat.size
        self.by_etag += transfer.proof is Proof.ETAG
        self.by_reading += transfer.proof is Proof.READ_BACK

    def progress(self, key: str) -> Progress:
        """Return where the migration is after ``key``."""
        return Progress(
            files=self.moved + self.already_there + self.journalled + self.vanished + len(self.left),
            moved=self.moved,
            already_there=self.already_there + self.journalled,
            failed=len(self.failed),
            sent_bytes=self.moved_bytes + self.would_send,
            key=key,
        )

    def report(self, *, dry_run: bool) -> MigrationReport:
        """Return the report as it stands; lists are in order of the keys."""
        return MigrationReport(
            dry_run=dry_run,
            moved=self.moved,
            moved_bytes=self.moved_bytes,
            already_there=self.already_there,
            already_there_bytes=self.already_there_bytes,
            journalled=self.journalled,
            vanished=self.vanished,
            removed=self.removed,
            proved_by_etag=self.by_etag,
            proved_by_reading_back=self.by_reading,
            left=tuple(sorted(self.left)),
            left_bytes=self.would_send if dry_run else None,
            failed=tuple(sorted(self.failed, key=lambda failure: failure.key)),
            outside=tuple(self.outside),
            unlisted=tuple(self.unlisted),
            stopped=self.stopped,
        )
