"""Writers in separate processes: each has ended before the next begins, and its responses count only for itself."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bucket_conformance.conformance.backend import writers
from bucket_conformance.conformance.backend.writers import DiskWriters
from bucket_conformance.conformance.parts import WriterFailed
from bucket_conformance.reference_impl.api import Storage
from bucket_conformance.reference_impl.local import LocalStorage
from tests.conformance.cli.running import until
from tests.providers.launching import is_alive

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")

SLOW, STUCK, QUICK = "project/p/FILE/slow", "project/p/FILE/stuck", "project/p/FILE/quick"


def held_back(storage: Storage) -> Storage:
    """Uploads of SLOW wait until a file ``go`` exists next to the root; those of STUCK wait forever."""
    upload = storage.upload
    beside = storage.root.parent  # type: ignore[attr-defined]

    def waiting(key: str, *args: Any, **options: Any) -> Any:
        (beside / "begun").touch()
        while key == STUCK or (key == SLOW and not (beside / "go").exists()):
            time.sleep(0.01)
        return upload(key, *args, **options)

    storage.upload = waiting  # type: ignore[method-assign]
    return storage


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def held(tmp_path: Path) -> Iterator[DiskWriters]:
    (tmp_path / "root").mkdir()
    with DiskWriters(tmp_path / "root", held_back) as made:
        yield made


def test_a_slow_writer_is_killed_and_its_responses_do_not_count_for_the_next(
    held: DiskWriters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "ANSWER_WAIT_S", 0.5)
    with held.start([SLOW], size=8) as writing:
        until((tmp_path / "begun").exists, "the slow writer at work")
        with pytest.raises(WriterFailed, match=r"no upload was answered within 0\.5 s"):
            writing.wait_for(1)
    (tmp_path / "go").touch()
    with held.start([STUCK], size=8) as writing:
        with pytest.raises(WriterFailed, match="no upload was answered"):
            writing.wait_for(1)
        assert writing.kill() == 0
    assert not LocalStorage(tmp_path / "root").exists(SLOW)


def test_nothing_runs_between_two_writers_nor_after_the_last(held: DiskWriters) -> None:
    host = 0
    for _ in range(3):
        with held.start([QUICK], size=8) as writing:
            writing.wait_for(2)
            assert held._process is not None
            host = held._process.pid
            (forked,) = children(host)
        assert not is_alive(forked)
        assert writing.kill() >= 2
    held.__exit__()
    assert not is_alive(host)


def test_the_process_that_forks_may_die_and_its_writer_with_it_and_the_next_gets_a_new_one(held: DiskWriters) -> None:
    with held.start([STUCK], size=8) as writing:
        assert held._process is not None
        host = held._process.pid
        until(lambda: bool(children(host)), "the writer at work")
        (forked,) = children(host)
        os.kill(host, signal.SIGKILL)
        until(lambda: not is_alive(host), "the process that forks gone")
        with pytest.raises(WriterFailed, match="its process ended"):
            writing.kill()
    until(lambda: not is_alive(forked), "the writer gone")
    with held.start([QUICK], size=8) as writing:
        writing.wait_for(1)
        assert writing.kill() >= 1
