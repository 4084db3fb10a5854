"""CON: a confirmed write is visible, and concurrent writers give one complete result."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from hypothesis import example, given
from hypothesis import strategies as st

from bucket_conformance.conformance.catalogue import clause
from bucket_conformance.conformance.contract import Capability, Harm, Level, Profile
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.strategies import bodies, examples, pattern_bytes
from bucket_conformance.conformance.testkit.layout import Project
from bucket_conformance.conformance.testkit.needs import Operation, needs
from bucket_conformance.conformance.testkit.sources import (
    CONDITIONAL_READS,
    CONDITIONAL_REQUESTS,
    CONDITIONAL_WRITES,
    CONSISTENCY,
    FILE_STORAGE,
    PUT_OBJECT,
)
from bucket_conformance.conformance.verdict import Inconclusive, compare
from bucket_conformance.conformance.wire.exchange import Headers
from bucket_conformance.conformance.wire.stored_bytes import stored_in, tells
from bucket_conformance.conformance.wire.transport import HttpResponse
from bucket_conformance.reference_impl.api import Storage
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError

T = TypeVar("T")

GONE: Final = ErrorCode.NOT_FOUND.value


def _seen(storage: Storage, key: str, prefix: str) -> dict[str, object]:
    """Return what each way to read reports about one key."""
    results: dict[str, object] = {}
    for way, call in (("download", lambda: storage.download(key)), ("size", lambda: storage.stat(key).size)):
        try:
            results[way] = call()
        except StorageError as error:
            if error.code is not ErrorCode.NOT_FOUND:
                raise
            results[way] = GONE
    results["exists"] = storage.exists(key)
    results["listed"] = [(stat.key == key, stat.size) for stat in storage.list(prefix)]
    return results


def _due(body: bytes | None) -> dict[str, object]:
    if body is None:
        return {"download": GONE, "size": GONE, "exists": False, "listed": []}
    return {"download": body, "size": len(body), "exists": True, "listed": [(True, len(body))]}


@clause(
    "CON-001",
    "A put, overwrite or delete that was answered is seen at once by reads, stats and listings of other connections.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(CONSISTENCY, FILE_STORAGE),
    proved_by=("stale-read-after-overwrite", "get-missing-gives-empty-200", "listing-lags-behind"),
    effort=0.4,
)
@example(first=b"first", second=b"and the second")
@example(first=b"longer than the second", second=b"")
@given(first=bodies(), second=bodies())
def test_an_answered_write_is_seen_from_another_connection(session: Session, first: bytes, second: bytes) -> None:
    project = Project(session)
    key, reader = project.key(0), session.another_storage()
    # A backend may remember that a key is missing, so each key is read once before its first write.
    observed = {"before": _seen(reader, key, project.prefix)}
    session.storage.upload(key, first)
    observed["after the put"] = _seen(reader, key, project.prefix)
    session.storage.upload(key, second)
    observed["after the overwrite"] = _seen(reader, key, project.prefix)
    session.storage.delete_files([key])
    observed["after the delete"] = _seen(reader, key, project.prefix)
    due = (None, first, second, None)
    for (when, seen), body in zip(observed.items(), due, strict=True):
        for way, promised in _due(body).items():
            compare(seen[way], promised, f"{way} {when}")


class Race:
    """Lets several callers start at the same time, and collects their results."""

    def __init__(self, runners: int) -> None:
        self._runners = runners
        self._start = threading.Barrier(runners)

    def run(self, call: Callable[[int], T]) -> list[T]:
        """Return ``call(number)`` for each runner, in the order of the numbers; raises the first exception again."""

        def one(number: int) -> T:
            self._start.wait(timeout=30)
            return call(number)

        with ThreadPoolExecutor(self._runners, thread_name_prefix="race") as pool:
            return list(pool.map(one, range(self._runners)))


def _body_of(number: int) -> bytes:
    """Return the body of one writer: unique in length and bytes, and long enough to be written in several pieces."""
    return pattern_bytes(40_000 + number * 9_001, salt=number * 7 + 1)


def _whose(body: bytes | None, writers: int) -> str:
    if body is None:
        return "nothing"
    found = next((number for number in range(writers) if body == _body_of(number)), None)
    if found is not None:
        return "one of the values written"
    return f"{len(body)} bytes that no writer wrote"


@clause(
    "CON-002",
    "Of concurrent puts of one key, one value stands in the end, whole.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(CONSISTENCY, PUT_OBJECT),
    proved_by=("overwrite-keeps-old-tail", "upload-keeps-old-tail", "upload-in-place"),
    effort=0.25,
    racy=True,
)
@examples("writers", [2, 8])
@given(writers=st.integers(2, 8))
def test_one_of_the_concurrent_values_stands_whole(session: Session, writers: int) -> None:
    key = session.fresh_key()
    # Longer than all later bodies, so that a value written over it piece by piece is noticed.
    session.storage.upload(key, pattern_bytes(150_000, salt=0))

    def write(number: int) -> bool:
        try:
            session.storage.upload(key, _body_of(number))
        except StorageError as error:
            # A backend may ask for fewer writes to one key, or report that a writer lost; this breaks no promise.
            if error.code in (ErrorCode.UNAVAILABLE, ErrorCode.CONFLICT):
                return False
            raise
        return True

    if not any(Race(writers).run(write)):
        raise Inconclusive(f"none of {writers} concurrent puts was accepted")
    try:
        final: bytes | None = session.storage.download(key)
    except StorageError as error:
        if error.code is not ErrorCode.NOT_FOUND:
            raise
        final = None
    what = f"value after {writers} concurrent puts"
    compare(_whose(final, writers), "one of the values written", what, harm=Harm.STORES_WRONG_DATA)


def _update(session: Session, key: str, body: bytes, etag: str) -> HttpResponse:
    """Send a PUT with If-Match; CON-004 deviates where the server does not have it."""
    response = session.wire.put(key, body, (("If-Match", etag),))
    return needs(response, Operation.CONDITIONAL_WRITE, "PUT with If-Match")


def _winners(session: Session, key: str, runners: int, headers: Headers) -> tuple[str, bool]:
    """Let ``runners`` put conditionally at once; return how many won and whose value stands, and if an update is lost.

    It is lost where several won, or where one won whose value is not the one that stands.
    """
    # Several rounds of luck in one: all start together, each on a connection of its own.
    responses = Race(runners).run(lambda number: session.wire.put(key, _body_of(number), headers))
    # 501 is a clear response, the same for all. After any other server error the value may be stored or not, and who is
    # told to come later took no part in the race.
    unclear = [
        response.summary
        for response in responses
        if response.status in (408, 429) or (response.status != 501 and not 0 < response.status < 500)
    ]
    winners = [number for number, response in enumerate(responses) if response.ok]
    if len(winners) > 1:
        return f"{len(winners)} winners", True
    if unclear:
        raise Inconclusive(f"{len(unclear)} of {runners} conditional puts came to nothing clear: {unclear[0]}")
    others = {response.status for response in responses if not response.ok}
    if not winners:
        return f"no winner, {', '.join(str(status) for status in sorted(others))} for all", False
    if others - {409, 412}:
        return f"1 winner, the others told {', '.join(str(status) for status in sorted(others))}", False
    left = stored_in(response := session.wire.get(key))
    if not tells(left):
        raise Inconclusive(f"1 of {runners} conditional puts won, and reading what stands gave {response.summary}")
    lost = left != _body_of(winners[0])
    return "1 winner, but another value stands" if lost else ONE_WINNER, lost


ONE_WINNER: Final = "1 winner, whose value stands"


@clause(
    "CON-003",
    "Of concurrent creators with If-None-Match: * exactly one wins, and its value stands.",
    level=Level.MUST,
    profile=Profile.S3,
    source=CONDITIONAL_WRITES,
    proved_by=("if-none-match-not-atomic", "if-none-match-ignored"),
    requires={Capability.CONDITIONAL_PUT},
    effort=0.25,
    racy=True,
)
@examples("runners", [2, 8])
@given(runners=st.integers(2, 8))
def test_exactly_one_creator_wins(session: Session, runners: int) -> None:
    key = session.fresh_prefix() + "a"
    seen, lost = _winners(session, key, runners, (("If-None-Match", "*"),))
    compare(seen, ONE_WINNER, f"{runners} creators at once", harm=Harm.LOSES_DATA if lost else None)


def _etag_of_new(session: Session, key: str, body: bytes = b"first version") -> str:
    """Store a first version and return its ETag exactly as the server writes it."""
    session.wire.put(key, body)
    etag = session.wire.head(key).header("etag")
    if not etag:
        raise Inconclusive("the server returns no ETag to set a condition by")
    return etag


@clause(
    "CON-004",
    "Of concurrent updates with If-Match on the ETag as it was returned exactly one wins, and its value stands.",
    level=Level.MUST,
    profile=Profile.S3,
    source=CONDITIONAL_WRITES,
    proved_by=("if-match-ignored", "if-match-wants-bare-etag"),
    requires={Capability.CONDITIONAL_PUT},
    effort=0.25,
    racy=True,
)
@examples("runners", [2, 8])
@given(runners=st.integers(2, 8))
def test_exactly_one_update_wins(session: Session, runners: int) -> None:
    key = session.fresh_prefix() + "a"
    etag = _etag_of_new(session, key)
    seen, lost = _winners(session, key, runners, (("If-Match", etag),))
    compare(seen, ONE_WINNER, f"{runners} updates at once, on {etag}", harm=Harm.LOSES_DATA if lost else None)


@clause(
    "CON-007",
    "A put with If-Match on an ETag that has become stale is refused with 412 and changes nothing.",
    level=Level.MUST,
    profile=Profile.S3,
    source=CONDITIONAL_WRITES,
    proved_by="if-match-ignored",
    requires={Capability.CONDITIONAL_PUT},
    effort=0.3,
)
@examples("second", [b"second version", b""])
@given(second=bodies(max_size=256).filter(lambda body: body != b"first version"))
def test_a_stale_etag_updates_nothing(session: Session, second: bytes) -> None:
    key = session.fresh_prefix() + "a"
    stale = _etag_of_new(session, key)
    session.wire.put(key, second)
    status = _update(session, key, b"late update", stale).status
    left = stored_in(session.wire.get(key))
    harm = Harm.LOSES_DATA if left != second and tells(left) else None
    compare((status, left), (412, second), "status, and what is stored", harm=harm)


@clause(
    "CON-008",
    "A put with If-Match on a key that does not exist is refused and creates nothing.",
    level=Level.MUST,
    profile=Profile.S3,
    source=CONDITIONAL_WRITES,
    proved_by=("if-match-ignored", "if-match-creates"),
    requires={Capability.CONDITIONAL_PUT},
    effort=0.2,
)
@examples("deleted", [False, True])
@given(deleted=st.booleans())
def test_if_match_on_an_absent_key_creates_nothing(session: Session, deleted: bool) -> None:
    prefix = session.fresh_prefix()
    key = prefix + "a"
    etag = _etag_of_new(session, key if deleted else prefix + "b")
    if deleted:
        session.wire.delete(key)
    status = _update(session, key, b"update of nothing", etag).status
    observed = ("refused" if 400 <= status < 500 else str(status), session.wire.get(key).status)
    compare(observed, ("refused", 404), "the update, and a read of the key after it")


def _conditions(etag: str, modified: str) -> dict[str, tuple[Headers, int]]:
    """Return conditional reads of an object, and the status that each must get."""
    other = '"00000000000000000000000000000000"'
    return {
        "If-None-Match, its ETag": ((("If-None-Match", etag),), 304),
        "If-None-Match, another ETag": ((("If-None-Match", other),), 200),
        "If-Match, its ETag": ((("If-Match", etag),), 200),
        "If-Match, another ETag": ((("If-Match", other),), 412),
        "If-Modified-Since, its date": ((("If-Modified-Since", modified),), 304),
        "If-Modified-Since, an older date": ((("If-Modified-Since", OLD_DATE),), 200),
        "If-Unmodified-Since, its date": ((("If-Unmodified-Since", modified),), 200),
        "If-Unmodified-Since, an older date": ((("If-Unmodified-Since", OLD_DATE),), 412),
    }


OLD_DATE: Final = "Sat, 01 Jan 2000 00:00:00 GMT"
CONDITION_NAMES: Final = tuple(_conditions("", ""))


@clause(
    "CON-009",
    "Conditional reads by ETag and by date get 200, 304 or 412 as the condition says, for GET and HEAD alike.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(CONDITIONAL_READS, CONDITIONAL_REQUESTS),
    proved_by=("conditional-reads-ignored", "if-none-match-gives-412", "conditional-dates-ignored"),
    effort=0.3,
)
@examples("condition", CONDITION_NAMES)
@given(condition=st.sampled_from(CONDITION_NAMES))
def test_conditional_reads_do_as_the_condition_says(session: Session, condition: str) -> None:
    key = session.fresh_prefix() + "a"
    session.wire.put(key, b"content")
    head = session.wire.head(key)
    headers, due = _conditions(head.header("etag") or "", head.header("last-modified") or "")[condition]
    got, headed = session.wire.get(key, headers), session.wire.head(key, headers)
    observed = (got.status, headed.status, got.body == b"content")
    compare(observed, (due, due, due == 200), f"{condition}: status of GET, of HEAD, content given")
