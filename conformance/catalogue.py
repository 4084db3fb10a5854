"""The catalogue of clauses: registers them by decorator, checks them, and selects them by pattern."""

from __future__ import annotations

import fnmatch
import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from bucket_conformance.conformance.clause_words import WORDS
from bucket_conformance.conformance.contract import Capability, Clause, ConformanceError, Level, Profile

ClauseFunction = Callable[..., None]
"""A function whose first argument is the session. Hypothesis' ``@given`` may wrap it.

It returns ``None`` where the backend conforms, and raises ``Deviation`` or ``Inconclusive`` otherwise.
"""


F = TypeVar("F", bound=ClauseFunction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One way to try a clause. Most clauses have one case; the cases of a clause decide it together."""

    function: ClauseFunction
    requires: frozenset[Capability]
    effort: float
    """A factor for the number of generated examples: below 1 where an example is expensive."""
    racy: bool
    """Whether one violation is sufficient proof: it need not happen again when the same example is repeated."""
    name: str


@dataclass(slots=True)
class Entry:
    """A clause, the cases that decide it, and the ids of the faults that prove that it can fail."""

    clause: Clause
    proved_by: tuple[str, ...]
    cases: list[Case] = field(default_factory=list)

    @property
    def required(self) -> frozenset[Capability]:
        """The capabilities that at least one of its cases requires."""
        return frozenset(capability for case in self.cases for capability in case.requires)


class CatalogueError(ConformanceError):
    """Raised during import where a clause is registered incorrectly, so that nobody can overlook it."""


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
    title: str = "",
    consequence: str = "",
) -> Callable[[F], F]:
    """Return a decorator that registers a function as the first case of a new clause.

    - ``id``: the permanent id, ``FAMILY-NNN``.
    - ``statement``: the promise, one sentence in the present tense.
    - ``source``: one or more addresses of the norm.
    - ``proved_by``: one or more ids of the faults (broken stores in ``tests/faults``) that make this clause fail.
    - ``requires``: capabilities that a backend needs for this case. Profile ``s3`` adds ``Capability.WIRE``.
    - ``effort``: a factor for the number of generated examples.
    - ``racy``: one violation is sufficient proof; it need not happen again.
    - ``title``, ``consequence``: the promise in at most 40 characters, and what a broken promise means for an
      application in one sentence. The clauses of this suite have both in ``clause_words``.

    The decorator returns the function unchanged. It raises :class:`CatalogueError` for a duplicate id, for a malformed
    id or statement, and where the source or the fault is missing.
    """
    needed = frozenset(requires) | ({Capability.WIRE} if profile is Profile.S3 else frozenset())
    proofs = (proved_by,) if isinstance(proved_by, str) else proved_by

    def register(function: F) -> F:
        known = _entries.get(id)
        if known is not None:
            raise CatalogueError(f"clause {id} is registered twice: {known.cases[0].name} and {_name(function)}")
        if not proofs:
            raise CatalogueError(
                f"clause {id} names no fault that proves it; give proved_by the id of a fault that makes it fail"
            )
        words = WORDS.get(id)
        try:
            data = Clause(
                id=id,
                statement=statement,
                level=level,
                profile=profile,
                sources=(source,) if isinstance(source, str) else source,
                requires=needed,
                title=title or (words.title if words is not None else ""),
                consequence=consequence or (words.consequence if words is not None else ""),
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
    """Return a decorator that registers a function as a further case of an existing clause.

    ``requires``, ``effort`` and ``racy`` mean the same as for :func:`clause`, and apply to this case only. The verdict
    of the clause is the merge of the verdicts of all its cases.

    The decorator returns the function unchanged. It raises :class:`CatalogueError` where the clause is not registered.
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
    """Import every clause module. Does so once per process; further calls do nothing."""
    package = importlib.import_module("bucket_conformance.conformance.clauses")
    for module in sorted(info.name for info in pkgutil.iter_modules(package.__path__)):
        importlib.import_module(f"bucket_conformance.conformance.clauses.{module}")


def entries() -> dict[str, Entry]:
    """Return every clause by its id, sorted by family (in the order of ``FAMILIES``) and then by number."""
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
"""The families of clauses and their titles, in the order in which every report shows them."""


def _order(clause_id: str) -> tuple[int, str]:
    family = clause_id.partition("-")[0]
    known = list(FAMILIES)
    return (known.index(family) if family in known else len(known), clause_id)


class UnknownClause(ConformanceError):
    """Raised for a pattern that selects no clause. The message says what a pattern may be."""


def select(*, patterns: Iterable[str] = (), profiles: Iterable[Profile] = ()) -> list[Entry]:
    """Return the clauses that match at least one pattern and at least one profile, in the order of :func:`entries`.

    A pattern is an id (``URL-003``), a family (``DEL``) or an id with wildcards (``url-*``); case does not matter.
    Without patterns every clause matches, and without profiles every profile does.

    Raises :class:`UnknownClause` for a pattern that matches nothing.
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
