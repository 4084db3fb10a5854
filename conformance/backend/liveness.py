"""Checks whether a backend still works. This is done after each bad verdict: a dead server keeps no promise.

An object written when the session opened has to be read back byte for byte. Where it is not, a fresh object is written
and read: a backend that manages this lost data but works; one that does not is dead, with any status.
"""

from __future__ import annotations

import itertools
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bucket_conformance.conformance.session import MARK
from bucket_conformance.conformance.wire.exchange import Recorder
from bucket_conformance.conformance.wire.health import Health, HealthCheck
from bucket_conformance.conformance.wire.s3 import S3Wire
from bucket_conformance.conformance.wire.transport import HttpResponse
from bucket_conformance.reference_impl.api import Storage

REVIVAL_S: Final = 5.0
"""Seconds that a backend which ended may take until it works again."""
BLIPS: Final = 2
"""Failed checks in a row that count as a short disturbance; after more, what was judged meanwhile is judged again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sick:
    """A failed check: what was observed, and whether there was no response at all."""

    why: str
    silent: bool = False


class Liveness(ABC):
    """Checks one backend. Call :meth:`start` first."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    @abstractmethod
    def start(self) -> None:
        """Write the object that is read back from then on."""

    @abstractmethod
    def _look(self) -> _Sick | None:
        """Return what is wrong with the backend, ``None`` where nothing is."""

    def check(self) -> HealthCheck:
        """Return whether the backend works. One that does not has ``REVIVAL_S`` to come back."""
        # Requests that were held back because of time-outs in a row: one of them is sent again, and decides.
        self._recorder.hopeless = False
        deadline, pause = time.monotonic() + REVIVAL_S, 0.1
        bad = 0
        while (sick := self._look()) is not None:
            bad += 1
            if time.monotonic() > deadline or self._recorder.hopeless:
                break
            time.sleep(pause)
            pause = min(2 * pause, 1.0)
        if sick is None:
            return HealthCheck(health=Health.ALIVE if bad <= BLIPS else Health.REVIVED)
        # Nothing that follows, not even the clean-up, waits out one time-out after the other.
        self._recorder.hopeless = self._recorder.last_timed_out
        return HealthCheck(health=Health.DEAD, why=sick.why, silent=sick.silent)


class S3Liveness(Liveness):
    """Checks by plain requests. A lost bucket of the run is created again."""

    def __init__(self, wire: S3Wire, run_id: str, *, own_bucket: bool) -> None:
        super().__init__(wire.transport.recorder)
        self._wire = wire
        self._run_id = run_id
        self._own_bucket = own_bucket
        self._numbers = itertools.count()
        self._key, self._body = self._fresh()

    def _fresh(self) -> tuple[str, bytes]:
        number = next(self._numbers)
        return f"{MARK}{self._run_id}/alive-{number}", f"object {number} of run {self._run_id}".encode()

    def start(self) -> None:
        # Where it is not stored, the first look says so and tries another.
        self._wire.put(self._key, self._body)

    def _look(self) -> _Sick | None:
        read = self._wire.get(self._key)
        if _holds(read, self._body):
            return None
        if read.status == 0:
            return _Sick(why=f"reading an object that was written at the start gave {read.summary}", silent=True)
        key, body = self._fresh()
        written = self._wire.put(key, body)
        if written.status == 404 and self._own_bucket and self._wire.request("PUT").ok:
            written = self._wire.put(key, body)
        again = self._wire.get(key) if written.ok else None
        if again is not None and _holds(again, body):
            self._key, self._body = key, body
            return None
        return _Sick(
            why=f"reading an object that was written at the start gave {_told(read)}; writing another gave "
            + (written.summary if again is None else f"{written.summary}, and reading that {_told(again)}")
        )


def _holds(response: HttpResponse, body: bytes) -> bool:
    return response.status == 200 and response.error is None and response.body == body


def _told(response: HttpResponse) -> str:
    return f"{response.summary} with {len(response.body)} other bytes" if response.ok else response.summary


class StorageLiveness(Liveness):
    """Checks a user's own storage by the methods of the port."""

    def __init__(self, storage: Storage, run_id: str, recorder: Recorder) -> None:
        super().__init__(recorder)
        self._storage = storage
        self._run_id = run_id
        self._numbers = itertools.count()
        self._key, self._body = self._fresh()

    def _fresh(self) -> tuple[str, bytes]:
        number = next(self._numbers)
        return f"{MARK}{self._run_id}/alive-{number}", f"object {number} of run {self._run_id}".encode()

    def start(self) -> None:
        with suppress(Exception):  # a foreign class may raise anything; the first look tries again
            self._storage.upload(self._key, self._body)

    def _look(self) -> _Sick | None:
        with suppress(Exception):
            if self._storage.download(self._key) == self._body:
                return None
        (key, body), doing = self._fresh(), "writing"
        try:
            self._storage.upload(key, body)
            doing = "reading"
            read = self._storage.download(key)
        except Exception as error:  # a foreign class may raise anything
            return _Sick(why=f"{doing} a fresh object failed: {type(error).__name__}: {error}")
        if read != body:
            return _Sick(why=f"a fresh object came back as {read[:60]!r} instead of {body!r}")
        self._key, self._body = key, body
        return None


class DiskLiveness(Liveness):
    """Checks a directory by the operating system, independent of the storage above it."""

    def __init__(self, root: Path, recorder: Recorder) -> None:
        super().__init__(recorder)
        self._root = root

    def start(self) -> None:
        pass

    def _look(self) -> _Sick | None:
        path = self._root / f"{MARK}alive"
        try:
            path.write_bytes(b"alive")
            read = path.read_bytes()
            path.unlink()
        except OSError as error:
            return _Sick(why=f"writing and reading a file in its folder failed: {error.strerror}")
        return None if read == b"alive" else _Sick(why=f"a file in its folder came back as {read[:60]!r}")
