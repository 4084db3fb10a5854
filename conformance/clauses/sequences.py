"""CON-006: random sequences of operations leave the same as in a plain mapping."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import rule

from bucket_conformance.conformance.catalogue import also, clause
from bucket_conformance.conformance.contract import Capability, Level, Profile
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.strategies import examples, pattern_bytes
from bucket_conformance.conformance.testkit.model import Model
from bucket_conformance.conformance.testkit.sequences import Failed, Planner, carry_out, loss, plans
from bucket_conformance.conformance.testkit.sources import CONSISTENCY, FILE_STORAGE
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError

NAMES: Final = ("a", "ab", "A", "log", "step")
"""The files of a sequence: similar by prefix and case, and one of each of two other types."""


@dataclass(frozen=True, slots=True)
class Put:
    """Upload ``size`` bytes of the pattern ``salt``."""

    name: str
    size: int
    salt: int
    streamed: bool = False

    def __str__(self) -> str:
        how = " as a stream" if self.streamed else ""
        return f"upload {self.name}{how}: {self.size} bytes, pattern {self.salt}"


@dataclass(frozen=True, slots=True)
class Look:
    """Read one file in one of the possible ways."""

    name: str
    way: str

    def __str__(self) -> str:
        return f"{self.way} {self.name}"


@dataclass(frozen=True, slots=True)
class List:
    """List the keys of the project that start with a prefix."""

    folder: str

    def __str__(self) -> str:
        return f"list {self.folder or 'everything'}"


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete files; some may be missing or named twice."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"delete {', '.join(self.names) or 'nothing'}"


Step = Put | Look | List | Delete

WAYS: Final = ("download", "open", "stat", "exists")
FOLDERS: Final = ("", "FILE/", "FILE/a", "STEP")

_names: Final = st.sampled_from(NAMES)


class StoragePlan(Planner[Step]):
    """Every operation of the storage in any order, because each may come at any time."""

    @rule(name=_names, size=st.sampled_from([0, 1, 3, 1000, 70_000]), salt=st.integers(0, 3), streamed=st.booleans())
    def upload(self, name: str, size: int, salt: int, streamed: bool) -> None:
        self.steps.append(Put(name, size, salt, streamed))

    @rule(name=_names, way=st.sampled_from(WAYS))
    def look(self, name: str, way: str) -> None:
        self.steps.append(Look(name, way))

    @rule(folder=st.sampled_from(FOLDERS))
    def list_(self, folder: str) -> None:
        self.steps.append(List(folder))

    @rule(names=st.lists(_names, max_size=4).map(tuple))
    def delete(self, names: tuple[str, ...]) -> None:
        self.steps.append(Delete(names))


class UrlPlan(StoragePlan):
    """The same with signed URLs that are used at once or kept for later."""

    @rule(name=_names, kept=st.booleans())
    def fetch(self, name: str, kept: bool) -> None:
        self.steps.append(Look(name, "fetch by the first URL of" if kept else "fetch by a new URL of"))


_EVERY_WAY: Final[tuple[Step, ...]] = tuple(Look("a", way) for way in WAYS)
NAMED: Final[tuple[list[Step], ...]] = (
    [*_EVERY_WAY, List("")],
    [Put("a", 3, 0), *_EVERY_WAY, List("FILE/a"), Put("a", 1, 1), *_EVERY_WAY, List("")],
    [
        Put("a", 1000, 0),
        Put("ab", 1, 1),
        Delete(("a", "a", "step")),
        *_EVERY_WAY,
        List("FILE/a"),
        Look("ab", "download"),
    ],
    [Put("a", 3, 0), Delete(("a",)), Put("a", 0, 1), *_EVERY_WAY, List(""), Delete(())],
)
"""Sequences that are always tried: no objects, an overwrite, a delete next to a similar key, a write after a delete."""

_OLD: Final = Look("a", "fetch by the first URL of")
WITH_URLS: Final[tuple[list[Step], ...]] = (
    [_OLD, Put("a", 3, 0), _OLD, Put("a", 1000, 1), _OLD, Delete(("a",)), _OLD, Put("a", 1, 2, streamed=True), _OLD],
)
"""One URL during the whole life of a file."""


@clause(
    "CON-006",
    "Any sequence of operations gives, step by step, what the same sequence gives on a plain mapping.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(CONSISTENCY, FILE_STORAGE),
    proved_by=(
        "upload-keeps-old-tail",
        "deleted-key-still-listed",
        "stat-remembers-deleted-keys",
        "stale-read-after-overwrite",
    ),
    effort=0.5,
)
@examples("steps", NAMED)
@given(steps=plans(StoragePlan, most=30))
def test_a_sequence_of_operations_agrees_with_a_mapping(session: Session, steps: list[Step]) -> None:
    _carry_out(session, steps)


@also("CON-006", requires={Capability.SIGNED_URLS}, effort=0.2)
@examples("steps", WITH_URLS)
@given(steps=plans(UrlPlan, most=20))
def test_a_sequence_with_signed_urls_agrees_with_a_mapping(session: Session, steps: list[Step]) -> None:
    _carry_out(session, steps)


def _carry_out(session: Session, steps: list[Step]) -> None:
    def attempt(steps: Sequence[Step]) -> Failed | None:
        world = _World(session)
        for at, step in enumerate(steps):
            observed, promised = world.observe(step), world.promise(step)
            if observed != promised:
                again = world.observe(step) if isinstance(step, Look) else None
                return at, promised, observed, loss(promised, observed, again, absent=ErrorCode.NOT_FOUND)
        return None

    # At the end, read what no step of the sequence has read.
    carry_out(session, [*steps, List(""), *(Look(name, "download") for name in NAMES)], attempt)


class _World:
    """A new project in the storage, and the model of what it must hold."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._storage = session.storage
        self._urls: dict[str, str] = {}
        self._model = Model()
        owner = f"{session.fresh_id()}-p"
        types = {"log": "FLOW_RUN_LOG", "step": "STEP_FILE"}
        self._keys = {name: session.layout.build(types.get(name, "FILE"), name, project_id=owner) for name in NAMES}
        key = self._keys["a"]
        self._base = key[: key.index(owner) + len(owner)] + "/"

    def promise(self, step: Step) -> object:
        model = self._model
        match step:
            case Put():
                model.put(self._keys[step.name], pattern_bytes(step.size, step.salt))
                return step.size
            case Look():
                body = model.get(self._keys[step.name])
                if step.way == "exists":
                    return body is not None
                if body is None:
                    return ErrorCode.NOT_FOUND
                return len(body) if step.way == "stat" else body
            case List():
                prefix = self._base + step.folder
                return [(self._short(key), len(model.objects[key])) for key in model.list(prefix)]
            case Delete():
                named = tuple(dict.fromkeys(self._keys[name] for name in step.names))
                model.delete(named)
                return sorted(map(self._short, named))

    def observe(self, step: Step) -> object:
        storage = self._storage
        match step:
            case Put():
                body = pattern_bytes(step.size, step.salt)
                return storage.upload(self._keys[step.name], BytesIO(body) if step.streamed else body).size
            case Look():
                key = self._keys[step.name]
                calls: dict[str, Callable[[], object]] = {
                    "download": lambda: storage.download(key),
                    "open": lambda: self._streamed(key),
                    "stat": lambda: storage.stat(key).size,
                    "exists": lambda: storage.exists(key),
                    "fetch by a new URL of": lambda: self._fetched(self._session.signed_url(key)),
                    "fetch by the first URL of": lambda: self._fetched(self._first_url(key)),
                }
                try:
                    return calls[step.way]()
                except StorageError as error:
                    if error.code is ErrorCode.NOT_FOUND:
                        return error.code
                    raise
            case List():
                # Other clauses decide the order; here each key must appear once, with its size.
                found = [(self._short(stat.key), stat.size) for stat in storage.list(self._base + step.folder)]
                return sorted(found, key=lambda row: row[0].encode())
            case Delete():
                return sorted(map(self._short, storage.delete_files([self._keys[name] for name in step.names]).deleted))

    def _first_url(self, key: str) -> str:
        if key not in self._urls:
            self._urls[key] = self._session.signed_url(key)
        return self._urls[key]

    def _fetched(self, url: str) -> object:
        response = self._session.fetch(url)
        if response.status == 404:
            return ErrorCode.NOT_FOUND
        return response.body if response.ok else response.summary

    def _streamed(self, key: str) -> bytes:
        with self._storage.open(key) as stream:
            return stream.read()

    def _short(self, key: str) -> str:
        return key.removeprefix(self._base)
