"""DUR: confirmed writes survive a kill of the writer or the server; unconfirmed ones are old or new, never partial."""

from __future__ import annotations

import threading
import time
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from bucket_conformance.conformance.catalogue import clause
from bucket_conformance.conformance.contract import Capability, Harm, Level, Profile
from bucket_conformance.conformance.parts import WriterFailed, writer_body
from bucket_conformance.conformance.session import MARK, Session
from bucket_conformance.conformance.strategies import KIB, examples
from bucket_conformance.conformance.testkit.foreign_names import without_foreign
from bucket_conformance.conformance.testkit.sources import CONSISTENCY, DURABILITY, FILE_STORAGE
from bucket_conformance.conformance.verdict import Deviation, Inconclusive, compare, show
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError

OLD: Final = b"the value from before the writer"
SETTLES_S: Final = 2.0
"""Seconds for which a backend may still process an upload whose sender was killed."""


@clause(
    "DUR-001",
    "After the writer is killed at any point, every answered upload is there whole, the unanswered one left the old "
    "value or the new, and nothing unfinished is listed or served.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(CONSISTENCY, FILE_STORAGE),
    proved_by=("answers-before-writing", "writes-in-place", "writes-beside-the-key", "removes-before-writing"),
    requires={Capability.WRITER},
    effort=1.5,
    racy=True,
)
@examples("kill", [(1, 0, 64), (3, 500, 64 * KIB), *((wait, 150 * wait, 512 * KIB) for wait in range(8))])
@given(
    kill=st.tuples(
        st.integers(0, 6), st.integers(0, 4000), st.sampled_from((64, 64 * KIB, 512 * KIB)) | st.integers(8, 256 * KIB)
    )
)
def test_answered_uploads_survive_a_kill_of_the_writer(session: Session, kill: tuple[int, int, int]) -> None:
    wait_for, more_us, size = kill
    owner = session.fresh_id()
    keys = [session.layout.build("FILE", f"file-{number}", project_id=owner) for number in range(3)]
    for key in keys:
        session.storage.upload(key, OLD)
    try:
        with session.writer.start(keys, size=size) as writing:
            writing.wait_for(wait_for)
            time.sleep(more_us / 1e6)
            answered = writing.kill()
    except WriterFailed as error:
        raise Inconclusive(f"the writer ended before it was killed: {error}") from None
    for number, key in enumerate(keys):
        _require_old_or_new(session, key, number, answered, size)
    listed = without_foreign(session, sorted(stat.key for stat in session.storage.list(f"project/{owner}")))
    compare(listed, sorted(keys), f"keys listed below project/{owner} after the kill")
    if Capability.FILE_TREE in session.capabilities:
        compare(_unfinished_in_sight(session), [], "unfinished uploads that are listed or served")


def _require_old_or_new(session: Session, key: str, number: int, answered: int, size: int) -> None:
    own = [upload for upload in range(answered) if upload % 3 == number]
    last = writer_body(own[-1], size) if own else OLD
    allowed = [last] + ([writer_body(answered, size)] if answered % 3 == number else [])
    found, deadline = session.storage.download(key), time.monotonic() + SETTLES_S
    while found not in allowed and time.monotonic() < deadline:
        # The upload that the kill interrupted may still be on its way.
        time.sleep(0.1)
        found = session.storage.download(key)
    if found not in allowed:
        choice = " or ".join(f"{len(body)} bytes beginning {body[:8]!r}" for body in allowed)
        raise Deviation(
            promised=f"after {answered} answered uploads, {key} holds {choice}",
            observed=f"it holds {show(found)}",
            harm=Harm.LOSES_DATA,
        )


def _unfinished_in_sight(session: Session) -> list[str]:
    """Return the files that the storage lists or serves, although no key of this session can name them."""
    seen = []
    for entry in session.root.iterdir():
        if entry.name in ("project", "platform") or entry.name.startswith(MARK):
            continue
        seen += [stat.key for stat in session.storage.list(entry.name)]
        for path in entry.rglob("*") if entry.is_dir() else [entry]:
            name = path.relative_to(session.root).as_posix()
            if path.is_file() and _is_served(session, name):
                seen.append(name)
    return sorted(set(seen))


def _is_served(session: Session, name: str) -> bool:
    try:
        session.storage.download(name)
    except StorageError as error:
        if error.code in (ErrorCode.NOT_FOUND, ErrorCode.INVALID_KEY):
            return False
        raise
    return True


@clause(
    "DUR-002",
    "Uploads, overwrites and deletes that were answered survive a kill of the server and its restart.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(DURABILITY, CONSISTENCY),
    proved_by=("restart-loses-the-last-writes", "restart-brings-deleted-back"),
    requires={Capability.DURABLE, Capability.RESTART},
    racy=True,
)
def test_answered_changes_survive_a_kill_of_the_server(session: Session) -> None:
    owner = session.fresh_id()
    keys = [session.layout.build("FILE", f"file-{number}", project_id=owner) for number in range(12)]
    busy = session.layout.build("FILE", "busy", project_id=owner)
    sizes = (64, 64 * KIB, 1024 * KIB)
    for number, key in enumerate(keys):
        session.storage.upload(key, writer_body(number, sizes[number % 3]))
    for number, key in enumerate(keys[:4]):
        session.storage.upload(key, writer_body(100 + number, sizes[number % 3]))
    session.storage.delete_files(keys[8:])
    session.storage.upload(busy, writer_body(0, 64 * KIB))
    answered = _write_through_a_kill(session, busy)
    wanted: dict[str, str] = {key: show(writer_body(100 + n, sizes[n % 3])) for n, key in enumerate(keys[:4])}
    wanted |= {key: show(writer_body(n, sizes[n % 3])) for n, key in enumerate(keys[4:8], 4)}
    wanted |= dict.fromkeys(keys[8:], "not there")
    now = _held(session, busy)
    allowed = [show(writer_body(number, 64 * KIB)) for number in (answered, answered + 1)]
    # The upload that was running when the server died may have arrived or not; both are right.
    wanted[busy] = now if now in allowed else allowed[0]
    kept = {**{key: _held(session, key) for key in keys}, busy: now}
    compare(kept, wanted, "what is stored after the restart", harm=Harm.LOSES_DATA)


def _write_through_a_kill(session: Session, key: str) -> int:
    """Kill and restart the server while a thread overwrites ``key``; return the number of its last confirmed upload."""
    answered, stop, tried = [0], threading.Event(), threading.Event()
    writer = session.another_storage()

    def write() -> None:
        while not stop.is_set():
            try:
                writer.upload(key, writer_body(answered[0] + 1, 64 * KIB))
            except StorageError:
                # No further writes: with two unconfirmed uploads, the order of their arrival would be unknown.
                return
            finally:
                tried.set()
            answered[0] += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        tried.wait(30)
        session.restart()
    finally:
        stop.set()
        thread.join()
    return answered[0]


def _held(session: Session, key: str) -> str:
    try:
        return show(session.storage.download(key))
    except StorageError as error:
        if error.code is ErrorCode.NOT_FOUND:
            return "not there"
        raise
