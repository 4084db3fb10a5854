"""Migration from real files into a real server: every file is sent once, whatever happens meanwhile."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from bucket_conformance.reference_impl.api import ObjectStat, Storage
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.local import LocalStorage
from bucket_conformance.reference_impl.migrate import STOP_AFTER, describe, migrate
from bucket_conformance.reference_impl.migrate_index import ASK, TargetIndex
from bucket_conformance.reference_impl.migrate_journal import Journal
from bucket_conformance.reference_impl.migrate_report import Progress, Stage
from bucket_conformance.reference_impl.migrate_transfer import SMALL_BYTES
from bucket_conformance.reference_impl.s3 import S3Storage
from bucket_conformance.reference_impl.s3_upload import MIN_PART_SIZE
from tests.reference_impl.bucket_world import BUCKET, Bucket, command_line, environment, fresh_bucket, moto_server

KEYS = [
    *(f"project/p{n % 3}/FILE/f{n}" for n in range(6)),
    *(f"project/p{n % 3}/FLOW_RUN_LOG/r{n}.log" for n in range(5)),
    "platform/one/PACKAGE_ARCHIVE/a",
]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture(params=["boto3", "obstore"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, bare_aws_environment: None) -> str:
    """Which client sends small files to S3."""
    way = str(request.param)
    if way == "obstore":
        pytest.importorskip("obstore", reason="obstore is not installed: the extra `bulk`")
    else:
        monkeypatch.setitem(sys.modules, "obstore", None)
    return way


@pytest.fixture
def bucket(server: str, way: str) -> Bucket:
    return fresh_bucket(server)


@pytest.fixture
def local(tmp_path: Path) -> LocalStorage:
    root = tmp_path / "cache"
    root.mkdir()
    return LocalStorage(root)


def fill(storage: Storage, keys: list[str] = KEYS) -> dict[str, bytes]:
    bodies = {key: hashlib.sha512(key.encode()).digest() * (n * 40) for n, key in enumerate(keys)}
    for key, body in bodies.items():
        storage.upload(key, body)
    return bodies


def held(storage: Storage) -> dict[str, bytes]:
    return {stat.key: storage.download(stat.key) for stat in storage.list()}


class Meddling:
    """A storage in front of another, whose methods a test replaces one by one; probes pass untouched."""

    def __init__(self, inner: Storage, **replaced: Callable[..., object]) -> None:
        self._inner, self._replaced = inner, replaced

    def __getattr__(self, name: str) -> object:
        sound = getattr(self._inner, name)
        replaced = self._replaced.get(name)
        if replaced is None:
            return sound

        def either(*arguments: object, **named: object) -> object:
            probe = bool(arguments) and str(arguments[0]).startswith("storage-check/")
            return (sound if probe else replaced)(*arguments, **named)

        return either


def meddle(inner: Storage, **replaced: Callable[..., object]) -> Storage:
    return cast(Storage, Meddling(inner, **replaced))


def denied(key: str) -> StorageError:
    return StorageError(ErrorCode.ACCESS_DENIED, "upload", key, "no")


def test_every_file_arrives_once_with_its_bytes_and_content_type(local: LocalStorage, bucket: Bucket) -> None:
    bodies = fill(local)
    local.upload("project/p0/FILE/typed", b"{}", content_type="application/json")
    bodies["project/p0/FILE/typed"] = b"{}"
    report = migrate(local, bucket.storage)
    assert held(bucket.storage) == bodies
    assert bucket.sends() == dict.fromkeys(bodies, 1)
    assert (report.moved, report.moved_bytes) == (len(bodies), sum(map(len, bodies.values())))
    assert (report.left, report.failed, report.complete) == ((), (), True)
    assert report.proved_by_etag == len(bodies)
    kept = local.stat("project/p0/FILE/typed").content_type
    assert bucket.storage.stat("project/p0/FILE/typed").content_type == kept
    assert held(local) == bodies


def test_a_second_run_sends_nothing_with_or_without_a_journal(
    local: LocalStorage, bucket: Bucket, tmp_path: Path
) -> None:
    bodies = fill(local)
    migrate(local, bucket.storage, journal=tmp_path / "j")
    with_journal = migrate(local, bucket.storage, journal=tmp_path / "j")
    without = migrate(local, bucket.storage)
    assert (with_journal.journalled, with_journal.already_there, with_journal.moved) == (len(bodies), 0, 0)
    assert (without.journalled, without.already_there, without.moved) == (0, len(bodies), 0)
    assert set(bucket.sends().values()) == {1}


def test_a_body_of_several_parts_is_read_back_because_its_etag_is_no_md5(local: LocalStorage, bucket: Bucket) -> None:
    local.upload("project/p/FILE/big", random.Random(1).randbytes(MIN_PART_SIZE + 1))
    target = S3Storage(bucket.client, BUCKET, part_size=MIN_PART_SIZE)
    first, second = migrate(local, target), migrate(local, target)
    assert "-" in (target.stat("project/p/FILE/big").etag or "")
    assert (first.moved, first.proved_by_etag, first.proved_by_reading_back) == (1, 0, 1)
    assert (second.already_there, second.proved_by_reading_back) == (1, 1)


def test_an_etag_that_looks_like_an_md5_but_is_another_is_no_proof_against_equal_bytes(
    local: LocalStorage, bucket: Bucket
) -> None:
    fill(local, KEYS[:2])

    def other_etag(key: str, body: bytes, *, content_type: str | None = None) -> ObjectStat:
        return replace(bucket.storage.upload(key, body, content_type=content_type), etag="0" * 32)

    def stat(key: str) -> ObjectStat:
        return replace(bucket.storage.stat(key), etag="0" * 32)

    report = migrate(local, meddle(bucket.storage, upload=other_etag, stat=stat))
    assert (report.moved, report.proved_by_etag, report.proved_by_reading_back) == (2, 0, 2)


def test_a_target_that_keeps_other_bytes_than_it_was_sent_is_found_out(local: LocalStorage, bucket: Bucket) -> None:
    fill(local, KEYS[:3])

    def corrupt(key: str, data: bytes, *, content_type: str | None = None) -> ObjectStat:
        if key == KEYS[1]:
            data = data[:-1] + bytes([data[-1] ^ 1])
        return bucket.storage.upload(key, data, content_type=content_type)

    report = migrate(local, meddle(bucket.storage, upload=corrupt), remove_source=True)
    assert [(failure.key, failure.code) for failure in report.failed] == [(KEYS[1], ErrorCode.INTEGRITY)]
    assert (report.left, report.moved, report.complete) == ((KEYS[1],), 2, False)
    assert list(held(local)) == [KEYS[1]]


def test_a_source_that_is_overwritten_while_it_is_sent_is_sent_again(local: LocalStorage, bucket: Bucket) -> None:
    fill(local, KEYS[:1])
    changes = iter([b"later"])

    def slow(key: str, body: BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        sent = bucket.storage.upload(key, body, content_type=content_type)
        for change in changes:
            local.upload(key, change)
        return sent

    report = migrate(local, meddle(bucket.storage, upload=slow))
    assert (report.moved, report.moved_bytes) == (1, len(b"later"))
    assert held(bucket.storage) == {KEYS[0]: b"later"}


def test_a_source_that_keeps_changing_is_a_failure_and_is_never_removed(local: LocalStorage, bucket: Bucket) -> None:
    fill(local, KEYS[:1])

    def always(key: str, body: BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        sent = bucket.storage.upload(key, body, content_type=content_type)
        local.upload(key, os.urandom(8))
        return sent

    report = migrate(local, meddle(bucket.storage, upload=always), remove_source=True)
    assert [failure.code for failure in report.failed] == [ErrorCode.CONFLICT]
    assert (report.removed, list(held(local))) == (0, KEYS[:1])


def test_with_removal_a_change_that_keeps_size_and_time_is_still_noticed(local: LocalStorage, bucket: Bucket) -> None:
    local.upload(KEYS[0], b"before")
    path = local.root / KEYS[0]
    changes = iter([b"after!"])

    def sly(key: str, body: BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        sent = bucket.storage.upload(key, body, content_type=content_type)
        for change in changes:
            info = path.stat()
            path.write_bytes(change)
            os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
        return sent

    report = migrate(local, meddle(bucket.storage, upload=sly), remove_source=True)
    assert (held(bucket.storage), held(local), report.removed) == ({KEYS[0]: b"after!"}, {}, 1)


def test_one_refused_file_stops_no_other_and_is_left_by_key_and_code(local: LocalStorage, bucket: Bucket) -> None:
    bodies = fill(local)

    def refuse(key: str, body: BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        if key == KEYS[3]:
            raise denied(key)
        return bucket.storage.upload(key, body, content_type=content_type)

    report = migrate(local, meddle(bucket.storage, upload=refuse))
    assert [(failure.key, failure.code, failure.stage) for failure in report.failed] == [
        (KEYS[3], ErrorCode.ACCESS_DENIED, Stage.MOVE)
    ]
    assert (report.left, report.moved) == ((KEYS[3],), len(bodies) - 1)
    assert set(held(bucket.storage)) == set(bodies) - {KEYS[3]}


def test_a_target_that_refuses_everything_is_given_up_and_all_files_are_left(
    local: LocalStorage, bucket: Bucket
) -> None:
    keys = [f"project/p/FILE/{n:03}" for n in range(STOP_AFTER + 30)]
    for key in keys:
        local.upload(key, b"x")

    def refuse(key: str, body: BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        raise denied(key)

    report = migrate(local, meddle(bucket.storage, upload=refuse), workers=1)
    assert report.left == tuple(keys)
    assert STOP_AFTER <= len(report.failed) < len(keys)
    assert "access_denied" in (report.stopped or "")


def test_a_missing_bucket_is_reported_once_and_leaves_every_file(local: LocalStorage, bucket: Bucket) -> None:
    fill(local)
    report = migrate(local, S3Storage(bucket.client, "no-such-bucket"), workers=1)
    assert report.left == tuple(sorted(KEYS))
    assert "bucket_not_found" in (report.stopped or "")
    assert len(report.failed) < len(KEYS)


def test_newer_bytes_at_the_target_are_kept_and_older_ones_replaced(local: LocalStorage, bucket: Bucket) -> None:
    fill(local, KEYS[:2])
    for key in KEYS[:2]:
        bucket.storage.upload(key, b"of the product")
    written = bucket.storage.stat(KEYS[0]).last_modified.timestamp()
    os.utime(local.root / KEYS[0], (written - 60, written - 60))
    os.utime(local.root / KEYS[1], (written + 60, written + 60))
    report = migrate(local, bucket.storage)
    assert [(failure.key, failure.code) for failure in report.failed] == [(KEYS[0], ErrorCode.CONFLICT)]
    assert bucket.storage.download(KEYS[0]) == b"of the product"
    assert bucket.storage.download(KEYS[1]) == local.download(KEYS[1])
    assert migrate(local, bucket.storage, overwrite=True).moved == 1
    assert held(bucket.storage) == held(local)


def test_names_outside_the_layout_stay_and_are_reported_and_go_along_when_asked(
    local: LocalStorage, bucket: Bucket
) -> None:
    bodies = fill(local, KEYS[:2])
    strange = {"notes.txt": b"12", "project/p/WHAT/f": b"3", "project/p0/FLOW_RUN_LOG/no-suffix": b""}
    for key, body in strange.items():
        local.upload(key, body)
    (local.root / "link").symlink_to(local.root / "notes.txt")
    Path(os.fsdecode(os.fsencode(local.root) + b"/project/caf\xe9")).write_bytes(b"latin")
    report = migrate(local, bucket.storage, remove_source=True)
    assert {name.key: name.size for name in report.outside} == {key: len(body) for key, body in strange.items()}
    assert {entry.path: entry.why for entry in report.unlisted} == {
        "link": "a symbolic link",
        "project/caf\\xe9": "the name is not UTF-8",
    }
    assert (held(bucket.storage), held(local)) == (bodies, strange)
    migrate(local, bucket.storage, include_outside=True)
    assert held(bucket.storage) == bodies | strange


def test_a_dry_run_says_what_would_be_sent_and_writes_nothing_anywhere(
    local: LocalStorage, bucket: Bucket, tmp_path: Path
) -> None:
    bodies = fill(local)
    bucket.storage.upload(KEYS[2], bodies[KEYS[2]])
    report = migrate(local, bucket.storage, dry_run=True, remove_source=True, journal=tmp_path / "j")
    assert report.left == tuple(sorted(set(KEYS) - {KEYS[2]}))
    assert report.left_bytes == sum(len(body) for key, body in bodies.items() if key != KEYS[2])
    assert (report.moved, report.already_there) == (0, 1)
    assert bucket.sends() == {KEYS[2]: 1}
    assert held(local) == bodies
    assert not (tmp_path / "j").exists()


def counting(bucket: Bucket) -> Counter[str]:
    sent: Counter[str] = Counter()
    bucket.client.meta.events.register(
        "before-send.s3.*", lambda event_name, **_: sent.update([event_name.split(".")[2]])
    )
    return sent


def test_each_file_costs_one_request_and_the_target_is_listed_once(
    local: LocalStorage, bucket: Bucket, way: str
) -> None:
    bodies = fill(local)
    sent = counting(bucket)
    notes: list[str] = []
    migrate(local, bucket.storage, note=notes.append)
    by_boto3 = {"PutObject": len(bodies)} if way == "boto3" else {}
    assert sent == {"ListObjectsV2": 1} | by_boto3
    assert bucket.sends() == dict.fromkeys(bodies, 1)
    assert [note.split()[0] for note in notes] == [way]
    sent.clear()
    report = migrate(local, bucket.storage)
    assert (sent, report.already_there) == ({"ListObjectsV2": 1}, len(bodies))


@pytest.mark.parametrize("fault", ["refused", "unsorted"])
def test_a_listing_that_fails_or_is_not_sorted_hides_no_object(local: LocalStorage, bucket: Bucket, fault: str) -> None:
    fill(local)
    for key in KEYS:
        bucket.storage.upload(key, b"of the product")
        written = bucket.storage.stat(key).last_modified.timestamp()
        os.utime(local.root / key, (written - 60, written - 60))

    def listing(prefix: str = "") -> Iterator[ObjectStat]:
        if fault == "refused":
            raise StorageError(ErrorCode.ACCESS_DENIED, "list", None, "no")
        yield from sorted(bucket.storage.list(prefix), key=lambda stat: stat.key, reverse=True)

    report = migrate(local, meddle(bucket.storage, list=listing))
    assert {failure.code for failure in report.failed} == {ErrorCode.CONFLICT}
    assert set(held(bucket.storage).values()) == {b"of the product"}
    assert len(report.failed) == len(KEYS)


class Listed:
    """Only the listing of a storage, in the order given."""

    def __init__(self, keys: list[str]) -> None:
        self._stats = [ObjectStat(key=key, size=n, last_modified=datetime.now(UTC)) for n, key in enumerate(keys)]

    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        return iter(self._stats)


def answers(keys: list[str], asked: list[str], held: int) -> list[object]:
    index = TargetIndex(cast(Storage, Listed(keys)), "", held=held)
    return [found.key if isinstance(found := index.find(key), ObjectStat) else found for key in asked]


@pytest.mark.parametrize("held", [1, 2, 3, 6, 7, 100])
def test_an_index_finds_every_key_of_a_sorted_listing_of_any_size(held: int) -> None:
    keys = ["a", "a/b", "b", "d", "z", "\ue000", "\U0001f600"]
    asked = ["", "a", "a/a", "a/b", "c", "d", "\ue000", "\U0001f600", "\U0001f601", "\U0001f602"]
    assert answers(keys, asked, held) == [key if key in keys else None for key in asked]


def test_an_index_of_an_unsorted_listing_asks_unless_it_holds_all() -> None:
    assert answers(["c", "b", "a"], ["a", "b", "c", "d"], 3) == ["a", "b", "c", None]
    assert answers(["c", "b", "a"], ["a", "b"], 2) == [ASK, ASK]
    assert answers(["a", "c", "b"], ["d", "e"], 1) == [ASK, ASK]
    assert answers(["a", "b", "c"], ["b", "a", "c"], 1) == ["b", ASK, ASK]


def test_without_bulk_the_sdk_sends_every_file(local: LocalStorage, bucket: Bucket) -> None:
    bodies = fill(local)
    sent = counting(bucket)
    migrate(local, bucket.storage, bulk=False)
    assert sent["PutObject"] == len(bodies)


@pytest.mark.parametrize("size", [SMALL_BYTES - 1, SMALL_BYTES, SMALL_BYTES + 1])
def test_files_around_the_size_from_which_they_are_streamed_arrive_whole(
    local: LocalStorage, bucket: Bucket, size: int
) -> None:
    body = random.Random(size).randbytes(size)
    local.upload(KEYS[0], body)
    report = migrate(local, bucket.storage)
    assert (report.moved, report.proved_by_etag, bucket.storage.download(KEYS[0])) == (1, 1, body)


def test_removal_leaves_the_source_empty_and_the_target_full(
    local: LocalStorage, bucket: Bucket, tmp_path: Path
) -> None:
    bodies = fill(local)
    migrate(local, bucket.storage, journal=tmp_path / "j")
    report = migrate(local, bucket.storage, journal=tmp_path / "j", remove_source=True)
    assert (report.removed, report.already_there, report.journalled) == (len(bodies), len(bodies), 0)
    assert (held(local), held(bucket.storage)) == ({}, bodies)


def test_removal_does_not_trust_the_journal_when_the_target_has_lost_a_file(
    local: LocalStorage, bucket: Bucket, tmp_path: Path
) -> None:
    bodies = fill(local)
    migrate(local, bucket.storage, journal=tmp_path / "j")
    bucket.storage.delete_files([KEYS[4]])
    migrate(local, bucket.storage, journal=tmp_path / "j", remove_source=True)
    assert (held(local), held(bucket.storage)) == ({}, bodies)


def test_a_storage_cannot_be_migrated_into_itself_under_another_name(local: LocalStorage, tmp_path: Path) -> None:
    bodies = fill(local)
    (tmp_path / "alias").symlink_to(local.root)
    for target in (local, LocalStorage(local.root), LocalStorage(tmp_path / "alias"), meddle(local)):
        with pytest.raises(StorageError) as caught:
            migrate(local, target, remove_source=True)
        assert caught.value.code is ErrorCode.INVALID_ARGUMENT
    assert held(local) == bodies


def test_s3_can_be_the_source_and_local_disk_the_target(local: LocalStorage, bucket: Bucket) -> None:
    bodies = fill(bucket.storage)
    report = migrate(bucket.storage, local, remove_source=True)
    assert (held(local), held(bucket.storage)) == (bodies, {})
    assert report.proved_by_reading_back == len(bodies)


def test_progress_counts_up_to_every_file(local: LocalStorage, bucket: Bucket) -> None:
    bodies = fill(local)
    seen: list[Progress] = []
    migrate(local, bucket.storage, progress=seen.append)
    assert [now.files for now in seen] == list(range(1, len(bodies) + 1))
    assert {now.key for now in seen} == set(bodies)
    assert seen[-1].sent_bytes == sum(map(len, bodies.values()))


def test_a_source_whose_file_vanishes_before_its_turn_is_no_failure(local: LocalStorage, bucket: Bucket) -> None:
    fill(local, KEYS[:2])

    def listing(prefix: str = "") -> Iterator[ObjectStat]:
        found = list(local.list(prefix))
        local.delete_files([KEYS[0]])
        return iter(found)

    report = migrate(meddle(local, list=listing), bucket.storage)
    assert (report.vanished, report.moved, report.complete) == (1, 1, True)


def test_a_changed_file_is_sent_again_although_the_journal_has_its_key(
    local: LocalStorage, bucket: Bucket, tmp_path: Path
) -> None:
    fill(local)
    migrate(local, bucket.storage, journal=tmp_path / "j")
    local.upload(KEYS[0], b"changed")
    later = datetime.now(UTC).timestamp() + 5
    os.utime(local.root / KEYS[0], (later, later))
    assert migrate(local, bucket.storage, journal=tmp_path / "j").moved == 1
    assert bucket.storage.download(KEYS[0]) == b"changed"


@pytest.mark.parametrize("lost", [1, 7, 60, 10_000])
def test_a_journal_with_a_torn_tail_costs_a_comparison_and_no_second_sending(
    local: LocalStorage, bucket: Bucket, tmp_path: Path, lost: int
) -> None:
    bodies = fill(local)
    path = tmp_path / "j"
    migrate(local, bucket.storage, journal=path)
    whole = path.read_bytes()
    path.write_bytes(whole[: max(0, len(whole) - lost)])
    report = migrate(local, bucket.storage, journal=path)
    assert (report.moved, report.journalled + report.already_there) == (0, len(bodies))
    assert report.already_there >= 1
    assert set(bucket.sends().values()) == {1}
    with Journal(path, source=describe(local), target=describe(bucket.storage)) as journal:
        assert all(stat in journal for stat in local.list())
    for line in path.read_bytes().splitlines():
        json.loads(line)


def test_a_journal_of_another_target_or_no_journal_at_all_is_refused_and_left_alone(
    local: LocalStorage, bucket: Bucket, tmp_path: Path
) -> None:
    fill(local, KEYS[:1])
    other = tmp_path / "other"
    other.mkdir()
    migrate(local, LocalStorage(other), journal=tmp_path / "j")
    (tmp_path / "text").write_text("my thesis\n")
    (tmp_path / "number").write_text("7\n")
    for name in ("j", "text", "number"):
        before = (tmp_path / name).read_bytes()
        with pytest.raises(StorageError) as caught:
            migrate(local, bucket.storage, journal=tmp_path / name)
        assert caught.value.code is ErrorCode.INVALID_ARGUMENT
        assert (tmp_path / name).read_bytes() == before
    assert bucket.sends() == {}


def test_two_migrations_cannot_share_a_journal_at_the_same_time(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", source="a", target="b"), pytest.raises(StorageError) as caught:
        Journal(tmp_path / "j", source="a", target="b").__enter__()
    assert caught.value.code is ErrorCode.CONFLICT


def test_a_key_that_the_target_cannot_hold_fails_alone(bucket: Bucket, local: LocalStorage) -> None:
    fill(bucket.storage, KEYS[:1])
    bucket.storage.upload("a//b", b"1")
    report = migrate(bucket.storage, local, include_outside=True)
    assert [(failure.key, failure.code) for failure in report.failed] == [("a//b", ErrorCode.INVALID_KEY)]
    assert list(held(local)) == KEYS[:1]


def test_a_read_that_breaks_off_leaves_the_file_and_names_its_code(local: LocalStorage, bucket: Bucket) -> None:
    fill(local, KEYS[1:3])

    class Broken:
        def __enter__(self) -> BinaryIO:
            raise StorageError(ErrorCode.INTEGRITY, "open", KEYS[1], "cut off")

        def __exit__(self, *error: object) -> None: ...

    def opening(key: str) -> AbstractContextManager[BinaryIO]:
        return Broken() if key == KEYS[1] else local.open(key)

    report = migrate(meddle(local, open=opening), bucket.storage)
    assert [(failure.key, failure.code) for failure in report.failed] == [(KEYS[1], ErrorCode.INTEGRITY)]
    assert list(held(bucket.storage)) == [KEYS[2]]


def until(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while not condition() and process.poll() is None:
        assert time.monotonic() < deadline, "the migration made no headway"
        time.sleep(0.002)


@pytest.mark.parametrize("remove", [False, True], ids=["copying", "removing"])
def test_killed_at_random_points_it_goes_on_without_loss_and_sends_nothing_finished_again(
    local: LocalStorage, bucket: Bucket, tmp_path: Path, way: str, remove: bool
) -> None:
    chance = random.Random(2026 + remove)
    bodies = {f"project/p{n % 4}/FILE/{n:03}": chance.randbytes(chance.randrange(3000)) for n in range(160)}
    for key, body in bodies.items():
        local.upload(key, body)
    journal, workers = tmp_path / "j", 3
    arguments = ["migrate", "--json", "--journal", str(journal), "--workers", str(workers)]
    arguments += ["--remove-source"] if remove else []
    arguments += ["--no-bulk"] if way == "boto3" else []
    variables = bucket.environ | {"AP_LOCAL_STORAGE_ROOT": str(local.root)}
    kills = 0
    for _ in range(8):
        before = journal.stat().st_size if journal.exists() else 0
        aim = before + chance.randrange(2500)
        process = subprocess.Popen(
            command_line(*arguments),
            env=environment(variables, tmp_path),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(lambda aim=aim: journal.exists() and journal.stat().st_size >= aim, process)  # type: ignore[misc]
        kills += process.poll() is None
        process.kill()
        process.wait()
        # No file is lost at any moment: what the source no longer has, the target has with the same bytes.
        missing = bodies.keys() - {stat.key for stat in local.list()}
        assert {key: bucket.storage.download(key) for key in missing} == {key: bodies[key] for key in missing}
    assert kills >= 4
    finished = subprocess.run(
        command_line(*arguments), env=environment(variables, tmp_path), capture_output=True, timeout=60, check=False
    )
    report = json.loads(finished.stdout)
    assert (finished.returncode, report["complete"], report["left"]) == (0, True, [])
    assert held(bucket.storage) == bodies
    assert held(local) == ({} if remove else bodies)
    # A request under way at the kill may still be carried out after the next run has looked: one per worker and kill.
    sends = bucket.sends()
    assert sum(sends[key] for key in bodies) - len(bodies) <= kills * workers
