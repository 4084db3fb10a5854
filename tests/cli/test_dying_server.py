"""A server that dies while it is judged: an error with its log, and no harm to the others of the run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from conformance.report.document import read
from conformance.verdict import Verdict
from tests.cli.running import conformance

PROGRAM = """
import os, sys, threading
from tests.faulty.exemplar import Exemplar

class Mortal(Exemplar):
    left = 60

    def handle(self, request, *, trusted=False):
        self.left -= 1
        if self.left == 0:
            print("cannot allocate memory for", sys.argv[3], flush=True)
            os._exit(9)
        return super().handle(request, trusted=trusted)

with Mortal(sys.argv[2], sys.argv[3], port=int(sys.argv[1])):
    threading.Event().wait()
"""


def test_a_server_that_dies_is_an_error_with_its_log_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "mortal.py").write_text(PROGRAM, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "mortal.py"), "{port}", "{access_key}", "{secret_key}"]
    root = json.dumps(str(Path(__file__).parents[2]))
    (tmp_path / "mortal.toml").write_text(
        f'id = "mortal"\ntitle = "Mortal"\ncommand = {json.dumps(command)}\nenvironment = {{ PYTHONPATH = {root} }}\n'
        'secret_key = "the-secret-of-mortal"\naccess_key = "the-key-of-mortal"\n',
        encoding="utf-8",
    )
    few = ("--quick", "--clause", "RT-001", "--clause", "RT-002", "--clause", "KEY-001", "--clause", "RT-003")
    args = ("run", "mortal", "local_disk", "--provider-file", "mortal.toml", *few, "--report", "r.jsonl")
    done = conformance(tmp_path, *args)
    assert done.returncode == 3, done.stdout + done.stderr
    sections = {section.provider: section for section in read(tmp_path / "r.jsonl")}
    assert set(sections["local_disk"].verdicts().values()) == {Verdict.CONFORMS}
    failed = [result for result in sections["mortal"].results if result["verdict"] == Verdict.ERROR]
    assert len(failed) >= 2
    assert "stopped answering during RT-00" in failed[0]["reason"]
    assert "its log ends:" in failed[0]["reason"]
    assert "cannot allocate memory for" in failed[0]["reason"]
    assert not any("its log ends" in result["reason"] for result in failed[1:])
    assert "the-secret-of-mortal" not in done.stdout + done.stderr + (tmp_path / "r.jsonl").read_text()
    assert not list((tmp_path / "state" / "runs").iterdir())
