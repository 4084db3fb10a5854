"""Tries one fault against every clause, in a separate process: which clauses notice it, and how soon."""

from __future__ import annotations

import signal
import time
from collections.abc import Container, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from types import FrameType
from typing import Any, Final, Self

from bucket_conformance.conformance.catalogue import Entry, entries
from bucket_conformance.conformance.contract import Profile
from bucket_conformance.conformance.effort import EFFORTS, Effort, Mode
from bucket_conformance.conformance.engine.judge import judge
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.verdict import Verdict
from tests.bench import FOUND_BY_CHANCE, every_fault, on_disk, on_exemplar, under
from tests.faults.local_faults import StorageFault

GOOD_SERVER: Final = "(no fault, server)"
GOOD_FOLDER: Final = "(no fault, folder)"
BASELINES: Final = (GOOD_SERVER, GOOD_FOLDER)
"""The good stores themselves: a clause that fails on one of them would kill every fault and prove nothing."""

TOO_LONG: Final = "too long"

_quick = EFFORTS[Mode.QUICK]
EFFORT: Final = Effort(mode=Mode.QUICK, examples=_quick.examples, case_s=_quick.case_s, shrink_s=0.0)
"""The effort of a quick run, without the search for the smallest example: any example is enough here."""


class OutOfTime(BaseException):
    """Raised if a clause takes too long. Not an ``Exception``: neither judge nor clause may turn it into a verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The verdicts of the clauses under one fault. Times in seconds, counted from the first clause.

    ``killers``: the clauses that deviate, in the order tried: the clauses that the fault is meant for first.
    ``undecided``: the other outcomes (``inconclusive``, ``error``, ``too long``), by clause.
    """

    fault: str
    killers: tuple[str, ...]
    first_kill_s: float | None
    tried: tuple[str, ...]
    duration_s: float
    undecided: dict[str, str] = field(default_factory=dict)
    failure: str = ""
    """Why nothing could be tried."""

    def as_data(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Self:
        return cls(**{**data, "killers": tuple(data["killers"]), "tried": tuple(data["tried"])})

    def joined(self, later: Trial) -> Trial:
        """Return this trial together with one of further clauses under the same fault."""
        return replace(
            self,
            killers=self.killers + later.killers,
            first_kill_s=later.first_kill_s if self.first_kill_s is None else self.first_kill_s,
            tried=self.tried + later.tried,
            duration_s=round(self.duration_s + later.duration_s, 2),
            undecided={**self.undecided, **later.undecided},
            failure=later.failure,
        )


def in_order(fault_id: str, besides: Container[str] = (), *, near: bool = False) -> list[Entry]:
    """Return the clauses to try, those first that the fault is meant for, without those of ``besides``.

    ``near``: only clauses of the families that the fault is meant for, or that name it as their proof.
    A fault of the storage class in front of a good server cannot affect clauses that send requests to the server only.
    """
    known = entries()
    fault = None if fault_id in BASELINES else every_fault()[fault_id]
    chosen = [entry for id, entry in known.items() if id not in besides]
    if fault is None:
        return chosen
    if isinstance(fault, StorageFault) and fault.on == "s3":
        chosen = [entry for entry in chosen if entry.clause.profile is Profile.CORE or entry.clause.id in fault.breaks]
    if near:
        families = {id.partition("-")[0] for id in fault.breaks}
        families |= {entry.clause.family for entry in chosen if fault_id in entry.proved_by}
        chosen = [entry for entry in chosen if entry.clause.family in families]
    return sorted(chosen, key=lambda entry: (fault_id not in entry.proved_by, entry.clause.id not in fault.breaks))


def try_fault(fault_id: str, *, cap_s: float, besides: Container[str] = (), near: bool = False, seed: int = 1) -> Trial:
    """Judge the clauses one after another under a fault; a clause may take ``cap_s`` seconds."""
    killers: list[str] = []
    undecided: dict[str, str] = {}
    first: float | None = None
    clauses = in_order(fault_id, besides, near=near)
    started = time.monotonic()
    try:
        with _Opened(fault_id, cap_s) as opened:
            started = time.monotonic()
            for entry in clauses:
                id = entry.clause.id
                try:
                    with at_most(cap_s):
                        verdict = judge(entry, opened.session, EFFORT, seed=seed).verdict
                        if verdict is Verdict.CONFORMS and id in FOUND_BY_CHANCE and fault_id in entry.proved_by:
                            verdict = judge(entry, opened.session, EFFORTS[Mode.DEFAULT], seed=seed + 1).verdict
                except OutOfTime:
                    undecided[id] = TOO_LONG
                    opened.again()
                    continue
                if verdict is Verdict.DEVIATES:
                    first = time.monotonic() - started if first is None else first
                    killers.append(id)
                elif verdict not in (Verdict.CONFORMS, Verdict.UNSUPPORTED):
                    undecided[id] = verdict.value
    except Exception as error:
        failure = f"{type(error).__name__}: {error}"
    else:
        failure = ""
    return Trial(
        fault=fault_id,
        killers=tuple(killers),
        first_kill_s=None if first is None else round(first, 3),
        tried=tuple(entry.clause.id for entry in clauses) if not failure else (),
        duration_s=round(time.monotonic() - started, 2),
        undecided=undecided,
        failure=failure,
    )


class _Opened:
    """The session under the fault; it is opened again after a clause had to be interrupted."""

    def __init__(self, fault_id: str, cap_s: float) -> None:
        self._fault_id = fault_id
        self._cap_s = cap_s
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        context = {GOOD_SERVER: on_exemplar, GOOD_FOLDER: on_disk}.get(self._fault_id)
        opening = context() if context else under(every_fault()[self._fault_id])
        self.session: Session = self._stack.enter_context(opening)
        return self

    def __exit__(self, *_: object) -> None:
        # A session that hangs under a fault may also hang when it is closed.
        try:
            with at_most(self._cap_s):
                self._stack.close()
        except OutOfTime:
            pass

    def again(self) -> None:
        self.__exit__()
        self._stack = ExitStack()
        self.__enter__()


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise :class:`OutOfTime` in the block after so many seconds; only in a main thread."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
