"""The proven harm of a violation: only the final state, or a value that was served as complete, counts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from bucket_conformance.conformance.backend.opening import open_session
from bucket_conformance.conformance.contract import Harm
from bucket_conformance.conformance.history import Event, Op, Response
from bucket_conformance.conformance.target import DiskRoot
from bucket_conformance.conformance.testkit.history_harm import harm_of
from bucket_conformance.conformance.verdict import Verdict
from bucket_conformance.reference_impl.api import DeleteResult, ObjectStat, Storage
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from tests.bench import decide
from tests.conformance.test_history import delete, event, get, put
from tests.faults.local_faults import WrappedStorage

TORN = "4 bytes nobody wrote"


def create(client: int, span: tuple[float, float], value: str) -> Event:
    return event(client, Op.CREATE, span, value)


def swap(client: int, span: tuple[float, float], expected: str, value: str) -> Event:
    return event(client, Op.SWAP, span, value, expected=expected)


OVERWRITTEN = [put(0, (0, 1), "x"), put(0, (2, 3), "y")]


@pytest.mark.parametrize(
    ("found", "stands", "harm"),
    [
        pytest.param([*OVERWRITTEN, get(1, (2, 3), TORN)], "y", Harm.SERVES_WRONG_DATA, id="a reader got half a value"),
        pytest.param([*OVERWRITTEN, get(1, (2, 3), TORN)], TORN, Harm.STORES_WRONG_DATA, id="half a value stands"),
        pytest.param([*OVERWRITTEN, get(1, (4, 5), "x")], "y", None, id="an old value was read once"),
        pytest.param([*OVERWRITTEN, get(1, (4, 5), "x")], "x", Harm.LOSES_DATA, id="the old value stands"),
        pytest.param([*OVERWRITTEN, get(1, (4, 5), None)], None, Harm.LOSES_DATA, id="nothing stands"),
        pytest.param(
            [put(0, (0, 1), "x"), delete(0, (2, 3)), get(1, (4, 5), "x")], "x", None, id="back after its delete"
        ),
        pytest.param([create(0, (0, 1), "x"), create(1, (2, 3), "y")], "y", Harm.LOSES_DATA, id="two creators won"),
        pytest.param(
            [put(0, (0, 1), "x"), swap(1, (2, 3), "x", "y"), swap(2, (2, 3), "x", "z")],
            "z",
            Harm.LOSES_DATA,
            id="two updates of one value won",
        ),
        pytest.param(
            [put(0, (0, 1), "x"), delete(0, (2, 3)), swap(1, (4, 5), "x", "y")], "y", None, id="an update of nothing"
        ),
        pytest.param([*OVERWRITTEN, event(1, Op.HEAD, (2, 3), TORN)], "y", None, id="a size that nobody wrote"),
        pytest.param(
            [put(0, (0, 1), "x"), put(1, (2, 3), "y", response=Response.UNKNOWN), get(2, (4, 5), None)],
            "x",
            None,
            id="an upload without an answer need not stand",
        ),
    ],
)
def test_the_harm_is_what_surely_happened(found: list[Event], stands: str | None, harm: Harm | None) -> None:
    assert harm_of(found, found, lambda: stands, settle_s=0) is harm


def test_what_stands_may_lag_a_moment() -> None:
    looks: Iterator[str] = iter(["x", "x", "y"])
    assert harm_of([*OVERWRITTEN, get(1, (4, 5), "x")], OVERWRITTEN, lambda: next(looks)) is None
    assert next(looks, "used up") == "used up"


def test_a_look_that_tells_nothing_proves_no_loss() -> None:
    def fails() -> str | None:
        raise LookupError("503")

    assert harm_of([get(1, (4, 5), "x")], OVERWRITTEN, fails, settle_s=0) is None
    assert harm_of([get(1, (2, 3), TORN)], OVERWRITTEN, fails, settle_s=0) is Harm.SERVES_WRONG_DATA


class TearsTheNextRead(WrappedStorage):
    """The first download after an upload gets half of it; the object itself is whole."""

    def __init__(self, inner: Storage) -> None:
        super().__init__(inner)
        self._fresh: set[str] = set()
        self._lock = threading.Lock()

    def upload(self, key: str, body: bytes | BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        stored = super().upload(key, body, content_type=content_type)
        with self._lock:
            self._fresh.add(key)
        return stored

    def download(self, key: str) -> bytes:
        body = super().download(key)
        with self._lock:
            torn = key in self._fresh
            self._fresh.discard(key)
        return body[: len(body) // 2] if torn else body


class StoresHalf(WrappedStorage):
    """Keeps only half of each upload, permanently."""

    def upload(self, key: str, body: bytes | BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        whole = body if isinstance(body, bytes) else body.read()
        return super().upload(key, whole[: len(whole) // 2], content_type=content_type)

    def delete_files(self, keys: Iterable[str]) -> DeleteResult:
        return DeleteResult(deleted=tuple(keys))


class TakesNothing(WrappedStorage):
    """Fails every upload with an ambiguous error."""

    def upload(self, key: str, body: bytes | BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        raise StorageError(ErrorCode.UNKNOWN, "upload", key, "411")


def test_a_history_in_which_nothing_was_stored_shows_nothing(tmp_path: Path) -> None:
    with open_session(DiskRoot(root=tmp_path, wrap=TakesNothing)) as session:
        judgement = decide("CON-005", session)
    assert judgement.verdict is Verdict.INCONCLUSIVE, judgement
    assert "uploads got a clear answer" in judgement.reason


@pytest.mark.parametrize(
    ("store", "harm"), [(TearsTheNextRead, Harm.SERVES_WRONG_DATA), (StoresHalf, Harm.STORES_WRONG_DATA)]
)
def test_the_judged_clause_tells_the_harm(tmp_path: Path, store: Callable[[Storage], Storage], harm: Harm) -> None:
    with open_session(DiskRoot(root=tmp_path, wrap=store)) as session:
        judgement = decide("CON-005", session)
    assert judgement.verdict is Verdict.DEVIATES, judgement
    assert judgement.observation is not None
    assert judgement.observation.harm is harm, judgement.observation
