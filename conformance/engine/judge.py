"""Judges one clause on one session: runs its cases, keeps the shrunk example, and returns the verdict."""

from __future__ import annotations

import functools
import time
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
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
from bucket_conformance.conformance.testkit.needs import refused_need
from bucket_conformance.conformance.verdict import (
    Deviation,
    Inconclusive,
    Moment,
    NeedsRefused,
    Observation,
    Verdict,
    ViewError,
    merge,
    show,
)
from bucket_conformance.conformance.wire.exchange import OVERLOADED, Exchange
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
class Repeats:
    """A deviation that is seen in some tries of the same example only: in ``seen`` of ``tries``."""

    seen: int
    tries: int


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
    repeats: Repeats | None = None
    """How often the example showed the deviation, where not every try did."""
    further: tuple[Observation, ...] = ()
    """What other examples showed, beside the one that is kept for its harm."""
    doubtful: bool = False
    """Whether a dead backend would give the same, though the verdict itself is none of those that say so."""


PAUSES_S: Final = (0.1, 0.2, 0.5, 0.5, 0.5)
"""Pauses before an example is tried again that met an overload or a broken connection."""

MOST_TRIES: Final = 10
"""How often an example is tried in all to tell whether what it showed happens always."""
REPEAT_S: Final = 2.0
"""Seconds after which no further try is begun for that."""
MOST_CASE_S: Final = 30.0
"""Seconds after which a case that does not conform is the last: a server that stalls would stall in the others too."""
MOST_UNDECIDED: Final = 3
"""So many named examples that cannot be decided end a case."""


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
        drawn = zlib.crc32(f"{seed}:{case.name}".encode())
        outcome = _judge_case(case, session, effort, seed=drawn, clause_id=entry.clause.id)
        outcomes.append(outcome)
        open_or_worse = outcome.verdict in (Verdict.DEVIATES, Verdict.INCONCLUSIVE)
        stalls = open_or_worse and outcome.duration_s > MOST_CASE_S
        if outcome.verdict is Verdict.ERROR or stalls:
            break
    return replace(_joined(outcomes), duration_s=time.monotonic() - started, requests=session.recorder.total - before)


def _joined(outcomes: Sequence[Judgement]) -> Judgement:
    """Return the outcome that decides: of several deviations the one that does the worst harm, the first of equals."""
    verdict = merge(outcome.verdict for outcome in outcomes)
    decisive = [outcome for outcome in outcomes if outcome.verdict is verdict]
    if verdict is not Verdict.DEVIATES:
        return decisive[0]
    worst = max(decisive, key=_severity)
    seen = [each for outcome in decisive for each in (outcome.observation, *outcome.further) if each is not None]
    further = dict.fromkeys(each for each in seen if each != worst.observation)
    return replace(worst, further=tuple(further))


def _severity(outcome: Judgement) -> int:
    harm = outcome.observation.harm if outcome.observation is not None else None
    return -1 if harm is None else harm.severity


class _ShrinkBudgetExhausted(BaseException):
    """The time for shrinking is used up. No ``Exception``: Hypothesis would take that for the failure to shrink on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """A deviation, with all that it takes to show it and to try its example again."""

    deviation: Deviation
    exchanges: tuple[Exchange, ...]
    kwargs: dict[str, Any]
    names: range
    """The numbers in the names that the example got."""

    @property
    def is_clear(self) -> bool:
        """Whether what was exchanged is on record, and none of it could have another cause than the backend."""
        return bool(self.exchanges) and not any(each.is_passing_trouble for each in _final(self.exchanges))


@dataclass(slots=True)
class _Attempts:
    """What happened to the examples of one case so far."""

    session: Session
    effort: Effort
    racy: bool
    killed: bool
    """Whether the case kills a process: broken connections are then of the suite's making."""
    at_least: int = 1
    """So many examples are tried whatever the time."""
    clause_id: str = ""
    started: float = field(default_factory=time.monotonic)
    calls: int = 0
    completed: int = 0
    failed_at: float | None = None
    requests_then: int = 0
    last: _Failure | None = None
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
            if self.calls > self.at_least and now - self.started > self.effort.case_s:
                # Passed over, not rejected: for rejected examples Hypothesis would go on looking for others.
                return
        elif now - self.failed_at > self.effort.shrink_s or self._sent_since() > self.effort.shrink_requests:
            raise _ShrinkBudgetExhausted
        failures: list[_Failure] = []
        for pause in (*PAUSES_S, None):
            failure = self._tried(function, kwargs)
            if failure is None:
                self.completed += 1
                return
            failures.append(failure)
            trouble = self._trouble(failure)
            if trouble is None or _always_the_same(failures):
                self._failed(failure)
                raise failure.deviation from failure.deviation.__cause__
            if pause is None:
                raise self._undecided(f"the server had trouble in each of {len(failures)} tries: {trouble}")
            time.sleep(pause)

    def _tried(self, function: Callable[..., None], kwargs: dict[str, Any]) -> _Failure | None:
        """Try an example once; return how it failed. Raise where it cannot be decided."""
        recorder = self.session.recorder
        if recorder.budget is not None and recorder.total >= recorder.budget:
            raise BudgetExhausted
        self.session.keep_alive()
        self.session.begin_example()
        try:
            function(self.session, **kwargs)
        except (StorageError, ViewError, Deviation) as error:
            if late := next((each for each in recorder.kept() if each.timed_out), None):
                path = late.target.partition("?")[0]
                raise self._undecided(f"time ran out: {late.method} {path} was not answered ({late.error})") from error
            record = self.session.example
            failure = _Failure(
                deviation=_deviation(error), exchanges=record.exchanges, kwargs=kwargs, names=record.names
            )
            if refused := refused_need(self.session, self.clause_id, failure.deviation.observation):
                raise self._needs(refused) from error
            return failure
        except NeedsRefused as refused:
            raise self._needs(refused) from None
        except Inconclusive as reason:
            raise self._undecided(str(reason)) from reason.__cause__
        except UnsatisfiedAssumption as reason:
            self.given_up = str(reason)
            raise
        return None

    def _trouble(self, failure: _Failure) -> str | None:
        """Return the first request of a failed example whose response says nothing lasting, and that response."""
        for each in _final(failure.exchanges, all_of_them=self.racy):
            if each.is_passing_trouble and not (self.killed and each.status is None):
                response = f"{each.status or 'no response'}" + (f" ({each.error})" if each.error else "")
                return f"{each.method} {each.target.partition('?')[0]}: {response}"
        return None

    def _needs(self, refused: NeedsRefused) -> BaseException:
        """Return what to raise: while a failing example is shrunk, one that lacks something says nothing of it."""
        return refused if self.failed_at is None else Inconclusive(str(refused))

    def _undecided(self, reason: str) -> Inconclusive:
        if self.failed_at is None:
            self.undecided = reason
        return Inconclusive(reason)

    def _sent_since(self) -> int:
        return self.session.recorder.total - self.requests_then

    def _failed(self, failure: _Failure) -> None:
        if self.failed_at is None:
            self.failed_at = time.monotonic()
            self.requests_then = self.session.recorder.total
        self.last = failure


def _final(exchanges: Sequence[Exchange], *, all_of_them: bool = False) -> list[Exchange]:
    """Return the exchanges without those that were repeated at once; in a race those count too."""
    return [each for each in exchanges if all_of_them or not each.repeated]


def _always_the_same(failures: Sequence[_Failure]) -> bool:
    """Return whether the same request of the example met the same trouble each time, in two tries at least.

    That is the backend's own response to this request. An overload never is, as it depends on other requests too.
    """
    if len(failures) < 2:
        return False
    met = [
        {
            (number, each.method, each.status)
            for number, each in enumerate(_final(failure.exchanges))
            if each.is_passing_trouble and each.status not in _PASSING
        }
        for failure in failures
    ]
    return bool(set.intersection(*met)) and not any(
        each.is_passing_trouble and each.status in _PASSING for each in _final(failures[-1].exchanges)
    )


_PASSING: Final = OVERLOADED - {500}


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


def _judge_case(case: Case, session: Session, effort: Effort, *, seed: int, clause_id: str) -> Judgement:
    started, before = time.monotonic(), session.recorder.total
    judging = _CaseJudging(case=case, session=session, effort=effort, clause_id=clause_id)

    def timed(judgement: Judgement) -> Judgement:
        return replace(judgement, duration_s=time.monotonic() - started, requests=session.recorder.total - before)

    named = named_examples(case.function) if judging.generates else [{}]
    outcomes = judging.named(named)
    if outcomes:
        return timed(_joined(outcomes))
    drawn = round(effort.examples * case.effort)
    # The first example that Hypothesis generates is always the simplest; the named ones cover it.
    if judging.generates and not (effort.mode is Mode.QUICK and named and drawn < 2):
        return timed(judging.generated(drawn, seed, started=started, at_least=0 if named else 1))
    return timed(judging.conforms())


@dataclass(slots=True, kw_only=True)
class _CaseJudging:
    """Runs the examples of one case. Its judgements are without time and number of requests."""

    case: Case
    session: Session
    effort: Effort
    clause_id: str
    completed: int = 0
    given_up: str = ""

    @property
    def generates(self) -> bool:
        """Whether the case has generated data."""
        return hasattr(self.case.function, "hypothesis")

    @property
    def function(self) -> Callable[..., None]:
        """The body of the case, which takes the session and the data."""
        body = getattr(self.case.function, "hypothesis", None)
        return self.case.function if body is None else body.inner_test

    def named(self, examples: Sequence[dict[str, Any]]) -> list[Judgement]:
        """Try every named example, also after one that failed; return what is not conforming.

        After a failure they have the time and the requests that shrinking would have.
        """
        found: list[Judgement] = []
        undecided: list[Judgement] = []
        lacking: list[Judgement] = []
        ends, most = 0.0, 0
        for kwargs in examples:
            if found and (time.monotonic() > ends or self.session.recorder.total > most):
                break
            attempts = self._attempts()
            try:
                with _outside_of_hypothesis():
                    attempts.run(self.function, kwargs)
            except UnsatisfiedAssumption:
                self.given_up = attempts.given_up
            except NeedsRefused as refused:
                lacking.append(_judgement(Verdict.UNSUPPORTED, reason=str(refused)))
            except Exception as error:
                stalled = time.monotonic() - attempts.started > MOST_CASE_S
                judgement = self._ended(error, attempts)
                if judgement.verdict not in (Verdict.DEVIATES, Verdict.INCONCLUSIVE):
                    return [*found, judgement] if judgement.verdict is Verdict.ERROR or not found else found
                if not found:
                    ends = time.monotonic() + self.effort.shrink_s
                    most = self.session.recorder.total + self.effort.shrink_requests
                (found if judgement.verdict is Verdict.DEVIATES else undecided).append(judgement)
                if stalled or len(undecided) == MOST_UNDECIDED:
                    break  # it would wait for the server at each example
            self.completed += attempts.completed
        return found or undecided or lacking[:1]

    def generated(self, drawn: int, seed: int, *, started: float, at_least: int) -> Judgement:
        """Try generated examples, and shrink the first that fails."""
        attempts = self._attempts(started=started, at_least=at_least)
        try:
            with _instrumented(self.case.function, attempts) as test, reproducible_generation():
                _configured(test, self.effort, seed, drawn=drawn)(self.session)
        except Unsatisfiable:
            pass  # every example was rejected; told apart below
        except NeedsRefused as refused:
            return _judgement(Verdict.UNSUPPORTED, reason=str(refused))
        except (Exception, _ShrinkBudgetExhausted) as error:
            return self._ended(error, attempts)
        self.completed += attempts.completed
        self.given_up = attempts.given_up or self.given_up
        return self.conforms()

    def conforms(self) -> Judgement:
        """Return the judgement where nothing failed."""
        if not self.completed:
            more = f": {self.given_up}" if self.given_up else ""
            return _judgement(Verdict.INCONCLUSIVE, reason=f"no example could be tried to its end{more}")
        return _judgement(Verdict.CONFORMS)

    def _attempts(self, **more: Any) -> _Attempts:
        return _Attempts(
            session=self.session,
            effort=self.effort,
            racy=self.case.racy,
            killed=_is_killed(self.case),
            clause_id=self.clause_id,
            **more,
        )

    def _ended(self, error: BaseException, attempts: _Attempts) -> Judgement:
        """Return the judgement for examples that ended with this error."""
        if isinstance(error, Deviation | _ShrinkBudgetExhausted | Flaky) and attempts.last is not None:
            return self._settled(attempts.last)
        if isinstance(error, Inconclusive):
            return _judgement(Verdict.INCONCLUSIVE, reason=str(error))
        if isinstance(error, BudgetExhausted):
            budget = self.session.recorder.budget
            return _judgement(Verdict.SKIPPED, reason=f"the run's bound of {budget} requests is used up")
        if isinstance(error, Flaky) and attempts.undecided:
            return _judgement(Verdict.INCONCLUSIVE, reason=attempts.undecided)
        return _judgement(Verdict.ERROR, reason=_our_fault(error))

    def _settled(self, first: _Failure) -> Judgement:
        """Try a failed example again, with the same data and names, and return the judgement.

        What was seen once, with the whole exchange on record, is a deviation: one that need not happen each time. Where
        nothing is on record, or something else than the backend may be the cause, it has to happen again.
        """
        if self.case.racy:
            return self._deviates(first)
        tries = seen = 1
        ends = time.monotonic() + REPEAT_S
        # Another clause may have damaged it.
        from_shared = self.session.is_of_shared_listing(first.exchanges)
        proves = first.is_clear and not from_shared
        self.session.invalidate_shared_listing()
        while tries == 1 or (proves and tries < MOST_TRIES and time.monotonic() < ends):
            attempts = self._attempts()
            try:
                with _outside_of_hypothesis(), self._same_names(first):
                    attempts.run(self.function, first.kwargs)
            except BudgetExhausted:
                proves = True
                break
            except (Inconclusive, NeedsRefused) as reason:
                if not proves:
                    return _judgement(Verdict.INCONCLUSIVE, observation=first.deviation.observation, reason=str(reason))
                break
            except Deviation:
                seen += 1
            except Exception as error:
                if not proves:
                    return _judgement(Verdict.ERROR, reason=_our_fault(error))
                break
            tries += 1
            if seen == tries:
                break  # as far as can be seen it happens each time
        # The first is shown, not a later one: under the same names a backend may remember what was there before.
        if seen == tries:
            return self._deviates(first)
        if proves:
            return replace(self._deviates(first), repeats=Repeats(seen=seen, tries=tries))
        return _judgement(
            Verdict.INCONCLUSIVE,
            observation=first.deviation.observation,
            reason=f"flaky: {_shown(first.kwargs, 200) or 'the same steps'} once gave: "
            f"{first.deviation.observation.observed}; and once conformed",
        )

    @contextmanager
    def _same_names(self, failure: _Failure) -> Iterator[None]:
        """Let an example get the names that it had before, where what it stored there can be removed."""
        if not failure.exchanges or Capability.WIRE not in self.session.capabilities:
            yield
            return
        self.session.remove_stored(failure.exchanges)
        with self.session.same_names(failure.names):
            yield

    def _deviates(self, failure: _Failure) -> Judgement:
        deviation = failure.deviation
        return _judgement(
            Verdict.DEVIATES,
            observation=deviation.observation,
            evidence=Evidence(
                example=deviation.example or _shown(failure.kwargs),
                exchanges=tuple(_final(failure.exchanges)),
                history=deviation.history,
                moment=_moment(self.case),
            ),
        )


def _judgement(verdict: Verdict, **more: Any) -> Judgement:
    return Judgement(verdict=verdict, duration_s=0.0, requests=0, **more)


@contextmanager
def _outside_of_hypothesis() -> Iterator[None]:
    """Silence the warning of ``assume`` that it is used outside of Hypothesis."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HypothesisDeprecationWarning)
        yield


def _is_killed(case: Case) -> bool:
    """Return whether the case kills a process: connections then break because of that."""
    return case.racy and bool(case.requires & {Capability.WRITER, Capability.RESTART, Capability.MIGRATION})


def _moment(case: Case) -> Moment | None:
    if not case.racy:
        return None
    return Moment.KILLED if _is_killed(case) else Moment.SIDE_BY_SIDE


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


def _configured(test: Callable[..., None], effort: Effort, seed: int, *, drawn: int) -> Callable[..., None]:
    settings = hypothesis.settings(
        max_examples=max(1, drawn),
        deadline=None,
        database=None,
        derandomize=False,
        report_multiple_bugs=False,
        print_blob=False,
        verbosity=Verbosity.quiet,
        # The named examples were tried before.
        phases=(Phase.generate, Phase.shrink),
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
