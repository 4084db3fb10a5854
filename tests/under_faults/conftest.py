"""One server and one proxy for the whole package; every test and every example starts with an empty bucket."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.under_faults.bucket import World, world


@pytest.fixture(scope="package")
def bucket() -> Iterator[World]:
    with world() as made:
        yield made
