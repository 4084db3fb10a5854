"""Faults of the migration: files sent twice, not at all, or believed to have arrived."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from bucket_conformance.conformance.parts import ApplicationParts, Migrated, MigrationPort
from bucket_conformance.reference_impl import keys
from bucket_conformance.reference_impl.api import ObjectStat, Storage
from bucket_conformance.reference_impl.errors import StorageError
from tests.faults.local_faults import WrappedStorage
from tests.faults.part_faults import migration_of, parts_fault


class WrappedMigration:
    """A migration that passes everything to ``inner``. A fault overrides what it breaks."""

    def __init__(self, inner: MigrationPort) -> None:
        self.inner = inner

    def source(self, root: Path) -> Storage:
        return self.inner.source(root)

    def migrate(self, source: Storage, target: Storage, *, journal: Path) -> Migrated:
        return self.inner.migrate(source, target, journal=journal)


def _broken(kind: Callable[[MigrationPort], MigrationPort]) -> Callable[[ApplicationParts], ApplicationParts]:
    return lambda parts: replace(parts, migration=kind(migration_of(parts)))


def _files(source: Storage) -> tuple[list[str], tuple[str, ...]]:
    inside, outside = [], []
    for stat in source.list():
        try:
            keys.parse(stat.key)
            inside.append(stat.key)
        except StorageError:
            outside.append(stat.key)
    return inside, tuple(outside)


class SendsAgain(WrappedMigration):
    def migrate(self, source: Storage, target: Storage, *, journal: Path) -> Migrated:
        inside, outside = _files(source)
        left = []
        for key in inside:
            try:
                body = source.download(key)
                target.upload(key, body)
                if target.download(key) != body:
                    left.append(key)
            except StorageError:
                left.append(key)
        return Migrated(complete=not left, left=tuple(left), outside=outside)


parts_fault("migration-sends-everything-again", "every run sends every file", breaks=["MIG-001"])(_broken(SendsAgain))


class TrustsSent(WrappedMigration):
    def migrate(self, source: Storage, target: Storage, *, journal: Path) -> Migrated:
        report = self.inner.migrate(source, target, journal=journal)
        # A refused file is still missing at the target; a file that arrived changed is there.
        left = tuple(key for key in report.left if not target.exists(key))
        return replace(report, left=left, complete=not left)


parts_fault("migration-trusts-what-it-sent", "what was sent is not compared with what arrived", breaks=["MIG-001"])(
    _broken(TrustsSent)
)


class TrustsNames(WrappedMigration):
    def migrate(self, source: Storage, target: Storage, *, journal: Path) -> Migrated:
        class Missing(WrappedStorage):
            def list(self, prefix: str = "") -> Iterator[ObjectStat]:
                return (stat for stat in self.inner.list(prefix) if not target.exists(stat.key))

        return self.inner.migrate(Missing(source), target, journal=journal)


parts_fault(
    "migration-trusts-names-alone",
    "a name that exists at the target counts as moved, whatever it holds",
    breaks=["MIG-001"],
)(_broken(TrustsNames))


class NotesFirst(WrappedMigration):
    def migrate(self, source: Storage, target: Storage, *, journal: Path) -> Migrated:
        inside, outside = _files(source)
        noted = journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []
        done = {json.loads(line) for line in noted}
        left = []
        for key in inside:
            if key in done:
                continue
            with journal.open("a", encoding="utf-8") as file:
                file.write(json.dumps(key) + "\n")
            try:
                body = source.download(key)
                target.upload(key, body)
                if target.download(key) != body:
                    left.append(key)
            except StorageError:
                left.append(key)
        return Migrated(complete=not left, left=tuple(left), outside=outside)


parts_fault("migration-notes-before-sending", "a file is noted as done before it is sent", breaks=["MIG-001"])(
    _broken(NotesFirst)
)


class NotesAtTheEnd(WrappedMigration):
    def migrate(self, source: Storage, target: Storage, *, journal: Path) -> Migrated:
        inside, outside = _files(source)
        done = set(json.loads(journal.read_text(encoding="utf-8"))) if journal.exists() else set()
        left = []
        try:
            for key in inside:
                if key in done:
                    continue
                try:
                    body = source.download(key)
                    if target.upload(key, body).size != len(body) or target.download(key) != body:
                        left.append(key)
                    else:
                        done.add(key)
                except StorageError:
                    left.append(key)
        finally:
            journal.write_text(json.dumps(sorted(done)), encoding="utf-8")
        return Migrated(complete=not left, left=tuple(left), outside=outside)


parts_fault(
    "migration-notes-when-it-ends",
    "finished files are recorded at the end, also after an error, but not when the process is killed",
    breaks=["MIG-001"],
)(_broken(NotesAtTheEnd))


class HidesFailures(WrappedMigration):
    def migrate(self, source: Storage, target: Storage, *, journal: Path) -> Migrated:
        report = self.inner.migrate(source, target, journal=journal)
        return Migrated(complete=True, left=(), outside=report.outside)


parts_fault("migration-hides-what-failed", "the report never names what failed", breaks=["MIG-001"])(
    _broken(HidesFailures)
)


class PassesOver(WrappedMigration):
    def migrate(self, source: Storage, target: Storage, *, journal: Path) -> Migrated:
        return replace(self.inner.migrate(source, target, journal=journal), outside=())


parts_fault("migration-passes-over-strays", "names outside the layout are not reported", breaks=["MIG-001"])(
    _broken(PassesOver)
)


class SkipsEmpty(WrappedMigration):
    def migrate(self, source: Storage, target: Storage, *, journal: Path) -> Migrated:
        class WithoutEmpty(WrappedStorage):
            def list(self, prefix: str = "") -> Iterator[ObjectStat]:
                return (stat for stat in self.inner.list(prefix) if stat.size)

        return self.inner.migrate(WithoutEmpty(source), target, journal=journal)


parts_fault("migration-skips-empty-files", "files without bytes are not moved", breaks=["MIG-001"])(_broken(SkipsEmpty))
