"""Every test gets a new state folder; the cache of installed servers is that of the machine, as in real use."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    monkeypatch.setenv("CONFORMANCE_STATE", str(folder))
    return folder
