"""Faults of a storage on disk that lets keys leave its folder, and of any storage that reveals its secret."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from bucket_conformance.reference_impl.api import ObjectStat, Storage
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from tests.faults.local_faults import WrappedStorage, storage_fault


class _Naive(WrappedStorage):
    """Reads and writes the file system directly for the keys that ``mine`` claims; the good storage gets all others."""

    @property
    def root(self) -> Path:
        return Path(self.inner.root)  # type: ignore[attr-defined]

    def mine(self, key: str) -> Path | None:
        """Return the file to use for the key, or ``None`` where the good storage decides."""
        raise NotImplementedError

    def download(self, key: str) -> bytes:
        path = self.mine(key)
        if path is None:
            return self.inner.download(key)
        with _named(key):
            return path.read_bytes()

    @contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        yield BytesIO(self.download(key))

    def upload(self, key: str, body: bytes | BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        path = self.mine(key)
        if path is None:
            return self.inner.upload(key, body, content_type=content_type)
        data = body if isinstance(body, bytes) else body.read()
        with _named(key):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return ObjectStat(key=key, size=len(data), last_modified=datetime.now(UTC))


@contextmanager
def _named(key: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise StorageError(ErrorCode.NOT_FOUND, "download", key, type(error).__name__) from None


@storage_fault(
    "joins-keys-to-the-root",
    "a key is joined to the root as it is, with '..' and absolute paths",
    breaks=["SEC-001"],
    origin="https://cwe.mitre.org/data/definitions/22.html",
)
class JoinsKeysToTheRoot(_Naive):
    def mine(self, key: str) -> Path | None:
        return self.root / key if ".." in key.split("/") or key.startswith("/") else None


@storage_fault(
    "cuts-keys-at-nul",
    "a key is checked whole, and used up to its first NUL",
    breaks=["SEC-001"],
    origin="https://cwe.mitre.org/data/definitions/158.html",
)
class CutsKeysAtNul(_Naive):
    def mine(self, key: str) -> Path | None:
        return self.root / key.partition("\x00")[0] if "\x00" in key else None


@storage_fault(
    "follows-links",
    "symbolic links below the root are followed",
    breaks=["SEC-001"],
    origin="https://cwe.mitre.org/data/definitions/59.html",
)
class FollowsLinks(_Naive):
    def mine(self, key: str) -> Path | None:
        place = self.root / key
        between = [place, *place.parents]
        return place if ".." not in key and any(path.is_symlink() for path in between[: key.count("/") + 1]) else None


@storage_fault("lists-through-links", "a listing walks through symbolic links", breaks=["SEC-001"])
class ListsThroughLinks(WrappedStorage):
    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        yield from self.inner.list(prefix)
        root = Path(self.inner.root)  # type: ignore[attr-defined]
        for folder, _, names in os.walk(root / prefix.rpartition("/")[0], followlinks=True):
            for name in names:
                key = Path(folder, name).relative_to(root).as_posix()
                linked = Path(folder, name).resolve() != root.resolve() / key
                if linked and key.startswith(prefix):
                    yield ObjectStat(key=key, size=0, last_modified=datetime.now(UTC))


@storage_fault(
    "checks-the-path-then-opens-it",
    "the path is resolved and checked, then opened by name: a link put there meanwhile is followed",
    breaks=["SEC-001"],
    origin="https://cwe.mitre.org/data/definitions/367.html",
)
class ChecksThenOpens(_Naive):
    def mine(self, key: str) -> Path | None:
        if "\x00" in key:
            return None
        place = self.root / key
        if place.resolve().is_relative_to(self.root.resolve()) and ".." not in key:
            return place
        return None


@storage_fault("folds-case-of-keys", "keys are folded to lower case: two files share one", breaks=["SEC-001"])
class FoldsCaseOfKeys(WrappedStorage):
    def upload(self, key: str, body: bytes | BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        return self.inner.upload(key.casefold(), body, content_type=content_type)

    def download(self, key: str) -> bytes:
        return self.inner.download(key.casefold())


def _secret(storage: Storage) -> str:
    found: Any = storage
    return str(found._secret.decode())


@storage_fault("errors-quote-the-secret", "an error quotes the settings, the secret among them", breaks=["SEC-002"])
class ErrorsQuoteTheSecret(WrappedStorage):
    def download(self, key: str) -> bytes:
        try:
            return self.inner.download(key)
        except StorageError as error:
            hint = f"{error.hint} (secret={_secret(self.inner)!r})"
            raise StorageError(error.code, error.operation, error.key, hint) from None


@storage_fault("repr-shows-the-secret", "the repr of a storage shows its secret", breaks=["SEC-002"])
class ReprShowsTheSecret(WrappedStorage):
    def __repr__(self) -> str:
        return f"Storage(secret={_secret(self.inner)!r})"


@storage_fault("logs-the-secret", "every upload is logged with the secret", breaks=["SEC-002"])
class LogsTheSecret(WrappedStorage):
    def upload(self, key: str, body: bytes | BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        logging.getLogger("storage").info("uploading %s with %s", key, _secret(self.inner))
        return self.inner.upload(key, body, content_type=content_type)
