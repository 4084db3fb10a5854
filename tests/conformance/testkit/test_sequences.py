"""The sequences that the state machines generate are valid, and a failure shrinks to a script of a few requests."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given, settings

from bucket_conformance.conformance.catalogue import entries
from bucket_conformance.conformance.clauses.sequences import StoragePlan, UrlPlan
from bucket_conformance.conformance.clauses.sequences_wire import ConditionPlan, RequestPlan, TransferPlan
from bucket_conformance.conformance.effort import Effort, Mode
from bucket_conformance.conformance.engine.judge import Judgement, judge
from bucket_conformance.conformance.testkit.s3_operations import ABSENT, Abort, Begin, Complete, Copy, Part, Step, _size
from bucket_conformance.conformance.testkit.sequences import plans
from bucket_conformance.conformance.verdict import Verdict
from bucket_conformance.conformance.wire.transport import HttpResponse
from tests.bench import under
from tests.exemplar.types import Request, Response
from tests.faults.gateway import Behaviour, Fault, Forward
from tests.faults.s3.patterns import bare

ENOUGH = Effort(mode=Mode.DEEP, examples=400, case_s=60, shrink_s=60)


@settings(max_examples=60, deadline=None)
@given(steps=plans(TransferPlan, most=30))
def test_an_upload_in_parts_is_begun_filled_and_ended_once(steps: list[Step]) -> None:
    state: dict[int, str] = {}
    for step in steps:
        match step:
            case Begin():
                assert step.number not in state
                state[step.number] = "begun"
            case Part():
                assert state[step.number] in ("begun", "filled")
                state[step.number] = "filled"
            case Complete():
                assert state[step.number] == "filled"
                state[step.number] = "ended"
            case Abort():
                assert state[step.number] in ("begun", "filled")
                state[step.number] = "ended"
            case Copy():
                assert step.source != step.target


@pytest.mark.parametrize("machine", [StoragePlan, UrlPlan, RequestPlan, TransferPlan, ConditionPlan])
def test_every_kind_of_step_is_planned(machine: type) -> None:
    kinds: set[tuple[str, object]] = set()
    longest = 0

    @settings(max_examples=80, deadline=None, database=None, derandomize=True)
    @given(steps=plans(machine, most=25))
    def look(steps: list[object]) -> None:
        nonlocal longest
        kinds.update((type(step).__name__, getattr(step, "by_url", None)) for step in steps)
        longest = max(longest, len(steps))
        assert 1 <= len(steps) <= 25

    look()
    rules = {name for name in dir(machine) if hasattr(getattr(machine, name), "hypothesis_stateful_rule")}
    assert rules
    # In some machines two rules make the same kind of step, of names that they choose differently.
    assert len(kinds) >= len(rules) - 1
    assert longest == 25


def _copy_is_a_link(request: Request, forward: Forward) -> Response:
    links: dict[str, str] = forward.memory.setdefault("links", {})
    answer = forward(request)
    if request.method == "PUT" and request.has_header("x-amz-copy-source") and answer.status == 200:
        source = unquote(request.header("x-amz-copy-source")).removeprefix("/").partition("/")[2]
        links[source] = request.key
    elif request.is_object("PUT") and request.key in links and answer.status == 200:
        forward.trusted(bare(request, "PUT").with_key(links[request.key]).with_body(request.body))
    return answer


def _third_version_is_lost(request: Request, forward: Forward) -> Response:
    times: dict[str, int] = forward.memory.setdefault("times", {})
    if request.is_object("PUT"):
        times[request.key] = times.get(request.key, 0) + 1
        if times[request.key] == 3:
            refused = forward.authentic(request)
            return refused or Response(status=200, headers=(("ETag", '"0"'),))
    return forward(request)


def _decided(clause_id: str, name: str, behave: Behaviour) -> Judgement:
    """Return the first judgement of a few seeds that found the fault."""
    fault = Fault(id=name, title=name, breaks=frozenset({clause_id}), behave=behave)
    with under(fault) as session:
        found = (judge(entries()[clause_id], session, ENOUGH, seed=seed) for seed in range(4))
        return next(judgement for judgement in found if judgement.verdict is not Verdict.CONFORMS)


def _script(judgement: Judgement) -> list[str]:
    assert judgement.verdict is Verdict.DEVIATES, judgement
    assert judgement.evidence is not None
    return [line.partition(". ")[2] for line in judgement.evidence.example.splitlines()]


def test_a_copy_that_follows_its_source_is_shrunk_to_few_requests() -> None:
    script = _script(_decided("CON-010", "copy-is-a-link", _copy_is_a_link))
    # No step of it can be omitted; the seed decides which of several such scripts is found, and how soon.
    assert len(script) <= 6
    assert sum(line.startswith("copy") for line in script) == 1
    assert script[-1].startswith(("GET", "HEAD", "copy", "list"))


def test_a_lost_third_version_is_shrunk_to_three_uploads() -> None:
    script = _script(_decided("CON-006", "third-version-is-lost", _third_version_is_lost))
    assert [line.split()[0] for line in script if line.startswith("upload")] == ["upload"] * 3
    assert not any(line.startswith("delete") for line in script)


def test_a_size_that_imitates_a_word_of_the_suite_is_none() -> None:
    def size_of(size: str) -> str | None:
        return _size(HttpResponse(status=200, headers=(("Content-Length", size),)))

    assert size_of("12") == "12"
    assert size_of(ABSENT) != ABSENT
    assert _size(HttpResponse(status=200)) is None
