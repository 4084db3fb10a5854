"""Kills writers: ``python -m tests.under_faults.killed_writer ROOT KILLS SEED`` prints counts of the outcomes.

Every writer is a forked process that uploads, overwrites and deletes on local disk, and gets a real SIGKILL: before a
drawn line of ``reference_impl`` (so that each step of a write has its turn), or after a drawn time, which may fall into
a system call. It reports through a pipe what it begins and what has returned; after its death the tree must hold that
and nothing else. It is a separate program, because only a process without threads can fork safely.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

from bucket_conformance.reference_impl.local import LocalStorage
from bucket_conformance.reference_impl.safe_paths import INCOMING
from tests.reference_impl.disk_worlds import tree

KEYS: Final = ("project/p/FILE/a", "project/p/FILE/b", "project/q/FILE/c")
LONGEST_LIFE_S: Final = 0.01
LINES: Final = 1000
"""About the number of lines that a few uploads and deletes execute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One operation: an upload of ``size`` bytes to ``keys[0]``, or a deletion of all ``keys`` where it is ``None``."""

    keys: tuple[str, ...]
    size: int | None
    seed: int
    streamed: bool = False

    @property
    def body(self) -> bytes | None:
        return None if self.size is None else random.Random(self.seed).randbytes(self.size)

    def do(self, storage: LocalStorage) -> None:
        body = self.body
        if body is None:
            storage.delete_files(self.keys)
        else:
            storage.upload(self.keys[0], io.BytesIO(body) if self.streamed else body, content_type="text/plain")


def works(seed: int) -> Iterator[Work]:
    """Yield the operations of one writer, without end."""
    dice = random.Random(seed)
    for number in itertools.count():
        if dice.random() < 0.3:
            keys = tuple(dice.sample(KEYS, dice.randint(1, len(KEYS))))
            yield Work(keys=keys, size=None, seed=0)
        else:
            size = dice.choice((0, 1, 5_000, 65_536, 65_537, 300_000))
            key = dice.choice(KEYS)
            yield Work(keys=(key,), size=size, seed=seed * 1000 + number, streamed=dice.random() < 0.5)


def write_until_killed(root: Path, seed: int, pipe: int, line: int | None) -> None:
    """Work until killed; ``line`` is the line of ``reference_impl`` before which this process kills itself."""
    storage = LocalStorage(root)
    if line is not None:
        _die_before(line)
    for work in works(seed):
        os.write(pipe, b"b")
        work.do(storage)
        os.write(pipe, b"a")


def _die_before(line: int) -> None:
    left = line

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if "reference_impl" not in frame.f_code.co_filename:
            return None
        if event == "line":
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)


def kill_one(root: Path, seed: int, line: int | None, life_s: float) -> bytes:
    """Fork a writer and wait for its death; return what it sent: ``b`` per begun operation, ``a`` per returned one."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            write_until_killed(root, seed, writing, line)
        finally:
            os._exit(1)
    os.close(writing)
    if line is None:
        time.sleep(life_s)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    status = os.waitpid(child, 0)[1]
    if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
        raise RuntimeError(f"the writer of seed {seed} ended by itself (status {status}) instead of being killed")
    return said


def check(root: Path, possible: dict[str, Sequence[bytes | None]]) -> dict[str, bytes | None]:
    """Return each key's content; raise ``AssertionError`` unless all are possible and whole, and nothing more."""
    storage = LocalStorage(root)
    there = {stat.key: stat.size for stat in storage.list()}
    found: dict[str, bytes | None] = {}
    for key, choices in possible.items():
        value = storage.download(key) if storage.exists(key) else None
        sizes = [None if choice is None else len(choice) for choice in choices]
        assert value in choices, f"{key} holds {None if value is None else len(value)} bytes, not one of {sizes}"
        assert there.pop(key, None) == (None if value is None else len(value)), f"the listing of {key} is wrong"
        assert value is None or storage.stat(key).content_type == "text/plain"
        found[key] = value
    assert not there, f"listed besides: {sorted(there)}"
    outside = {path for path in tree(root) if path not in found and not path.startswith(f"{INCOMING}/")}
    assert not outside, f"left in the tree: {sorted(outside)}"
    return found


def run(root: Path, kills: int, seed: int) -> dict[str, int]:
    """Kill ``kills`` writers one after the other on one tree; return counts of what happened."""
    dice = random.Random(seed)
    state: dict[str, bytes | None] = dict.fromkeys(KEYS)
    seen = {"kills": 0, "answered": 0, "in flight": 0, "old kept": 0, "new there": 0, "left over": 0}
    for number in range(kills):
        by_line = number % 3 != 2
        said = kill_one(
            root,
            seed + number,
            dice.randint(1, LINES) if by_line else None,
            dice.uniform(0, LONGEST_LIFE_S),
        )
        todo = works(seed + number)
        for work in itertools.islice(todo, said.count(b"a")):
            state.update(dict.fromkeys(work.keys, work.body))
        possible: dict[str, Sequence[bytes | None]] = {key: [value] for key, value in state.items()}
        in_flight = next(todo) if said.endswith(b"b") else None
        if in_flight is not None:
            for key in in_flight.keys:
                possible[key] = [state[key], in_flight.body]
        try:
            state = check(root, possible)
        except Exception as error:
            raise AssertionError(f"kill {number} of seed {seed}, during {in_flight}: {error}") from error
        seen["kills"] += 1
        seen["answered"] += said.count(b"a")
        if in_flight is not None:
            seen["in flight"] += 1
            key = in_flight.keys[0]
            old, new = possible[key]
            if old != new:
                seen["old kept" if state[key] == old else "new there"] += 1
    left = list((root / INCOMING).iterdir()) if (root / INCOMING).is_dir() else []
    seen["left over"] = len(left)
    removed = LocalStorage(root).remove_stale_uploads(older_than_s=0)
    assert removed == len(left), f"{removed} of {len(left)} unfinished uploads could be removed"
    check(root, {key: [value] for key, value in state.items()})
    return seen


if __name__ == "__main__":
    assert threading.active_count() == 1
    print(json.dumps(run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
