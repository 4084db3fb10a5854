"""How a clause is decided: examples, shrinking, time, repetition, budgets, failures of the suite itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.internal.conjecture import providers

from bucket_conformance.conformance.backend.opening import open_session
from bucket_conformance.conformance.catalogue import Case, Entry
from bucket_conformance.conformance.contract import Capability, Clause, Level, Profile
from bucket_conformance.conformance.effort import EFFORTS, Effort, Mode, deep
from bucket_conformance.conformance.engine.judge import Judgement, judge
from bucket_conformance.conformance.engine.run import Plan, judge_all, run
from bucket_conformance.conformance.report.document import Footer, Result
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.strategies import only_if
from bucket_conformance.conformance.target import S3Endpoint
from bucket_conformance.conformance.verdict import Deviation, Inconclusive, Moment, Verdict, ViewError, compare, require
from bucket_conformance.conformance.wire.exchange import Exchange
from bucket_conformance.conformance.wire.health import Health
from bucket_conformance.conformance.wire.transport import HttpResponse
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from tests.bench import on_disk, on_exemplar
from tests.exemplar.server import Exemplar

QUICK = EFFORTS[Mode.QUICK]
DEFAULT = EFFORTS[Mode.DEFAULT]


def entry(*functions: Callable[..., None], racy: bool = False, requires: Capability | None = None) -> Entry:
    data = Clause(id="TST-001", statement="It holds.", level=Level.MUST, profile=Profile.CORE, sources=("x",))
    needs = frozenset({requires}) if requires else frozenset[Capability]()
    cases = [
        Case(function=function, requires=needs, effort=1.0, racy=racy, name=f"m.{number}.{function.__name__}")
        for number, function in enumerate(functions)
    ]
    return Entry(clause=data, proved_by=("a-fault",), cases=cases)


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with on_disk() as opened:
        yield opened


def decided(session: Session, function: Callable[..., None], effort: Effort = DEFAULT, **more: Any) -> Judgement:
    return judge(entry(function, **more), session, effort, seed=1)


def test_a_clause_without_data_is_run_once(session: Session) -> None:
    calls = []
    assert decided(session, lambda session: calls.append(1)).verdict is Verdict.CONFORMS
    assert len(calls) == 1


def test_named_examples_are_tried_first_and_all_of_them_whatever_the_time(session: Session) -> None:
    seen: list[int] = []

    @example(number=1)
    @example(number=2)
    @example(number=3)
    @given(number=st.integers(100, 200))
    def clause(session: Session, number: int) -> None:
        seen.append(number)

    hurried = replace(QUICK, case_s=-1.0)
    assert decided(session, clause, hurried).verdict is Verdict.CONFORMS
    assert sorted(seen) == [1, 2, 3]
    seen.clear()
    assert decided(session, clause).verdict is Verdict.CONFORMS
    assert sorted(seen[:3]) == [1, 2, 3]
    assert all(100 <= number <= 200 for number in seen[3:])
    assert len(seen) > 10


def test_generated_data_depends_on_the_seed_and_not_on_loaded_modules(session: Session) -> None:
    seen: list[str] = []

    @given(text=st.text())
    def clause(session: Session, text: str) -> None:
        seen.append(text)

    with mock.patch.object(providers, "_get_local_constants", wraps=providers._get_local_constants) as looks_at_modules:
        assert decided(session, clause, replace(DEFAULT, examples=300)).verdict is Verdict.CONFORMS
        assert looks_at_modules.call_count == 0
        given(text=st.text())(lambda text: None)()
    assert looks_at_modules.call_count > 0, "this release looks elsewhere, and must be kept from that another way"
    assert len(seen) > 200


def test_one_generated_example_is_tried_even_when_the_time_is_up_before_it(session: Session) -> None:
    seen: list[int] = []

    @given(number=st.integers(100, 200))
    def clause(session: Session, number: int) -> None:
        seen.append(number)

    assert decided(session, clause, replace(QUICK, case_s=-1.0)).verdict is Verdict.CONFORMS
    assert len(seen) == 1


def test_the_reason_why_no_example_was_tried_is_reported(session: Session) -> None:
    @given(number=st.integers(1, 3))
    def clause(session: Session, number: int) -> None:
        only_if(False, "the server takes no such key")

    judgement = decided(session, clause)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.reason.endswith("the server takes no such key")


def test_a_failing_example_is_shrunk_to_the_smallest_and_shown_with_its_exchanges(session: Session) -> None:
    @given(numbers=st.lists(st.integers(0, 1000)))
    def clause(session: Session, numbers: list[int]) -> None:
        session.recorder.add(Exchange(origin="wire", method="GET", target=f"/{sum(numbers)}"))
        compare(sum(numbers) > 100, False, "sum over 100")

    judgement = decided(session, clause, replace(DEFAULT, examples=200, case_s=30, shrink_s=30))
    assert judgement.verdict is Verdict.DEVIATES
    assert judgement.evidence is not None
    assert judgement.evidence.example == "numbers=[101]"
    assert [exchange.target for exchange in judgement.evidence.exchanges] == ["/101"]
    assert judgement.observation is not None
    assert judgement.observation.observed == "sum over 100: True"


def test_shrinking_ends_with_its_time_and_still_shows_an_example_that_fails(session: Session) -> None:
    @given(text=st.text(min_size=20))
    def clause(session: Session, text: str) -> None:
        require(len(text) < 5, promised="short", observed=f"{len(text)}")

    judgement = decided(session, clause, replace(DEFAULT, shrink_s=0.0))
    assert judgement.verdict is Verdict.DEVIATES
    assert judgement.evidence is not None
    assert len(judgement.evidence.example) >= 20


def test_shrinking_ends_with_its_requests(session: Session) -> None:
    @given(numbers=st.lists(st.integers(0, 1000), min_size=20))
    def clause(session: Session, numbers: list[int]) -> None:
        for number in numbers:
            session.recorder.add(Exchange(origin="wire", method="GET", target=f"/{number}"))
        require(sum(numbers) < 2000, promised="small", observed="large")

    judgement = decided(session, clause, replace(DEFAULT, examples=200, case_s=60, shrink_s=60, shrink_requests=50))
    assert judgement.verdict is Verdict.DEVIATES
    found = judgement.requests
    free = decided(session, clause, replace(DEFAULT, examples=200, case_s=60, shrink_s=60, shrink_requests=2000))
    # The example that passes the bound, and the one that is tried once more, are long ones.
    assert found + 500 < free.requests


def test_a_quick_run_draws_only_where_it_would_draw_more_than_the_simplest_example(session: Session) -> None:
    seen: list[int] = []

    @given(number=st.integers(100, 200))
    def drawn(session: Session, number: int) -> None:
        seen.append(number)

    lone = replace(QUICK, examples=1)
    assert decided(session, drawn, lone).verdict is Verdict.CONFORMS
    assert seen == [100]
    seen.clear()
    assert decided(session, example(number=1)(drawn), lone).verdict is Verdict.CONFORMS
    assert seen == [1]


def test_a_named_example_that_fails_is_shown_as_it_is(session: Session) -> None:
    @example(number=7)
    @given(number=st.integers(100, 200))
    def clause(session: Session, number: int) -> None:
        require(number != 7, promised="not 7", observed="7")

    judgement = decided(session, clause)
    assert judgement.verdict is Verdict.DEVIATES
    assert judgement.evidence is not None
    assert judgement.evidence.example == "number=7"


def test_the_same_seed_generates_the_same_data_and_another_seed_other_data(session: Session) -> None:
    seen: list[int] = []

    @given(number=st.integers(0, 2**64))
    def clause(session: Session, number: int) -> None:
        seen.append(number)

    drawn = []
    for seed in (5, 5, 6):
        seen.clear()
        judge(entry(clause), session, replace(DEFAULT, case_s=30), seed=seed)
        drawn.append(list(seen))
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


def test_a_deviation_that_does_not_repeat_is_inconclusive_and_reported_as_flaky(session: Session) -> None:
    times = iter(range(100))

    def clause(session: Session) -> None:
        require(next(times) > 0, promised="always", observed="not the first time")

    judgement = decided(session, clause)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.observation is not None
    assert "not the first time" in judgement.reason
    assert "once conformed" in judgement.reason


def test_generated_data_that_fails_only_sometimes_is_inconclusive(session: Session) -> None:
    seen: set[int] = set()

    @given(number=st.integers(0, 2**32))
    def clause(session: Session, number: int) -> None:
        fresh = number not in seen
        seen.add(number)
        require(not fresh or number < 1000, promised="always", observed="a first time")

    judgement = decided(session, clause)
    assert judgement.verdict is Verdict.INCONCLUSIVE, judgement
    assert "a first time" in judgement.reason


def test_one_violation_of_a_racy_clause_is_proof(session: Session) -> None:
    times, given_times = iter(range(100)), iter(range(1000))

    def plain(session: Session) -> None:
        require(next(times) > 0, promised="never torn", observed="torn once")

    @given(number=st.integers())
    def drawn(session: Session, number: int) -> None:
        require(next(given_times) != 3, promised="never torn", observed="torn in the fourth")

    assert decided(session, plain, racy=True).verdict is Verdict.DEVIATES
    judgement = decided(session, drawn, racy=True)
    assert judgement.verdict is Verdict.DEVIATES, judgement
    assert judgement.observation is not None
    assert judgement.observation.observed == "torn in the fourth"
    assert judgement.evidence is not None
    assert judgement.evidence.moment is Moment.SIDE_BY_SIDE


def test_the_evidence_says_where_requests_alone_do_not_bring_a_deviation_back() -> None:
    def clause(session: Session) -> None:
        compare(1, 2)

    with on_exemplar() as session:
        killed = decided(session, clause, racy=True, requires=Capability.RESTART)
        plain = decided(session, clause)
    assert [judgement.evidence and judgement.evidence.moment for judgement in (killed, plain)] == [Moment.KILLED, None]


def test_an_error_of_the_storage_is_a_deviation(session: Session) -> None:
    def clause(session: Session) -> None:
        raise StorageError(ErrorCode.UNAVAILABLE, operation="upload", key="k")

    judgement = decided(session, clause)
    assert judgement.verdict is Verdict.DEVIATES
    assert judgement.observation is not None
    assert judgement.observation.promised == "the operation succeeds"


def test_any_other_exception_is_an_error_of_the_suite_with_its_location(session: Session) -> None:
    def clause(session: Session) -> None:
        session.wire.get("k")

    judgement = decided(session, clause)
    assert judgement.verdict is Verdict.ERROR
    assert "LookupError at session.py:" in judgement.reason

    @given(number=st.integers())
    def drawn(session: Session, number: int) -> None:
        raise ZeroDivisionError("ours")

    judgement = decided(session, drawn)
    assert (judgement.verdict, "ZeroDivisionError" in judgement.reason) == (Verdict.ERROR, True)


def test_a_clause_may_say_itself_that_it_cannot_decide(session: Session) -> None:
    def clause(session: Session) -> None:
        raise Inconclusive("too slow to tell")

    judgement = decided(session, clause)
    assert (judgement.verdict, judgement.reason) == (Verdict.INCONCLUSIVE, "too slow to tell")


def test_an_undecided_generated_example_is_reported_unchanged_and_not_shrunk(session: Session) -> None:
    tried: list[int] = []

    @given(number=st.integers(0, 10**6))
    def clause(session: Session, number: int) -> None:
        tried.append(number)
        if number:
            raise Inconclusive("too slow to tell")

    judgement = decided(session, clause)
    assert (judgement.verdict, judgement.reason) == (Verdict.INCONCLUSIVE, "too slow to tell")
    assert [bool(number) for number in tried].count(True) == 1


def test_a_failure_that_follows_an_answer_out_of_time_is_no_verdict_on_the_backend(session: Session) -> None:
    late = Exchange(origin="wire", method="POST", target="/b?delete", error="TimeoutError: timed out", timed_out=True)

    def deviates(session: Session) -> None:
        session.recorder.add(late)
        compare(30, 1000, "largest batch taken")

    def fails(session: Session) -> None:
        session.recorder.add(late)
        raise StorageError(ErrorCode.UNAVAILABLE, operation="delete_files", key="k")

    for clause in (deviates, fails):
        for racy in (False, True):
            judgement = decided(session, clause, racy=racy)
            said = "time ran out: POST /b was not answered (TimeoutError: timed out)"
            assert (judgement.verdict, judgement.reason) == (Verdict.INCONCLUSIVE, said)

    assert decided(session, lambda session: session.recorder.add(late)).verdict is Verdict.CONFORMS


def test_a_failing_listing_of_the_backend_deviates_and_a_refused_request_of_the_suite_is_an_error() -> None:
    with Exemplar("AKexemplar", "exemplar-secret") as server:
        target = S3Endpoint(url=server.url, access_key="AKexemplar", secret_key="exemplar-secret", disposable=True)
        with open_session(target, capabilities=frozenset({Capability.WIRE, Capability.OWN_VIEW})) as session:
            real = session.wire.request

            def judged(status: int) -> Judgement:
                def failing(method: str, *args: Any, **more: Any) -> HttpResponse:
                    body = b"<Error><Code>InternalError</Code></Error>"
                    return HttpResponse(status=status, body=body) if method == "GET" else real(method, *args, **more)

                with mock.patch.object(session.wire, "request", failing):
                    return decided(session, lambda session: compare(session.view.keys("p"), []))

            failed, refused, dead = judged(500), judged(400), judged(0)
    assert failed.verdict is Verdict.DEVIATES
    assert failed.observation is not None
    assert failed.observation.observed == "listing 'p': 500 InternalError"
    assert (refused.verdict, dead.verdict) == (Verdict.ERROR, Verdict.ERROR)
    assert "ViewError at views.py" in refused.reason


def test_a_shared_listing_that_the_backend_cannot_list_is_stored_anew_for_the_next_clause() -> None:
    with Exemplar("AKexemplar", "exemplar-secret") as server:
        target = S3Endpoint(url=server.url, access_key="AKexemplar", secret_key="exemplar-secret", disposable=True)
        with open_session(target, capabilities=frozenset({Capability.WIRE, Capability.OWN_VIEW})) as session:
            first = session.shared_listing()
            session.invalidate_shared_listing()
            with mock.patch.object(session.view, "keys", side_effect=ViewError("500 InternalError", status=500)):
                again = session.shared_listing()
            assert first.prefix != again.prefix
            assert session.view.keys(again.prefix) == sorted(again.keys)


def test_a_spent_budget_of_requests_skips_with_the_reason(session: Session) -> None:
    def clause(session: Session) -> None:
        raise AssertionError("it must not run")

    recorder = session.recorder
    recorder.budget = recorder.total
    try:
        judgement = decided(session, clause)
        drawn = decided(session, given(number=st.integers())(lambda session, number: None))
    finally:
        recorder.budget = None
    assert (judgement.verdict, judgement.requests) == (Verdict.SKIPPED, 0)
    assert "requests is used up" in judgement.reason
    assert drawn.verdict is Verdict.SKIPPED


def test_a_missing_capability_is_decided_before_the_clause_runs(session: Session) -> None:
    def clause(session: Session) -> None:
        raise AssertionError("it must not run")

    judgement = decided(session, clause, requires=Capability.VERSIONING)
    assert (judgement.verdict, judgement.reason) == (Verdict.UNSUPPORTED, "not declared: versioning")


def test_of_several_cases_one_that_deviates_decides_and_one_that_cannot_run_is_left_out(session: Session) -> None:
    def holds(session: Session) -> None:
        pass

    def fails(session: Session) -> None:
        raise Deviation(promised="a", observed="b")

    def unsure(session: Session) -> None:
        raise Inconclusive("?")

    def verdict(*functions: Callable[..., None]) -> Verdict:
        return judge(entry(*functions), session, QUICK, seed=1).verdict

    assert verdict(holds, holds) is Verdict.CONFORMS
    assert verdict(holds, unsure) is Verdict.INCONCLUSIVE
    assert verdict(unsure, fails) is Verdict.DEVIATES
    assert verdict(holds, fails, holds) is Verdict.DEVIATES
    both = entry(holds, fails)
    both.cases[1] = replace(both.cases[1], requires=frozenset({Capability.VERSIONING}))
    assert judge(both, session, QUICK, seed=1).verdict is Verdict.CONFORMS


def test_an_interrupt_passes_through(session: Session) -> None:
    @given(number=st.integers())
    def clause(session: Session, number: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decided(session, clause)


def test_the_function_is_as_before_after_it_was_judged(session: Session) -> None:
    @given(number=st.integers())
    def clause(session: Session, number: int) -> None:
        pass

    handle: Any = getattr(clause, "hypothesis")  # noqa: B009 - its type does not tell of it
    inner = handle.inner_test
    decided(session, clause)
    assert handle.inner_test is inner


def test_a_deep_run_spreads_its_time_over_the_clauses() -> None:
    effort = deep(600.0, 60)
    assert (effort.mode, effort.case_s) == (Mode.DEEP, 10.0)
    assert deep(1.0, 100).case_s == 1.0
    assert deep(10.0, 0).examples >= 50


def test_a_server_that_dies_makes_the_clause_and_all_after_it_errors() -> None:
    with Exemplar("AKexemplar", "exemplar-secret") as server, on_exemplar() as opened:
        target = S3Endpoint(url=server.url, access_key="AKexemplar", secret_key="exemplar-secret", disposable=True)

        def kills(session: Session) -> None:
            server.__exit__()
            session.wire.endpoint = replace(session.wire.endpoint, url=target.url)
            raise Deviation(promised="alive", observed="dead")

        first, second = entry(kills), entry(lambda session: None)
        results: list[Result] = []
        plan = Plan(entries=[first, second], effort=QUICK, seed=1)
        judge_all(opened, target, plan, results.append, provider="p")
    assert [result.verdict for result in results] == ["error", "error"]
    assert all("the backend stopped answering during TST-001" in result.reason for result in results)


def test_a_server_that_is_started_again_is_alive_and_one_that_stays_away_is_not() -> None:
    with Exemplar("AKexemplar", "exemplar-secret") as server:
        target = S3Endpoint(url=server.url, access_key="AKexemplar", secret_key="exemplar-secret", disposable=True)
        with open_session(target, capabilities=frozenset({Capability.WIRE})) as session:
            assert session.liveness is not None
            silence, read = HttpResponse(status=0, error="RemoteDisconnected"), session.wire.request
            left = [0]

            def request(*args: Any, **more: Any) -> HttpResponse:
                left[0] -= 1
                return silence if left[0] >= 0 else read(*args, **more)

            with mock.patch.object(session.wire, "request", request):
                for times, health in ((2, Health.ALIVE), (3, Health.REVIVED)):
                    left[0] = times
                    assert session.liveness.check().health is health
            with (
                mock.patch("bucket_conformance.conformance.backend.liveness.REVIVAL_S", 0.3),
                mock.patch.object(session.wire, "request", return_value=silence),
            ):
                found = session.liveness.check()
            assert (found.health, found.silent) == (Health.DEAD, True)


def test_a_run_emits_a_result_for_each_clause_and_a_footer_that_agrees() -> None:
    with Exemplar("AKexemplar", "exemplar-secret") as server:
        target = S3Endpoint(url=server.url, access_key="AKexemplar", secret_key="exemplar-secret")
        lines: list[Any] = []

        def clause(session: Session) -> None:
            session.wire.put(session.fresh_key(), b"AKexemplar exemplar-secret")
            raise Deviation(promised="AKexemplar", observed="exemplar-secret")

        plan = Plan(entries=[entry(clause)], effort=QUICK, seed=1)
        run(target, plan, lines.append, provider="p", capabilities=frozenset(), run_id="65000000-abcdef")
        assert server.store.buckets == {}
    assert [type(line) for line in lines] == [Result, Footer]
    assert "exemplar-secret" not in str(lines[0])
    assert lines[1].counts[Verdict.DEVIATES] == 1
    assert lines[1].complete is True
    assert lines[1].left_behind == ""


def test_an_interrupted_run_cleans_up_and_says_that_it_is_not_complete() -> None:
    with Exemplar("AKexemplar", "exemplar-secret") as server:
        target = S3Endpoint(url=server.url, access_key="AKexemplar", secret_key="exemplar-secret")
        lines: list[Any] = []

        def interrupted(session: Session) -> None:
            session.wire.put(session.fresh_key(), b"left")
            raise KeyboardInterrupt

        plan = Plan(entries=[entry(lambda session: None), entry(interrupted)], effort=QUICK, seed=1)
        with pytest.raises(KeyboardInterrupt):
            run(target, plan, lines.append, provider="p", capabilities=frozenset(), run_id="65000000-abcdef")
        assert server.store.buckets == {}
    assert [type(line) for line in lines] == [Result, Footer]
    assert lines[1].complete is False
