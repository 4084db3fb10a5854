"""The storage system around its storage, as ports: settings, retention, migration, a writer that can be killed.

Whoever judges a system of their own puts their own implementations in place of the reference's, by the ``parts`` of a
target; what they leave out is not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.reference_impl.api import Storage
from bucket_conformance.reference_impl.keys import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One wrong or missing variable: its name, its value as shown to people (``None``: not set), what is allowed."""

    name: str
    shown: str | None
    allowed: str


class SettingsRefused(Exception):
    """The environment describes no usable storage. ``str`` is what the operator gets to read."""

    def __init__(self, text: str, refusals: tuple[Refusal, ...]) -> None:
        super().__init__(text)
        self.refusals = refusals


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSettings:
    """Settings that were accepted.

    ``values`` by name of the variable: ``str``, ``bool`` or ``None`` for one that is not set and has no default.
    ``shown`` is how the settings look in a log: their ``repr``.
    """

    values: Mapping[str, str | bool | None]
    shown: str


class SettingsPort(Protocol):
    """What reads the ``AP_*`` variables when the system starts."""

    def load(self, environ: Mapping[str, str]) -> LoadedSettings:
        """Return the settings; raise :class:`SettingsRefused`. Contacts nothing, writes nothing."""
        ...

    def open(self, environ: Mapping[str, str]) -> Storage:
        """Return the storage that the settings describe, with the credentials that they name."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryRule:
    """Files below ``prefix`` expire ``days`` days after they were written."""

    rule_id: str
    prefix: str
    days: int


class RetentionPort(Protocol):
    """What turns "keep this type so many days" into lifecycle rules of a bucket."""

    def rules(self, policy: Mapping[str, int], owners: Sequence[tuple[Scope, str]]) -> Sequence[ExpiryRule]:
        """Return the rules that let each type of ``policy`` expire after its days, for these owners (scope, id)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated:
    """What a migration says about itself: all done or not, the keys still to be moved, those outside the layout."""

    complete: bool
    left: tuple[str, ...]
    outside: tuple[str, ...]


class MigrationPort(Protocol):
    """What brings every file of one storage into another."""

    def source(self, root: Path) -> Storage:
        """Return a storage on a local folder, to migrate from."""
        ...

    def migrate(self, source: Storage, target: Storage, *, journal: Path) -> Migrated:
        """Move everything. ``journal`` is a file of its own: a later run with it goes on where this ends."""
        ...


class Writing(Protocol):
    """A process that uploads without end: the n-th upload stores ``writer_body(n, size)`` under key n modulo keys."""

    def wait_for(self, answered: int) -> None:
        """Return when at least so many uploads were answered, or when there is nothing left to do."""
        ...

    def kill(self) -> int:
        """Kill the process (SIGKILL) and return how many uploads it had been answered. Raises ``WriterFailed``."""
        ...


class WriterFailed(Exception):
    """The writer ended by itself; the message says why."""


class WriterPort(Protocol):
    """Starts writers in processes of their own, over the same stored data as the session."""

    def migrate(self, migration: MigrationPort, source: Path, *, journal: Path) -> AbstractContextManager[Writing]:
        """Start a process that migrates a local folder; its uploads count as answered. Killed at the end of the block.

        Raises ``WriterFailed`` for a migration that another process cannot be given.
        """
        ...

    def start(self, keys: Sequence[str], *, size: int) -> AbstractContextManager[Writing]:
        """Start a writer; it is killed at the end of the block at the latest."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemParts:
    """What of the system there is to judge, beside the storage. ``root``: the folder that the storage keeps to.

    ``restart`` kills the server hard and starts it again on the same data; it returns when the server answers.
    """

    settings: SettingsPort | None = None
    retention: RetentionPort | None = None
    migration: MigrationPort | None = None
    writer: WriterPort | None = None
    root: Path | None = None
    restart: Callable[[], None] | None = None

    def capabilities(self) -> frozenset[Capability]:
        """Return what these parts allow a session to judge."""
        return frozenset(capability for capability, name in _PART_OF.items() if getattr(self, name) is not None)


_PART_OF: Final = {
    Capability.SETTINGS: "settings",
    Capability.RETENTION: "retention",
    Capability.MIGRATION: "migration",
    Capability.WRITER: "writer",
    Capability.FILE_TREE: "root",
    Capability.RESTART: "restart",
}

PART_CAPABILITIES: Final = frozenset(_PART_OF)
"""Capabilities that a session has if and only if it was given the part; declaring them is not enough."""

ChangeParts = Callable[[SystemParts], SystemParts]
"""Puts parts of one's own in place of the reference's."""


def writer_body(number: int, size: int) -> bytes:
    """Return what a writer's upload of this number stores: its number first, no two alike, none of one length in a row.

    ``size`` is the least length in bytes (8 or more).
    """
    length = size + number * 7919 % 4096
    block = bytes((index * 7 + number) % 256 for index in range(251))
    return f"{number:08d}".encode() + (block * (length // 251 + 1))[: length - 8]
