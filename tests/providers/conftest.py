"""A state folder of its own for every test; the cache of installed servers is the machine's, as in real use."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    monkeypatch.setenv("CONFORMANCE_STATE", str(folder))
    return folder
