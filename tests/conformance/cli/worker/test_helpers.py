"""Several processes that judge one provider: the same verdicts as one, and nothing lost when one of them goes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bucket_conformance.conformance.backend.child_process import ChildProcess
from bucket_conformance.conformance.catalogue import entries, select
from bucket_conformance.conformance.cli.worker.helpers import Helpers
from bucket_conformance.conformance.cli.worker.job_record import Job
from bucket_conformance.conformance.cli.worker.spawn import start_helper
from bucket_conformance.conformance.contract import Capability
from bucket_conformance.conformance.effort import Mode
from bucket_conformance.conformance.report.document import Result, read
from bucket_conformance.conformance.target import S3Endpoint
from tests.conformance.cli.running import KEYS, conformance, environment, started, until
from tests.exemplar.server import Exemplar

ENOUGH = ("--quick", "--seed", "1", "--clause", "URL-00?", "--clause", "LIST-002", "--clause", "DUR-002")


@pytest.fixture
def server() -> Iterator[Exemplar]:
    with Exemplar() as made:
        yield made


def test_the_verdicts_are_those_of_one_process(tmp_path: Path, server: Exemplar) -> None:
    seen = []
    for jobs in ("1", "3"):
        args = ("run", "--endpoint", server.url, *ENOUGH, "--jobs", jobs, "--report", f"{jobs}.jsonl")
        done = conformance(tmp_path, *args, **KEYS)
        assert done.returncode == 0, done.stdout + done.stderr
        (section,) = read(tmp_path / f"{jobs}.jsonl")
        assert server.store.buckets == {}
        assert section.footer is not None
        assert section.footer.complete
        assert sum(section.footer.requests.values()) >= sum(result.requests for result in section.results)
        assert len(section.results) == len(select(patterns=[word for word in ENOUGH if "-0" in word]))
        seen.append(dict(section.verdicts()))
    assert seen[0] == seen[1]


def test_a_local_disk_is_shared_too(tmp_path: Path) -> None:
    seen = []
    for jobs in ("1", "2"):
        args = ("run", "local_disk", *ENOUGH, "--jobs", jobs, "--report", f"{jobs}.jsonl")
        done = conformance(tmp_path, *args)
        assert done.returncode == 0, done.stdout + done.stderr
        (section,) = read(tmp_path / f"{jobs}.jsonl")
        seen.append(dict(section.verdicts()))
        assert list((tmp_path / "state" / "runs").iterdir()) == []
    assert seen[0] == seen[1]


def test_an_interrupt_leaves_nothing_of_any_of_them(tmp_path: Path, server: Exemplar) -> None:
    args = ("run", "--endpoint", server.url, "--jobs", "2", "--seed", "1", "--report", "r.jsonl")
    with started(tmp_path, *args, **KEYS) as process:
        until(lambda: len(server.store.buckets) == 2, "a bucket of each")
        process.send_signal(signal.SIGTERM)  # to the first process alone, as a CI system does
        process.wait(60)
    assert server.store.buckets == {}


def _one_helper(clauses: list[str], ahead: Sequence[ChildProcess] = ()) -> Helpers:
    return Helpers(Job(provider="endpoint", clauses=tuple(clauses), mode=Mode.QUICK, seed=1, helpers=1), ahead)


def _share(helpers: Helpers, url: str) -> None:
    target = S3Endpoint(url=url, access_key="exemplar", secret_key="exemplar-secret")
    helpers.share(target, frozenset({Capability.WIRE, Capability.RESTART}))


def test_the_first_process_judges_the_clause_of_a_dead_helper(
    tmp_path: Path, server: Exemplar, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    clauses = [id for id in entries() if id.startswith("URL-")]
    results: list[Result] = []
    with _one_helper(clauses) as helpers:
        _share(helpers, server.url)
        process = helpers._processes[0]
        mine = [next(given := helpers.entries(results.append))]
        until(lambda: len(helpers._waiting) < len(clauses) - 2, "the helper at work")
        os.kill(process.pid, signal.SIGKILL)
        mine += list(given)
    judged = [entry.clause.id for entry in mine] + [result.clause for result in results]
    assert sorted(judged) == sorted(clauses)
    assert len(mine) < len(clauses)


def test_a_clause_that_restarts_the_server_waits_until_it_is_alone(
    tmp_path: Path, server: Exemplar, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    with _one_helper(["DUR-002", "KEY-001", "KEY-002"]) as helpers:
        _share(helpers, server.url)
        alone = [(entry.clause.id, helpers._processes[0].poll()) for entry in helpers.entries(lambda _: None)][-1]
    assert alone == ("DUR-002", 0)


def test_helpers_without_work_end() -> None:
    with _one_helper(["KEY-001"]) as helpers:
        (process,) = helpers._processes
    assert process.poll() is not None
    assert helpers.footers == []


def test_helpers_that_were_started_ahead_are_used(server: Exemplar) -> None:
    ahead = start_helper()
    with _one_helper(["KEY-001", "KEY-002"], [ahead]) as helpers:
        assert helpers._processes == [ahead]
        _share(helpers, server.url)
        results: list[Result] = []
        mine = [entry.clause.id for entry in helpers.entries(results.append)]
    assert sorted([*mine, *(result.clause for result in results)]) == ["KEY-001", "KEY-002"]
    assert ahead.poll() is not None
