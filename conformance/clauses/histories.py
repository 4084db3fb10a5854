"""CON-005, CON-011: an order exists that explains what several clients observe for a few keys at the same time."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from bucket_conformance.conformance.catalogue import clause
from bucket_conformance.conformance.contract import Capability, Level, Profile
from bucket_conformance.conformance.history import NEVER, WRITES, Event, Op, Response, Undecided, violation
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.strategies import examples
from bucket_conformance.conformance.testkit.history_drawing import draw_text
from bucket_conformance.conformance.testkit.history_harm import harm_of
from bucket_conformance.conformance.testkit.layout import Project
from bucket_conformance.conformance.testkit.sources import (
    CONDITIONAL_WRITES,
    CONSISTENCY,
    FILE_STORAGE,
    LINEARIZABILITY,
)
from bucket_conformance.conformance.verdict import Deviation, Inconclusive
from bucket_conformance.conformance.wire.transport import HttpResponse
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError

CHECK_S: Final = 2.0
"""Seconds for finding an order."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One operation in the script of a client, on the key with this index."""

    op: Op
    key: int

    def __repr__(self) -> str:
        return f"{self.op} k{self.key}"


Script = tuple[Invocation, ...]

_PLAIN: Final = (Op.PUT, Op.PUT, Op.GET, Op.GET, Op.HEAD, Op.DELETE, Op.LIST)
_CONDITIONAL: Final = (Op.PUT, Op.GET, Op.GET, Op.DELETE, Op.CREATE, Op.CREATE, Op.SWAP)


def _scripts(ops: Sequence[Op]) -> st.SearchStrategy[tuple[Script, ...]]:
    """Generate the scripts of three clients over two keys."""
    ask = st.builds(Invocation, st.sampled_from(ops), st.integers(0, 1))
    script = st.lists(ask, min_size=1, max_size=8).map(tuple)
    return st.tuples(script, script, script)


def _loop(*ops: Op) -> Script:
    return tuple(Invocation(op, 0) for op in ops * 3)


WRITER_AND_READERS: Final = (
    _loop(Op.PUT, Op.PUT, Op.DELETE),
    _loop(Op.GET, Op.HEAD, Op.GET, Op.LIST),
    _loop(Op.LIST, Op.GET, Op.GET, Op.HEAD),
)
OWN_WRITES: Final = (
    _loop(Op.PUT, Op.GET, Op.HEAD),
    _loop(Op.GET, Op.PUT, Op.GET),
    _loop(Op.DELETE, Op.LIST, Op.GET),
)
CREATORS: Final = tuple(_loop(Op.CREATE, Op.GET, Op.DELETE, Op.CREATE, Op.GET) for _ in range(3))
UPDATERS: Final = (_loop(Op.PUT, Op.SWAP, Op.GET), _loop(Op.SWAP, Op.GET, Op.SWAP), _loop(Op.SWAP, Op.SWAP, Op.GET))


class _Values:
    """Bodies that differ in bytes and in length. Thread-safe."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._by_size: dict[int, tuple[str, bytes]] = {}

    def fresh(self) -> tuple[str, bytes]:
        number = next(self._numbers)
        name = f"v{number}"
        body = f"{name} ".encode().ljust(8 + number, b".")
        self._by_size[len(body)] = (name, body)
        return name, body

    def of_body(self, body: bytes) -> str:
        # No body is empty.
        name, known = self._by_size.get(len(body)) or ("", None)
        return name if known == body else f"{len(body)} bytes nobody wrote"

    def of_size(self, size: int) -> str:
        return self._by_size.get(size, (f"{size} bytes nobody wrote", b""))[0]


Answered = tuple[Response, str | None]
Performer = Callable[[Op, str, str, bytes], Answered | None]
"""Carries out one operation with a new value; returns ``None`` where there was nothing to do."""


def _record(scripts: Sequence[Script], keys: Sequence[str], values: _Values, perform: Performer) -> list[Event]:
    """Run the scripts in parallel and return all requests and responses, with their times."""
    start = threading.Barrier(len(scripts))

    def client(number: int) -> list[Event]:
        events = []
        start.wait(timeout=30)
        for ask in scripts[number]:
            name, body = values.fresh()
            called = time.monotonic()
            outcome = perform(ask.op, keys[ask.key], name, body)
            if outcome is None:
                continue
            response, value = outcome
            answered = time.monotonic() if response is not Response.UNKNOWN else NEVER
            expected = None
            if ask.op is Op.SWAP:
                expected, value = value, name
            elif ask.op in WRITES and ask.op is not Op.DELETE:
                value = name
            events.append(
                Event(
                    client=number,
                    op=ask.op,
                    key=f"k{ask.key}",
                    response=response,
                    called=called,
                    answered=answered,
                    value=value,
                    expected=expected,
                )
            )
        return events

    with ThreadPoolExecutor(len(scripts), thread_name_prefix="client") as pool:
        return [event for events in pool.map(client, range(len(scripts))) for event in events]


def _require_an_order(session: Session, events: list[Event], mark: int, look: Callable[[str], str | None]) -> None:
    """Raise ``Deviation`` where no order explains the events. ``look`` downloads a key of the events again."""
    asked = [event for event in events if event.op in WRITES and event.op is not Op.DELETE]
    if asked and all(event.response is Response.UNKNOWN for event in asked):
        # Any order is compatible with operations that may never have happened.
        raise Inconclusive(f"none of {len(asked)} concurrent uploads got a clear answer")
    try:
        found = violation(events, seconds=CHECK_S)
    except Undecided as error:
        raise Inconclusive(f"no order was found, and none ruled out, in {CHECK_S:g} s: {error}") from None
    if found is None:
        return
    failed = [exchange for exchange in session.recorder.since(mark) if (exchange.status or 500) >= 500]
    if failed:
        # A repeated request may take effect twice, which no single point in time can represent.
        raise Inconclusive(f"{len(failed)} requests failed and were tried again while the history was recorded")
    key = found[0].key
    raise Deviation(
        promised="the answers to concurrent clients fit one order of their operations",
        observed=f"no order explains {len(found)} of {len(events)} operations, whatever became of the others: "
        + "; ".join(map(str, found)),
        example=draw_text(found),
        history=found,
        harm=harm_of(found, [event for event in events if event.key == key], lambda: look(key)),
    )


@clause(
    "CON-005",
    "What concurrent clients are answered fits one order of their operations: no value comes back, none is lost.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(CONSISTENCY, LINEARIZABILITY, FILE_STORAGE),
    proved_by=("stale-read-after-overwrite", "listing-lags-behind"),
    effort=0.25,
    racy=True,
)
@examples("scripts", [WRITER_AND_READERS, OWN_WRITES])
@given(scripts=_scripts(_PLAIN))
def test_a_concurrent_history_has_an_order(session: Session, scripts: tuple[Script, ...]) -> None:
    project, values, storage = Project(session), _Values(), session.storage
    keys = [project.key(0), project.key(1)]

    def perform(op: Op, key: str, name: str, body: bytes) -> Answered:
        try:
            match op:
                case Op.PUT:
                    storage.upload(key, body)
                    return Response.DONE, name
                case Op.GET:
                    return Response.DONE, values.of_body(storage.download(key))
                case Op.HEAD:
                    return Response.DONE, values.of_size(storage.stat(key).size)
                case Op.DELETE:
                    storage.delete_files([key])
                    return Response.DONE, None
                case _:
                    listed = any(stat.key == key for stat in storage.list(project.prefix))
                    return (Response.PRESENT if listed else Response.ABSENT), None
        except StorageError as error:
            if error.code is ErrorCode.NOT_FOUND:
                return Response.ABSENT, None
            if error.code in (ErrorCode.UNAVAILABLE, ErrorCode.CONFLICT, ErrorCode.UNKNOWN):
                return Response.UNKNOWN, name if op is Op.PUT else None
            raise

    def look(key: str) -> str | None:
        try:
            return values.of_body(storage.download(keys[int(key[1:])]))
        except StorageError as error:
            if error.code is not ErrorCode.NOT_FOUND:
                raise LookupError(str(error)) from error
            return None

    mark = session.recorder.mark()
    _require_an_order(session, _record(scripts, keys, values, perform), mark, look)


@clause(
    "CON-011",
    "What concurrent clients are answered, conditional writes among them, fits one order of their operations.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(CONDITIONAL_WRITES, CONSISTENCY, LINEARIZABILITY),
    proved_by=("if-none-match-not-atomic", "if-match-ignored"),
    requires={Capability.CONDITIONAL_PUT},
    effort=0.25,
    racy=True,
)
@examples("scripts", [CREATORS, UPDATERS])
@given(scripts=_scripts(_CONDITIONAL))
def test_a_concurrent_history_with_conditions_has_an_order(session: Session, scripts: tuple[Script, ...]) -> None:
    prefix, values, wire = session.fresh_prefix(), _Values(), session.wire
    keys = [f"{prefix}k0", f"{prefix}k1"]
    last_read = threading.local()

    def perform(op: Op, key: str, name: str, body: bytes) -> Answered | None:
        match op:
            case Op.PUT:
                return _done(wire.put(key, body).ok), name
            case Op.DELETE:
                response = wire.delete(key)
                return _done(response.ok or response.status == 404), None
            case Op.CREATE:
                return _clear(wire.put(key, body, (("If-None-Match", "*"),))), name
            case Op.SWAP:
                seen: dict[str, tuple[str, str]] = last_read.__dict__
                if key not in seen:
                    response = wire.get(key)
                    if not response.ok:
                        return None  # no value to update
                    seen[key] = (values.of_body(response.body), response.header("etag") or "")
                value, etag = seen.pop(key)
                return _clear(wire.put(key, body, (("If-Match", etag),))), value
            case _:
                response = wire.get(key)
                if response.status == 404:
                    return Response.ABSENT, None
                if not response.ok:
                    return Response.UNKNOWN, None
                value = values.of_body(response.body)
                last_read.__dict__[key] = (value, response.header("etag") or "")
                return Response.DONE, value

    def look(key: str) -> str | None:
        response = wire.get(keys[int(key[1:])])
        if response.status == 404:
            return None
        if not response.ok:
            raise LookupError(response.summary)
        return values.of_body(response.body)

    mark = session.recorder.mark()
    _require_an_order(session, _record(scripts, keys, values, perform), mark, look)


def _done(clearly: bool) -> Response:
    return Response.DONE if clearly else Response.UNKNOWN


def _clear(response: HttpResponse) -> Response:
    """Return the result of a conditional write. A 409 reports a race and says nothing about the value: unclear."""
    return Response.REFUSED if response.status in (404, 412) else _done(response.ok)
