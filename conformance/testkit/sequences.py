"""Sequences of operations: planned by a state machine of Hypothesis, carried out afterwards.

A plan is a plain value. It can therefore be repeated on a backend that broke a promise, inside and outside of
Hypothesis, and shrinking works on the plan.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar

import hypothesis
from hypothesis import HealthCheck
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, get_state_machine_test

from bucket_conformance.conformance.contract import Harm
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.verdict import Deviation, show

S = TypeVar("S")


class Planner(RuleBasedStateMachine, Generic[S]):
    """A state machine whose rules add steps to a plan. It keeps as much of the plan as the next step depends on."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[S] = []


_SETTINGS: Final = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


def plans(planner: type[Planner[S]], *, most: int) -> st.SearchStrategy[list[S]]:
    """Generate plans of that machine with at most ``most`` steps; the simplest has one step."""
    made: list[Planner[S]] = []

    def factory() -> Planner[S]:
        made[:] = [planner()]
        return made[0]

    settings = hypothesis.settings(stateful_step_count=most, **_SETTINGS)  # type: ignore[arg-type]
    machine: Any = get_state_machine_test(factory, settings=settings)  # type: ignore[arg-type]
    run = machine.hypothesis.inner_test

    @st.composite
    def plan(draw: st.DrawFn) -> list[S]:
        run(draw(st.data()))
        return list(made[0].steps)

    return plan()


Failed = tuple[int, object, object, Harm | None]
"""Index of the first step with a wrong result; what was promised, what was observed, and the harm of it."""

Attempt = Callable[[Sequence[S]], Failed | None]
"""Carries out a plan under a new prefix. Returns ``None`` where every result is as promised."""

SHORTEN_S: Final = 2.0
"""Seconds for finding a shorter plan."""
SHORTEN_REQUESTS: Final = 200
"""Requests for finding a shorter plan; some endpoints bill each."""


def carry_out(
    session: Session, steps: Sequence[S], attempt: Attempt[S], repaired: Callable[[list[S]], list[S]] = list
) -> None:
    """Carry out a plan; raise :class:`Deviation` with the shortest plan found that deviates.

    ``repaired`` removes the steps that make no sense once another step is gone. Hypothesis shrinks a plan too, but has
    to generate all of it again each time; removing steps of a known plan is much faster.
    """
    failure = attempt(steps)
    if failure is None:
        return
    record = session.example
    shown = list(steps[: failure[0] + 1])
    deadline, most = time.monotonic() + SHORTEN_S, session.recorder.total + SHORTEN_REQUESTS
    size = max(len(shown) // 2, 1)
    while time.monotonic() < deadline and session.recorder.total < most:
        before, at = len(shown), 0
        # The last step is the one that shows the deviation.
        while at < len(shown) - 1 and time.monotonic() < deadline and session.recorder.total < most:
            rest = repaired(shown[:at] + shown[min(at + size, len(shown) - 1) :])
            session.begin_example()
            found = attempt(rest)
            if found is not None:
                failure, record = found, session.example
                shown = rest[: found[0] + 1]
            else:
                at += size
        if size == 1 and len(shown) == before:
            break
        size = max(size // 2, 1)
    # Once more, so that the transcript ends with the shown step. If it does not repeat, what was seen before counts.
    session.begin_example()
    again = attempt(shown)
    if again is None:
        session.restore_example(record)
    number, promised, observed, harm = again or failure
    raise Deviation(
        promised=f"step {number + 1}, {shown[number]}: {show(promised)}",
        observed=show(observed),
        example="\n".join(f"{count}. {step}" for count, step in enumerate(shown, 1)),
        harm=harm,
    )


def loss(promised: object, observed: object, again: object, *, absent: object) -> Harm | None:
    """Return ``LOSES_DATA`` where bytes were promised and two observations in a row show others or none, else ``None``.

    A single observation may be an outdated response of a cache. ``absent`` is the observation for a missing key.
    """
    replaced = observed == absent or isinstance(observed, bytes)
    return Harm.LOSES_DATA if isinstance(promised, bytes) and replaced and observed == again else None
