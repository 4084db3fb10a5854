"""Judges one clause on one session: runs its cases, keeps the shrunk example, and returns the verdict."""

from __future__ import annotations

import functools
import time
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis.errors import Flaky, HypothesisDeprecationWarning, Unsatisfiable, UnsatisfiedAssumption

from bucket_conformance.conformance.catalogue import Case, Entry
from bucket_conformance.conformance.contract import Capability
from bucket_conformance.conformance.effort import Effort, Mode
from bucket_conformance.conformance.engine.hypothesis_internals import (
    configure,
    named_examples,
    reproducible_generation,
)
from bucket_conformance.conformance.history import Event
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.verdict import (
    Deviation,
    Inconclusive,
    Moment,
    Observation,
    Verdict,
    ViewError,
    merge,
    show,
)
from bucket_conformance.conformance.wire.exchange import Exchange
from bucket_conformance.reference_impl.errors import StorageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What shows a deviation: the smallest example found, and the exchanges of exactly that example."""

    example: str
    exchanges: tuple[Exchange, ...]
    history: tuple[Event, ...] = ()
    """Where clients acted at the same time: who did what from when to when."""
    moment: Moment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict on one clause, before it is written into a report."""

    verdict: Verdict
    duration_s: float
    requests: int
    observation: Observation | None = None
    evidence: Evidence | None = None
    reason: str = ""
    """Why it is unsupported, inconclusive, skipped or an error."""
    doubtful: bool = False
    """Whether a dead backend would give the same, though the verdict itself is none of those that say so."""


OVERLOADED: Final = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses of a server that may do better when it is left alone for a moment."""
PAUSE_S: Final = 0.5
"""Seconds for which such a server, or one that did not answer, is left alone before an example is tried again."""


class BudgetExhausted(Exception):
    """Raised when the bound on requests of the run is used up."""


def judge(entry: Entry, session: Session, effort: Effort, *, seed: int) -> Judgement:
    """Run every case of a clause whose capabilities the session has, and merge the results."""
    started, before = time.monotonic(), session.recorder.total
    runnable = [case for case in entry.cases if case.requires <= session.capabilities]
    if not runnable:
        missing = sorted({lack.value for case in entry.cases for lack in case.requires - session.capabilities})
        return Judgement(
            verdict=Verdict.UNSUPPORTED, duration_s=0.0, requests=0, reason=f"not declared: {', '.join(missing)}"
        )
    outcomes: list[Judgement] = []
    for case in runnable:
        outcome = _judge_case(case, session, effort, seed=zlib.crc32(f"{seed}:{case.name}".encode()))
        outcomes.append(outcome)
        if outcome.verdict in (Verdict.DEVIATES, Verdict.ERROR):
            break
    verdict = merge(outcome.verdict for outcome in outcomes)
    deciding = next(outcome for outcome in outcomes if outcome.verdict is verdict)
    return Judgement(
        verdict=verdict,
        duration_s=time.monotonic() - started,
        requests=session.recorder.total - before,
        observation=deciding.observation,
        evidence=deciding.evidence,
        reason=deciding.reason,
    )


class _ShrinkBudgetExhausted(BaseException):
    """The time for shrinking is used up. No ``Exception``: Hypothesis would take that for the failure to shrink on."""


@dataclass(slots=True)
class _Attempts:
    """What happened to the examples of one case so far."""

    session: Session
    effort: Effort
    named: int
    started: float = field(default_factory=time.monotonic)
    calls: int = 0
    completed: int = 0
    failed_at: float | None = None
    requests_then: int = 0
    last: tuple[Deviation, tuple[Exchange, ...], dict[str, Any]] | None = None
    given_up: str = ""
    """Why the last example that could not be tried was given up."""
    undecided: str = ""
    """Why an example could not be decided; all further ones then end alike, as shrinking that is of no use."""

    def run(self, function: Callable[..., None], kwargs: dict[str, Any]) -> None:
        """Try the example of these arguments, unless the time for generating or shrinking is used up."""
        self.calls += 1
        if self.undecided:
            raise Inconclusive(self.undecided)
        now = time.monotonic()
        if self.failed_at is None:
            # The first is always tried: on a busy machine the time may be gone before Hypothesis has made it.
            if self.calls > max(self.named, 1) and now - self.started > self.effort.case_s:
                # Passed over, not rejected: for rejected examples Hypothesis would go on looking for others.
                return
        elif now - self.failed_at > self.effort.shrink_s or self._sent_since() > self.effort.shrink_requests:
            raise _ShrinkBudgetExhausted
        recorder = self.session.recorder
        if recorder.budget is not None and recorder.total >= recorder.budget:
            raise BudgetExhausted
        self.session.keep_alive()
        recorder.clear()
        try:
            function(self.session, **kwargs)
        except (StorageError, ViewError, Deviation) as error:
            if late := next((each for each in recorder.kept() if each.timed_out), None):
                path = late.target.partition("?")[0]
                raise self._undecided(f"time ran out: {late.method} {path} was not answered ({late.error})") from error
            failure = _deviation(error)
            self._failed(failure, kwargs)
            raise failure from failure.__cause__
        except Inconclusive as reason:
            raise self._undecided(str(reason)) from reason.__cause__
        except UnsatisfiedAssumption as reason:
            self.given_up = str(reason)
            raise
        self.completed += 1

    def _undecided(self, reason: str) -> Inconclusive:
        if self.failed_at is None:
            self.undecided = reason
        return Inconclusive(reason)

    def _sent_since(self) -> int:
        return self.session.recorder.total - self.requests_then

    def _failed(self, failure: Deviation, kwargs: dict[str, Any]) -> None:
        if self.failed_at is None:
            self.failed_at = time.monotonic()
            self.requests_then = self.session.recorder.total
        self.last = (failure, tuple(self.session.recorder.kept()), kwargs)


def _deviation(error: StorageError | ViewError | Deviation) -> Deviation:
    """Return what the error says about the backend. Raise an error that may be a fault of the suite."""
    if isinstance(error, Deviation):
        return error
    if isinstance(error, ViewError) and not error.is_backends_failure:
        raise error
    promised = "the operation succeeds" if isinstance(error, StorageError) else "a plain request is answered"
    failure = Deviation(promised=promised, observed=str(error))
    failure.__cause__ = error
    return failure


def _shown(drawn: dict[str, Any], limit: int = 1000) -> str:
    return ", ".join(f"{name}={show(value, limit=limit)}" for name, value in drawn.items())


def _judge_case(case: Case, session: Session, effort: Effort, *, seed: int) -> Judgement:
    started, before = time.monotonic(), session.recorder.total

    def outcome(verdict: Verdict, **more: Any) -> Judgement:
        return Judgement(
            verdict=verdict,
            duration_s=time.monotonic() - started,
            requests=session.recorder.total - before,
            **more,
        )

    handle = getattr(case.function, "hypothesis", None)
    named = named_examples(case.function)
    attempts = _Attempts(session=session, effort=effort, named=named if handle else 1)
    try:
        if handle is None:
            attempts.run(case.function, {})
        else:
            with _instrumented(case.function, attempts) as test, reproducible_generation():
                _configured(test, case, effort, seed, named=named)(session)
    except Deviation as failure:
        return _confirm(case, attempts, failure, outcome)
    except _ShrinkBudgetExhausted:
        assert attempts.last is not None
        return _confirm(case, attempts, attempts.last[0], outcome)
    except Inconclusive as reason:
        return outcome(Verdict.INCONCLUSIVE, reason=str(reason))
    except BudgetExhausted:
        return outcome(Verdict.SKIPPED, reason=f"the run's bound of {session.recorder.budget} requests is used up")
    except Flaky:
        if attempts.undecided:
            return outcome(Verdict.INCONCLUSIVE, reason=attempts.undecided)
        if case.racy and attempts.last is not None:
            return _deviates(case, attempts, outcome)
        seen = attempts.last[0].observation.observed if attempts.last else "a failure"
        return outcome(
            Verdict.INCONCLUSIVE,
            observation=attempts.last[0].observation if attempts.last else None,
            reason=f"flaky: the same example once gave: {seen}; and once conformed",
        )
    except Unsatisfiable:
        pass  # every example was rejected; told apart below
    except Exception as error:
        return outcome(Verdict.ERROR, reason=_our_fault(error))
    if not attempts.completed:
        more = f": {attempts.given_up}" if attempts.given_up else ""
        return outcome(Verdict.INCONCLUSIVE, reason=f"no example could be tried to its end{more}")
    return outcome(Verdict.CONFORMS)


def _confirm(case: Case, attempts: _Attempts, failure: Deviation, outcome: Callable[..., Judgement]) -> Judgement:
    """Try the smallest failing example once more; a failure that does not repeat is inconclusive."""
    if attempts.last is None:
        return outcome(Verdict.DEVIATES, observation=failure.observation)
    if case.racy:
        return _deviates(case, attempts, outcome)
    first, exchanges, kwargs = attempts.last
    if any(map(_may_pass, exchanges)):
        time.sleep(PAUSE_S)
    handle = getattr(case.function, "hypothesis", None)
    function = handle.inner_test if handle is not None else case.function
    again = _Attempts(session=attempts.session, effort=attempts.effort, named=1)
    attempts.session.invalidate_shared_listing()
    try:
        with warnings.catch_warnings():
            # `assume` in a clause is at home in Hypothesis only, and says so; here it merely holds once more.
            warnings.simplefilter("ignore", HypothesisDeprecationWarning)
            again.run(function, kwargs)
    except Deviation:
        return _deviates(case, again, outcome)
    except BudgetExhausted:
        return _deviates(case, attempts, outcome)
    except Inconclusive as reason:
        return outcome(Verdict.INCONCLUSIVE, observation=first.observation, reason=str(reason))
    except Exception as error:
        return outcome(Verdict.ERROR, reason=_our_fault(error))
    return outcome(
        Verdict.INCONCLUSIVE,
        observation=first.observation,
        reason=f"flaky: {_shown(kwargs, 200) or 'the same steps'} once gave: {first.observation.observed}; "
        "and once conformed",
    )


def _may_pass(exchange: Exchange) -> bool:
    """Return whether the failure of a request may be over soon."""
    return exchange.status in OVERLOADED or (exchange.status is None and exchange.cut_after is None)


def _deviates(case: Case, attempts: _Attempts, outcome: Callable[..., Judgement]) -> Judgement:
    assert attempts.last is not None
    failure, exchanges, drawn = attempts.last
    example = failure.example or _shown(drawn)
    return outcome(
        Verdict.DEVIATES,
        observation=failure.observation,
        evidence=Evidence(example=example, exchanges=exchanges, history=failure.history, moment=_moment(case)),
    )


def _moment(case: Case) -> Moment | None:
    if not case.racy:
        return None
    killed = case.requires & {Capability.WRITER, Capability.RESTART, Capability.MIGRATION}
    return Moment.KILLED if killed else Moment.SIDE_BY_SIDE


@contextmanager
def _instrumented(function: Callable[..., None], attempts: _Attempts) -> Iterator[Callable[..., None]]:
    """Let every example of a ``@given`` function pass through ``attempts``."""
    handle = function.hypothesis  # type: ignore[attr-defined]
    inner = handle.inner_test

    @functools.wraps(inner)
    def recorded(session: Session, **drawn: Any) -> None:
        attempts.run(inner, drawn)

    handle.inner_test = recorded
    try:
        yield function
    finally:
        handle.inner_test = inner


def _configured(test: Callable[..., None], case: Case, effort: Effort, seed: int, *, named: int) -> Callable[..., None]:
    drawn = round(effort.examples * case.effort)
    phases: tuple[Phase, ...] = (Phase.explicit, Phase.generate, Phase.shrink)
    if effort.mode is Mode.QUICK and named and drawn < 2:
        # The first example that Hypothesis generates is always the simplest; the named ones cover it.
        phases = phases[:1]
    settings = hypothesis.settings(
        max_examples=max(1, drawn),
        deadline=None,
        database=None,
        derandomize=False,
        report_multiple_bugs=False,
        print_blob=False,
        verbosity=Verbosity.quiet,
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )
    configure(test, settings, seed)
    return test


def _our_fault(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = next(
        (f for f in reversed(frames) if "/conformance/" in f.filename or "/reference_impl/" in f.filename), None
    )
    where = f" at {ours.filename.rpartition('/')[2]}:{ours.lineno}" if ours else ""
    return f"{type(error).__name__}{where}: {error}"
