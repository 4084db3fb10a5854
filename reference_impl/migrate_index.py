"""What the target of a migration holds, by one listing instead of a request for every file."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterator
from typing import Final

from bucket_conformance.reference_impl.api import ObjectStat, Storage
from bucket_conformance.reference_impl.errors import StorageError

HELD: Final = 20_000
"""Most listed objects that are held in memory at once."""


class Unlisted(enum.Enum):
    """The answer where no listing can tell whether the target holds a key."""

    ASK = enum.auto()
    """Ask the target for this key alone."""


ASK: Final = Unlisted.ASK


class TargetIndex:
    """Tells what ``target`` lists for a key. For one thread.

    Up to ``held`` objects are read first. If these are all, keys may be asked for in any order. If there are more, and
    those that were read are sorted by the UTF-8 bytes of their keys, the rest is read along with ascending questions.
    In every other case, and where the listing fails, the answer is ``ASK``: an object must not look missing because a
    server sorts differently.
    """

    def __init__(self, target: Storage, prefix: str, *, held: int = HELD) -> None:
        self._target, self._prefix, self._held = target, prefix, held
        self._begun = False
        self._all: dict[str, ObjectStat] | None = None
        self._listing: Iterator[ObjectStat] | None = None
        self._current: ObjectStat | None = None
        self._listed = self._asked = b""

    def find(self, key: str) -> ObjectStat | Unlisted | None:
        """Return the stat that is listed for ``key``, ``None`` where none is, or ``ASK``.

        Raises no ``StorageError``: one that ends the listing meets the file itself too, which then names it.
        """
        try:
            if not self._begun:
                self._begun = True
                self._begin()
            return self._all.get(key) if self._all is not None else self._find_along(key.encode())
        except StorageError:
            self._listing = None
            return ASK

    def _begin(self) -> None:
        listing = iter(self._target.list(self._prefix))
        first = list(itertools.islice(listing, self._held + 1))
        if len(first) <= self._held:
            self._all = {stat.key: stat for stat in first}
            return
        self._listing = itertools.chain(first, listing)
        if any(one.key.encode() >= other.key.encode() for one, other in itertools.pairwise(first)):
            self._listing = None

    def _find_along(self, name: bytes) -> ObjectStat | Unlisted | None:
        if name < self._asked:
            self._listing = None
        self._asked = name
        while self._listing is not None and self._listed < name:
            self._current = next(self._listing, None)
            if self._current is None:
                # Past the end, nothing that is asked for later can be listed.
                return None
            listed = self._current.key.encode()
            if listed <= self._listed:
                self._listing = None
            self._listed = listed
        if self._listing is None:
            return ASK
        return self._current if self._listed == name else None
