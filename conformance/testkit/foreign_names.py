"""Names in listings that are not of this run. They are other people's data: they are counted and never quoted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from bucket_conformance.conformance.session import Session

ELSEWHERE: Final = "(a name from elsewhere)"
"""Stands in an observation for a name that a listing gives although it does not begin with the prefix."""


def without_foreign(session: Session, keys: Iterable[str]) -> list[str]:
    """Return the keys that bear this run's id, in their order; a text with the number of all others, if any, is last.

    A server that ignores the prefix of a listing names what other people stored.
    """
    own, foreign = [], 0
    for key in keys:
        if session.run_id in key:
            own.append(key)
        else:
            foreign += 1
    return [*own, told(foreign)] if foreign else own


def foreign_count(session: Session, keys: Iterable[str]) -> int:
    """Return how many of the keys do not bear this run's id."""
    return sum(session.run_id not in key for key in keys)


def told(foreign: int) -> str:
    """Return how many foreign names there are, in words, for an observation."""
    return f"({foreign} name{'s' * (foreign != 1)} that {'are' if foreign != 1 else 'is'} not of this run)"


@dataclass(slots=True)
class Written:
    """What is written below ``prefixes`` after this was made: listed now, not listed before, and with this run's id.

    A broken listing that names other keys than requested proves nothing about them.
    """

    session: Session
    prefixes: tuple[str, ...]
    _before: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self._before = set(self._listed())

    def _listed(self) -> list[str]:
        return [key for prefix in self.prefixes for key in self.session.view.keys(prefix)]

    def new(self) -> list[str]:
        """Return the keys that are new and bear this run's id, sorted."""
        return sorted({key for key in self._listed() if self.session.run_id in key} - self._before)
