"""The checker of concurrent histories, tested with known results and compared with a search of every order."""

from __future__ import annotations

import itertools
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucket_conformance.conformance.history import (
    NEVER,
    Event,
    Op,
    Response,
    Undecided,
    as_data,
    linearization,
    shortest,
    violation,
)
from bucket_conformance.conformance.testkit.history_drawing import draw_svg, draw_text


def event(
    client: int,
    op: Op,
    span: tuple[float, float],
    value: str | None = None,
    *,
    response: Response = Response.DONE,
    expected: str | None = None,
    key: str = "a",
) -> Event:
    return Event(
        client=client,
        op=op,
        key=key,
        response=response,
        called=span[0],
        answered=span[1],
        value=value,
        expected=expected,
    )


def put(client: int, span: tuple[float, float], value: str, response: Response = Response.DONE) -> Event:
    return event(client, Op.PUT, span, value, response=response)


def get(client: int, span: tuple[float, float], value: str | None) -> Event:
    return event(client, Op.GET, span, value, response=Response.ABSENT if value is None else Response.DONE)


def delete(client: int, span: tuple[float, float]) -> Event:
    return event(client, Op.DELETE, span)


def test_a_read_of_the_last_answered_write_is_in_order() -> None:
    assert linearization([put(0, (0, 1), "x"), get(1, (2, 3), "x")]) is not None


def test_a_read_of_an_overwritten_value_is_a_violation() -> None:
    assert linearization([put(0, (0, 1), "x"), put(0, (2, 3), "y"), get(1, (4, 5), "x")]) is None


def test_a_read_beside_a_write_may_see_either_value() -> None:
    for seen in ("x", "y"):
        assert linearization([put(0, (0, 1), "x"), put(0, (2, 6), "y"), get(1, (3, 4), seen)]) is not None


def test_a_value_may_not_vanish_again_after_it_was_seen() -> None:
    history = [put(0, (0, 1), "x"), put(0, (2, 9), "y"), get(1, (3, 4), "y"), get(2, (5, 6), "x")]
    assert linearization(history) is None


def test_a_value_that_nobody_wrote_is_a_violation() -> None:
    assert linearization([put(0, (0, 1), "x"), get(1, (0, 2), "z")]) is None


def test_a_deleted_key_is_absent_and_not_its_old_value() -> None:
    assert linearization([put(0, (0, 1), "x"), delete(0, (2, 3)), get(1, (4, 5), None)]) is not None
    assert linearization([put(0, (0, 1), "x"), delete(0, (2, 3)), get(1, (4, 5), "x")]) is None


def test_two_creators_cannot_both_win() -> None:
    first = event(0, Op.CREATE, (0, 5), "x")
    assert linearization([first, event(1, Op.CREATE, (1, 4), "y")]) is None
    assert linearization([first, event(1, Op.CREATE, (1, 4), "y", response=Response.REFUSED)]) is not None


def test_a_creator_refused_where_nothing_ever_was_is_a_violation() -> None:
    assert linearization([event(0, Op.CREATE, (0, 1), "x", response=Response.REFUSED)]) is None


def test_two_swaps_from_the_same_value_cannot_both_win() -> None:
    start = put(0, (0, 1), "x")
    one, two = (event(n, Op.SWAP, (2, 9), f"y{n}", expected="x") for n in (1, 2))
    assert linearization([start, one, two]) is None
    assert linearization([start, one]) is not None


def test_a_write_without_an_answer_may_have_happened_or_not_or_later() -> None:
    lost = put(0, (0, 1), "x", Response.UNKNOWN)
    assert linearization([lost, get(1, (2, 3), None)]) is not None
    assert linearization([lost, get(1, (2, 3), "x")]) is not None
    assert linearization([lost, get(1, (2, 3), None), get(1, (4, 5), "x")]) is not None
    assert linearization([lost, get(1, (2, 3), "x"), get(1, (4, 5), None)]) is None


def test_a_listing_that_lacks_an_answered_key_is_a_violation() -> None:
    absent = event(1, Op.LIST, (2, 3), response=Response.ABSENT)
    assert linearization([put(0, (0, 1), "x"), absent]) is None
    assert linearization([put(0, (0, 2.5), "x"), absent]) is not None


def test_the_value_before_the_history_counts() -> None:
    assert linearization([get(0, (0, 1), "old")], initial="old") is not None
    assert linearization([get(0, (0, 1), None)], initial="old") is None


def test_keys_are_decided_apart() -> None:
    good = [put(0, (0, 1), "x"), get(1, (2, 3), "x")]
    bad = event(1, Op.GET, (4, 5), "nobody's", key="b")
    assert violation(good) is None
    assert violation([*good, bad]) == [bad]


def _explained(order: Sequence[Event]) -> bool:
    """Judge one order by the text of the promise only, independently of the search."""
    held: str | None = None
    for position, one in enumerate(order):
        if any(later.answered < one.called for later in order[position + 1 :]):
            return False
        if one.op is Op.GET and held != one.value:
            return False
        if one.op is Op.CREATE and (held is None) != (one.response is Response.DONE):
            return False
        if one.op is Op.DELETE:
            held = None
        elif one.op is Op.PUT or (one.op is Op.CREATE and one.response is Response.DONE):
            held = one.value
    return True


@st.composite
def _histories(draw: st.DrawFn) -> list[Event]:
    found = []
    for number in range(draw(st.integers(1, 6))):
        op = draw(st.sampled_from([Op.PUT, Op.GET, Op.GET, Op.DELETE, Op.CREATE]))
        called = draw(st.integers(0, 12))
        span = (float(called), called + draw(st.integers(1, 8)) + number / 100)
        if op is Op.GET:
            found.append(get(number, span, draw(st.sampled_from([None, "v0", "v1", "v2", "v3"]))))
        elif op is Op.CREATE:
            found.append(
                event(number, op, span, f"v{number}", response=draw(st.sampled_from([Response.DONE, Response.REFUSED])))
            )
        else:
            found.append(event(number, op, span, f"v{number}" if op is Op.PUT else None))
    return found


@given(history=_histories())
def test_the_search_agrees_with_trying_every_order(history: list[Event]) -> None:
    found = linearization(history)
    assert (found is not None) == any(map(_explained, itertools.permutations(history)))
    if found is not None:
        assert sorted(map(id, found)) == sorted(map(id, history))
        assert _explained(found)


@given(history=_histories())
def test_a_shortened_violation_is_one_and_nothing_can_be_left_out(history: list[Event]) -> None:
    if linearization(history) is not None:
        return
    short = shortest(history)
    assert linearization(short) is None
    assert all(one in history for one in short)
    for one in short:
        if not one.writes:
            hidden = [other for other in history if other.writes and other not in short]
            assert linearization([other for other in short if other is not one], optional=hidden) is not None


def test_a_stale_read_in_a_long_history_is_shortened_to_three_operations() -> None:
    history = []
    for step in range(12):
        history += [put(0, (step * 10, step * 10 + 1), f"v{step}"), get(1, (step * 10 + 2, step * 10 + 3), f"v{step}")]
        history.append(event(2, Op.HEAD, (step * 10 + 4, step * 10 + 5), f"v{step}"))
    history.append(get(3, (200, 201), "v10"))
    assert [str(one) for one in shortest(history, seconds=60)] == ["put a=v10", "put a=v11", "get a: v10"]


def test_a_history_beyond_the_time_allowed_is_undecided() -> None:
    crowd = [put(number, (0, 100), f"v{number}") for number in range(22)]
    late = [get(30, (200, 201), "v1"), get(30, (202, 203), "v2")]
    with pytest.raises(Undecided, match="operations"):
        linearization([*crowd, *late], deadline=time.monotonic() + 0.05)


def test_the_answer_cannot_come_before_the_call() -> None:
    with pytest.raises(ValueError, match="before it was called"):
        put(0, (2, 1), "x")


def test_the_text_shows_calls_and_answers_in_the_order_of_their_times() -> None:
    history = [put(0, (0, 1), "x"), put(0, (2, 6), "y"), get(1, (3, 4), "y"), get(2, (5, 7), "x")]
    assert draw_text(history) == "\n".join(
        [
            "client 0 | [put a=x] [put a=y······]",
            "client 1 |             [get a: y]",
            "client 2 |                        [get a: x]",
        ]
    )


def test_a_write_without_an_answer_is_drawn_open() -> None:
    lost = put(0, (0, float("inf")), "x<y", Response.UNKNOWN)
    assert draw_text([lost]).endswith("…")
    root = ET.fromstring(draw_svg([lost, get(1, (1, 2), None)]))
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert texts == ["client 0", "client 1", "put a=x<y: no clear answer", "get a: absent"]


def test_a_report_holds_the_history_in_seconds_since_its_first_call() -> None:
    lost = Event(client=1, op=Op.PUT, key="a", response=Response.UNKNOWN, called=11.5, answered=NEVER, value="y")
    assert as_data([lost, put(0, (10, 11), "x"), get(2, (12, 13), "x")]) == [
        {"client": "client 0", "operation": "put a=x", "outcome": "done", "start_s": 0, "end_s": 1},
        {"client": "client 1", "operation": "put a=y", "outcome": "no clear answer", "start_s": 1.5, "end_s": None},
        {"client": "client 2", "operation": "get a", "outcome": "x", "start_s": 2, "end_s": 3},
    ]
