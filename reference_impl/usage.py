"""What is stored: files and bytes per platform or project and type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bucket_conformance.reference_impl import keys
from bucket_conformance.reference_impl.api import Storage
from bucket_conformance.reference_impl.errors import StorageError

SHOWN_OUTSIDE: Final = 20
"""Names outside the layout that are kept as examples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """A number of files and their size together, in bytes."""

    files: int = 0
    size: int = 0

    def plus(self, size: int) -> Amount:
        return Amount(files=self.files + 1, size=self.size + size)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageLine:
    """What one owner stores of one type."""

    scope: keys.Scope
    owner_id: str
    file_type: str
    amount: Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Everything below one prefix. ``lines`` are ordered by scope, owner and type; ``total`` includes ``outside``.

    ``outside`` counts the names that the layout never builds, ``outside_names`` are the first of them.
    """

    lines: tuple[UsageLine, ...]
    total: Amount
    outside: Amount
    outside_names: tuple[str, ...]


def usage(storage: Storage, prefix: str = "") -> Usage:
    """Count what ``storage`` holds below ``prefix``, in one listing. Errors: those of ``list``."""
    found: dict[tuple[keys.Scope, str, str], Amount] = {}
    total = outside = Amount()
    names: list[str] = []
    for stat in storage.list(prefix):
        total = total.plus(stat.size)
        try:
            ref = keys.parse(stat.key)
        except StorageError:
            outside = outside.plus(stat.size)
            if len(names) < SHOWN_OUTSIDE:
                names.append(stat.key)
            continue
        place = (ref.scope, ref.owner_id, ref.file_type.name)
        found[place] = found.get(place, Amount()).plus(stat.size)
    lines = tuple(
        UsageLine(scope=scope, owner_id=owner_id, file_type=file_type, amount=amount)
        for (scope, owner_id, file_type), amount in sorted(found.items())
    )
    return Usage(lines=lines, total=total, outside=outside, outside_names=tuple(names))
