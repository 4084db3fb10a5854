"""The output on a terminal; the log of a CI system stays plain although its jobs have a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.cli.running import in_a_terminal


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
