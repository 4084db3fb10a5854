"""The start-up check, the same for every backend: it uses only the methods of the port."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable
from typing import Final

from bucket_conformance.reference_impl.api import CheckResult, Storage
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError

PROBE_PREFIX: Final = "storage-check/"
"""Probe objects are stored below this prefix, outside the key layout, each under its own random name."""

PROBE_URL_LIFE_S: Final = 300
"""Seconds that the signed URL of the probe lives; the probe itself is removed long before."""

_DENIED: Final = frozenset({ErrorCode.ACCESS_DENIED})


def run_check(
    storage: Storage, location: str, *, try_url: Callable[[str, bytes], str | None] | None = None
) -> CheckResult:
    """Write, read, list and remove one probe object, in that order; see :meth:`check`.

    The first step that fails ends the check, named by its permission in ``hint``. The probe is removed in any case
    where the backend allows it. ``try_url`` gets a signed URL of the probe and its bytes while the probe exists, and
    returns a warning or ``None``; a ``StorageError`` of it ends the check too.
    """
    key = f"{PROBE_PREFIX}{secrets.token_hex(16)}"
    body = secrets.token_bytes(64)
    started = time.perf_counter()
    steps: tuple[tuple[str, Callable[[], None]], ...] = (
        ("s3:PutObject", lambda: _write(storage, key, body)),
        ("s3:GetObject", lambda: _read(storage, key, body)),
        ("s3:ListBucket", lambda: _find(storage, key)),
        ("s3:DeleteObject", lambda: _remove(storage, key)),
    )
    worked: list[str] = []
    warning: str | None = None
    try:
        for permission, step in steps:
            try:
                step()
            except StorageError as error:
                raise _explained(error, permission, worked) from None
            worked.append(permission)
            if try_url is not None and permission == "s3:GetObject":
                warning = try_url(storage.signed_url(key, expires_in=PROBE_URL_LIFE_S), body)
    except BaseException:
        # An error of the cleanup must not hide the first error.
        with contextlib.suppress(Exception):
            storage.delete_files([key])
        raise
    return CheckResult(
        location=location,
        permissions=tuple(worked),
        duration_s=time.perf_counter() - started,
        warnings=() if warning is None else (warning,),
    )


def _write(storage: Storage, key: str, body: bytes) -> None:
    storage.upload(key, body)


def _read(storage: Storage, key: str, body: bytes) -> None:
    if storage.download(key) != body:
        raise StorageError(ErrorCode.INTEGRITY, "check", key, "the probe came back with other bytes than were written")


def _find(storage: Storage, key: str) -> None:
    listed = [found.key for found in storage.list(key)]
    if listed != [key]:
        others = f", but {len(listed)} others" if listed and key not in listed else ""
        others = f" once, but as one of {len(listed)} entries" if key in listed else others
        hint = f"the probe was written but is not listed under its key{others}; check what the endpoint and the bucket "
        raise StorageError(ErrorCode.UNKNOWN, "check", key, hint + "name: a bucket in the endpoint moves every key")


def _remove(storage: Storage, key: str) -> None:
    storage.delete_files([key])


def _explained(error: StorageError, permission: str, worked: list[str]) -> StorageError:
    so_far = f"worked before: {', '.join(worked)}" if worked else "nothing worked before"
    named = f"missing permission {permission}" if error.code in _DENIED else f"failed while trying {permission}"
    return StorageError(error.code, "check", error.key, f"{named} ({so_far}): {error.hint}")
