"""The parts of an application around its storage, as ports: settings, retention, migration, and a writer to kill.

To judge your own application, put your implementations in place of the reference's, with the ``parts`` of a target.
Parts that you leave out are not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from bucket_conformance.conformance.contract import Capability, ConformanceError
from bucket_conformance.reference_impl.api import Storage
from bucket_conformance.reference_impl.keys import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidSetting:
    """One invalid or missing variable: its name, its value as people may see it (``None``: not set), what is valid."""

    name: str
    shown: str | None
    allowed: str


class SettingsRejected(ConformanceError):
    """Raised when the environment describes no usable storage. ``str`` is the text that the operator reads."""

    def __init__(self, text: str, refusals: tuple[InvalidSetting, ...]) -> None:
        super().__init__(text)
        self.refusals = refusals


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSettings:
    """Settings that were accepted.

    ``values``, by the name of the variable: ``str``, ``bool``, or ``None`` for a variable that is not set and has no
    default. ``shown`` is how the settings appear in a log: their ``repr``.
    """

    values: Mapping[str, str | bool | None]
    shown: str


class SettingsPort(Protocol):
    """Reads the ``AP_*`` variables when the application starts."""

    def load(self, environ: Mapping[str, str]) -> LoadedSettings:
        """Return the settings. Contacts nothing and writes nothing.

        Raises :class:`SettingsRejected`, which names every invalid variable.
        """
        ...

    def open(self, environ: Mapping[str, str]) -> Storage:
        """Return the storage that the settings describe, with the credentials that they contain.

        Raises :class:`SettingsRejected`.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryRule:
    """Files below ``prefix`` expire ``days`` days after they were written."""

    rule_id: str
    prefix: str
    days: int


class RetentionPort(Protocol):
    """Turns "keep files of this type for so many days" into lifecycle rules of a bucket."""

    def rules(self, policy: Mapping[str, int], owners: Sequence[tuple[Scope, str]]) -> Sequence[ExpiryRule]:
        """Return lifecycle rules for these owners.

        ``policy``: days (1 or more) by file type. ``owners``: pairs of scope and id.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated:
    """The result of a migration, as it reports it itself.

    - ``complete``: every file was moved.
    - ``left``: keys that are not moved yet.
    - ``outside``: keys that do not belong to the layout.
    """

    complete: bool
    left: tuple[str, ...]
    outside: tuple[str, ...]


class MigrationPort(Protocol):
    """Moves every file of one storage to another."""

    def source(self, root: Path) -> Storage:
        """Return a storage on a local directory, as the source of a migration."""
        ...

    def migrate(self, source: Storage, target: Storage, *, journal: Path) -> Migrated:
        """Move everything and return the result.

        ``journal`` is a file that only this migration uses; a later run with the same file continues where this one
        ended.
        """
        ...


class Writing(Protocol):
    """A process that uploads without end: upload n stores ``writer_body(n, size)`` under key number n modulo keys."""

    def wait_for(self, answered: int) -> None:
        """Return once at least ``answered`` uploads got a response, or once there is nothing left to upload."""
        ...

    def kill(self) -> int:
        """Kill the process (SIGKILL) and return how many of its uploads got a response. Raises ``WriterFailed``."""
        ...


class WriterFailed(ConformanceError):
    """Raised when the writer ended on its own; the message says why."""


class WriterPort(Protocol):
    """Starts writers in their own processes, which write to the same stored data as the session."""

    def migrate(self, migration: MigrationPort, source: Path, *, journal: Path) -> AbstractContextManager[Writing]:
        """Start a process that migrates a local directory, and kill it at the end of the ``with`` block.

        Each of its uploads that got a response counts. Raises ``WriterFailed`` for a migration that cannot be passed to
        another process.
        """
        ...

    def start(self, keys: Sequence[str], *, size: int) -> AbstractContextManager[Writing]:
        """Start a writer of bodies of at least ``size`` bytes. It is killed at the end of the block at the latest."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationParts:
    """The parts of the application to judge, in addition to the storage. ``None``: not judged.

    ``root`` is the root directory of the storage. ``restart`` kills the server (SIGKILL) and starts it again on the
    same data; it returns once the server responds.
    """

    settings: SettingsPort | None = None
    retention: RetentionPort | None = None
    migration: MigrationPort | None = None
    writer: WriterPort | None = None
    root: Path | None = None
    restart: Callable[[], None] | None = None

    def capabilities(self) -> frozenset[Capability]:
        """Return the capabilities that a session gets from these parts."""
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
"""A session has these capabilities exactly if it was given the part. Declaring them is not sufficient."""

PartsOverride = Callable[[ApplicationParts], ApplicationParts]
"""Receives the reference's parts and returns your own in their place."""


def writer_body(number: int, size: int) -> bytes:
    """Return the body of upload ``number`` of a writer.

    It begins with the number. No two bodies are equal, and no two in a row have the same length. ``size`` is the
    minimum length in bytes (8 or more).
    """
    length = size + number * 7919 % 4096
    block = bytes((index * 7 + number) % 256 for index in range(251))
    return f"{number:08d}".encode() + (block * (length // 251 + 1))[: length - 8]
