"""Child processes that speak JSON lines: real ones, that answer late, die, hang, fork, or write nonsense."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from bucket_conformance.conformance.backend.child_process import ChildEnded, ChildProcess, ChildTimeout, python_module
from tests.conformance.cli.running import until
from tests.providers.launching import is_alive

ECHO = """
import json, sys, time
held = []
for line in sys.stdin:
    message = json.loads(line)
    held.append(message)
    if message.get("hold"):
        continue
    for each in held:
        print(json.dumps(each), flush=True)
    held.clear()
"""


def child(program: str, *, new_session: bool = False) -> ChildProcess:
    return ChildProcess([sys.executable, "-I", "-S", "-c", program], new_session=new_session)


def test_a_child_answers_lines_of_any_length() -> None:
    with child(ECHO) as echo:
        text = "é\u2028x" * 300_000
        assert echo.request({"text": text}, 60)["text"] == text
        assert echo.end(60) == 0


def test_a_late_response_does_not_count_for_the_next_message() -> None:
    with child(ECHO) as echo:
        with pytest.raises(ChildTimeout, match=r"did not answer within 0\.05 s"):
            echo.request({"text": "first", "hold": True}, 0.05)
        assert echo.request({"text": "second"}, 60)["text"] == "second"


def test_half_a_line_of_a_dead_child_is_no_response() -> None:
    with child('import os; os.write(1, b\'{"a": 1}\\n{"b"\')') as half:
        assert half.receive(60) == {"a": 1}
        with pytest.raises(ChildEnded, match="has ended"):
            half.receive(60)
        assert half.wait(60) == 0


def test_a_line_that_is_no_json_object_ends_the_child_and_is_shown() -> None:
    with child("print('Segmentation fault')") as loud, pytest.raises(ChildEnded, match="Segmentation fault"):
        loud.receive(60)


def test_sending_to_a_dead_child_raises_an_error() -> None:
    with child("") as gone:
        assert gone.wait(60) == 0
        with pytest.raises(ChildEnded, match="no longer reads"):
            gone.request({}, 60)


def test_a_child_that_ignores_signals_is_killed_with_its_own_children() -> None:
    stubborn = (
        "import json, os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "forked = os.fork()\n"
        "if forked: print(json.dumps({'forked': forked}), flush=True)\n"
        "time.sleep(600)\n"
    )
    with child(stubborn, new_session=True) as process:
        forked = process.receive(60)["forked"]
        process.terminate()
        assert process.end(0.05) == -signal.SIGKILL
    until(lambda: not is_alive(forked), "the forked process gone")
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_the_children_of_a_dead_child_are_killed_too() -> None:
    parent = (
        "import json, os, time\n"
        "forked = os.fork()\n"
        "if not forked: time.sleep(600)\n"
        "print(json.dumps({'forked': forked}), flush=True)\n"
        "os._exit(7)\n"
    )
    with child(parent, new_session=True) as process:
        forked = process.receive(60)["forked"]
        assert process.end(0.05) == 7
    until(lambda: not is_alive(forked), "the forked process gone")


def test_a_module_is_never_imported_from_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise RuntimeError('imported from the working directory')")
    with ChildProcess(python_module("json.tool"), cwd=str(tmp_path)) as tool:
        tool.send({"a": 1})
        tool.close_input()
        assert tool.wait(60) == 0
