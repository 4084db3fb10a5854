"""DEL: exactly the named keys are deleted, in batches, and the caller learns the result for each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final
from urllib.parse import unquote, urlsplit

from hypothesis import example, given
from hypothesis import strategies as st

from bucket_conformance.conformance.backend.sdk_hook import batch_keys
from bucket_conformance.conformance.catalogue import also, clause
from bucket_conformance.conformance.contract import Capability, Harm, Level, Profile
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.strategies import examples
from bucket_conformance.conformance.testkit.foreign_names import without_foreign
from bucket_conformance.conformance.testkit.layout import Project, remaining
from bucket_conformance.conformance.testkit.model import Model
from bucket_conformance.conformance.testkit.sources import (
    CONSISTENCY,
    DELETE_OBJECT,
    DELETE_OBJECTS,
    FILE_STORAGE,
    RETRIES,
)
from bucket_conformance.conformance.verdict import compare, require
from bucket_conformance.conformance.wire.exchange import Exchange
from bucket_conformance.reference_impl.api import DEFAULT_BATCH_SIZE, DeleteError, DeleteResult
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError

COUNTS: Final = (1, 99, 100, 101, 199, 200, 250, 999, 1000, 1001, 2500)
"""Numbers of keys near the batch size of the storage system and near the largest batch of S3."""


UNCONFIGURED: Final = 100
"""Maximum number of keys in a delete request where nothing is configured, by the documentation of the product."""


def harm_to_unlisted(session: Session, keys: Iterable[str]) -> Harm | None:
    """Return the harm to keys that a listing lacks: a loss only where one of them cannot be read either."""
    with contextlib.suppress(StorageError):
        if any(not session.storage.exists(key) for key in keys):
            return Harm.LOSES_DATA
    return None


def edges(count: int) -> list[int]:
    """Return, in order, the indexes among ``count`` keys at which a batch may begin or end, and a few in between."""
    marks = {0, count - 1, count // 2, count // 3}
    marks |= {at for start in range(0, count, DEFAULT_BATCH_SIZE) for at in (start - 1, start)}
    return sorted(at for at in marks if 0 <= at < count)


@clause(
    "DEL-001",
    "Deleting a list of keys removes exactly those keys and leaves every other.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(FILE_STORAGE, DELETE_OBJECTS),
    proved_by=("delete-drops-prefix-siblings", "delete-stops-at-missing-key", "delete-forgets-last-of-batch"),
)
@example(live={0, 1, 10}, asked=[1])
@example(live={0, 1, 2, 3}, asked=[9, 2, 2, 8, 0, 9])
@example(live={0, 50, 99, 200}, asked=list(range(100)))
@given(live=st.sets(st.integers(0, 11), max_size=8), asked=st.lists(st.integers(0, 13), max_size=12))
def test_what_remains_is_what_was_not_named(session: Session, live: set[int], asked: list[int]) -> None:
    project = Project(session)
    keys = {number: project.key(number, "STEP_FILE" if number % 3 else "FILE") for number in live | set(asked)}
    session.populate([keys[number] for number in sorted(live)])
    model = Model(objects={keys[number]: b"x" for number in live})
    session.storage.delete_files([keys[number] for number in asked])
    model.delete(keys[number] for number in asked)
    left, due = project.left(), model.list(project.prefix)
    compare(left, due, "keys that remain", harm=harm_to_unlisted(session, set(due) - set(left)))


@clause(
    "DEL-002",
    "Deleting an empty list sends nothing and changes nothing.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(FILE_STORAGE, DELETE_OBJECTS),
    proved_by=("delete-nothing-sends-a-request", "delete-nothing-deletes-everything"),
)
@examples("kind", ["list", "tuple", "iterator"])
@given(kind=st.sampled_from(["list", "tuple", "iterator"]))
def test_an_empty_list_sends_nothing(session: Session, kind: str) -> None:
    project = Project(session)
    session.populate([project.key(0)])
    empty: Iterable[str] = {"list": [], "tuple": (), "iterator": iter(())}[kind]
    mark = session.recorder.mark()
    result = session.storage.delete_files(empty)
    sent = [exchange.method for exchange in session.recorder.since(mark) if exchange.origin == "storage"]
    observed = (sent, result.deleted, len(project.left()))
    compare(observed, ([], (), 1), "requests sent, keys reported, objects left")


def batches_of(exchanges: Iterable[Exchange]) -> list[list[str]]:
    """Return the keys of each delete request of the storage.

    An attempt that the backend failed (408, 429, 5xx, no response) does not count where the same keys were named by an
    attempt before or after it.
    """
    batches: list[list[str]] = []
    failed: list[list[str]] = []
    for exchange in exchanges:
        if exchange.origin != "storage":
            continue
        parts = urlsplit(exchange.target)
        if exchange.method == "POST" and "delete" in [part.partition("=")[0] for part in parts.query.split("&")]:
            keys = batch_keys(exchange.body or b"")
        elif exchange.method == "DELETE":
            keys = [unquote(parts.path)]
        else:
            continue
        over_soon = exchange.status is None or exchange.status >= 500 or exchange.status in (408, 429)
        (failed if over_soon else batches).append(keys)
    for keys in failed:
        if keys not in batches:
            batches.append(keys)
    return batches


@clause(
    "DEL-003",
    "A delete request names at most the configured number of keys, 100 where none is configured, and no more requests "
    "are sent than that takes.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(FILE_STORAGE, DELETE_OBJECTS),
    proved_by=("delete-batches-of-101", "delete-one-by-one", "delete-batches-of-1000-by-default"),
    requires={Capability.WIRE},
    effort=0.2,
)
@example(configured=1, count=3)
@example(configured=None, count=1)
@example(configured=None, count=100)
@example(configured=None, count=101)
@example(configured=None, count=250)
@example(configured=1000, count=1000)
@example(configured=1000, count=1001)
@given(configured=st.sampled_from([1, 7, None, 1000]), count=st.integers(0, 60))
def test_no_request_names_more_keys_than_a_batch_holds(session: Session, configured: int | None, count: int) -> None:
    project = Project(session)
    keys = [project.key(number) for number in range(count)]
    size = UNCONFIGURED if configured is None else configured
    storage = session.storage if configured is None else session.storage_with_batches_of(size)
    mark = session.recorder.mark()
    # Other clauses decide what happens to the keys; this one only counts requests.
    with contextlib.suppress(StorageError):
        storage.delete_files([*keys, *keys[:3]])
    batches = batches_of(session.recorder.since(mark))
    named = {key.rpartition("/")[2] for batch in batches for key in batch}
    largest = max(map(len, batches), default=0)
    require(
        len(batches) == -(-count // size) and largest <= size and named == {key.rpartition("/")[2] for key in keys},
        promised=f"{-(-count // size)} requests of at most {size} keys name {count} distinct keys",
        observed=f"{len(batches)} requests of at most {largest} keys name {len(named)} distinct keys",
    )


@clause(
    "DEL-004",
    "Any number of keys can be deleted in one call, on either side of every batch boundary.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(FILE_STORAGE, DELETE_OBJECTS),
    proved_by=("delete-forgets-last-of-batch", "delete-only-first-thousand", "delete-drops-last-partial-batch"),
    effort=0.1,
)
@examples("count", COUNTS)
@given(count=st.integers(1, 400))
def test_any_number_of_keys_is_deleted(session: Session, count: int) -> None:
    project = Project(session)
    keys = [project.key(number) for number in range(count)]
    # Most keys are missing, which needs no setup; those at the boundaries, where one may be lost, exist.
    session.populate([keys[at] for at in edges(count)])
    session.storage.delete_files(keys)
    compare(project.left(), [], f"keys that remain of {count}", promise="none")


@clause(
    "DEL-005",
    "Missing keys and repeats in the list are no error, and each distinct key is reported deleted, in the order given.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(FILE_STORAGE, DELETE_OBJECTS),
    proved_by=("delete-missing-is-an-error", "delete-reports-repeats-twice"),
)
@example(live=set(), asked=[0])
@example(live=set(), asked=[0, 1, 2])
@example(live={0}, asked=[0, 0, 0])
@example(live={1}, asked=[3, 1, 0, 1, 3])
@given(live=st.sets(st.integers(0, 4)), asked=st.lists(st.integers(0, 6), max_size=10))
def test_missing_keys_and_repeats_are_no_error(session: Session, live: set[int], asked: list[int]) -> None:
    project = Project(session)
    session.populate([project.key(number) for number in sorted(live)])
    named = [project.key(number) for number in asked]
    try:
        result = session.storage.delete_files(named)
    except DeleteError as error:
        result = error.result
    observed = (result.deleted, result.failed, result.unknown)
    compare(observed, (tuple(dict.fromkeys(named)), (), ()), "deleted, failed, unknown")


_ID_CHARACTERS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-"


def _neighbours(session: Session, owner: str, file_id: str) -> tuple[str, list[str]]:
    """Return a key of the layout and the keys that are most similar to it."""
    build = session.layout.build
    target = build("FILE", file_id, project_id=owner)
    twins = {file_id + "a", file_id + "-", file_id + file_id, f"_{file_id}", file_id.swapcase(), file_id[:-1]}
    others = [build("FILE", twin, project_id=owner) for twin in sorted(twins - {file_id, ""})]
    others += [build(kind, file_id, project_id=owner) for kind in ("STEP_FILE", "FLOW_RUN_LOG", "PACKAGE_ARCHIVE")]
    others += [build("FILE", file_id, project_id=owner + more) for more in ("a", "ab", "A", "-")]
    return target, [*others, build("FILE", file_id, platform_id=owner)]


@clause(
    "DEL-006",
    "The neighbours of a deleted key survive: prefix siblings, other case, padding, encoded twins, other owners.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(FILE_STORAGE, DELETE_OBJECTS),
    proved_by=("delete-drops-prefix-siblings", "delete-folds-case"),
    effort=0.5,
)
@examples("file_id", ["a", "aB", "a-"])
@given(file_id=st.text(_ID_CHARACTERS, min_size=1, max_size=8))
def test_neighbours_of_a_layout_key_survive(session: Session, file_id: str) -> None:
    owner = f"{session.fresh_id()}-p"
    target, neighbours = _neighbours(session, owner, file_id)
    session.populate([target, *neighbours])
    session.storage.delete_files([target])
    scopes = [target[: target.index(owner)], neighbours[-1][: neighbours[-1].index(owner)]]
    left = [key for scope in scopes for key in remaining(session, scope + owner)]
    harm = harm_to_unlisted(session, set(neighbours) - set(left))
    compare(sorted(left), sorted(neighbours), "keys that remain", harm=harm)


def _outcome(session: Session, keys: Sequence[str]) -> tuple[DeleteResult, DeleteError | None]:
    try:
        return session.storage.delete_files(keys), None
    except DeleteError as error:
        return error.result, error


@clause(
    "DEL-008",
    "A key that the backend refuses to delete is reported by name and code, and the others are deleted.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(FILE_STORAGE, DELETE_OBJECTS),
    proved_by=("delete-swallows-key-errors", "delete-reports-all-deleted", "delete-stops-at-first-failing-batch"),
    requires={Capability.REFUSALS},
    effort=0.5,
)
@example(count=1, refused={0})
@example(count=3, refused={1})
@example(count=101, refused={0})
@example(count=250, refused={0, 120, 249})
@given(count=st.integers(1, 8), refused=st.sets(st.integers(0, 7), max_size=3))
def test_a_refused_key_is_reported_and_the_others_go(session: Session, count: int, refused: set[int]) -> None:
    project = Project(session)
    keys = [project.key(number) for number in range(count)]
    kept = [keys[at] for at in sorted(refused) if at < count]
    session.populate(sorted({*kept, *(keys[at] for at in edges(count))}))
    with session.interference.refuse_deletes(kept):
        result, error = _outcome(session, keys)
    observed: tuple[object, ...] = (
        [(failure.key, failure.code.value) for failure in result.failed],
        error is not None,
        sorted(result.deleted),
        list(result.unknown),
        project.left(),
    )
    promised: tuple[object, ...] = (
        [(key, ErrorCode.ACCESS_DENIED.value) for key in kept],
        bool(kept),
        sorted(set(keys) - set(kept)),
        [],
        sorted(kept),
    )
    for what, seen, due in zip(
        ("keys reported refused", "an error raised", "keys reported deleted", "keys reported unknown", "keys left"),
        observed,
        promised,
        strict=True,
    ):
        compare(seen, due, f"{what} ({len(kept)} of {count} refused)")


TROUBLES: Final = ("503", "reset_before", "reset_after", "timeout")


@clause(
    "DEL-009",
    "A delete request that breaks is tried again; if it keeps breaking, the result tells deleted, refused and unknown "
    "keys truly apart.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(RETRIES, FILE_STORAGE),
    proved_by=("delete-gives-up-after-a-reset", "delete-calls-broken-batches-deleted", "delete-drops-unknown-keys"),
    requires={Capability.FAULT_INJECTION},
    effort=0.5,
)
@example(how="503", times=1, count=3)
@example(how="reset_before", times=1, count=3)
@example(how="reset_after", times=1, count=3)
@example(how="timeout", times=1, count=3)
@example(how="503", times=1000, count=101)
@example(how="reset_before", times=1000, count=3)
@example(how="reset_after", times=1000, count=3)
@example(how="503", times=7, count=250)
@given(how=st.sampled_from(TROUBLES), times=st.sampled_from([1, 3, 6, 12, 1000]), count=st.integers(1, 220))
def test_a_broken_request_is_retried_or_accounted_for(session: Session, how: str, times: int, count: int) -> None:
    project = Project(session)
    keys = [project.key(number) for number in range(count)]
    session.populate([keys[at] for at in edges(count)])
    with session.interference.fail_deletes(how, times):
        result, error = _outcome(session, keys)
    left = set(project.left())
    wrongs = _untruths(keys, result, left, alive={keys[at] for at in edges(count)})
    if error is None and left:
        wrongs.append(f"no error is raised while {len(left)} keys are still there")
    if error is not None and not result.failed and not result.unknown:
        wrongs.append("an error is raised that names no key")
    if times == 1 and (error is not None or left):
        wrongs.append("one broken request was not made up for by trying again")
    require(
        not wrongs,
        promised="a broken request is tried again, and the result says of each key what is true",
        observed=f"{'; '.join(wrongs)} ({how} {times} times, {count} keys)",
    )


def _untruths(keys: Sequence[str], result: DeleteResult, left: Collection[str], *, alive: Collection[str]) -> list[str]:
    """Return, in words, where a result contradicts what is left; the keys in ``alive`` existed before."""
    failed = [failure.key for failure in result.failed]
    named = sorted([*result.deleted, *failed, *result.unknown])
    wrongs = []
    if named != sorted(set(keys)):
        wrongs.append(f"the result tells of {len(named)} keys, {len(set(named))} distinct, instead of {len(set(keys))}")
    if wrong := [key for key in result.deleted if key in left]:
        wrongs.append(f"{len(wrong)} keys are reported deleted and are still there, such as {wrong[0]}")
    if wrong := [key for key in failed if key in alive and key not in left]:
        wrongs.append(f"{len(wrong)} keys are reported refused and are gone, such as {wrong[0]}")
    return wrongs


@clause(
    "DEL-014",
    "A deleted key is gone at once from downloads, stats, listings and signed URLs.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(CONSISTENCY, FILE_STORAGE),
    proved_by=("deleted-key-still-listed", "download-missing-gives-empty", "stat-remembers-deleted-keys"),
)
@examples("count", [1, 3])
@given(count=st.integers(1, 6))
def test_a_deleted_key_is_gone_from_every_way_of_asking(session: Session, count: int) -> None:
    project = Project(session)
    keys = [project.key(number) for number in range(count)]
    session.populate(keys)
    session.storage.delete_files(keys)
    storage, key = session.storage, keys[-1]
    observed = {
        "download": _code_of(lambda: storage.download(key)),
        "stat": _code_of(lambda: storage.stat(key)),
        "exists": storage.exists(key),
        "list": without_foreign(session, [stat.key for stat in storage.list(project.prefix)]),
    }
    gone = ErrorCode.NOT_FOUND.value
    compare(observed, {"download": gone, "stat": gone, "exists": False, "list": []}, "after the delete")


def _code_of(call: Callable[[], object]) -> str:
    try:
        value = call()
    except StorageError as error:
        return error.code.value
    return f"an answer: {value!r}"


@also("DEL-014", requires={Capability.SIGNED_URLS})
@examples("ask_before", [False, True])
@given(ask_before=st.booleans())
def test_a_signed_url_of_a_deleted_key_serves_nothing(session: Session, ask_before: bool) -> None:
    key, content = session.fresh_key(), b"content of a file that is about to be deleted"
    session.storage.upload(key, content)
    url = session.signed_url(key, expires_in=3600)
    if ask_before:
        session.fetch(url)
    session.storage.delete_files([key])
    response = session.fetch(url)
    compare((response.status, content in response.body), (404, False), "status of the URL, content in its answer")


@clause(
    "DEL-017",
    "Deleting one missing key is no error.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(DELETE_OBJECT, FILE_STORAGE),
    proved_by="delete-missing-is-an-error",
)
@examples("file_type", ["FILE", "FLOW_RUN_LOG"])
@given(file_type=st.sampled_from(["FILE", "FLOW_RUN_LOG", "STEP_FILE", "PACKAGE_ARCHIVE"]))
def test_deleting_a_missing_key_is_no_error(session: Session, file_type: str) -> None:
    key = session.fresh_key(file_type)
    result, error = _outcome(session, [key])
    compare((result.deleted, error), ((key,), None), "reported deleted, error")
