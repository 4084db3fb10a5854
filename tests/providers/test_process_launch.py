"""The process launch against a real, misbehaving server: nothing is left, and every failure is explained."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from bucket_conformance.conformance.target import S3Endpoint
from bucket_conformance.providers.launch.folders import leftovers, remove_leftovers
from bucket_conformance.providers.launch.ports import reserved_ports
from bucket_conformance.providers.launch.process import Command, ProcessLaunch
from bucket_conformance.providers.provider import LaunchError, Running
from tests.providers.launching import ELSEWHERE, is_alive, pids_below, tiny, wait_until

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")


def ignore(line: str) -> None:
    """Ignore a line of progress."""


def url(running: Running) -> str:
    assert isinstance(running.target, S3Endpoint)
    return running.target.url


def get(address: str) -> bytes:
    with urllib.request.urlopen(address) as response:
        return bytes(response.read())


def put(address: str, body: bytes) -> None:
    with urllib.request.urlopen(urllib.request.Request(address, data=body, method="PUT")):
        pass


def test_a_server_answers_inside_and_is_gone_with_folder_and_log_outside(state: Path) -> None:
    with tiny("good").start(ignore) as running:
        assert get(url(running)) == b""
        assert running.version.startswith("BaseHTTP")
        assert url(running).startswith("http://127.0.0.1:")
        (pid,) = pids_below(state)
        assert is_alive(pid)
        assert running.log is not None
        assert running.log.exists()
        assert len(list(state.glob(f"{ELSEWHERE}*"))) == 1
    assert not is_alive(pid)
    assert not list(state.glob(f"{ELSEWHERE}*"))
    assert list((state / "runs").iterdir()) == []
    assert list((state / "logs").iterdir()) == []


def test_two_starts_have_different_ports_and_random_credentials(state: Path) -> None:
    with tiny("good").start(ignore) as one, tiny("good").start(ignore) as two:
        assert isinstance(one.target, S3Endpoint)
        assert isinstance(two.target, S3Endpoint)
        assert one.target.url != two.target.url
        assert one.target.access_key != two.target.access_key
        assert one.target.secret_key != two.target.secret_key
        assert one.target.secret_key not in repr(one)


def test_a_server_that_dies_at_the_start_is_reported_with_its_exit_code_and_log(state: Path) -> None:
    with pytest.raises(LaunchError, match="exit code 3") as caught, tiny("dies").start(ignore):
        pass
    assert "cannot read my configuration" in str(caught.value)
    assert "cannot read my configuration" in caught.value.log
    (log,) = (state / "logs").iterdir()
    assert "cannot read my configuration" in log.read_text()
    assert list((state / "runs").iterdir()) == []


@pytest.mark.parametrize(("mode", "says"), [("silent", "timed out"), ("unhealthy", "status 503")])
def test_a_server_that_never_gets_ready_is_ended_at_the_deadline_with_the_reason(
    state: Path, mode: str, says: str
) -> None:
    with pytest.raises(LaunchError, match=f"not ready after 3 s .*{says}"), tiny(mode, deadline_s=3.0).start(ignore):
        pass
    assert list((state / "runs").iterdir()) == []


def test_a_program_that_does_not_exist_is_named(state: Path) -> None:
    launch = ProcessLaunch(
        name="none",
        title="None",
        command=lambda context: Command(argv=("/no/such/program",)),
        version=lambda answer: "",
    )
    with pytest.raises(LaunchError, match="/no/such/program: No such file"), launch.start(ignore):
        pass


def test_a_server_whose_port_was_taken_meanwhile_is_started_on_another(state: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    marker = tmp_path / "first-port"
    with tiny("taken", str(marker)).start(lines.append) as running:
        assert get(url(running)) == b""
        assert not url(running).endswith(f":{marker.read_text()}")
    assert lines == ["Tiny: a port was taken meanwhile, trying others"]


def test_all_children_end_with_the_server_also_one_that_left_its_session(state: Path) -> None:
    with tiny("children").start(ignore):
        pids = pids_below(state)
        assert len(pids) == 3
        assert all(is_alive(pid) for pid in pids)
    assert not any(is_alive(pid) for pid in pids)


def test_a_restart_is_a_new_process_on_the_same_port_and_data(state: Path) -> None:
    with tiny("good").start(ignore) as running:
        put(url(running), b"kept over the kill")
        (before,) = pids_below(state)
        assert running.restart is not None
        running.restart()
        assert not is_alive(before)
        assert len(pids_below(state)) == 2
        assert get(url(running)) == b"kept over the kill"


def test_a_server_sees_none_of_our_variables_but_the_path(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ours")
    monkeypatch.setenv("SOMETHING_OF_OURS", "ours")
    with tiny("environment").start(ignore) as running:
        names = set(get(url(running)).decode().split("\n"))
    assert "PATH" in names
    assert names <= {"PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "CONFORMANCE_RUN_FOLDER"}


def test_the_log_stays_when_the_run_fails_and_goes_when_it_is_interrupted(state: Path) -> None:
    with pytest.raises(RuntimeError, match="judging failed"), tiny("good").start(ignore):
        raise RuntimeError("judging failed")
    assert len(list((state / "logs").iterdir())) == 1
    with pytest.raises(KeyboardInterrupt), tiny("good").start(ignore):
        raise KeyboardInterrupt
    assert len(list((state / "logs").iterdir())) == 1
    assert list((state / "runs").iterdir()) == []


def start_elsewhere(mode: str) -> subprocess.Popen[str]:
    """Start a separate run with a server."""
    program = str(Path(__file__).with_name("launching.py"))
    root = str(Path(__file__).parents[2])
    run = subprocess.Popen(
        [sys.executable, program, mode],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
        start_new_session=True,
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "up\n"
    run.stdout.close()
    return run


def test_nothing_is_left_when_the_run_is_killed_by_sigkill(state: Path) -> None:
    run = start_elsewhere("children")
    pids = pids_below(state)
    assert len(pids) == 3
    run.kill()
    run.wait()
    wait_until("the servers end", lambda: not any(is_alive(pid) for pid in pids))
    wait_until("the folder goes", lambda: list((state / "runs").iterdir()) == [])
    assert not list(state.glob(f"{ELSEWHERE}*"))


def test_a_run_that_goes_on_is_no_leftover(state: Path) -> None:
    run = start_elsewhere("good")
    try:
        assert leftovers() == ()
        assert remove_leftovers() == ()
        (pid,) = pids_below(state)
        assert is_alive(pid)
    finally:
        run.kill()
        run.wait()
    wait_until("the server ends", lambda: not is_alive(pid))


def test_what_a_run_leaves_whose_supervisor_is_killed_too_is_found_and_removed(state: Path) -> None:
    run = start_elsewhere("children")
    pids = pids_below(state)
    supervisor = int(Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()[0])
    os.kill(run.pid, signal.SIGSTOP)
    os.kill(supervisor, signal.SIGKILL)
    run.kill()
    run.wait()
    wait_until("the supervisor ends", lambda: not is_alive(supervisor))
    wait_until("the run's folder counts as left", lambda: len(leftovers()) == 1)
    (found,) = leftovers()
    assert found.size > 0
    assert set(found.pids) & set(pids), "the child that left the session outlives the supervisor"
    lines: list[str] = []
    assert len(remove_leftovers(lines.append)) == 1
    assert str(found.path) in lines[0]
    assert not found.path.exists()
    assert not list(state.glob(f"{ELSEWHERE}*"))
    assert list((state / "logs").iterdir()) == []
    wait_until("the orphans end", lambda: not any(is_alive(pid) for pid in pids))
    assert remove_leftovers() == ()


def test_a_folder_that_cannot_be_removed_keeps_no_other_and_says_why(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("conformance-a", "conformance-b"):
        folder = state / "runs" / name
        (folder / "data").mkdir(parents=True)
        (folder / "owner.lock").touch()
    real = shutil.rmtree

    def refusing(path: Path, **options: Any) -> None:
        if path.parent.name == "conformance-a":
            raise PermissionError(13, "Permission denied", str(path))
        real(path, **options)

    monkeypatch.setattr(shutil, "rmtree", refusing)
    lines: list[str] = []
    refused, gone = remove_leftovers(lines.append)
    assert refused.failure == f"{state}/runs/conformance-a/data: Permission denied"
    assert gone.failure == ""
    assert [folder.name for folder in (state / "runs").iterdir()] == ["conformance-a"]
    assert len(lines) == 1
    assert (refused.path / "owner.lock").exists(), "the folder is no longer known as a dead run's"


def test_reserved_ports_are_different_and_come_back() -> None:
    with reserved_ports(5) as first, reserved_ports(5) as second:
        assert len({*first, *second}) == 10
        assert all(20_000 <= port < 32_000 for port in (*first, *second))


def test_another_process_is_not_given_a_reserved_port(state: Path) -> None:
    program = (
        "import json\nfrom bucket_conformance.providers.launch import ports\n"
        "ports._FIRST, ports._LAST, ports._TRIES = json.loads(input())\n"
        "with ports.reserved_ports(1) as got: print(json.dumps(got))"
    )
    with reserved_ports(1) as (port,):
        window = json.dumps([port, port + 2, 2])
        done = subprocess.run(
            [sys.executable, "-c", program],
            input=window,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
    assert json.loads(done.stdout) == [port + 1]
