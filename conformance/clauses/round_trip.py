"""RT: a download returns the uploaded bytes, complete, or an error."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from hypothesis import example, given
from hypothesis import strategies as st

from bucket_conformance.conformance.catalogue import also, clause
from bucket_conformance.conformance.contract import Capability, Harm, Level, Profile
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.strategies import KIB, MIB, SIZES, bodies, examples, pattern_bytes
from bucket_conformance.conformance.testkit.memory import HeldMemory
from bucket_conformance.conformance.testkit.sources import (
    CONSISTENCY,
    CONTENT_LENGTH,
    FILE_STORAGE,
    GET_OBJECT,
    HEAD_OBJECT,
    MULTIPART_OVERVIEW,
    PUT_OBJECT,
)
from bucket_conformance.conformance.testkit.streams import OneWay, StreamBroke
from bucket_conformance.conformance.verdict import compare, require, show
from bucket_conformance.reference_impl.api import Storage
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError

STREAMED_SIZES: Final = (0, 1, 64 * KIB, 64 * KIB + 1, 5 * MIB + 1, 8 * MIB, 8 * MIB + 1)
"""Sizes in bytes of streamed bodies: near one piece, and near the parts in which a stream may be uploaded."""

BIG: Final = 48 * MIB
MOST_HELD: Final = 40 * MIB
"""Maximum bytes of a streamed body of ``BIG`` bytes that may be in memory at a time: a few parts, not all of it."""


@clause(
    "RT-001",
    "A download gives exactly the bytes that were uploaded, and the stat gives their number, at every size.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(PUT_OBJECT, FILE_STORAGE),
    proved_by=(
        "truncates-large-bodies",
        "get-loses-last-byte",
        "stat-rounds-size",
        "translates-line-ends",
        "upload-takes-one-read",
    ),
)
@examples("body", [pattern_bytes(size) for size in SIZES])
@example(body=bytes(range(256)))
@example(body=b"\r\n\n\r\x00\x1a\xef\xbb\xbf\xff\xfe")
@given(body=bodies(max_size=256 * KIB))
def test_bytes_out_are_the_bytes_in(session: Session, body: bytes) -> None:
    key = session.fresh_key()
    told = session.storage.upload(key, body).size
    other = session.another_storage()
    compare(other.download(key), body, "downloaded bytes")
    compare((told, other.stat(key).size), (len(body), len(body)), "sizes that the upload and the stat tell")


@also("RT-001", effort=0.5)
@examples("size", STREAMED_SIZES)
@given(size=st.integers(0, 256 * KIB))
def test_streamed_bytes_out_are_the_bytes_in(session: Session, size: int) -> None:
    key = session.fresh_key()
    told = session.storage.upload(key, OneWay(size, salt=3).as_file()).size
    pieces = []
    with session.another_storage().open(key) as stream:
        while piece := stream.read(100_000):
            pieces.append(piece)
    compare(b"".join(pieces), pattern_bytes(size, salt=3), f"bytes streamed out of {size} streamed in")
    compare((told, session.storage.stat(key).size), (size, size), "sizes that the upload and the stat tell")


@clause(
    "RT-002",
    "An overwrite replaces the whole value: readers see the old bytes or the new, never a mix and never an old length.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(PUT_OBJECT, CONSISTENCY),
    proved_by=(
        "overwrite-keeps-old-tail",
        "upload-keeps-old-tail",
        "stat-remembers-old-size",
        "upload-writes-in-place",
        "open-asks-anew-for-each-piece",
    ),
)
@example(old=0, new=1)
@example(old=1, new=0)
@example(old=1000, new=1000)
@example(old=64 * KIB + 1, new=64 * KIB)
@example(old=64 * KIB, new=64 * KIB + 1)
@example(old=5 * MIB + 1, new=1)
@example(old=1, new=5 * MIB + 1)
@given(old=st.integers(0, 128 * KIB), new=st.integers(0, 128 * KIB))
def test_an_overwrite_replaces_the_whole_value(session: Session, old: int, new: int) -> None:
    key, other = session.fresh_key(), session.another_storage()
    session.storage.upload(key, pattern_bytes(old, salt=1))
    compare(other.stat(key).size, old, "size before the overwrite")
    session.storage.upload(key, pattern_bytes(new, salt=2))
    body, due = other.download(key), pattern_bytes(new, salt=2)
    # Seen once, it may be an outdated response; seen twice, it is what is stored.
    harm = Harm.STORES_WRONG_DATA if body != due and other.download(key) == body else None
    compare(body, due, f"bytes after {old} were overwritten by {new}", harm=harm)
    compare(other.stat(key).size, new, f"size after {old} bytes were overwritten by {new}")


@also("RT-002")
@example(old=8 * MIB + 1, new=1)
@example(old=1, new=8 * MIB + 1)
@given(old=st.just(1), new=st.integers(0, 64))
def test_an_overwrite_in_parts_replaces_the_whole_value(session: Session, old: int, new: int) -> None:
    key = session.fresh_key()
    session.storage.upload(key, OneWay(old, salt=1).as_file())
    session.storage.upload(key, OneWay(new, salt=2).as_file())
    compare(session.storage.download(key), pattern_bytes(new, salt=2), f"bytes after {old} were overwritten by {new}")


@also("RT-002", effort=0.1, racy=True)
@examples("sizes", [(300 * KIB, 200 * KIB)])
@given(sizes=st.tuples(st.integers(1, 512 * KIB), st.integers(1, 512 * KIB)))
def test_readers_during_overwrites_see_one_value_whole(session: Session, sizes: tuple[int, int]) -> None:
    key, reader = session.fresh_key(), session.another_storage()
    values = [pattern_bytes(size, salt=number) for number, size in enumerate(sizes)]
    session.storage.upload(key, values[0])
    mixed: bytes | None = None
    with _rewriting(session.storage, key, values) as written:
        while mixed is None and len(written) < 8:
            body = reader.download(key)
            mixed = None if body in values else body
    harm = Harm.SERVES_WRONG_DATA
    compare(mixed, None, "a download during overwrites", promise="one of the two values, whole", harm=harm)


@contextmanager
def _rewriting(storage: Storage, key: str, values: list[bytes]) -> Iterator[list[object]]:
    """Write the values in turn during the block. The yielded list grows with each write, also with a failed one."""
    ended = threading.Event()
    written: list[object] = []
    failures: list[BaseException] = []

    def write() -> None:
        while not ended.is_set():
            try:
                written.append(storage.upload(key, values[len(written) % len(values)]))
            except BaseException as error:
                written.append(error)
                failures.append(error)

    writer = threading.Thread(target=write, name="rewriting")
    writer.start()
    try:
        yield written
    finally:
        ended.set()
        writer.join()
    if failures:
        raise failures[0]


@also("RT-002", effort=0.1)
@examples("old", [3 * MIB])
@given(old=st.integers(1, 3 * MIB))
def test_an_open_stream_stays_with_its_version(session: Session, old: int) -> None:
    key = session.fresh_key()
    session.storage.upload(key, pattern_bytes(old, salt=1))
    observed: bytes | ErrorCode
    with session.another_storage().open(key) as stream:
        first = stream.read(1)
        session.storage.upload(key, pattern_bytes(old, salt=2))
        try:
            observed = first + stream.read()
        except StorageError as error:
            observed = error.code
    # An error that says that the version is gone is not a mix.
    if observed is not ErrorCode.INTEGRITY:
        compare(observed, pattern_bytes(old, salt=1), "a stream that was opened before the overwrite")


KINDS_OF_MISSING: Final = ("never stored", "deleted", "its folder", "below it", "one character more", "one less")


@clause(
    "RT-003",
    "A missing key is reported as not found, never as empty bytes, and every way of asking agrees.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(GET_OBJECT, HEAD_OBJECT),
    proved_by=("get-missing-gives-empty-200", "download-missing-gives-empty", "stat-missing-gives-zero"),
)
@examples("kind", KINDS_OF_MISSING)
@given(kind=st.sampled_from(KINDS_OF_MISSING))
def test_a_missing_key_is_not_found_by_any_way_of_asking(session: Session, kind: str) -> None:
    stored = session.fresh_key()
    missing = {
        "never stored": session.fresh_key(),
        "deleted": stored,
        "its folder": stored.rpartition("/")[0],
        "below it": f"{stored}/file-1",
        "one character more": f"{stored}1",
        "one less": stored[:-1],
    }[kind]
    session.storage.upload(stored, b"something")
    if kind == "deleted":
        session.storage.delete_files([stored])
    storage = session.another_storage()

    def open_and_read() -> bytes:
        with storage.open(missing) as stream:
            return stream.read()

    observed = {
        "download": answer_of(lambda: storage.download(missing)),
        "open": answer_of(open_and_read),
        "stat": answer_of(lambda: storage.stat(missing)),
        "exists": storage.exists(missing),
    }
    gone = ErrorCode.NOT_FOUND.value
    promised = {"download": gone, "open": gone, "stat": gone, "exists": False}
    compare(observed, promised, f"a missing key ({kind})")


@also("RT-003", requires={Capability.WIRE})
@examples("kind", ["never stored", "deleted"])
@given(kind=st.sampled_from(["never stored", "deleted"]))
def test_a_missing_key_gives_404_to_get_and_head(session: Session, kind: str) -> None:
    key = session.fresh_key()
    if kind == "deleted":
        session.populate([key])
        session.remove(key)
    got, head = session.wire.get(key), session.wire.head(key)
    observed = (got.status, got.code, head.status, head.body)
    compare(observed, (404, "NoSuchKey", 404, b""), "status and code of GET, status and body of HEAD")


def answer_of(call: Callable[[], object]) -> str:
    """Return the error code of a call, or a text that says what it returned instead."""
    try:
        value = call()
    except StorageError as error:
        return error.code.value
    return f"an answer: {value!r}"


def stored_at(storage: Storage, key: str) -> bytes | None:
    """Return the bytes stored under a key, or ``None`` where there are none."""
    try:
        return storage.download(key)
    except StorageError as error:
        if error.code is ErrorCode.NOT_FOUND:
            return None
        raise


@clause(
    "RT-004",
    f"A stream is uploaded, and a value is streamed out, without being held whole: of {BIG // MIB} MiB at most "
    f"{MOST_HELD // MIB} MiB are in memory at a time.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(FILE_STORAGE, MULTIPART_OVERVIEW),
    proved_by=("upload-reads-the-stream-whole", "upload-collects-the-pieces", "open-reads-the-value-whole"),
)
def test_streams_pass_through_in_bounded_memory(session: Session) -> None:
    key = session.fresh_key()
    with session.recorder.without_bodies(), HeldMemory(__file__, every=128) as going_in:
        stream = OneWay(BIG, on_read=going_in.sample)
        session.storage.upload(key, stream.as_file())
    longest = come = 0
    with HeldMemory(__file__, every=16) as going_out, session.storage.open(key) as source:
        while piece := source.read(512 * KIB):
            going_out.sample()
            longest = max(longest, len(piece))
            come += len(piece)
    held_in, held_out = max(going_in.most, stream.largest), max(going_out.most, longest)
    require(
        held_in <= MOST_HELD and held_out <= MOST_HELD and come == BIG,
        promised=f"{BIG // MIB} MiB in and out with at most {MOST_HELD // MIB} MiB held",
        observed=f"{held_in / MIB:.0f} MiB held going in; {held_out / MIB:.0f} MiB held going out of {come} bytes",
    )


@clause(
    "RT-005",
    "A body that breaks off under way stores nothing and says so; a download cut short is an error, never short bytes.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(FILE_STORAGE, CONTENT_LENGTH, PUT_OBJECT),
    proved_by=(
        "upload-keeps-what-a-broken-stream-gave",
        "upload-hides-a-broken-stream",
        "stores-truncated-bodies",
        "download-takes-short-bodies",
        "open-ends-where-the-body-broke-off",
    ),
    effort=0.5,
)
@example(after=0, old=None)
@example(after=1, old=0)
@example(after=64 * KIB, old=10)
@example(after=64 * KIB + 1, old=None)
@example(after=8 * MIB + 1, old=10)
@given(after=st.integers(0, 200 * KIB), old=st.none() | st.integers(0, 100))
def test_a_stream_that_breaks_stores_nothing(session: Session, after: int, old: int | None) -> None:
    key = session.fresh_key()
    before = None if old is None else pattern_bytes(old, salt=9)
    if before is not None:
        session.storage.upload(key, before)
    outcome, own = "the upload succeeds", False
    try:
        session.storage.upload(key, OneWay(after + 1, breaks_after=after).as_file())
    except StreamBroke:
        own = True
    except StorageError as error:
        outcome = str(error)
    left = stored_at(session.another_storage(), key)
    said = f"what an upload says whose stream breaks after {after} bytes"
    require(own, promised=f"{said}: the stream's own exception", observed=f"{said}: {show(outcome)}")
    what = f"stored after the stream broke after {after} bytes"
    compare(left, before, what, promise=_promise(before), harm=Harm.STORES_WRONG_DATA)


def _promise(before: bytes | None) -> str:
    return "nothing" if before is None else f"the {len(before)} bytes from before"


CUTS: Final = ((1000, 0), (1000, 999), (5 * MIB + 1, 5 * MIB))
"""Sizes of bodies, and the number of bytes after which the client hangs up."""


@also("RT-005", requires={Capability.SIGNED_UPLOADS}, effort=0.1)
@examples("cut", CUTS)
@given(cut=st.tuples(st.integers(2, 64 * KIB), st.integers(0, 1)))
def test_a_signed_upload_that_hangs_up_stores_nothing(session: Session, cut: tuple[int, int]) -> None:
    size, after = cut
    key, before = session.fresh_key(), b"from before"
    session.storage.upload(key, before)
    url = session.signed_upload_url(key, expires_in=600)
    session.fetch(url, method="PUT", body=pattern_bytes(size), cut_after=after)
    what = f"stored after a hang-up after {after} of {size} bytes"
    compare(stored_at(session.storage, key), before, what, harm=Harm.LOSES_DATA)


@also("RT-005", requires={Capability.WIRE}, effort=0.1)
@examples("cut", CUTS)
@given(cut=st.tuples(st.integers(2, 64 * KIB), st.integers(0, 1)))
def test_a_put_that_hangs_up_stores_nothing(session: Session, cut: tuple[int, int]) -> None:
    size, after = cut
    key = session.fresh_key()
    session.wire.request("PUT", key, body=pattern_bytes(size), cut_after=after)
    what = f"stored after a hang-up after {after} of {size} bytes"
    compare(stored_at(session.storage, key), None, what, harm=Harm.STORES_WRONG_DATA)


@also("RT-005", requires={Capability.FAULT_INJECTION}, effort=0.3)
@example(size=1000, after=0, times=1000)
@example(size=1000, after=999, times=1000)
@example(size=1000, after=500, times=1)
@example(size=5 * MIB, after=5 * MIB - 1, times=1000)
@given(size=st.integers(2, 64 * KIB), after=st.integers(0, 1), times=st.sampled_from([1, 2, 1000]))
def test_a_download_that_is_cut_is_whole_or_an_error(session: Session, size: int, after: int, times: int) -> None:
    key, body = session.fresh_key(), pattern_bytes(size)
    session.storage.upload(key, body)
    observed: bytes | str
    with session.interference.truncate_downloads(after, times):
        try:
            observed = session.storage.download(key)
        except StorageError as error:
            observed = error.code.value
    what = f"a download of {size} bytes that is cut after {after} bytes, {times} times"
    if isinstance(observed, bytes):
        compare(observed, body, what, promise=f"{size} bytes, or {ErrorCode.INTEGRITY.value}")
    else:
        compare(observed, ErrorCode.INTEGRITY.value, what)


@also("RT-005", requires={Capability.FAULT_INJECTION}, effort=0.3)
@example(size=1000, after=0)
@example(size=1000, after=999)
@example(size=5 * MIB, after=5 * MIB - 1)
@given(size=st.integers(2, 64 * KIB), after=st.integers(0, 1))
def test_a_stream_that_is_cut_never_looks_ended(session: Session, size: int, after: int) -> None:
    key = session.fresh_key()
    session.storage.upload(key, pattern_bytes(size))
    come = 0
    outcome = "an end"
    with session.interference.truncate_downloads(after, 1000):
        try:
            with session.storage.open(key) as stream:
                while piece := stream.read(64 * KIB):
                    come += len(piece)
        except StorageError as error:
            outcome = error.code.value
    compare(
        outcome,
        ErrorCode.INTEGRITY.value,
        f"a stream of {size} bytes that is cut after {after}, of which {come} came, finds",
    )
