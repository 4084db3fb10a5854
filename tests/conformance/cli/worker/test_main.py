"""The worker process alone: an interrupt at an awkward moment still stops it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.conformance.cli.running import environment

STOPPED_IN_A_FINALIZER = """
import os, signal
from bucket_conformance.conformance.cli.worker import main as worker

class Finalized:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000):  # the handler runs here, and what it raises is printed and forgotten
            pass

really_run = worker.run
def run(*args, **kwargs):
    Finalized()
    really_run(*args, **kwargs)
worker.run = run
worker.main()
"""


def test_an_interrupt_that_the_interpreter_forgets_ends_the_run_after_the_next_result(tmp_path: Path) -> None:
    order = {
        "provider": "local_disk",
        "provider_files": [],
        "clauses": ["KEY-001", "KEY-002", "KEY-003"],
        "mode": "quick",
        "seed": 1,
        "run_id": "a1b2c3",
    }
    done = subprocess.run(
        [sys.executable, "-c", STOPPED_IN_A_FINALIZER],
        input=json.dumps(order) + "\n",
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    lines = [
        value for value in map(json.loads, done.stdout.splitlines()) if value["type"] not in ("progress", "opening")
    ]
    assert "Exception ignored" in done.stderr  # or the interrupt came elsewhere, and this test shows nothing
    assert done.returncode == 130, done.stderr
    assert [value["type"] for value in lines] == ["header", "result", "footer"]
    assert lines[-1]["complete"] is False
    assert sum(lines[-1]["counts"].values()) == 1
