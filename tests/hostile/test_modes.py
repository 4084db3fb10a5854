"""Runs against every hostile mode: each ends in order, within its memory, and changes no foreign objects."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from bucket_conformance.conformance.report.document import read
from bucket_conformance.conformance.verdict import Verdict
from tests.conformance.cli.running import KEYS, conformance
from tests.hostile.modes import ALL, AT_ONCE, PARTLY, TURNING
from tests.hostile.server import SHARED, HostileServer, Mode

CLAUSES: Final = ("KEY-007", "LIST-001", "DEL-001", "DEL-005", "RT-010", "URL-001", "DEL-020")
"""Quick ones that write, read, list, delete and sign, by the storage and by plain requests."""

HANGS_S: Final = 60.0
"""A run that has not ended by then hangs; the slowest takes some seconds on a busy machine."""

MOST_MIB: Final = 300
MOST_REQUESTS: Final = 600
"""The bound on requests: three times as many as against a correct server."""


class Driver:
    """The process that judges, see :mod:`tests.hostile.driver`; one that hangs is replaced."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def judge(self, url: str, bucket: str | None) -> dict[str, Any]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.hostile.driver"],
                cwd=Path(__file__).parents[2],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"url": url, "bucket": bucket, "clauses": CLAUSES}) + "\n")
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], HANGS_S)[0]:
            self.close()
            pytest.fail(f"the run has not ended after {HANGS_S:g} s")
        result: dict[str, Any] = json.loads(self._process.stdout.readline())
        return result

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


@pytest.fixture(scope="module")
def driver() -> Iterator[Driver]:
    made = Driver()
    yield made
    made.close()


def verdicts(result: dict[str, Any]) -> Counter[str]:
    return Counter(each["verdict"] for each in result["results"])


def run_against(driver: Driver, mode: Mode, bucket: str | None = SHARED) -> dict[str, Any]:
    """Return the result of a run, after checking what must hold against any server."""
    with HostileServer(mode) as server:
        result = driver.judge(server.url, bucket)
        assert not result["broken"], result["broken"]
        assert result["footer"]["complete"]
        assert len(result["results"]) == len(CLAUSES)
        assert server.harm() == []
        assert server.knocks == 0
        assert result["peak_mib"] <= MOST_MIB
        assert len(server.requests) <= MOST_REQUESTS
        left = server.left_behind()
        if left:
            assert result["footer"].get("left_behind"), f"nothing is said of {len(left)} objects, such as {left[0]}"
        if left and bucket is None:  # a server with wrong listings is detected before anything is written
            # A server that changes later may put the run's objects into a foreign bucket.
            assert all(name.startswith("conformance-") or mode.after for name in left)
    assert result["exit_code"] in (mode.exits if bucket else mode.exits | {2}), (
        result["exit_code"],
        result["results"],
    )
    return result


def named(modes: tuple[Mode, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("mode", modes, ids=[mode.name for mode in modes])


def test_against_a_server_that_behaves_all_conforms(driver: Driver) -> None:
    result = run_against(driver, Mode(name="good", exits=frozenset({0})))
    assert verdicts(result) == {"conforms": len(CLAUSES)}


@named(AT_ONCE)
def test_a_server_that_is_hostile_from_the_start_cannot_be_judged(driver: Driver, mode: Mode) -> None:
    assert verdicts(run_against(driver, mode)) == {"error": len(CLAUSES)}


@named(TURNING)
def test_a_server_that_becomes_hostile_is_an_error_and_no_deviation(driver: Driver, mode: Mode) -> None:
    result = run_against(driver, mode)
    assert set(verdicts(result)) <= {"conforms", "error", "inconclusive"}
    assert verdicts(result)["error"] > 0


@named(PARTLY)
def test_a_server_that_is_hostile_in_one_way_is_judged_to_the_end(driver: Driver, mode: Mode) -> None:
    run_against(driver, mode)


@named((*TURNING[:8], *(mode for mode in PARTLY if " listing " in f" {mode.name} " or "proxy" in mode.name)))
def test_in_a_bucket_of_its_own_a_run_is_no_less_careful(driver: Driver, mode: Mode) -> None:
    run_against(driver, mode, None)


def test_there_are_at_least_fifty_modes_and_no_name_is_used_twice() -> None:
    names = [mode.name for mode in ALL]
    assert len(names) == len(set(names)) >= 50


BY_COMMAND: Final = {"a length of 2^62": 3, "interim responses without end": 3, "later: a body without end": 3}


@pytest.mark.parametrize(("name", "exit_code"), BY_COMMAND.items())
def test_the_command_ends_in_order_too(tmp_path: Path, name: str, exit_code: int) -> None:
    mode = next(mode for mode in ALL if mode.name == name)
    chosen = [part for clause in CLAUSES for part in ("--clause", clause)]
    with HostileServer(mode) as server:
        endpoint = ("--endpoint", server.url, "--bucket", SHARED)
        done = conformance(tmp_path, "run", *endpoint, "--quick", *chosen, "--report", "r.jsonl", **KEYS)
        assert done.returncode == exit_code, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        assert server.harm() == []
    (section,) = read(tmp_path / "r.jsonl")
    assert section.footer is not None
    assert Verdict.DEVIATES not in section.verdicts().values()
