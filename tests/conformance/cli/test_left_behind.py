"""What stays is reported with the command that removes it, also after an interrupt, a crash and a failed opening."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bucket_conformance.conformance.report.document import read
from tests.conformance.cli.running import KEYS, conformance, started, until
from tests.exemplar.http import HttpFront
from tests.exemplar.raw_client import boto_client
from tests.exemplar.server import Exemplar
from tests.exemplar.types import Request, Response

FEW = ("--quick", "--clause", "KEY-001")


@pytest.fixture
def server() -> Iterator[Exemplar]:
    with Exemplar() as made:
        client = boto_client(made.url)
        client.create_bucket(Bucket="theirs")
        client.put_object(Bucket="theirs", Key="notes.txt", Body=b"x")
        client.close()
        yield made


def refusing(server: Exemplar, refuse: Callable[[Request], bool] = lambda _: True) -> HttpFront:
    """Serve as the server does, but refuse removals."""

    def answer(request: Request) -> Response:
        removes = request.method == "DELETE" or "delete" in request.query
        if removes and refuse(request):
            return Response(status=403, body=b"<Error><Code>AccessDenied</Code></Error>")
        return server.handle(request)

    return HttpFront(answer)


def names(server: Exemplar) -> list[str]:
    return sorted(f"{name}/{key}" for name, bucket in server.store.buckets.items() for key in bucket.versions)


def command_in(text: str) -> str:
    found = re.search(r"^ *(conformance clean .*)$", text, re.MULTILINE)
    assert found is not None, text
    return found[1]


def tried(tmp_path: Path, command: str, server: Exemplar, front: str) -> subprocess.CompletedProcess[str]:
    """Run the printed command, on the server itself instead of the front that refuses removals."""
    words = shlex.split(command.replace(front, server.url))
    assert words.pop(0) == "conformance"
    return conformance(tmp_path, *words, **KEYS)


@pytest.mark.parametrize("bucket", [("--bucket", "theirs"), ()], ids=["a bucket of theirs", "a bucket of its own"])
def test_the_printed_command_removes_only_what_is_left(
    tmp_path: Path, server: Exemplar, bucket: tuple[str, ...]
) -> None:
    # The objects can be used, so that the session opens: removing the probe object is part of that.
    with refusing(server, lambda request: not request.key.endswith("/smoke")) as front:
        done = conformance(tmp_path, "run", "--endpoint", front.url, *bucket, *FEW, "--report", "r.jsonl", **KEYS)
        assert done.returncode == 0, done.stderr
        assert len(names(server)) > 1
        (section,) = read(tmp_path / "r.jsonl")
        assert section.footer is not None
        assert section.footer.left_behind
        assert section.footer.remove_with == command_in(done.stderr)
        assert all(secret not in done.stderr for secret in KEYS.values())
        cleaned = tried(tmp_path, section.footer.remove_with, server, front.url)
    assert cleaned.returncode == 0, cleaned.stderr
    assert names(server) == ["theirs/notes.txt"]


def test_leftovers_of_a_failed_opening_are_reported(tmp_path: Path, server: Exemplar) -> None:
    with refusing(server) as front:
        done = conformance(tmp_path, "run", "--endpoint", front.url, "--bucket", "theirs", *FEW, **KEYS)
        assert done.returncode == 3
        assert "removing the probe object" in done.stdout
        assert tried(tmp_path, command_in(done.stderr), server, front.url).returncode == 0
    assert names(server) == ["theirs/notes.txt"]


@pytest.mark.parametrize("bucket", [("--bucket", "theirs"), ()], ids=["a bucket of theirs", "a bucket of its own"])
def test_an_interrupted_run_does_not_say_that_all_is_removed(
    tmp_path: Path, server: Exemplar, bucket: tuple[str, ...]
) -> None:
    with refusing(server, lambda request: not request.key.endswith("/smoke")) as front:
        with started(tmp_path, "run", "--endpoint", front.url, *bucket, "--jobs", "2", **KEYS) as process:
            until(lambda: any("/FILE/" in name for name in names(server)), "objects")
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=120)
        assert process.returncode == 130, errors
        assert "could not be removed" in errors
        assert "what the run created is removed" not in errors
        for command in re.findall(r"^ *(conformance clean .*)$", errors, re.MULTILINE):
            assert tried(tmp_path, command, server, front.url).returncode == 0
    assert names(server) == ["theirs/notes.txt"]


def workers_of(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the worker is found in /proc")
def test_leftovers_of_a_killed_worker_are_reported(tmp_path: Path, server: Exemplar) -> None:
    given = ("--endpoint", server.url, "--bucket", "theirs", "--jobs", "1")
    with started(tmp_path, "run", *given, **KEYS) as process:
        until(lambda: any("/FILE/" in name for name in names(server)), "objects")
        (worker,) = workers_of(process.pid)
        os.kill(worker, signal.SIGKILL)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 3, errors
    assert len(names(server)) > 1
    assert "it did not end in order" in errors
    done = tried(tmp_path, command_in(errors), server, server.url)
    assert done.returncode == 0, done.stderr
    assert names(server) == ["theirs/notes.txt"]
