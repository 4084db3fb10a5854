"""CON-010: random sequences of S3 requests leave the same as in a plain mapping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from bucket_conformance.conformance.catalogue import also, clause
from bucket_conformance.conformance.contract import Capability, Level, Profile
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.strategies import examples
from bucket_conformance.conformance.testkit.s3_operations import (
    ABSENT,
    Abort,
    Begin,
    Complete,
    Copy,
    Create,
    Delete,
    DeleteBatch,
    Get,
    Head,
    List,
    OperationState,
    Part,
    Put,
    Range,
    Step,
    Update,
    repaired,
)
from bucket_conformance.conformance.testkit.sequences import Failed, Planner, carry_out, loss, plans
from bucket_conformance.conformance.testkit.sources import CONSISTENCY

NAMES: Final = ("a", "ab", "d/1", "d/2", "e")
FOLDERS: Final = ("", "a", "d/", "nothing")
STEPS: Final = 20

_names: Final = st.sampled_from(NAMES)
_sizes: Final = st.sampled_from([0, 1, 3, 1000])
_salts: Final = st.integers(0, 3)
_numbers: Final = st.integers(0, 5)


def _other_than(name: str) -> str:
    return next(other for other in NAMES if other != name)


class RequestPlan(Planner[Step]):
    """Single objects, batches of deletes, and listings."""

    def __init__(self) -> None:
        super().__init__()
        self.written: set[str] = set()
        """Names that were stored at least once; repeating an operation on these shows more than a first one."""

    @rule(name=_names, size=_sizes, salt=_salts)
    def put(self, name: str, size: int, salt: int) -> None:
        self.written.add(name)
        self.steps.append(Put(name, size, salt))

    @rule(name=_names)
    def get(self, name: str) -> None:
        self.steps.append(Get(name))

    @rule(name=_names)
    def head(self, name: str) -> None:
        self.steps.append(Head(name))

    @rule(name=_names, first=_numbers, more=_numbers)
    def get_range(self, name: str, first: int, more: int) -> None:
        self.steps.append(Range(name, first, first + more))

    @rule(name=_names)
    def delete(self, name: str) -> None:
        self.steps.append(Delete(name))

    @rule(names=st.lists(_names, min_size=1, max_size=4, unique=True).map(tuple))
    def delete_objects(self, names: tuple[str, ...]) -> None:
        self.steps.append(DeleteBatch(names))

    @rule(folder=st.sampled_from(FOLDERS), delimiter=st.sampled_from(["", "/"]), page=st.sampled_from([1000, 1, 2]))
    def list_(self, folder: str, delimiter: str, page: int) -> None:
        self.steps.append(List(folder, delimiter, page))


class TransferPlan(RequestPlan):
    """The same with copies made by the server, multipart uploads, and signed URLs."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[int] = []
        """Multipart uploads in progress, by the number that each was started with."""
        self.filled: set[int] = set()
        self.begun = 0

    @precondition(lambda self: self.written)
    @rule(data=st.data(), onto=_names)
    def copy(self, data: st.DataObject, onto: str) -> None:
        source = data.draw(st.sampled_from(sorted(self.written)))
        # A copy onto itself is judged by another clause.
        self.steps.append(Copy(source, onto if onto != source else _other_than(source)))

    @precondition(lambda self: self.written)
    @rule(data=st.data(), size=_sizes, salt=_salts)
    def overwrite(self, data: st.DataObject, size: int, salt: int) -> None:
        self.steps.append(Put(data.draw(st.sampled_from(sorted(self.written))), size, salt))

    @rule(name=_names)
    def get_by_url(self, name: str) -> None:
        self.steps.append(Get(name, by_url=True))

    @rule(name=_names, size=_sizes, salt=_salts)
    def put_by_url(self, name: str, size: int, salt: int) -> None:
        self.steps.append(Put(name, size, salt, by_url=True))

    @precondition(lambda self: len(self.open) < 3)
    @rule(name=_names)
    def begin(self, name: str) -> None:
        self.begun += 1
        self.open.append(self.begun)
        self.steps.append(Begin(self.begun, name))

    @precondition(lambda self: self.open)
    @rule(data=st.data(), size=st.sampled_from([1, 3, 1000]), salt=_salts)
    def part(self, data: st.DataObject, size: int, salt: int) -> None:
        number = data.draw(st.sampled_from(self.open))
        self.filled.add(number)
        self.steps.append(Part(number, size, salt))

    @precondition(lambda self: self.filled)
    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.filled)))
        self._ended(number)
        self.steps.append(Complete(number))

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def abort(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self.open))
        self._ended(number)
        self.steps.append(Abort(number))

    def _ended(self, number: int) -> None:
        self.open.remove(number)
        self.filled.discard(number)


class ConditionPlan(RequestPlan):
    """The same with conditional puts."""

    @rule(name=_names, size=_sizes, salt=_salts)
    def create(self, name: str, size: int, salt: int) -> None:
        self.steps.append(Create(name, size, salt))

    @rule(name=_names, size=_sizes, salt=_salts)
    def update(self, name: str, size: int, salt: int) -> None:
        self.steps.append(Update(name, size, salt))


PLAIN: Final[tuple[list[Step], ...]] = (
    [Get("a"), Head("a"), Range("a", 0, 1), List(""), Delete("a")],
    [Put("a", 3, 0), Range("a", 1, 5), Put("a", 1000, 1), Head("a"), Range("a", 2, 7), Delete("a"), Head("a")],
    [Put("a", 3, 0), Delete("a"), Put("a", 1, 1), List("", "/", 1), List("a")],
    [Put("a", 3, 0), Put("ab", 1, 1), List("a", "", 1), Delete("a"), List("a", "", 1)],
    [Put("d/1", 3, 0), Put("e", 1, 0), List("", "/"), DeleteBatch(("d/1", "d/2")), List("", "/"), Put("d/2", 0, 0)],
)
"""Always tried: no objects, an overwrite, a write after a delete, a similar key
listed page by page, a directory that becomes empty and is filled again."""

TRANSFERS: Final[tuple[list[Step], ...]] = (
    [
        Put("a", 3, 0),
        Copy("a", "e"),
        Put("a", 1000, 1),
        Copy("a", "e"),
        Get("e"),
        Delete("a"),
        Get("e"),
        Copy("a", "e"),
    ],
    [Put("a", 3, 0), Begin(1, "a"), Part(1, 1000, 1), Get("a"), Abort(1), Get("a")],
    [Put("a", 3, 0), Begin(1, "a"), Part(1, 3, 1), Delete("a"), Part(1, 1, 2), Complete(1), Get("a"), Delete("a")],
    [Begin(1, "a"), Begin(2, "a"), Part(1, 3, 1), Part(2, 3, 2), Complete(2), Get("a"), Complete(1), Get("a")],
    [Put("a", 3, 0, by_url=True), Get("a", by_url=True), Put("a", 1, 1), Get("a", by_url=True), Delete("a")],
)
"""Always tried: copies of changing objects, multipart uploads before a delete or in parallel, signed URLs."""

CONDITIONS: Final[tuple[list[Step], ...]] = (
    [Create("a", 3, 0), Create("a", 1, 1), Delete("a"), Create("a", 1000, 2), Get("a")],
    [Put("a", 3, 0), Head("a"), Update("a", 1, 1), Update("a", 3, 2), Delete("a"), Update("a", 3, 3), Put("a", 1, 2)],
)
"""Always tried: a create after a delete, an update with an outdated ETag."""


@clause(
    "CON-010",
    "Any sequence of S3 requests is answered, step by step, as a plain mapping would answer it.",
    level=Level.MUST,
    profile=Profile.S3,
    source=CONSISTENCY,
    proved_by=(
        "listing-misses-key-written-again",
        "copy-reads-value-before-overwrite",
        "emptied-folder-still-listed",
        "delete-drops-open-uploads",
        "create-remembers-deleted-keys",
    ),
    effort=0.3,
)
@examples("steps", PLAIN)
@given(steps=plans(RequestPlan, most=STEPS))
def test_a_sequence_of_requests_agrees_with_a_mapping(session: Session, steps: list[Step]) -> None:
    _carry_out(session, steps)


@also(
    "CON-010",
    requires={Capability.COPY, Capability.MULTIPART, Capability.SIGNED_URLS, Capability.SIGNED_UPLOADS},
    effort=0.3,
)
@examples("steps", TRANSFERS)
@given(steps=plans(TransferPlan, most=STEPS))
def test_a_sequence_with_copies_and_parts_agrees_with_a_mapping(session: Session, steps: list[Step]) -> None:
    _carry_out(session, steps)


@also("CON-010", requires={Capability.CONDITIONAL_PUT}, effort=0.2)
@examples("steps", CONDITIONS)
@given(steps=plans(ConditionPlan, most=STEPS))
def test_a_sequence_with_conditions_agrees_with_a_mapping(session: Session, steps: list[Step]) -> None:
    _carry_out(session, steps)


def _carry_out(session: Session, steps: list[Step]) -> None:
    def attempt(steps: Sequence[Step]) -> Failed | None:
        with OperationState(session) as world:
            for at, step in enumerate(steps):
                promised, observed = world.step(step)
                if observed != promised:
                    again = world.step(step)[1] if isinstance(step, Get) else None
                    return at, promised, observed, loss(promised, observed, again, absent=ABSENT)
        return None

    # At the end, read what no step of the sequence has read.
    carry_out(session, [*steps, List(""), *map(Get, NAMES)], attempt, repaired)
