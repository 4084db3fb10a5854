"""Concurrent histories: what several clients requested and received, and whether any order explains it.

A history is linearizable if every operation can be given one point in time between its request and its response such
that, in the order of these points, all responses are right for a plain register (Herlihy and
Wing; the address is in ``testkit.sources``). Each key is decided separately, which is sufficient (ibid., locality). The
search is that of Wing and Gong, with the memory that Lowe added (https://doi.org/10.1002/cpe.3928).
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

NEVER: Final = float("inf")

Violation = Callable[[Sequence["Event"], Sequence["Event"]], bool]
"""Returns whether the first events are a violation, whatever the effect of the second ones was."""


class Op(enum.StrEnum):
    """The operation that a client requested."""

    PUT = "put"
    GET = "get"
    HEAD = "head"
    DELETE = "delete"
    CREATE = "create"
    """Put only if the key is absent."""
    SWAP = "swap"
    """Put only if the current value is the expected one."""
    LIST = "list"
    """The part of a listing that concerns one key: whether it was listed."""


WRITES: Final = frozenset({Op.PUT, Op.DELETE, Op.CREATE, Op.SWAP})


class Response(enum.StrEnum):
    """The response that a client received."""

    DONE = "done"
    ABSENT = "absent"
    PRESENT = "present"
    """The key exists; the response does not contain its value."""
    REFUSED = "refused"
    """The condition was not met."""
    UNKNOWN = "no clear answer"
    """The operation may have taken effect, may still take effect, or may never do so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One operation of one client on one key.

    ``called`` and ``answered`` are the times of request and response, in seconds of the same clock. ``value`` is the
    value written, or the one that a read returned; ``expected`` is the condition of a swap.

    Raises ``ValueError`` where the response comes before the request.
    """

    client: int
    op: Op
    key: str
    response: Response
    called: float
    answered: float
    value: str | None = None
    expected: str | None = None

    def __post_init__(self) -> None:
        if self.answered < self.called:
            raise ValueError(f"{self}: answered at {self.answered}, before it was called at {self.called}")

    @property
    def writes(self) -> bool:
        """Whether the operation may have changed the key."""
        return self.op in WRITES and self.response is not Response.REFUSED

    @property
    def asked(self) -> str:
        """The request in short: ``put k0=v3``."""
        asked = f"{self.op} {self.key}"
        if self.op is Op.SWAP:
            return f"{asked} {self.expected}→{self.value}"
        return f"{asked}={self.value}" if self.op in WRITES and self.value is not None else asked

    @property
    def outcome(self) -> str:
        """The response in one word: the value that a read returned, or the kind of response."""
        saw = self.value if self.op in (Op.GET, Op.HEAD) and self.response is Response.DONE else None
        return self.response.value if saw is None else saw

    def __str__(self) -> str:
        return self.asked if self.op in WRITES and self.response is Response.DONE else f"{self.asked}: {self.outcome}"


def as_data(history: Sequence[Event]) -> list[dict[str, Any]]:
    """Return a history as reports store it.

    One object per event, sorted by the time of the request. Seconds count from the first request; ``end_s`` is
    ``None`` where no response came.
    """
    began = min((event.called for event in history), default=0.0)
    return [
        {
            "client": f"client {event.client}",
            "operation": event.asked,
            "outcome": event.outcome,
            "start_s": round(event.called - began, 6),
            "end_s": None if event.answered == NEVER else round(event.answered - began, 6),
        }
        for event in sorted(history, key=lambda event: event.called)
    ]


class Undecided(Exception):
    """Raised when the time ran out before every order was checked."""


def _after(event: Event, state: str | None) -> tuple[bool, str | None]:
    """Return whether the response is right where the key holds ``state`` (``None``: absent), and the state after it."""
    match event.op, event.response:
        case (Op.PUT, _):
            return True, event.value
        case (Op.DELETE, _):
            return True, None
        case (Op.CREATE, Response.REFUSED) | (Op.LIST | Op.HEAD | Op.GET, Response.PRESENT):
            return state is not None, state
        case (Op.CREATE, _):
            return state is None, event.value
        case (Op.SWAP, Response.REFUSED):
            return state != event.expected, state
        case (Op.SWAP, _):
            return state == event.expected, event.value
        case (_, Response.ABSENT):
            return state is None, state
        case _:
            return state == event.value, state


def linearization(
    events: Iterable[Event], *, initial: str | None = None, deadline: float = NEVER, optional: Iterable[Event] = ()
) -> list[Event] | None:
    """Return an order of the events of ONE key that makes every response right, or ``None`` where none exists.

    - ``initial``: the value of the key before the history; ``None``: absent.
    - ``deadline``: when the search ends, on the clock of :func:`time.monotonic`.
    - ``optional``: writes that may stand anywhere after their request, or nowhere. Writes without a clear response are
      treated the same way; reads without one are ignored.

    Raises :class:`Undecided` at the deadline.
    """
    free = {id(event) for event in optional}
    wanted = [event for event in (*events, *optional) if event.response is not Response.UNKNOWN or event.writes]
    entries = sorted(
        (
            replace(event, answered=NEVER) if id(event) in free or event.response is Response.UNKNOWN else event
            for event in wanted
        ),
        key=lambda event: event.called,
    )
    return _search(entries, initial, deadline)


def _search(entries: list[Event], initial: str | None, deadline: float) -> list[Event] | None:
    due = sum(1 << at for at, event in enumerate(entries) if event.answered != NEVER)
    seen: set[tuple[int, str | None]] = set()
    # Each level: the events taken so far (as bits), the state after them, the candidates that are left to try.
    order: list[Event] = []
    stack: list[tuple[int, str | None, list[int]]] = [(0, initial, _candidates(entries, 0, initial))]
    looked = 0
    while stack:
        taken, state, candidates = stack[-1]
        if taken & due == due:
            return order
        looked += 1
        if looked % 256 == 0 and time.monotonic() > deadline:
            raise Undecided(f"after {looked} steps with {len(entries)} operations")
        moved = False
        while candidates:
            at = candidates.pop()
            right, then = _after(entries[at], state)
            position = (taken | 1 << at, then)
            if right and position not in seen:
                seen.add(position)
                order.append(entries[at])
                stack.append((*position, _candidates(entries, *position)))
                moved = True
                break
        if not moved:
            stack.pop()
            if order:
                order.pop()
    return None


def _candidates(entries: Sequence[Event], taken: int, state: str | None) -> list[int]:
    """Return the indexes of the events that may come next, the best one last.

    An event may come next if no event that is still left out ended before it began.
    """
    first_answer = min((event.answered for at, event in enumerate(entries) if not taken >> at & 1), default=NEVER)
    found = []
    for at, event in enumerate(entries):
        if event.called > first_answer:
            break
        if taken >> at & 1:
            continue
        if not event.writes and _after(event, state)[0]:
            return [at]  # a read that fits now changes nothing: taking it at once excludes no order
        found.append(at)
    # The event with the earliest response is tried first.
    return sorted(found, key=lambda at: -entries[at].answered)


def violation(
    events: Iterable[Event], *, initial: dict[str, str] | None = None, seconds: float = 2.0
) -> list[Event] | None:
    """Return the shortest history found that no order explains, or ``None`` where the history of every key has one.

    ``initial``: values before the history, by key. ``seconds``: time for the search, and again for shortening.

    Raises :class:`Undecided` where the time ran out for some key and no other key showed a violation.
    """
    deadline = time.monotonic() + seconds
    by_key: dict[str, list[Event]] = {}
    for event in events:
        by_key.setdefault(event.key, []).append(event)
    undecided: Undecided | None = None
    for key, history in by_key.items():
        before = (initial or {}).get(key)
        try:
            if linearization(history, initial=before, deadline=deadline) is None:
                return shortest(history, initial=before, seconds=seconds)
        except Undecided as error:
            undecided = error
    if undecided is not None:
        raise undecided
    return None


def shortest(history: Sequence[Event], *, initial: str | None = None, seconds: float = 2.0) -> list[Event]:
    """Return a part of a history of one key that is still a violation, and from which nothing can be left out.

    A read is simply left out. A write is left out only where the rest stays a violation even if that write took effect
    at any time after its request, or never: what remains is wrong whatever the hidden writes did. A write stays where
    a remaining event saw its value.
    """
    deadline = time.monotonic() + seconds

    def wrong(shown: Sequence[Event], hidden: Sequence[Event]) -> bool:
        try:
            return linearization(shown, initial=initial, deadline=deadline, optional=hidden) is None
        except Undecided:
            return False

    ordered = sorted(history, key=lambda event: event.answered)
    candidates = []
    for order in (list(reversed(ordered)), ordered, sorted(history, key=lambda event: event.writes)):
        candidates.append(_thinned(order, wrong))
    best = min(candidates, key=len)
    return sorted(best, key=lambda event: event.called)


def _thinned(order: Sequence[Event], wrong: Violation) -> list[Event]:
    shown, hidden = list(order), list[Event]()
    changed = True
    while changed:
        changed = False
        for event in list(shown):
            rest = [other for other in shown if other is not event]
            if event.writes and any(event.value is not None and event.value in _seen_by(other) for other in rest):
                continue
            aside = [*hidden, event] if event.writes else hidden
            if wrong(rest, aside):
                shown, hidden, changed = rest, aside, True
    return shown


def _seen_by(event: Event) -> tuple[str | None, ...]:
    return (event.expected,) if event.op in WRITES else (event.value,)
