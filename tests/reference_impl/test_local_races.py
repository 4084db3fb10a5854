"""The storage on local disk against others: threads, planted links, killed writers."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.local import LocalStorage
from bucket_conformance.reference_impl.safe_paths import INCOMING
from tests.reference_impl.disk_worlds import tree


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    root = tmp_path / "root"
    root.mkdir()
    return LocalStorage(root)


def in_threads(*works: Callable[[], None]) -> None:
    errors: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_putting_deleting_and_listing_in_one_folder_never_disturb_each_other(storage: LocalStorage) -> None:
    storage.upload("project/p/FILE/stays", b"stays")

    def put_and_delete(who: int) -> None:
        key = f"project/q/FILE/{who}"
        for turn in range(60):
            storage.upload(key, b"%d" % turn)
            assert storage.download(key) == b"%d" % turn
            storage.delete_files([key])
            assert not storage.exists(key)

    def look() -> None:
        for _ in range(100):
            keys = [found.key for found in storage.list()]
            assert "project/p/FILE/stays" in keys
            assert keys == sorted(keys)

    in_threads(*[lambda who=who: put_and_delete(who) for who in range(4)], look)
    assert tree(storage.root) == {"project/p/FILE/stays": b"stays"}
    assert not (storage.root / "project" / "q").exists()


def test_of_concurrent_puts_one_whole_value_remains(storage: LocalStorage) -> None:
    bodies = [bytes([who]) * random.Random(who).randrange(1, 700_000) for who in range(6)]

    def put(body: bytes) -> None:
        for _ in range(8):
            storage.upload("k", body)
            assert storage.download("k") in bodies

    in_threads(*[lambda body=body: put(body) for body in bodies])
    assert next(iter(tree(storage.root).values())) in bodies
    assert set(tree(storage.root)) == {"k"}


def test_links_in_the_tree_are_neither_followed_nor_objects(storage: LocalStorage, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (storage.root / "folder").symlink_to(outside)
    (storage.root / "file").symlink_to(outside / "secret")
    (storage.root / "loop").symlink_to("loop")
    for key in ("folder/secret", "file", "loop", "loop/x", "folder"):
        assert not storage.exists(key)
        with pytest.raises(StorageError) as caught:
            storage.download(key)
        assert caught.value.code is ErrorCode.NOT_FOUND
        assert storage.delete_files([key]).deleted == (key,)
    for key in ("folder/new", "folder/secret", "loop/x", "folder/a/b"):
        with pytest.raises(StorageError) as caught:
            storage.upload(key, b"bad")
        assert caught.value.code is ErrorCode.CONFLICT
    assert list(storage.list()) == list(storage.list("folder/")) == []
    storage.upload("file", b"in the place of the link")
    assert storage.download("file") == b"in the place of the link"
    assert tree(outside) == {"secret": b"secret"}
    assert (storage.root / "folder").is_symlink()


def test_a_link_in_the_place_of_the_upload_folder_is_refused(storage: LocalStorage, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (storage.root / INCOMING).symlink_to(outside)
    with pytest.raises(StorageError) as caught:
        storage.upload("k", b"x")
    assert caught.value.code is ErrorCode.CONFLICT
    assert tree(outside) == {}


def test_a_link_planted_during_a_write_leads_nowhere(storage: LocalStorage, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "k").write_bytes(b"untouched")
    folder = storage.root / "d"
    done = threading.Event()

    def plant() -> None:
        while not done.is_set():
            try:
                folder.symlink_to(outside)
                os.unlink(folder)  # noqa: PTH108
            except (FileExistsError, IsADirectoryError, PermissionError):
                pass

    def work() -> None:
        try:
            for turn in range(400):
                try:
                    storage.upload("d/k", b"%d" % turn)
                    storage.download("d/k")
                    storage.delete_files(["d/k"])
                except StorageError as error:
                    assert error.code in (ErrorCode.CONFLICT, ErrorCode.NOT_FOUND)  # noqa: PT017
        finally:
            done.set()

    in_threads(plant, work)
    assert tree(outside) == {"k": b"untouched"}


WRITER = """
import sys
from pathlib import Path
from bucket_conformance.reference_impl.local import LocalStorage
storage, turn = LocalStorage(Path(sys.argv[1])), 0
while True:
    turn += 1
    storage.upload("project/p/FILE/k", bytes([turn % 256]) * (300_000 + turn))
    print(turn, flush=True)
"""


def test_a_killed_writer_leaves_the_answered_value_or_the_next_one_whole(storage: LocalStorage) -> None:
    dice = random.Random(7)
    unfinished = 0
    for _ in range(24):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(storage.root)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        answered = int(process.stdout.readline())
        time.sleep(dice.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        lines = process.stdout.read().split()
        answered = int(lines[-1]) if lines else answered
        process.wait()
        process.stdout.close()
        value = storage.download("project/p/FILE/k")
        assert value in [bytes([turn % 256]) * (300_000 + turn) for turn in (answered, answered + 1)]
        assert [found.key for found in storage.list()] == ["project/p/FILE/k"]
        unfinished = len(list((storage.root / INCOMING).iterdir()))
    assert unfinished > 0, "no kill fell into a write: the test tried nothing"
    assert storage.remove_stale_uploads() == 0, "they are younger than an hour"
    assert storage.remove_stale_uploads(older_than_s=0) == unfinished
    assert set(tree(storage.root)) == {"project/p/FILE/k"}


def test_cleaning_leaves_uploads_under_way_alone(storage: LocalStorage) -> None:
    class Cleaning:
        pieces = 3

        def read(self, size: int) -> bytes:
            assert storage.remove_stale_uploads(older_than_s=-1) == 0
            self.pieces -= 1
            return b"x" * size if self.pieces else b""

    assert storage.upload("k", Cleaning()).size > 0  # type: ignore[arg-type]
    assert storage.exists("k")
