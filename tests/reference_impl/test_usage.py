"""Usage, counted over real files and a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucket_conformance.reference_impl import keys
from bucket_conformance.reference_impl.api import Storage
from bucket_conformance.reference_impl.local import LocalStorage
from bucket_conformance.reference_impl.usage import SHOWN_OUTSIDE, Amount, UsageLine, usage
from tests.reference_impl.bucket_world import fresh_bucket, moto_server


@pytest.fixture(params=["local", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    if request.param == "local":
        yield LocalStorage(tmp_path)
        return
    with moto_server() as url:
        yield fresh_bucket(url).storage


def test_files_and_bytes_are_counted_per_owner_and_type_with_strange_names_apart(storage: Storage) -> None:
    stored = {
        "project/b/FILE/1": 10,
        "project/b/FILE/2": 5,
        "project/b/FLOW_RUN_LOG/1.log": 7,
        "project/a/FILE/1": 1,
        "platform/a/FILE/1": 100,
        "project/b/FLOW_RUN_LOG/1": 3,
        "elsewhere": 0,
    }
    for key, size in stored.items():
        storage.upload(key, bytes(size))
    found = usage(storage)
    assert found.lines == (
        UsageLine(scope="platform", owner_id="a", file_type="FILE", amount=Amount(files=1, size=100)),
        UsageLine(scope="project", owner_id="a", file_type="FILE", amount=Amount(files=1, size=1)),
        UsageLine(scope="project", owner_id="b", file_type="FILE", amount=Amount(files=2, size=15)),
        UsageLine(scope="project", owner_id="b", file_type="FLOW_RUN_LOG", amount=Amount(files=1, size=7)),
    )
    assert (found.outside, set(found.outside_names)) == (
        Amount(files=2, size=3),
        {"elsewhere", "project/b/FLOW_RUN_LOG/1"},
    )
    assert found.total == Amount(files=7, size=126)
    assert usage(storage, "project/a").total == Amount(files=1, size=1)


def test_an_empty_storage_holds_nothing(tmp_path: Path) -> None:
    found = usage(LocalStorage(tmp_path))
    assert (found.lines, found.total, found.outside, found.outside_names) == ((), Amount(), Amount(), ())


def test_many_strange_names_are_all_counted_and_the_first_are_shown(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    for number in range(SHOWN_OUTSIDE + 5):
        storage.upload(f"odd/{number:03}", b"xx")
    found = usage(storage)
    assert found.outside == Amount(files=SHOWN_OUTSIDE + 5, size=2 * (SHOWN_OUTSIDE + 5))
    assert found.outside_names == tuple(f"odd/{number:03}" for number in range(SHOWN_OUTSIDE))


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["project", "platform"]), st.sampled_from("ab"), st.sampled_from([*keys.FILE_TYPES])),
        st.lists(st.integers(0, 50), min_size=1, max_size=3),
        max_size=6,
    )
)
def test_the_lines_add_up_to_what_was_stored(
    tmp_path_factory: pytest.TempPathFactory, stored: dict[tuple[str, str, str], list[int]]
) -> None:
    storage = LocalStorage(tmp_path_factory.mktemp("usage"))
    for (scope, owner, kind), sizes in stored.items():
        for number, size in enumerate(sizes):
            storage.upload(keys.build(kind, str(number), **{f"{scope}_id": owner}), bytes(size))
    found = usage(storage)
    assert {(line.scope, line.owner_id, line.file_type): line.amount for line in found.lines} == {
        place: Amount(files=len(sizes), size=sum(sizes)) for place, sizes in stored.items()
    }
