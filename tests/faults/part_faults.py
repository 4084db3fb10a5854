"""Faults of the system around the storage: its settings, retention, migration (``PartsFault``).

A fault, in any module ``parts_<family>.py``, takes the good parts and returns them with one of them broken::

    @parts_fault("settings-read-false-as-true", "the word false switches a setting on", breaks=["CFG-001"])
    def reads_false_as_true(parts: ApplicationParts) -> ApplicationParts:
        return replace(parts, settings=FalseIsTrue(settings_of(parts)))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from bucket_conformance.conformance.parts import (
    ApplicationParts,
    MigrationPort,
    PartsOverride,
    RetentionPort,
    SettingsPort,
)
from tests.faults.discovery import import_faults
from tests.faults.gateway import Registry, require_identity


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsFault:
    """One deliberate defect of the system around the storage."""

    id: str
    title: str
    breaks: frozenset[str]
    change: PartsOverride
    origin: str = ""

    def __post_init__(self) -> None:
        require_identity(self.id, self.title, self.breaks)


_FAULTS: Final[Registry[PartsFault]] = Registry()


def parts_fault(
    fault_id: str, title: str, *, breaks: Iterable[str], origin: str = ""
) -> Callable[[PartsOverride], PartsFault]:
    """Register the decorated function as a fault; its name then stands for the fault."""

    def register(change: PartsOverride) -> PartsFault:
        return _FAULTS.add(PartsFault(id=fault_id, title=title, breaks=frozenset(breaks), change=change, origin=origin))

    return register


def all_parts_faults() -> Registry[PartsFault]:
    """Return every fault of the modules ``tests/faults/parts/``."""
    import_faults("parts")
    return _FAULTS


def settings_of(parts: ApplicationParts) -> SettingsPort:
    assert parts.settings is not None
    return parts.settings


def retention_of(parts: ApplicationParts) -> RetentionPort:
    assert parts.retention is not None
    return parts.retention


def migration_of(parts: ApplicationParts) -> MigrationPort:
    assert parts.migration is not None
    return parts.migration
