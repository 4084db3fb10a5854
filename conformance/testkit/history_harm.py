"""The harm that certainly follows from a concurrent history that no order explains. Often there is none."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from bucket_conformance.conformance.contract import Harm
from bucket_conformance.conformance.history import WRITES, Event, Op, Response, Undecided, linearization

Look = Callable[[], str | None]
"""Downloads the key again and returns the name of its value, a text for a value without a name, or ``None`` (absent).

Raises ``LookupError`` where the response does not say.
"""

SETTLE_S: Final = 1.0
"""Seconds for which the backend may still return an older value after the last write; then that value is final."""
_PAUSE_S: Final = 0.1
_CHECK_S: Final = 1.0


def harm_of(found: Sequence[Event], history: Sequence[Event], look: Look, *, settle_s: float = SETTLE_S) -> Harm | None:
    """Return the gravest harm that certainly follows from a violation on one key, or ``None``.

    - ``found``: the events that show the violation.
    - ``history``: all events of that key.
    - ``look``: downloads the key again.
    - ``settle_s``: seconds for which an older value may still be returned.

    The value after all clients have ended decides whether data was lost: an outdated response, or a late listing, loses
    nothing. A value that nobody wrote was served as a complete object, whatever the key holds later.
    """
    try:
        kept = _kept(history, look, settle_s)
    except LookupError:
        kept = None
    if kept is not None:
        return kept
    written = {event.value for event in history if event.op in WRITES}
    served = [event for event in found if event.op is Op.GET and event.response is Response.DONE]
    return Harm.SERVES_WRONG_DATA if any(event.value not in written for event in served) else None


def _kept(history: Sequence[Event], look: Look, settle_s: float) -> Harm | None:
    """Return the harm that the final value shows, or ``None`` where an order of the writes explains it."""
    writes = [event for event in history if event.writes]
    deadline = time.monotonic() + settle_s
    while True:
        value = look()
        if _leads_to(writes, value):
            return None
        if time.monotonic() >= deadline:
            break
        time.sleep(_PAUSE_S)
    if value is not None and value not in {event.value for event in writes}:
        return Harm.STORES_WRONG_DATA
    if not _has_order(writes):
        return Harm.LOSES_DATA if _replaced_a_value(writes) else None
    # A value that returns after its delete loses no data; a missing one does, where a put had to be the last write.
    return None if _leads_to(writes, None) else Harm.LOSES_DATA


def _replaced_a_value(writes: Sequence[Event]) -> bool:
    """Return whether a wrongly accepted conditional write must have replaced a value that should have stayed.

    An accepted swap may also have found the key deleted, or a value that was served incorrectly; then nothing was lost.
    """
    swaps = [event for event in writes if event.op is Op.SWAP]
    written = {event.value for event in writes}
    deleted = any(event.op is Op.DELETE for event in writes)
    return not swaps or not (deleted or any(event.expected not in written for event in swaps))


def _has_order(events: Sequence[Event]) -> bool:
    """Return whether an order exists that makes every response right; ``True`` where time is too short to decide."""
    try:
        return linearization(events, deadline=time.monotonic() + _CHECK_S) is not None
    except Undecided:
        return True


def _leads_to(writes: Sequence[Event], value: str | None) -> bool:
    """Return whether the writes may have left that value."""
    now = max([time.monotonic(), *(event.called for event in writes)]) + 1
    final = Event(
        client=-1,
        op=Op.GET,
        key=writes[0].key if writes else "",
        response=Response.ABSENT if value is None else Response.DONE,
        called=now,
        answered=now,
        value=value,
    )
    return _has_order([*writes, final])
