"""What a run would cost follows from its requests, class by class."""

from __future__ import annotations

import pytest

from bucket_conformance.conformance.catalogue import entries
from bucket_conformance.conformance.effort import EFFORTS, Mode
from bucket_conformance.conformance.engine.run import Plan, judge_all
from bucket_conformance.conformance.report.cost import TARIFFS, conditions, cost, dollars, summary
from bucket_conformance.conformance.report.document import Result
from bucket_conformance.conformance.target import S3Endpoint
from bucket_conformance.conformance.wire.exchange import RequestClass
from tests.bench import on_exemplar

BY_NAME = {tariff.name: tariff for tariff in TARIFFS}


def test_ten_thousand_writes_and_reads_cost_what_the_price_lists_say() -> None:
    requests = {"write": 10_000, "read": 10_000, "free": 5_000}
    assert cost(requests, BY_NAME["AWS us-east-1"]) == pytest.approx(0.054)
    assert cost(requests, BY_NAME["R2"]) == pytest.approx(0.0486)
    assert cost(requests, BY_NAME["B2"]) == pytest.approx(0.044)


def test_deletes_of_one_object_cost_nothing() -> None:
    assert [cost({"free": 1_000_000}, tariff) for tariff in TARIFFS] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(0.0, "$0.0000"), (0.0001, "$0.0001"), (0.00010001, "$0.0002"), (0.000005, "$0.0001"), (0.054, "$0.0540")],
)
def test_an_amount_is_never_rounded_down(amount: float, shown: str) -> None:
    assert dollars(amount) == shown


def test_the_line_names_every_class_and_every_tariff() -> None:
    line = summary({kind.value: 1_000 for kind in RequestClass})
    assert line == (
        "3000 requests (1000 write/list, 1000 read, 1000 free) would cost on "
        "AWS us-east-1 $0.0054, R2 $0.0049, B2 at most $0.0044"
    )


def test_the_conditions_say_what_is_free_and_what_is_rounded() -> None:
    assert (
        "R2 has 1 million write/list and 10 million read a month free, then bills every million begun" in conditions()
    )
    assert "B2 has 2500 write/list and 2500 read a day free" in conditions()


def test_a_bound_on_requests_leaves_the_rest_skipped_with_the_reason() -> None:
    chosen = [entries()[id] for id in ("RT-003", "DEL-005", "LIST-002", "RT-007")]
    results: list[Result] = []
    with on_exemplar() as session:
        session.recorder.budget = session.recorder.total + 10
        plan = Plan(entries=chosen, effort=EFFORTS[Mode.QUICK], seed=1)
        target = S3Endpoint(url="http://127.0.0.1", access_key="a", secret_key="b")
        judge_all(session, target, plan, results.append, provider="exemplar")
        over = session.recorder.total - session.recorder.budget
    assert [result.verdict for result in results][-3:] == ["skipped"] * 3
    assert all("bound" in result.reason for result in results[-3:])
    assert [result.requests for result in results][-3:] == [0, 0, 0]
    # An example that has begun is finished: the bound is passed by one example, never by a clause.
    assert over < 20
