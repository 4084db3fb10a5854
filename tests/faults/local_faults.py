"""Faults of a storage class (``StorageFault``) and of a key layout (``LayoutFault``): no wire, no server.

A storage fault is the reference local storage behind a :class:`WrappedStorage` that overrides one method. A layout
fault is a class with ``build`` and ``parse``. See the package docstring for how to write one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal, TypeVar

from bucket_conformance.reference_impl import keys
from bucket_conformance.reference_impl.api import MAX_URL_LIFE_S, CheckResult, DeleteResult, ObjectStat, Storage
from bucket_conformance.reference_impl.keys import FileRef, KeyLayout
from bucket_conformance.reference_impl.local import LocalStorage
from tests.faults.discovery import import_faults
from tests.faults.gateway import Registry, require_identity


class WrappedStorage:
    """A :class:`Storage` that passes every call to ``inner``. A fault overrides what it breaks."""

    def __init__(self, inner: Storage) -> None:
        self.inner = inner

    def upload(self, key: str, body: bytes | BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        return self.inner.upload(key, body, content_type=content_type)

    def download(self, key: str) -> bytes:
        return self.inner.download(key)

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        return self.inner.open(key)

    def stat(self, key: str) -> ObjectStat:
        return self.inner.stat(key)

    def exists(self, key: str) -> bool:
        return self.inner.exists(key)

    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        return self.inner.list(prefix)

    def delete_files(self, keys: Iterable[str]) -> DeleteResult:
        return self.inner.delete_files(keys)

    def signed_url(self, key: str, file_name: str | None = None, *, expires_in: int = MAX_URL_LIFE_S) -> str:
        return self.inner.signed_url(key, file_name, expires_in=expires_in)

    def signed_upload_url(self, key: str, *, expires_in: int = MAX_URL_LIFE_S, content_type: str | None = None) -> str:
        return self.inner.signed_upload_url(key, expires_in=expires_in, content_type=content_type)

    def check(self) -> CheckResult:
        return self.inner.check()


class WrappedLayout:
    """A :class:`KeyLayout` that is the reference one. A fault overrides what it breaks."""

    def build(
        self, file_type: str, file_id: str, *, platform_id: str | None = None, project_id: str | None = None
    ) -> str:
        return keys.build(file_type, file_id, platform_id=platform_id, project_id=project_id)

    def parse(self, key: str) -> FileRef:
        return keys.parse(key)


Place = Literal["disk", "s3"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageFault:
    """One deliberate defect of a storage. Each call of ``make(root)`` gives a client of the data below ``root``.

    ``wrap`` puts the defect around any other storage. ``on`` says where it shows: ``"s3"`` for what only a storage
    that sends requests can do wrong.
    """

    id: str
    title: str
    breaks: frozenset[str]
    make: Callable[[Path], Storage]
    wrap: Callable[[Storage], Storage]
    on: Place = "disk"
    origin: str = ""

    def __post_init__(self) -> None:
        require_identity(self.id, self.title, self.breaks)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutFault:
    """One deliberate defect of a key layout."""

    id: str
    title: str
    breaks: frozenset[str]
    layout: KeyLayout
    origin: str = ""

    def __post_init__(self) -> None:
        require_identity(self.id, self.title, self.breaks)


_STORAGE_FAULTS: Final[Registry[StorageFault]] = Registry()
_LAYOUT_FAULTS: Final[Registry[LayoutFault]] = Registry()


Wrapper = TypeVar("Wrapper", bound="type[WrappedStorage]")
Layout = TypeVar("Layout", bound="type[WrappedLayout]")


def storage_fault(
    fault_id: str, title: str, *, breaks: Iterable[str], origin: str = "", on: Place = "disk"
) -> Callable[[Wrapper], Wrapper]:
    """Register the decorated subclass of :class:`WrappedStorage` as a fault of the reference storage."""

    def register(broken: Wrapper) -> Wrapper:
        def make(root: Path) -> Storage:
            return broken(LocalStorage(root))

        made = StorageFault(
            id=fault_id, title=title, breaks=frozenset(breaks), make=make, wrap=broken, on=on, origin=origin
        )
        _STORAGE_FAULTS.add(made)
        return broken

    return register


def layout_fault(fault_id: str, title: str, *, breaks: Iterable[str], origin: str = "") -> Callable[[Layout], Layout]:
    """Register the decorated subclass of :class:`WrappedLayout` as a fault."""

    def register(broken: Layout) -> Layout:
        made = LayoutFault(id=fault_id, title=title, breaks=frozenset(breaks), layout=broken(), origin=origin)
        _LAYOUT_FAULTS.add(made)
        return broken

    return register


def all_storage_faults() -> Registry[StorageFault]:
    """Return every fault of the modules ``tests/faults/storage/``."""
    import_faults("storage")
    return _STORAGE_FAULTS


def all_layout_faults() -> Registry[LayoutFault]:
    """Return every fault of the modules ``tests/faults/layout/``."""
    import_faults("layout")
    return _LAYOUT_FAULTS
