"""Concurrent histories: what several clients asked and were answered, and whether any order of it makes sense.

A history is linearizable if every operation can be given one moment between its call and its answer such that, taken
in the order of these moments, all answers are right for a plain register (Herlihy and Wing,
https://doi.org/10.1145/78969.78972). Each key is decided by itself, which is enough (ibid., locality). The search is
that of Wing and Gong with the memory of Lowe (https://doi.org/10.1002/cpe.3928).
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

NEVER: Final = float("inf")

Wrong = Callable[[Sequence["Event"], Sequence["Event"]], bool]
"""Whether the first events are a violation, whatever became of the second."""


class Op(enum.StrEnum):
    """What a client asked for."""

    PUT = "put"
    GET = "get"
    HEAD = "head"
    DELETE = "delete"
    CREATE = "create"
    """Put only if absent."""
    SWAP = "swap"
    """Put only if the present value is the expected one."""
    LIST = "list"
    """One key's part of a listing: whether it was listed."""


WRITES: Final = frozenset({Op.PUT, Op.DELETE, Op.CREATE, Op.SWAP})


class Said(enum.StrEnum):
    """What a client was answered."""

    DONE = "done"
    ABSENT = "absent"
    PRESENT = "present"
    """There, with a value that the answer does not tell."""
    REFUSED = "refused"
    """The condition did not hold."""
    UNKNOWN = "no clear answer"
    """It may have been done, may be done yet, or never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One operation of one client on one key, with the times of its call and its answer in seconds of one clock.

    ``value`` is the value written, or the one that a read saw; ``expected`` the one that a swap was conditional on.
    """

    client: int
    op: Op
    key: str
    said: Said
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
        return self.op in WRITES and self.said is not Said.REFUSED

    @property
    def asked(self) -> str:
        """What was asked for, in short: ``put k0=v3``."""
        asked = f"{self.op} {self.key}"
        if self.op is Op.SWAP:
            return f"{asked} {self.expected}→{self.value}"
        return f"{asked}={self.value}" if self.op in WRITES and self.value is not None else asked

    @property
    def outcome(self) -> str:
        """What was answered, in a word: the value that a read saw, or what was said."""
        saw = self.value if self.op in (Op.GET, Op.HEAD) and self.said is Said.DONE else None
        return self.said.value if saw is None else saw

    def __str__(self) -> str:
        return self.asked if self.op in WRITES and self.said is Said.DONE else f"{self.asked}: {self.outcome}"


def as_data(history: Sequence[Event]) -> list[dict[str, Any]]:
    """Return a history as reports hold it: seconds count from its first call, and where no answer came is no end."""
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
    """The time allowed ran out before every order was looked at."""


def _after(event: Event, state: str | None) -> tuple[bool, str | None]:
    """Return whether an answer is right where the key holds ``state`` (``None``: absent), and what it holds then."""
    match event.op, event.said:
        case (Op.PUT, _):
            return True, event.value
        case (Op.DELETE, _):
            return True, None
        case (Op.CREATE, Said.REFUSED) | (Op.LIST | Op.HEAD | Op.GET, Said.PRESENT):
            return state is not None, state
        case (Op.CREATE, _):
            return state is None, event.value
        case (Op.SWAP, Said.REFUSED):
            return state != event.expected, state
        case (Op.SWAP, _):
            return state == event.expected, event.value
        case (_, Said.ABSENT):
            return state is None, state
        case _:
            return state == event.value, state


def linearization(
    events: Iterable[Event], *, initial: str | None = None, deadline: float = NEVER, optional: Iterable[Event] = ()
) -> list[Event] | None:
    """Return an order of the events of ONE key that makes every answer right, or ``None`` where there is none.

    ``initial`` is what the key held before. ``deadline`` (of :func:`time.monotonic`) bounds the search: then
    :class:`Undecided` is raised. Writes among ``optional`` may stand anywhere after their call, or nowhere; so may
    writes without a clear answer, while reads without one say nothing.
    """
    free = {id(event) for event in optional}
    wanted = [event for event in (*events, *optional) if event.said is not Said.UNKNOWN or event.writes]
    entries = sorted(
        (
            replace(event, answered=NEVER) if id(event) in free or event.said is Said.UNKNOWN else event
            for event in wanted
        ),
        key=lambda event: event.called,
    )
    return _search(entries, initial, deadline)


def _search(entries: list[Event], initial: str | None, deadline: float) -> list[Event] | None:
    due = sum(1 << at for at, event in enumerate(entries) if event.answered != NEVER)
    seen: set[tuple[int, str | None]] = set()
    # Each level: events taken so far (as bits), the state then, the candidates left to try, the event that led here.
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
    """Return the events that may come next: nothing left out was answered before they were called. Best one last."""
    first_answer = min((event.answered for at, event in enumerate(entries) if not taken >> at & 1), default=NEVER)
    found = []
    for at, event in enumerate(entries):
        if event.called > first_answer:
            break
        if taken >> at & 1:
            continue
        if not event.writes and _after(event, state)[0]:
            return [at]  # a read that fits now changes nothing: taking it at once loses no order
        found.append(at)
    # What must be answered soonest is tried first.
    return sorted(found, key=lambda at: -entries[at].answered)


def violation(
    events: Iterable[Event], *, initial: dict[str, str] | None = None, seconds: float = 2.0
) -> list[Event] | None:
    """Return the shortest history found that no order explains, or ``None`` where every key's history has one.

    Raises :class:`Undecided` where the time ran out on some key and no other key gave a violation.
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
    """Return a part of a history of one key that is still a violation, and of which nothing can be left out.

    A read is simply left out. A write is left out only where the rest stays a violation even if that write took effect
    at any moment after its call, or never: what remains is wrong whatever became of what is not shown. A write whose
    value is seen in what remains stays with it.
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


def _thinned(order: Sequence[Event], wrong: Wrong) -> list[Event]:
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
