"""The clauses that exist: registered by decorator, checked as they register, selected by pattern."""

from __future__ import annotations

import fnmatch
import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from bucket_conformance.conformance.contract import Capability, Clause, Level, Profile

ClauseFunction = Callable[..., None]
"""Takes the session first; may be wrapped by Hypothesis' ``@given``. Raises ``Deviation`` or ``Inconclusive``."""


F = TypeVar("F", bound=ClauseFunction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One way to try a clause. Most clauses have one; a clause with several is decided by all of them together."""

    function: ClauseFunction
    requires: frozenset[Capability]
    effort: float
    """Multiplies the number of generated examples: below 1 for costly examples."""
    racy: bool
    """One violation is proof in itself: it need not happen again when the same example is repeated."""
    name: str


@dataclass(slots=True)
class Entry:
    """A clause with the cases that decide it and the faults that prove it."""

    clause: Clause
    proved_by: tuple[str, ...]
    cases: list[Case] = field(default_factory=list)

    @property
    def required(self) -> frozenset[Capability]:
        """What any of its cases requires."""
        return frozenset(capability for case in self.cases for capability in case.requires)


class CatalogueError(Exception):
    """A clause was registered wrongly; raised at import, so that it cannot go unnoticed."""


_entries: Final[dict[str, Entry]] = {}


def clause(
    id: str,
    statement: str,
    *,
    level: Level,
    profile: Profile,
    source: str | tuple[str, ...],
    proved_by: str | tuple[str, ...],
    requires: Iterable[Capability] = (),
    effort: float = 1.0,
    racy: bool = False,
) -> Callable[[F], F]:
    """Register the decorated function as the first case of a new clause.

    ``source``: addresses of the norm. ``proved_by``: ids of the faults that make this clause fail. A clause of profile
    ``s3`` requires the wire. Raises :class:`CatalogueError` for a duplicate id, or where source or fault is missing.
    """
    needed = frozenset(requires) | ({Capability.WIRE} if profile is Profile.S3 else frozenset())
    proofs = (proved_by,) if isinstance(proved_by, str) else proved_by

    def register(function: F) -> F:
        known = _entries.get(id)
        if known is not None:
            raise CatalogueError(f"clause {id} is registered twice: {known.cases[0].name} and {_name(function)}")
        if not proofs:
            raise CatalogueError(f"clause {id} names no fault that proves it: a clause nobody can fail is not a test")
        try:
            data = Clause(
                id=id,
                statement=statement,
                level=level,
                profile=profile,
                sources=(source,) if isinstance(source, str) else source,
                requires=needed,
            )
        except ValueError as error:
            raise CatalogueError(str(error)) from None
        _entries[id] = Entry(clause=data, proved_by=proofs)
        _entries[id].cases.append(
            Case(function=function, requires=needed, effort=effort, racy=racy, name=_name(function))
        )
        return function

    return register


def also(id: str, *, requires: Iterable[Capability] = (), effort: float = 1.0, racy: bool = False) -> Callable[[F], F]:
    """Register the decorated function as a further case of a clause that exists already.

    Its own capabilities decide whether it runs; the clause's verdict is the merge over all its cases.
    """

    def register(function: F) -> F:
        entry = _entries.get(id)
        if entry is None:
            raise CatalogueError(f"{_name(function)} adds to clause {id}, which is not registered yet")
        needed = frozenset(requires) | ({Capability.WIRE} if entry.clause.profile is Profile.S3 else frozenset())
        entry.cases.append(Case(function=function, requires=needed, effort=effort, racy=racy, name=_name(function)))
        return function

    return register


def _name(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


@functools.cache
def load() -> None:
    """Import every clause module, once."""
    package = importlib.import_module("bucket_conformance.conformance.clauses")
    for module in sorted(info.name for info in pkgutil.iter_modules(package.__path__)):
        importlib.import_module(f"bucket_conformance.conformance.clauses.{module}")


def entries() -> dict[str, Entry]:
    """Return every clause by id, ordered by family (in the order of the contract) and number."""
    load()
    return dict(sorted(_entries.items(), key=lambda item: _order(item[0])))


FAMILIES: Final = {
    "KEY": "key layout and key bytes",
    "URL": "signed URLs",
    "DEL": "deletion and batches",
    "RT": "round trip and integrity",
    "LIST": "listing",
    "CON": "consistency and concurrency",
    "LIFE": "lifecycle and versions",
    "CFG": "configuration",
    "MIG": "migration",
    "SEC": "security",
    "DUR": "durability",
}
"""Clause families in the order in which every report shows them."""


def _order(clause_id: str) -> tuple[int, str]:
    family = clause_id.partition("-")[0]
    known = list(FAMILIES)
    return (known.index(family) if family in known else len(known), clause_id)


class UnknownClause(Exception):
    """A pattern that selects nothing."""


def select(*, patterns: Iterable[str] = (), profiles: Iterable[Profile] = ()) -> list[Entry]:
    """Return the clauses that match any pattern (``URL-003``, ``url-*``, ``DEL``) and any profile; none given: all.

    Raises :class:`UnknownClause` for a pattern without a match, naming near ones.
    """
    every = entries()
    wanted_profiles = set(profiles)
    chosen: set[str] = set()
    given = list(patterns)
    for pattern in given:
        upper = pattern.upper()
        found = [id for id in every if fnmatch.fnmatchcase(id, upper) or id.partition("-")[0] == upper]
        if not found:
            raise UnknownClause(
                f"no clause matches {pattern!r}; write an id (URL-003), a family (URL) or a pattern (URL-0*). "
                f"Families: {', '.join(FAMILIES)}"
            )
        chosen.update(found)
    return [
        entry
        for id, entry in every.items()
        if (not given or id in chosen) and (not wanted_profiles or entry.clause.profile in wanted_profiles)
    ]
