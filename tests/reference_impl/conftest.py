"""What tests of the storage share."""

from __future__ import annotations

import os

import pytest


@pytest.fixture
def bare_aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove what the SDK and obstore would read from the environment of whoever runs the tests."""
    for name in os.environ:
        if name.upper().startswith("AWS_") or name.upper().endswith(("_PROXY", "_CA_BUNDLE")):
            monkeypatch.delenv(name)
