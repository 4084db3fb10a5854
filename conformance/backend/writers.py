"""Writers in separate processes, to be killed: one small process forks a writer for each order.

Forking from a process with a single thread and everything imported takes milliseconds, so hundreds of kills are cheap.
Run as a module, this file is that process. The first JSON line on standard input describes the storage; secrets come
by that pipe, never by the command line. Each further line starts a writer, and its number is the ``order`` of every
message about that writer: ``{"event": "answered"}`` for each upload, then ``"finished"`` or ``"failed"`` (with
``error``). ``{"kill": ORDER}`` kills and reaps the writer; the last message is ``{"event": "killed"}``.
"""

from __future__ import annotations

import base64
import contextlib
import importlib
import json
import os
import pickle
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, Self

from bucket_conformance.conformance.backend.child_process import (
    ORDER,
    ChildEnded,
    ChildError,
    ChildProcess,
    python_module,
)
from bucket_conformance.conformance.parts import MigrationPort, WriterFailed, Writing, writer_body
from bucket_conformance.conformance.target import S3Endpoint, Wrap
from bucket_conformance.reference_impl.api import ObjectStat, Storage

ATTEMPTS: Final = 4
RETRY_S: Final = 2.0
"""How often, and for how many seconds, the storage under judgement tries again: a broken server must not make a run
long."""
ANSWER_WAIT_S: Final = 30.0
"""How long one upload may take."""
KILL_WAIT_S: Final = 10.0
"""How long a killed writer may take to end; then the process that forked it is killed with it."""
END_WAIT_S: Final = 5.0
MOST_UPLOADS: Final = 100_000


def importable(wrap: Wrap | None) -> bool:
    """Return whether another process can import the wrapper of the storage (none, or a class or function by name)."""
    if wrap is None:
        return True
    found: Any = sys.modules.get(getattr(wrap, "__module__", ""))
    for name in getattr(wrap, "__qualname__", "<none>").split("."):
        found = getattr(found, name, None)
    return found is wrap


class _Writers:
    """Implements ``WriterPort``. The process starts with the first writer and ends with the context."""

    def __init__(self, description: dict[str, Any], wrap: Wrap | None) -> None:
        named = f"{wrap.__module__}:{getattr(wrap, '__qualname__', '')}" if wrap is not None else None
        self._first = {**description, "wrap": named, "path": sys.path}
        self._process: ChildProcess | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.end(END_WAIT_S)
            self._process = None

    def start(self, keys: Sequence[str], *, size: int) -> AbstractContextManager[Writing]:
        return self._working({"keys": list(keys), "size": size})

    def migrate(self, migration: MigrationPort, source: Path, *, journal: Path) -> AbstractContextManager[Writing]:
        try:
            pickled = base64.b64encode(pickle.dumps(migration)).decode()
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise WriterFailed(f"the migration cannot be handed to another process: {error}") from None
        return self._working({"migration": pickled, "source": str(source), "journal": str(journal)})

    @contextmanager
    def _working(self, order: dict[str, Any]) -> Iterator[Writing]:
        process = self._process or self._start_process()
        self._process = process
        try:
            writing = _Writing(process, process.order(order))
        except ChildEnded:
            self._discard()
            raise WriterFailed("the process of the writers has ended") from None
        try:
            yield writing
        finally:
            if not writing.end():
                # This writer must have ended before the next is judged.
                self._discard()

    def _start_process(self) -> ChildProcess:
        process = ChildProcess(python_module(__name__), new_session=True)
        with contextlib.suppress(ChildEnded):  # the order that follows reports it
            process.send(self._first)
        return process

    def _discard(self) -> None:
        if self._process is not None:
            with self._process:
                self._process = None


class DiskWriters(_Writers):
    """Writers to a local root."""

    def __init__(self, root: Path, wrap: Wrap | None) -> None:
        super().__init__({"kind": "disk", "root": str(root)}, wrap)


class S3Writers(_Writers):
    """Writers to a bucket."""

    def __init__(self, target: S3Endpoint, bucket: str) -> None:
        client = {
            "region": target.region,
            "endpoint": target.url,
            "access_key": target.access_key,
            "secret_key": target.secret_key,
            "session_token": target.session_token,
            "addressing": target.addressing,
            "checksums": target.checksums,
            "ca_file": str(target.ca_file) if target.ca_file else None,
        }
        super().__init__({"kind": "s3", "bucket": bucket, "client": client}, target.wrap)


class _Writing:
    """One writer, as the session sees it. Implements ``Writing``."""

    def __init__(self, process: ChildProcess, order: int) -> None:
        self._process = process
        self._order = order
        self._answered = 0
        self._failed: str | None = None
        self._finished = False
        self._killed = False

    def wait_for(self, answered: int) -> None:
        while self._answered < answered and not self._killed and not self._finished and self._failed is None:
            self._read(f"no upload was answered within {ANSWER_WAIT_S:g} s", ANSWER_WAIT_S)

    def kill(self) -> int:
        if not self._killed:
            try:
                self._process.send({"kill": self._order})
            except ChildEnded:
                raise WriterFailed("its process ended") from None
            while not self._killed:
                self._read(f"it was not gone {KILL_WAIT_S:g} s after it was killed", KILL_WAIT_S)
        if self._failed is not None:
            raise WriterFailed(self._failed)
        return self._answered

    def end(self) -> bool:
        """Kill it if that is not done yet; return whether it is known to have ended."""
        with contextlib.suppress(WriterFailed):
            self.kill()
        return self._killed

    def _read(self, late: str, deadline_s: float) -> None:
        try:
            reply = self._process.reply(self._order, deadline_s)
        except ChildError as error:
            raise WriterFailed("its process ended" if isinstance(error, ChildEnded) else late) from None
        match reply["event"]:
            case "answered":
                self._answered += 1
            case "failed":
                self._failed = reply["error"]
            case "finished":
                self._finished = True
            case "killed":
                self._killed = True


def main() -> None:
    """Run the process: fork a writer per order; kill and reap it on request, or before the next one."""
    first = json.loads(sys.stdin.readline())
    sys.path[:] = first["path"]
    make = _maker(first)
    writer = 0
    try:
        for line in sys.stdin:
            order = json.loads(line)
            _end(writer)
            writer = 0
            if "kill" in order:
                _report(order["kill"], "killed")
                continue
            writer = os.fork()
            if not writer:
                os.close(0)  # otherwise the suite would take this process for the one that forks, still reading
                _work(make, order)
    finally:
        _end(writer)


def _end(writer: int) -> None:
    if writer:
        os.kill(writer, signal.SIGKILL)  # not reaped yet: the id is still its own
        os.waitpid(writer, 0)


def _maker(first: dict[str, Any]) -> Callable[[], Storage]:
    make = _disk_maker(first) if first["kind"] == "disk" else _s3_maker(first)
    if first["wrap"] is None:
        return make
    module, _, name = first["wrap"].partition(":")
    wrap: Any = importlib.import_module(module)
    for part in name.split("."):
        wrap = getattr(wrap, part)
    return lambda: wrap(make())


def _disk_maker(first: dict[str, Any]) -> Callable[[], Storage]:
    from bucket_conformance.reference_impl.local import LocalStorage

    return lambda: LocalStorage(Path(first["root"]))


def _s3_maker(first: dict[str, Any]) -> Callable[[], Storage]:
    # Loading the SDK takes most of a second, which a writer to disk is spared.
    from bucket_conformance.reference_impl.s3 import S3Storage
    from bucket_conformance.reference_impl.s3_client import make_client
    from bucket_conformance.reference_impl.s3_retries import RetryBudget

    options = dict(first["client"])
    options["ca_file"] = Path(options["ca_file"]) if options["ca_file"] else None
    client = make_client(**options, retries=RetryBudget(time_s=RETRY_S, max_attempts=ATTEMPTS))
    # Made before forking, used only afterwards: a client without a connection may be forked.
    return lambda: S3Storage(client, first["bucket"])


def _work(make: Callable[[], Storage], order: dict[str, Any]) -> None:
    number = order[ORDER]
    try:
        if "migration" in order:
            migration: MigrationPort = pickle.loads(base64.b64decode(order["migration"]))
            source = migration.source(Path(order["source"]))
            migration.migrate(source, _reporting(make(), number), journal=Path(order["journal"]))
        else:
            storage, keys, size = _reporting(make(), number), order["keys"], order["size"]
            for index in range(MOST_UPLOADS):
                storage.upload(keys[index % len(keys)], writer_body(index, size))
        _report(number, "finished")
        time.sleep(ANSWER_WAIT_S)
    except Exception as error:
        _report(number, "failed", error=type(error).__name__)
    finally:
        os._exit(0)


def _report(order: int, event: str, **more: str) -> None:
    # One write of a few bytes to a pipe is whole or not at all, also when this process dies.
    os.write(1, json.dumps({ORDER: order, "event": event, **more}).encode("ascii") + b"\n")


def _reporting(storage: Storage, order: int) -> Storage:
    """Return the storage, which then reports each upload that was answered."""
    upload = storage.upload

    def upload_and_report(*args: Any, **options: Any) -> ObjectStat:
        stat = upload(*args, **options)
        _report(order, "answered")
        return stat

    storage.upload = upload_and_report  # type: ignore[method-assign]
    return storage


if __name__ == "__main__":
    main()
