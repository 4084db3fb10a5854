"""What ``api.Storage`` promises after an error of each method: the request was processed, but its response was lost."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable
from typing import BinaryIO, cast

import pytest

from bucket_conformance.reference_impl.api import DeleteError
from bucket_conformance.reference_impl.check import PROBE_PREFIX
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.s3 import S3Storage
from bucket_conformance.reference_impl.s3_upload import MIN_PART_SIZE
from tests.under_faults.bucket import World
from tests.under_faults.proxy import Fault, Step

LOST = Step(fault=Fault.RESET_AFTER)
OLD = {"k": b"old", "l": b"other"}


def once(bucket: World) -> S3Storage:
    """A storage that sends every request a single time, so that a lost response becomes an error."""
    return bucket.storage(max_attempts=1)


def failing(action: Callable[[], object]) -> StorageError:
    with pytest.raises(StorageError) as caught:
        action()
    assert caught.value.code is ErrorCode.UNAVAILABLE
    return caught.value


def read(storage: S3Storage) -> bytes:
    with storage.open("k") as stream:
        return stream.read()


def test_upload_has_stored_the_new_value_whole_and_may_be_repeated(bucket: World) -> None:
    bucket.start(OLD)
    bucket.proxy.plan([LOST])
    failing(lambda: once(bucket).upload("k", b"new"))
    assert bucket.truth() == OLD | {"k": b"new"}
    assert once(bucket).upload("k", b"new").etag == bucket.etag("k")
    assert bucket.truth() == OLD | {"k": b"new"}


def test_upload_in_parts_whose_join_lost_its_response_may_be_repeated(bucket: World) -> None:
    bucket.start(OLD)
    body = bytes(MIN_PART_SIZE + 1)
    storage = bucket.storage(max_attempts=1, part_size=MIN_PART_SIZE)
    bucket.proxy.plan([Step(), Step(), Step(), LOST])
    failing(lambda: storage.upload("k", cast(BinaryIO, io.BytesIO(body))))
    assert bucket.truth()["k"] == body
    storage.upload("k", cast(BinaryIO, io.BytesIO(body)))
    assert bucket.truth() == OLD | {"k": body}
    assert bucket.uploads() == set()


def test_upload_that_began_and_lost_the_id_leaves_the_old_value(bucket: World) -> None:
    bucket.start(OLD)
    storage = bucket.storage(max_attempts=1, part_size=MIN_PART_SIZE)
    bucket.proxy.plan([LOST])
    failing(lambda: storage.upload("k", cast(BinaryIO, io.BytesIO(bytes(MIN_PART_SIZE + 1)))))
    assert bucket.truth() == OLD


READS: dict[str, Callable[[S3Storage], object]] = {
    "download": lambda storage: storage.download("k"),
    "open": read,
    "stat": lambda storage: storage.stat("k").size,
    "exists": lambda storage: storage.exists("k"),
    "list": lambda storage: [stat.key for stat in storage.list()],
}


@pytest.mark.parametrize("name", READS)
def test_a_read_changes_nothing_and_gives_the_same_when_repeated(bucket: World, name: str) -> None:
    bucket.start(OLD)
    expected = READS[name](once(bucket))
    bucket.proxy.plan([LOST])
    failing(lambda: READS[name](once(bucket)))
    assert bucket.truth() == OLD
    assert READS[name](once(bucket)) == expected


def test_delete_files_names_the_keys_of_the_lost_batch_as_unknown_and_may_be_repeated(bucket: World) -> None:
    bucket.start(OLD | {"m": b"third"})
    bucket.proxy.plan([LOST, Step()])
    error = failing(lambda: once(bucket).delete_files(["k", "l", "m"]))
    assert isinstance(error, DeleteError)
    assert (error.result.deleted, error.result.unknown) == (("m",), ("k", "l"))
    assert bucket.truth() == {}
    assert once(bucket).delete_files(error.result.unknown).deleted == ("k", "l")


@pytest.mark.parametrize("lost_at", range(4), ids=["PutObject", "GetObject", "ListObjectsV2", "DeleteObjects"])
def test_check_leaves_no_probe_and_may_be_repeated(bucket: World, lost_at: int) -> None:
    bucket.start(OLD)
    bucket.proxy.plan([*[Step()] * lost_at, LOST])
    failing(lambda: once(bucket).check())
    assert bucket.truth() == OLD
    once(bucket).check()
    assert bucket.truth() == OLD


def test_check_that_cannot_remove_its_probe_leaves_it_below_its_prefix_only(bucket: World) -> None:
    bucket.start(OLD)
    bucket.proxy.plan([LOST, Step(fault=Fault.RESET_BEFORE)])
    failing(lambda: once(bucket).check())
    (probe,) = bucket.truth().keys() - OLD.keys()
    assert probe.startswith(PROBE_PREFIX)


def test_signing_sends_nothing(bucket: World, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = once(bucket)
    bucket.start(OLD)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("signing opened a connection")

    monkeypatch.setattr(socket, "create_connection", refuse)
    assert storage.signed_url("k").startswith("http")
    assert storage.signed_upload_url("k").startswith("http")
    assert bucket.proxy.seen == ()
