"""The true limits of a backend are found by search, whatever they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from unittest import mock

import pytest

from bucket_conformance.conformance.backend.limits import LIMITS, Found, agrees, find_limits, largest, limits_as_data
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.wire.exchange import Exchange
from tests.bench import on_exemplar, under
from tests.exemplar.types import Request, Response, S3Error
from tests.exemplar.xml import error_response
from tests.faults.gateway import Fault, Forward

BY_NAME = {limit.name: limit for limit in LIMITS}


@pytest.fixture(scope="module")
def exemplar() -> Iterator[Session]:
    with on_exemplar() as session:
        yield session


def found_under(name: str, behave: Callable[[Request, Forward], Response]) -> Found:
    """Search one limit on a server with this behaviour in front."""
    with under(Fault(id="other-limit", title="has another limit", breaks=frozenset({"DEL-015"}), behave=behave)) as s:
        return BY_NAME[name].search(s)


def refused(request: Request) -> Response:
    return error_response(S3Error(400, "InvalidRequest"), request.path, "0")


@pytest.mark.parametrize(
    ("limit", "most", "likely", "expected"),
    [
        (0, 1100, 1000, Found(value=0)),
        (1, 1100, 1000, Found(value=1)),
        (999, 1100, 1000, Found(value=999)),
        (1000, 1100, 1000, Found(value=1000)),
        (1001, 1100, 1000, Found(value=1001)),
        (1099, 1100, 1000, Found(value=1099)),
        (1100, 1100, 1000, Found(value=1100, open_end=True)),
        (5000, 1100, 1000, Found(value=1100, open_end=True)),
        (5000, 1000, 1000, Found(value=1000, open_end=True)),
        (7, 1000, 1000, Found(value=7)),
    ],
)
def test_a_search_ends_at_the_largest_that_holds(limit: int, most: int, likely: int, expected: Found) -> None:
    tried: list[int] = []

    def holds(number: int) -> bool:
        tried.append(number)
        return number <= limit

    assert largest(holds, most=most, likely=likely) == expected
    assert len(tried) <= 14
    assert max(tried) <= most


def test_the_limits_of_amazon_s3_are_found_on_the_exemplary_server(exemplar: Session) -> None:
    found = find_limits(exemplar)
    ahead = found.pop("url_ahead_s")
    assert agrees(BY_NAME["url_ahead_s"], ahead, 900), ahead
    assert {name: (one.value, one.open_end) for name, one in found.items()} == {
        "batch_keys": (1000, False),
        "key_bytes": (1024, False),
        "segment_bytes": (1024, True),
        "url_life_s": (604_800, False),
        "page_keys": (1000, False),
        "part_min_bytes": (5 * 1024 * 1024, False),
    }


def test_a_search_leaves_nothing_behind(exemplar: Session) -> None:
    before = exemplar.view.keys("")
    for name in ("batch_keys", "segment_bytes", "page_keys"):
        BY_NAME[name].search(exemplar)
    assert exemplar.view.keys("") == before


def test_another_batch_size_is_found() -> None:
    def at_most_250(request: Request, forward: Forward) -> Response:
        too_many = request.is_batch_delete() and request.body.count(b"<Key>") > 250
        return refused(request) if too_many else forward(request)

    assert found_under("batch_keys", at_most_250) == Found(value=250)


def test_a_batch_that_is_silently_truncated_counts_as_refused() -> None:
    def forgets_the_rest(request: Request, forward: Forward) -> Response:
        if not request.is_batch_delete() or request.body.count(b"<Key>") <= 100:
            return forward(request)
        objects = request.body.split(b"<Object>")
        return forward.trusted(request.with_body(b"<Object>".join(objects[:101]) + b"</Delete>"))

    assert found_under("batch_keys", forgets_the_rest) == Found(value=100)


def test_a_shorter_key_is_found() -> None:
    def at_most_300(request: Request, forward: Forward) -> Response:
        return refused(request) if len(request.key) > 300 else forward(request)

    assert found_under("key_bytes", at_most_300) == Found(value=300)


def test_a_file_name_limit_shows_as_the_longest_segment() -> None:
    def like_a_file_system(request: Request, forward: Forward) -> Response:
        return refused(request) if any(len(part) > 255 for part in request.key.split("/")) else forward(request)

    assert found_under("segment_bytes", like_a_file_system) == Found(value=255)
    assert found_under("key_bytes", like_a_file_system) == Found(value=1024)


def test_another_life_of_urls_is_found() -> None:
    def a_day(request: Request, forward: Forward) -> Response:
        too_long = request.is_presigned and int(request.query["X-Amz-Expires"]) > 86_400
        return refused(request) if too_long else forward(request)

    assert found_under("url_life_s", a_day) == Found(value=86_400)


def test_a_narrower_window_for_the_future_is_found() -> None:
    def five_minutes(request: Request, forward: Forward) -> Response:
        if request.is_presigned:
            signed = datetime.strptime(request.query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            if (signed - datetime.now(UTC)).total_seconds() > 300:
                return refused(request)
        return forward(request)

    assert agrees(BY_NAME["url_ahead_s"], found_under("url_ahead_s", five_minutes), 300)


def test_a_smaller_page_is_found_whether_it_is_cut_or_refused() -> None:
    def cut(request: Request, forward: Forward) -> Response:
        asked = int(request.query.get("max-keys", "1000"))
        return forward.trusted(request.with_query(max_keys="400")) if asked > 400 else forward(request)

    def refuses(request: Request, forward: Forward) -> Response:
        return refused(request) if int(request.query.get("max-keys", "0")) > 300 else forward(request)

    assert found_under("page_keys", cut) == Found(value=400)
    assert found_under("page_keys", refuses) == Found(value=300)


def test_the_minimum_part_size_is_found_even_if_there_is_none() -> None:
    def joins_anything(request: Request, forward: Forward) -> Response:
        return Response(status=200) if request.method == "POST" and "uploadId" in request.query else forward(request)

    def joins_nothing(request: Request, forward: Forward) -> Response:
        return refused(request) if request.method == "POST" and "uploadId" in request.query else forward(request)

    assert found_under("part_min_bytes", joins_anything) == Found(value=1)
    nothing = found_under("part_min_bytes", joins_nothing)
    assert nothing.value is None
    assert "joined" in nothing.note


def test_no_limit_is_searched_beyond_the_bound_on_requests(exemplar: Session) -> None:
    recorder = exemplar.recorder
    recorder.budget = recorder.total
    try:
        found = find_limits(exemplar)
    finally:
        recorder.budget = None
    assert {one.value for one in found.values()} == {None}
    assert "bound" in found["batch_keys"].note


def test_found_limits_are_compared_with_declared_ones() -> None:
    data = limits_as_data(
        {
            "batch_keys": Found(value=1000),
            "key_bytes": Found(value=4096, open_end=True),
            "url_ahead_s": Found(value=898),
            "part_min_bytes": Found(value=None, note="no parts"),
        },
        {"batch_keys": 999, "key_bytes": 1_000_000, "url_ahead_s": 900, "part_min_bytes": 5},
    )
    assert [data[name].get("agrees") for name in data] == [False, True, True, None]
    assert data["part_min_bytes"]["note"] == "no parts"
    assert "declared" not in limits_as_data({"batch_keys": Found(value=1)}, {})["batch_keys"]


def test_limits_are_named_once() -> None:
    names = [limit.name for limit in LIMITS]
    assert len(set(names)) == len(names)


def test_a_search_in_which_a_request_ran_out_of_time_finds_nothing(exemplar: Session) -> None:
    late = Exchange(origin="wire", method="POST", target="/b?delete", timed_out=True)

    def search(session: Session) -> Found:
        session.recorder.add(late)
        return Found(value=30)

    exemplar.recorder.add(late)  # of an earlier clause
    quick = replace(BY_NAME["key_bytes"], search=lambda session: Found(value=1024))
    slow = replace(BY_NAME["batch_keys"], search=search)
    with mock.patch("bucket_conformance.conformance.backend.limits.LIMITS", (quick, slow)):
        found = find_limits(exemplar)
    assert found["key_bytes"] == Found(value=1024)
    assert found["batch_keys"] == Found(value=None, note="time ran out: a request was not answered")
