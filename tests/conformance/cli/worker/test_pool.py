"""A worker that is started before it gets a job: the questions it answers, and how it ends."""

from __future__ import annotations

import pytest

from bucket_conformance.conformance.catalogue import UnknownClause
from bucket_conformance.conformance.cli.run_command import _at_once
from bucket_conformance.conformance.cli.worker.pool import start_idle
from bucket_conformance.providers.provider import LaunchError


def test_a_worker_reports_matching_clauses_and_patterns_without_a_match() -> None:
    with start_idle() as worker:
        assert worker.select(["DEL-00[12]", "mig"], []) == ["DEL-001", "DEL-002", "MIG-001"]
        with pytest.raises(UnknownClause, match="no clause matches 'NOPE'"):
            worker.select(["NOPE"], [])
        assert worker.select(["RT-009"], ["core"]) == []
    assert worker.process.poll() is not None


def test_a_worker_that_ends_while_loading_is_an_error_with_its_output() -> None:
    with start_idle() as worker:
        worker.errors.write("ImportError: no module of that name\n")
        worker.errors.flush()
        worker.process.kill()
        with pytest.raises(LaunchError, match="ended with code -9 while it loaded") as failure:
            worker.select([], [])
    assert "ImportError" in failure.value.log


@pytest.mark.parametrize(("backends", "at_once"), [(1, 2), (2, 2), (3, 3), (20, 3)])
def test_of_more_backends_than_cores_one_more_is_judged_at_once(
    monkeypatch: pytest.MonkeyPatch, backends: int, at_once: int
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert _at_once(backends) == at_once
