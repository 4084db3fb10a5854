"""Directories on this machine: cache, state, and one directory per running server that ``clean`` can find."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import platformdirs

from bucket_conformance.providers.launch import supervisor
from bucket_conformance.providers.provider import LaunchError

APPLICATION: Final = "bucket-conformance"
RUN_ID: Final = f"{datetime.now(UTC):%Y%m%d%H%M%S}-{os.getpid()}-{secrets.token_hex(2)}"
"""Names this process's run: UTC time, process id, four random digits."""
FOLDER_VARIABLE: Final = "CONFORMANCE_RUN_FOLDER"
"""The variable that gives every started server its run folder, so that a server that outlives its run is recognised."""
_PREFIX: Final = "conformance-"
_LOCK: Final = "owner.lock"
_UNLOCKED_GRACE_S: Final = 60.0
_INSTALL_LOG_S: Final = 3600.0
_REMOVAL_TRIES: Final = 5


def cache_dir() -> Path:
    """Return the directory of what can be downloaded again: installed servers. ``CONFORMANCE_CACHE`` changes it."""
    chosen = os.environ.get("CONFORMANCE_CACHE")
    return Path(chosen).expanduser().absolute() if chosen else Path(platformdirs.user_cache_dir(APPLICATION))


def state_dir() -> Path:
    """Return the directory of runs: data and the logs of failed starts. ``CONFORMANCE_STATE`` changes it."""
    chosen = os.environ.get("CONFORMANCE_STATE")
    return Path(chosen).expanduser().absolute() if chosen else Path(platformdirs.user_state_dir(APPLICATION))


def runs_dir() -> Path:
    return _made(state_dir() / "runs", "CONFORMANCE_STATE")


def logs_dir() -> Path:
    return _made(state_dir() / "logs", "CONFORMANCE_STATE")


def _made(folder: Path, variable: str) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise LaunchError(
            f"cannot make the folder {folder}: {error.strerror}; set {variable} to a folder that can be written"
        ) from error
    return folder


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFolder:
    """A folder of one running backend. It is alive while any process holds ``lock_fd`` (an flock on its lock file)."""

    path: Path
    lock_fd: int

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def work(self) -> Path:
        return self.path / "work"


def make_run_folder(name: str) -> RunFolder:
    """Make and lock ``conformance-<run id>-<name>-<random>`` in the state folder, with ``data`` and ``work`` in it."""
    path = runs_dir() / f"{_PREFIX}{RUN_ID}-{name}-{secrets.token_hex(3)}"
    path.mkdir(mode=0o700)
    lock_fd = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock_fd, fcntl.LOCK_EX)
    folder = RunFolder(path=path, lock_fd=lock_fd)
    folder.data.mkdir()
    folder.work.mkdir()
    return folder


@contextlib.contextmanager
def run_folder(name: str) -> Iterator[RunFolder]:
    """Make a run directory that is removed at the end, for backends inside this process."""
    folder = make_run_folder(name)
    try:
        yield folder
    finally:
        shutil.rmtree(folder.path, ignore_errors=True)
        os.close(folder.lock_fd)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """What a killed run left: its folder, its size in bytes, and the ids of servers that still run (Linux only)."""

    path: Path
    size: int
    pids: tuple[int, ...]
    failure: str = ""
    """Why it could not be removed; '' if it was removed or should stay."""


def held_folders() -> tuple[Path, ...]:
    """Return the run directories that a process holds or is making: running runs, which must stay."""
    return tuple(folder for folder in sorted(runs_dir().glob(f"{_PREFIX}*")) if not _is_dead(folder))


def leftovers() -> tuple[Leftover, ...]:
    """Return the run directories that no process holds any more, oldest first; never that of a run in progress."""
    found = [folder for folder in sorted(runs_dir().glob(f"{_PREFIX}*")) if _is_dead(folder)]
    servers = _servers() if found else {}
    return tuple(Leftover(path=f, size=_size(f), pids=tuple(servers.get(str(f), ()))) for f in found)


def remove_leftovers(progress: Callable[[str], None] = lambda _: None) -> tuple[Leftover, ...]:
    """End the servers of dead runs, remove their folders and the logs of failed starts; return what was there.

    A folder that cannot be removed has its ``failure``; the other folders are removed nevertheless.
    """
    found = tuple(_remove(leftover) for leftover in leftovers())
    for leftover in found:
        if not leftover.failure:
            progress(f"removed {leftover.path} ({leftover.size} bytes, {len(leftover.pids)} processes ended)")
    live = {folder.name for folder in runs_dir().iterdir()}
    for log in logs_dir().glob("*.log"):
        with contextlib.suppress(OSError):
            # The log of an installation has no run folder; one that is being written must stay.
            if log.stem not in live and (log.stem.startswith(_PREFIX) or _age_s(log) > _INSTALL_LOG_S):
                log.unlink()
    return found


def _remove(leftover: Leftover) -> Leftover:
    for pid in leftover.pids:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    supervisor.remove_external_files(leftover.path)
    failure = ""
    # A killed server's last file may still appear while the tree is being walked, or another clean be at work.
    for _ in range(_REMOVAL_TRIES):
        try:
            _remove_tree(leftover.path)
        except OSError as error:
            failure = f"{error.filename or leftover.path}: {error.strerror}"
        if not leftover.path.exists():
            return leftover
        time.sleep(0.05)
    return replace(leftover, failure=failure)


def _remove_tree(folder: Path) -> None:
    # The lock is removed last, so that an interrupted removal is still recognised as that of a dead run.
    for entry in sorted(folder.iterdir(), key=lambda path: path.name == _LOCK):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
    folder.rmdir()


def _age_s(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def _is_dead(folder: Path) -> bool:
    try:
        lock_fd = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        # A process is just making it, or was killed at that moment: only in the second case does it grow old.
        with contextlib.suppress(OSError):
            return _age_s(folder) > _UNLOCKED_GRACE_S
        return False
    except OSError:
        return False
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(lock_fd)


def _servers() -> dict[str, list[int]]:
    """Return process ids by the run directory that their environment names."""
    found: dict[str, list[int]] = {}
    if sys.platform != "linux":
        return found
    mark = f"{FOLDER_VARIABLE}=".encode()
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            for pair in entry.read_bytes().split(b"\0"):
                if pair.startswith(mark):
                    found.setdefault(os.fsdecode(pair[len(mark) :]), []).append(int(entry.parent.name))
    return found


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.lstat().st_size if path.is_file() and not path.is_symlink() else 0
    return total
