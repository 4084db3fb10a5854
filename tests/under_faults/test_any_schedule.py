"""The S3 storage under any schedule of faults: whatever it reports is true. Failures shrink to few steps."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests.under_faults.bucket import LOCKED, SMALL_PART, World, small_sizes
from tests.under_faults.judging import FAST_FAULTS, Judge
from tests.under_faults.proxy import Fault, Step

EXAMPLES: Final = int(os.environ.get("CONFORMANCE_FAULT_EXAMPLES", "80"))
"""Schedules per property; set the variable to thousands for a long search."""

KEYS: Final = ("a", "a/b", "ab", "é", f"{LOCKED}a", f"{LOCKED}b")
Operation = Callable[[Judge], None]

steps = st.builds(
    Step,
    fault=st.sampled_from(FAST_FAULTS),
    at=st.sampled_from([0, 1, 500, 900, 999]) | st.integers(0, 999),
)
schedules = st.lists(steps, max_size=12)
keys = st.sampled_from(KEYS)
bodies = st.binary(max_size=40) | st.integers(1, 2500).map(lambda size: bytes(i * 7 % 256 for i in range(size)))


class Call:
    """One call of the judge, with a repr that is readable in a shrunk example."""

    def __init__(self, name: str, *arguments: object, **options: object) -> None:
        self._name, self._arguments, self._options = name, arguments, options

    def __call__(self, judge: Judge) -> None:
        getattr(judge, self._name)(*self._arguments, **self._options)

    def __repr__(self) -> str:
        shown = [repr(value)[:60] for value in self._arguments]
        return f"{self._name}({', '.join([*shown, *(f'{name}={value}' for name, value in self._options.items())])})"


uploads = st.builds(Call, st.just("upload"), keys, bodies)
streams = st.builds(
    Call,
    st.just("upload"),
    keys,
    st.sampled_from([0, 1, SMALL_PART - 1, SMALL_PART, SMALL_PART + 1, 2 * SMALL_PART, 3 * SMALL_PART + 5]).map(
        lambda size: bytes(i * 11 % 256 for i in range(size))
    ),
    as_stream=st.just(True),
    breaks_at=st.none() | st.sampled_from([0, 1, SMALL_PART, 2 * SMALL_PART + 1]),
)
reads = (
    st.builds(Call, st.just("download"), keys)
    | st.builds(Call, st.just("open"), keys, st.sampled_from([1, 100, 10_000]))
    | st.builds(Call, st.just("stat"), keys)
    | st.builds(Call, st.just("list"), st.sampled_from(["", "a", LOCKED, "none"]))
)
deletes = st.builds(Call, st.just("delete"), st.lists(keys, max_size=7))


@pytest.fixture(scope="module", autouse=True)
def _cheap() -> Iterator[None]:
    with small_sizes():
        yield


def run(bucket: World, calls: list[Call], schedule: list[Step], *, read_timeout_s: float = 10.0) -> Judge:
    bucket.start(
        {"a": b"old " * 300, "a/b": b"old", f"{LOCKED}a": b"kept", f"{LOCKED}b": b"kept too", "z": b"", "zz": b"1"}
    )
    judge = Judge(world=bucket, storage=bucket.storage(part_size=SMALL_PART, read_timeout_s=read_timeout_s))
    bucket.proxy.plan(schedule)
    for call in calls:
        call(judge)
    return judge


searching = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)


@searching
@given(calls=st.lists(uploads | streams, min_size=1, max_size=3), schedule=schedules)
@example(calls=[Call("upload", "a", bytes(3005), as_stream=True)], schedule=[Step(fault=Fault.CUT_ANSWER)])
@example(
    calls=[Call("upload", "a", bytes(1001), as_stream=True)],
    schedule=[Step(), Step(), Step(), Step(fault=Fault.RESET_AFTER), Step(fault=Fault.CUT_ANSWER)],
)
@example(
    calls=[Call("upload", "a", bytes(1001), as_stream=True)],
    schedule=[Step(), Step(), Step(), Step(fault=Fault.RESET_AFTER), Step(fault=Fault.SHORT_LENGTH, at=500)],
)
def test_after_a_successful_upload_the_value_is_stored_and_after_a_failed_one_it_is_old_or_new(
    bucket: World, calls: list[Call], schedule: list[Step]
) -> None:
    run(bucket, calls, schedule)


@searching
@given(calls=st.lists(reads, min_size=1, max_size=4), schedule=schedules)
@example(calls=[Call("list", "")], schedule=[Step(fault=Fault.CUT_ANSWER)])
@example(calls=[Call("download", "a")], schedule=[Step(fault=Fault.SHORT_LENGTH, at=500)])
@example(calls=[Call("download", "a/b")], schedule=[Step(fault=Fault.CUT_HEAD, at=at) for at in (687, 900)])
def test_a_read_returns_the_stored_bytes_or_an_error(bucket: World, calls: list[Call], schedule: list[Step]) -> None:
    run(bucket, calls, schedule)


@searching
@given(calls=st.lists(deletes, min_size=1, max_size=3), schedule=schedules)
def test_delete_reports_each_key_correctly_as_deleted_refused_or_unknown(
    bucket: World, calls: list[Call], schedule: list[Step]
) -> None:
    run(bucket, calls, schedule)


@searching
@given(calls=st.lists(uploads | streams | reads | deletes, min_size=2, max_size=6), schedule=schedules)
def test_sequences_of_operations_agree_with_the_server(bucket: World, calls: list[Call], schedule: list[Step]) -> None:
    run(bucket, calls, schedule)
