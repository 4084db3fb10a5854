"""Backends of several programs: steps in order, done once, and whole or not at all."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bucket_conformance.providers.launch.composite_server import Daemon, Once, several
from bucket_conformance.providers.launch.process import Command, LaunchContext, ProcessLaunch
from bucket_conformance.providers.provider import LaunchError
from tests.providers.launching import SERVER, is_alive, pids_below, wait_until

PYTHON = (sys.executable, "-S")


def note(context: LaunchContext, word: str) -> tuple[str, ...]:
    return (*PYTHON, "-c", f"open({str(context.data / 'steps')!r}, 'a').write('{word} ')")


def server(context: LaunchContext, mode: str = "good") -> tuple[str, ...]:
    return (*PYTHON, str(SERVER), mode, str(context.ports[0]), str(context.data))


def launch(steps_of: Callable[[LaunchContext], list[Once | Daemon]]) -> ProcessLaunch:
    def command(context: LaunchContext) -> Command:
        return several(context, steps_of(context))

    return ProcessLaunch(name="pair", title="Pair", command=command, version=lambda _: "1", ports=2, deadline_s=20.0)


def test_steps_are_done_in_order_and_not_again_at_a_restart(state: Path) -> None:
    def steps(context: LaunchContext) -> list[Once | Daemon]:
        second = (*PYTHON, str(SERVER), "children", str(context.ports[1]), str(context.data))
        return [
            Once(once="first", argv=note(context, "first")),
            Daemon(argv=second, port=context.ports[1]),
            Once(once="second", argv=note(context, "second")),
            Daemon(argv=server(context), port=context.ports[0]),
        ]

    with launch(steps).start(lambda line: None) as running:
        assert running.restart is not None
        (noted,) = state.glob("runs/*/data/steps")
        assert noted.read_text() == "first second "
        running.restart()
        assert noted.read_text() == "first second "
        pids = pids_below(state)
        assert sum(is_alive(pid) for pid in pids) == 4
    wait_until("every program of the backend is gone", lambda: not any(is_alive(pid) for pid in pids))
    assert list((state / "runs").iterdir()) == []


def test_a_step_that_fails_ends_the_start_and_is_named(state: Path) -> None:
    def steps(context: LaunchContext) -> list[Once | Daemon]:
        return [Once(once="bad", argv=(*PYTHON, "-c", "raise SystemExit(3)")), Daemon(argv=server(context))]

    with pytest.raises(LaunchError, match="ended with exit code 3"), launch(steps).start(lambda line: None):
        pass


def test_a_program_that_ends_takes_the_others_with_it(state: Path) -> None:
    pids: list[int] = []

    def seen(_: int) -> bool:
        pids.extend(pids_below(state))
        return False

    def command(context: LaunchContext) -> Command:
        ending = (*PYTHON, "-c", "import time; time.sleep(0.2); raise SystemExit(4)")
        return several(context, [Daemon(argv=server(context, "children"), port=context.ports[0]), Daemon(argv=ending)])

    launched = ProcessLaunch(
        name="pair", title="Pair", command=command, version=lambda _: "1", ready=seen, deadline_s=20.0
    )
    with pytest.raises(LaunchError, match="ended with exit code 4"), launched.start(lambda line: None):
        pass
    assert pids
    wait_until("the other program is gone", lambda: not any(is_alive(pid) for pid in pids))
