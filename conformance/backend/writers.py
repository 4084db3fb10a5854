"""Writers in processes of their own, to be killed: one small process that forks a writer for each order.

Forking from a process with a single thread and everything imported takes milliseconds, so hundreds of kills are cheap.
Run as a module it is that process: the first line on standard input describes the storage, each further one is an
order. Secrets come by that pipe, never by the command line.
"""

from __future__ import annotations

import base64
import contextlib
import importlib
import json
import os
import pickle
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, Self

from bucket_conformance.conformance.parts import MigrationPort, WriterFailed, Writing, writer_body
from bucket_conformance.conformance.target import S3Endpoint, Wrap
from bucket_conformance.reference_impl.api import ObjectStat, Storage

ATTEMPTS: Final = 4
RETRY_S: Final = 2.0
"""How often, and for how many seconds, the storage under judgement tries again: a broken server must not make a run
long."""
ANSWER_WAIT_S: Final = 30.0
MOST_UPLOADS: Final = 100_000


def importable(wrap: Wrap | None) -> bool:
    """Whether another process can find what wraps the storage (nothing at all, or a class or function by name)."""
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
        self._process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process.stdout.close()

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
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bucket_conformance.conformance.backend.writers"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
            _say(self._process, self._first)
        _say(self._process, order)
        writing = _Writing(self._process)
        try:
            yield writing
        finally:
            with contextlib.suppress(WriterFailed):
                writing.kill()


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


def _say(process: subprocess.Popen[bytes], order: object) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
    except BrokenPipeError:
        raise WriterFailed("the process of the writers has ended") from None


class _Writing:
    """One writer, seen from the session. Implements ``Writing``."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._rest = b""
        self._answered = 0
        self._failed: str | None = None
        self._finished = False
        self._ended = False

    def wait_for(self, answered: int) -> None:
        while self._answered < answered and not self._ended and not self._finished and self._failed is None:
            self._read()

    def kill(self) -> int:
        if not self._ended:
            _say(self._process, "kill")
            while not self._ended:
                self._read()
        if self._failed is not None:
            raise WriterFailed(self._failed)
        return self._answered

    def _read(self) -> None:
        assert self._process.stdout is not None
        out = self._process.stdout.fileno()
        with selectors.DefaultSelector() as waiting:  # select() refuses descriptors from 1024 on
            waiting.register(out, selectors.EVENT_READ)
            ready = waiting.select(ANSWER_WAIT_S)
        data = os.read(out, 65536) if ready else b""
        if not data:
            self._ended = True
            raise WriterFailed("its process ended" if ready else f"no upload was answered within {ANSWER_WAIT_S:g} s")
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            word, _, text = line.decode().partition(" ")
            if word == "answered":
                self._answered += 1
            elif word == "failed":
                self._failed = text
            elif word == "finished":
                self._finished = True
            elif word == "end":
                self._ended = True


def main() -> None:
    """Be the process: fork a writer per order, kill it when told, and say when it is dead."""
    first = json.loads(sys.stdin.readline())
    sys.path[:] = first["path"]
    make = _maker(first)
    writer = 0
    for line in sys.stdin:
        order = json.loads(line)
        if order == "kill":
            with contextlib.suppress(ProcessLookupError):
                os.kill(writer, signal.SIGKILL)
            os.waitpid(writer, 0)
            writer = 0
            os.write(1, b"end\n")
            continue
        writer = os.fork()
        if not writer:
            _work(make, order)
    if writer:
        os.kill(writer, signal.SIGKILL)
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
    try:
        if "migration" in order:
            migration: MigrationPort = pickle.loads(base64.b64decode(order["migration"]))
            source = migration.source(Path(order["source"]))
            migration.migrate(source, _telling(make()), journal=Path(order["journal"]))
        else:
            storage, keys, size = _telling(make()), order["keys"], order["size"]
            for number in range(MOST_UPLOADS):
                storage.upload(keys[number % len(keys)], writer_body(number, size))
        _tell("finished")
        time.sleep(ANSWER_WAIT_S)
    except Exception as error:
        _tell(f"failed {type(error).__name__}")
    finally:
        os._exit(0)


def _tell(words: str) -> None:
    # One write of a few bytes to a pipe is whole or not at all, also when this process dies.
    os.write(1, f"{words}\n".encode())


def _telling(storage: Storage) -> Storage:
    """Return the storage with its uploads telling when they were answered."""
    upload = storage.upload

    def told(*args: Any, **options: Any) -> ObjectStat:
        stat = upload(*args, **options)
        _tell("answered")
        return stat

    storage.upload = told  # type: ignore[method-assign]
    return storage


if __name__ == "__main__":
    main()
