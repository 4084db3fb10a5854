"""What a terminal is shown, and that the log of a CI system stays plain where its jobs have a terminal."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.running import environment


def in_a_terminal(folder: Path, *args: str, **environ: str) -> str:
    """Run to the end with a terminal for all three streams; return all that it was sent."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "conformance.cli.main", *args],
        cwd=folder,
        env=environment(folder, TERM="xterm", **environ),
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    seen, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([leader], [], [], 0.2)[0]:
            try:
                seen += os.read(leader, 65536)
            except OSError:
                break
        elif process.poll() is not None:
            break
    os.close(leader)
    assert process.wait(10) == 0
    return seen.decode("utf-8")


@pytest.mark.parametrize(
    ("environ", "plain"), [({}, False), ({"CI": "true"}, True), ({"CI": "true", "FORCE_COLOR": "1"}, False)]
)
def test_the_log_of_a_ci_system_is_plain_though_its_jobs_have_a_terminal(
    tmp_path: Path, environ: dict[str, str], plain: bool
) -> None:
    shown = in_a_terminal(tmp_path, "run", "local_disk", "--quick", "--clause", "KEY-001", **environ)
    assert "100 %" in shown
    assert ("\x1b" not in shown) is plain
    if plain:
        assert all(char in "\r\n" or char.isprintable() for char in shown)
        assert "local_disk: judging" in shown
