"""What a concurrent history that no order explains surely did to those who rely on the backend; often nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from bucket_conformance.conformance.contract import Harm
from bucket_conformance.conformance.history import WRITES, Event, Op, Said, Undecided, linearization

Look = Callable[[], str | None]
"""Downloads the key once more: the value that stands, by its name or in words that name none; ``None``: absent.

Raises ``LookupError`` where the answer tells nothing.
"""

SETTLE_S: Final = 1.0
"""How long what stands may lag behind the last answered write before it counts as what is kept."""
_PAUSE_S: Final = 0.1
_CHECK_S: Final = 1.0


def harm_of(found: Sequence[Event], history: Sequence[Event], look: Look, *, settle_s: float = SETTLE_S) -> Harm | None:
    """Return the harm of a violation ``found`` on one key, whose whole ``history`` is given; the gravest that is sure.

    What stands once all clients have ended decides on loss: an answer that is merely old, or a listing that lags, loses
    nothing. A value that nobody wrote was served as a whole object whatever stands later.
    """
    try:
        kept = _kept(history, look, settle_s)
    except LookupError:
        kept = None
    if kept is not None:
        return kept
    written = {event.value for event in history if event.op in WRITES}
    served = [event for event in found if event.op is Op.GET and event.said is Said.DONE]
    return Harm.SERVES_WRONG_DATA if any(event.value not in written for event in served) else None


def _kept(history: Sequence[Event], look: Look, settle_s: float) -> Harm | None:
    """Return the harm of what stands in the end, or ``None`` where an order of the writes leads to it."""
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
    # A value that is back after its delete is a nuisance; only where a put had to stand, one is lost.
    return None if _leads_to(writes, None) else Harm.LOSES_DATA


def _replaced_a_value(writes: Sequence[Event]) -> bool:
    """Whether conditional writes of which one was wrongly accepted must have replaced a value that was to stay.

    An accepted swap may also have found the key deleted, or a value that was served wrongly; then nothing was lost.
    """
    swaps = [event for event in writes if event.op is Op.SWAP]
    written = {event.value for event in writes}
    deleted = any(event.op is Op.DELETE for event in writes)
    return not swaps or not (deleted or any(event.expected not in written for event in swaps))


def _has_order(events: Sequence[Event]) -> bool:
    """Whether some order makes every answer right. Where that cannot be decided in time, one does."""
    try:
        return linearization(events, deadline=time.monotonic() + _CHECK_S) is not None
    except Undecided:
        return True


def _leads_to(writes: Sequence[Event], value: str | None) -> bool:
    """Whether the writes may have left that value."""
    now = max([time.monotonic(), *(event.called for event in writes)]) + 1
    final = Event(
        client=-1,
        op=Op.GET,
        key=writes[0].key if writes else "",
        said=Said.ABSENT if value is None else Said.DONE,
        called=now,
        answered=now,
        value=value,
    )
    return _has_order([*writes, final])
