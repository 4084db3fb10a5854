"""A server that dies while it is judged: an error with its log, and no harm to the others of the run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bucket_conformance.conformance.report.document import read
from bucket_conformance.conformance.verdict import Verdict
from tests.conformance.cli.running import conformance

PROGRAM = """
import os, sys, threading
from tests.exemplar.server import Exemplar

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
    root = json.dumps(str(Path(__file__).parents[4]))
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
    failed = [result for result in sections["mortal"].results if result.verdict == Verdict.ERROR]
    assert len(failed) >= 2
    assert "stopped answering during RT-00" in failed[0].reason
    assert "its log ends:" in failed[0].reason
    assert "cannot allocate memory for" in failed[0].reason
    assert not any("its log ends" in result.reason for result in failed[1:])
    # Reported with the log for the first clause, and once for all remaining ones.
    assert done.stdout.count("stopped answering during") == (2 if len(failed) > 2 else len(failed))
    assert "the-secret-of-mortal" not in done.stdout + done.stderr + (tmp_path / "r.jsonl").read_text()
    assert not list((tmp_path / "state" / "runs").iterdir())


SHUT = """
import sys, threading
from tests.exemplar.server import Exemplar
from tests.exemplar.types import Response

class Shut(Exemplar):
    left = 60

    def handle(self, request, *, trusted=False):
        self.left -= 1
        if self.left <= 0:
            return Response(status=403, body=b"<Error><Code>AccessDenied</Code></Error>")
        return super().handle(request, trusted=trusted)

with Shut("AKshut", "the-secret-of-shut") as server:
    print(server.url, flush=True)
    threading.Event().wait()
"""


def test_an_endpoint_that_refuses_everything_from_some_point_on_is_an_error_once(tmp_path: Path) -> None:
    few = [part for number in range(1, 6) for part in ("--clause", f"RT-00{number}")]
    with subprocess.Popen(
        [sys.executable, "-c", SHUT], cwd=Path(__file__).parents[4], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            keys = {"AWS_ACCESS_KEY_ID": "AKshut", "AWS_SECRET_ACCESS_KEY": "the-secret-of-shut"}
            done = conformance(tmp_path, "run", "--endpoint", url, "--quick", *few, "--report", "r.jsonl", **keys)
        finally:
            server.kill()
    assert done.returncode == 3, done.stdout + done.stderr
    (section,) = read(tmp_path / "r.jsonl")
    assert Verdict.DEVIATES not in section.verdicts().values()
    assert section.verdicts()["RT-005"] is Verdict.ERROR
    assert done.stdout.count("stopped working during RT-00") == 1
    assert section.footer is not None
    assert section.footer.left_behind
