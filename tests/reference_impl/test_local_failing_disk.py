"""The local storage on a disk that fails: the error is the first one and gives the known state; nothing leaks."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.local import LocalStorage

UPLOADS = 50


def open_descriptors() -> int:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("descriptors are counted in /proc")
    return len(list(Path("/proc/self/fd").iterdir()))


def failing_unlink(*_: Any, **__: Any) -> None:
    raise OSError(errno.EROFS, "Read-only file system")


def full_disk(*_: Any, **__: Any) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_clean_up_that_fails_hides_no_error_and_leaks_no_descriptor(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    storage.upload("k", b"old")
    before = open_descriptors()
    with mock.patch.object(os, "unlink", failing_unlink), mock.patch.object(os, "write", full_disk):
        for _ in range(UPLOADS):
            with pytest.raises(StorageError) as caught:
                storage.upload("k", b"new")
            assert caught.value.code is ErrorCode.NO_SPACE
    assert open_descriptors() == before
    assert storage.download("k") == b"old"
    assert storage.remove_stale_uploads(older_than_s=0) == UPLOADS


def test_an_error_of_the_stream_is_heard_though_the_clean_up_fails(tmp_path: Path) -> None:
    class Breaking:
        def read(self, _: int) -> bytes:
            raise LookupError("of the caller")

    with mock.patch.object(os, "unlink", failing_unlink), pytest.raises(LookupError, match="of the caller"):
        LocalStorage(tmp_path).upload("k", Breaking())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("number", "code"), [(errno.EIO, ErrorCode.UNKNOWN), (errno.ENOSPC, ErrorCode.NO_SPACE)], ids=["EIO", "ENOSPC"]
)
def test_a_folder_that_cannot_be_synced_is_reported_with_the_known_state(
    tmp_path: Path, number: int, code: ErrorCode
) -> None:
    storage = LocalStorage(tmp_path)
    storage.upload("folder/k", b"old")
    real = os.fsync

    def files_only(file: int) -> None:
        if stat.S_ISDIR(os.fstat(file).st_mode):
            raise OSError(number, os.strerror(number))
        real(file)

    with mock.patch.object(os, "fsync", files_only), pytest.raises(StorageError) as caught:
        storage.upload("folder/k", b"new")
    assert caught.value.code is code
    assert storage.download("folder/k") == b"new"
    for part in ("is in its place", "could not be synced", errno.errorcode[number], "upload again"):
        assert part in caught.value.hint
    assert "untouched" not in caught.value.hint
