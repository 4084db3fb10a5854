"""The storage on local disk when writers are killed, the disk is full or read-only, and links are planted."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from bucket_conformance.reference_impl.api import DeleteError
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.local import LocalStorage
from bucket_conformance.reference_impl.safe_paths import INCOMING
from tests.reference_impl.disk_worlds import small_disk, tree

KILLS: Final = int(os.environ.get("CONFORMANCE_KILLS", "60"))
"""Writers to kill; set the variable to thousands for a long run."""
SEED: Final = int(os.environ.get("CONFORMANCE_KILLS_SEED", "1"))


def test_every_completed_operation_survives_a_kill_at_any_point(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.under_faults.killed_writer", str(root), str(KILLS), str(SEED)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout)
    print(seen)
    assert seen["kills"] == KILLS
    # Without these the kills missed the writes, and nothing was tested.
    assert seen["answered"] > 0
    assert seen["old kept"] > 0
    assert KILLS < 60 or seen["left over"] > 0
    assert KILLS < 500 or seen["new there"] > 0


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Mount ``folder`` over itself read-only; skips where we may not mount."""
    for command in (["mount", "--bind"], ["mount", "-o", "remount,bind,ro"]):
        arguments = [str(folder)] * (2 if command[-1] == "--bind" else 1)
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            if command[-1] != "--bind":
                subprocess.run(["umount", str(folder)], check=True)
            pytest.skip(f"cannot mount here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def code_of(action: Callable[[], object]) -> ErrorCode:
    with pytest.raises(StorageError) as caught:
        action()
    return caught.value.code


def test_a_read_only_root_serves_reads_and_refuses_writes(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    storage = LocalStorage(root)
    storage.upload("d/k", b"kept")
    before = tree(root)
    with read_only(root):
        for fresh in (storage, LocalStorage(root)):
            assert fresh.download("d/k") == b"kept"
            assert [found.key for found in fresh.list()] == ["d/k"]
            assert code_of(lambda fresh=fresh: fresh.upload("d/k", b"new")) is ErrorCode.ACCESS_DENIED  # type: ignore[misc]
            assert code_of(lambda fresh=fresh: fresh.upload("e/k", io.BytesIO(b"new"))) is ErrorCode.ACCESS_DENIED  # type: ignore[misc]
            assert code_of(fresh.check) is ErrorCode.ACCESS_DENIED
            with pytest.raises(DeleteError) as caught:
                fresh.delete_files(["d/k", "gone"])
            assert [(one.key, one.code, one.backend_code) for one in caught.value.result.failed] == [
                ("d/k", ErrorCode.ACCESS_DENIED, "EROFS")
            ]
            assert caught.value.result.deleted == ("gone",)
    assert tree(root) == before
    storage.upload("d/k", b"writable again")


def test_on_a_disk_that_fills_and_empties_every_result_is_true(tmp_path: Path) -> None:
    dice = random.Random(11)
    keys = [f"project/p{number % 4}/FILE/{number}" for number in range(12)]
    with small_disk(tmp_path / "disk", size="512k") as root:
        storage = LocalStorage(root)
        model: dict[str, bytes] = {}
        full = 0
        for _ in range(400):
            key = dice.choice(keys)
            if dice.random() < 0.15:
                storage.delete_files([key])
                model.pop(key, None)
                continue
            body = dice.randbytes(dice.choice((0, 100, 20_000, 70_000, 200_000)))
            try:
                storage.upload(key, io.BytesIO(body) if dice.random() < 0.5 else body)
            except StorageError as error:
                full += error.code is ErrorCode.NO_SPACE
                if error.code is not ErrorCode.NO_SPACE:
                    raise
            else:
                model[key] = body
            assert tree(root) == model
        assert full > 20, "the disk was hardly ever full: the test tried little"
        assert {found.key: found.size for found in storage.list()} == {key: len(body) for key, body in model.items()}


def test_a_disk_without_room_for_another_name_is_full_and_loses_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size="1m,nr_inodes=12") as root:
        storage = LocalStorage(root)
        stored: dict[str, bytes] = {}

        def store_more() -> None:
            for number in range(20):
                storage.upload(f"folder-{number}/k", b"%d" % number)
                stored[f"folder-{number}/k"] = b"%d" % number

        assert code_of(store_more) is ErrorCode.NO_SPACE
        assert tree(root) == stored
        storage.delete_files(["folder-0/k"])
        storage.upload("folder-1/k", b"there is room again")


@pytest.mark.parametrize("where", ["folder", "key", "upload folder"])
def test_a_symbolic_link_planted_during_writes_is_never_followed(tmp_path: Path, where: str) -> None:
    """Folders, objects and the folder of unfinished uploads turn into links and back while the storage uses them."""
    outside, root, aside = tmp_path / "outside", tmp_path / "root", tmp_path / "aside"
    for folder in (outside, root, aside):
        folder.mkdir()
    (outside / "k").write_bytes(b"secret")
    storage = LocalStorage(root)
    storage.upload("d/k", b"0")
    target = {"folder": root / "d", "key": root / "d" / "k", "upload folder": root / INCOMING}[where]
    to = outside / "k" if where == "key" else outside
    done = threading.Event()
    swaps = 0

    def swap() -> None:
        nonlocal swaps
        turn = 0
        while not done.is_set():
            turn += 1
            with suppress(OSError):
                target.rename(aside / str(turn))
            with suppress(OSError):
                target.symlink_to(to)
                swaps += 1
            with suppress(OSError):
                os.unlink(target) if target.is_symlink() else None  # noqa: PTH108
            if where != "key":
                with suppress(OSError):
                    (aside / str(turn)).rename(target)

    swapper = threading.Thread(target=swap)
    swapper.start()
    worked = refused = 0
    try:
        for turn in range(600):
            try:
                storage.upload("d/k", b"%d" % turn)
                assert storage.download("d/k") != b"secret"
                storage.delete_files(["d/k"])
                worked += 1
            except StorageError as error:
                refused += 1
                if error.code not in (ErrorCode.CONFLICT, ErrorCode.NOT_FOUND):
                    raise
            assert [found.size for found in storage.list() if found.size == len(b"secret")] == []
    finally:
        done.set()
        swapper.join()
    assert swaps > 0
    assert worked > 0
    assert refused > 0, "no swap fell into an operation: the test tried nothing"
    assert tree(outside) == {"k": b"secret"}
