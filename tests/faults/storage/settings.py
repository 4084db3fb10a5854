"""Faults of the start-up check."""

from __future__ import annotations

import secrets
from pathlib import Path

from bucket_conformance.reference_impl.api import CheckResult
from bucket_conformance.reference_impl.errors import StorageError
from tests.faults.local_faults import WrappedStorage, storage_fault

ALL = ("s3:PutObject", "s3:GetObject", "s3:ListBucket", "s3:DeleteObject")


def _fine() -> CheckResult:
    return CheckResult(location="somewhere", permissions=ALL, duration_s=0.0)


@storage_fault("check-tries-nothing", "the check says that all is well without trying", breaks=["CFG-002"])
class CheckTriesNothing(WrappedStorage):
    def check(self) -> CheckResult:
        return _fine()


@storage_fault("check-leaves-its-probe", "the check does not remove its probe", breaks=["CFG-002"])
class CheckLeavesItsProbe(WrappedStorage):
    def check(self) -> CheckResult:
        self.inner.upload(f"storage-check/{secrets.token_hex(8)}", b"probe")
        return self.inner.check()


@storage_fault(
    "check-names-no-permission", "the check does not say which permission is missing", breaks=["CFG-002"], on="s3"
)
class CheckNamesNoPermission(WrappedStorage):
    def check(self) -> CheckResult:
        try:
            return self.inner.check()
        except StorageError as error:
            raise StorageError(error.code, error.operation, error.key, "a permission is missing") from None


@storage_fault("check-does-not-list", "the check never lists", breaks=["CFG-002"], on="s3")
class CheckDoesNotList(WrappedStorage):
    def check(self) -> CheckResult:
        key = f"storage-check/{secrets.token_hex(8)}"
        self.inner.upload(key, b"probe")
        self.inner.download(key)
        self.inner.delete_files([key])
        return _fine()


@storage_fault("check-passes-without-a-root", "the check makes the missing folder of a lost volume", breaks=["CFG-002"])
class CheckPassesWithoutARoot(WrappedStorage):
    def check(self) -> CheckResult:
        Path(self.inner.root).mkdir(exist_ok=True)  # type: ignore[attr-defined]
        return self.inner.check()
