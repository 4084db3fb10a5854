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
    found: dict[tuple[keys.Scope, str, str], list[int]] = {}
    # Keys of one owner and type share all but their last part, which is then all that is looked at.
    known: dict[str, tuple[keys.FileType, list[int]]] = {}
    outside = [0, 0]
    names: list[str] = []
    for stat in storage.list(prefix):
        head, _, last = stat.key.rpartition("/")
        file_type, amount = known.get(head, (None, outside))
        if file_type is None or not keys.names_file(file_type, last):
            try:
                ref = keys.parse(stat.key)
            except StorageError:
                amount = outside
                if len(names) < SHOWN_OUTSIDE:
                    names.append(stat.key)
            else:
                amount = found.setdefault((ref.scope, ref.owner_id, ref.file_type.name), [0, 0])
                known[head] = (ref.file_type, amount)
        amount[0] += 1
        amount[1] += stat.size
    lines = tuple(
        UsageLine(scope=scope, owner_id=owner_id, file_type=file_type, amount=Amount(files=files, size=size))
        for (scope, owner_id, file_type), (files, size) in sorted(found.items())
    )
    return Usage(
        lines=lines,
        total=Amount(
            files=outside[0] + sum(line.amount.files for line in lines),
            size=outside[1] + sum(line.amount.size for line in lines),
        ),
        outside=Amount(files=outside[0], size=outside[1]),
        outside_names=tuple(names),
    )
