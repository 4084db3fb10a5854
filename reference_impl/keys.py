"""The key layout: where a file of a platform or project lies, for every backend alike.

``platform/{platform_id}/{TYPE}/{id}`` and ``project/{project_id}/{TYPE}/{id}``; flow run logs end in ``.log``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from bucket_conformance.reference_impl.errors import ErrorCode, StorageError

Scope = Literal["platform", "project"]

ID_PATTERN: Final = re.compile(r"[0-9A-Za-z_-]{1,128}")
"""Ids are what the product makes (nanoid alphabet): safe in a URL, in XML, as a file name and on every backend."""


@dataclass(frozen=True, slots=True)
class FileType:
    """A kind of file: its name in the key, and the suffix its ids get there."""

    name: str
    suffix: str = ""


FILE_TYPES: Final[dict[str, FileType]] = {
    file_type.name: file_type
    for file_type in (
        FileType("FILE"),
        FileType("FLOW_RUN_LOG", suffix=".log"),
        FileType("STEP_FILE"),
        FileType("PACKAGE_ARCHIVE"),
    )
}
"""Every known type by name. A new type of the product is one line here and nothing else anywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRef:
    """What a key stands for: the owner (exactly one of platform and project), the type and the id."""

    scope: Scope
    owner_id: str
    file_type: FileType
    file_id: str


class KeyLayout(Protocol):
    """The two directions of a key layout, so that another implementation can be judged."""

    def build(
        self, file_type: str, file_id: str, *, platform_id: str | None = None, project_id: str | None = None
    ) -> str:
        """Return the key; raise ``INVALID_KEY`` for a bad id, an unknown type, or not exactly one owner."""
        ...

    def parse(self, key: str) -> FileRef:
        """Return what ``key`` stands for; raise ``INVALID_KEY`` for every string that ``build`` never returns."""
        ...


def _require_id(value: str, what: str) -> str:
    if not ID_PATTERN.fullmatch(value):
        shown = value if len(value) <= 40 else value[:40] + "…"
        raise StorageError(
            ErrorCode.INVALID_KEY, "build", None, f"{what} {shown!r} is not 1 to 128 characters of 0-9 A-Z a-z _ -"
        )
    return value


def build(file_type: str, file_id: str, *, platform_id: str | None = None, project_id: str | None = None) -> str:
    """Return the key of a file. See :class:`KeyLayout`."""
    if (platform_id is None) == (project_id is None):
        given = "both" if platform_id is not None else "neither"
        raise StorageError(
            ErrorCode.INVALID_KEY, "build", None, f"{given} of platform_id and project_id given; give exactly one"
        )
    known = FILE_TYPES.get(file_type)
    if known is None:
        raise StorageError(
            ErrorCode.INVALID_KEY, "build", None, f"unknown file type {file_type!r}; known: {', '.join(FILE_TYPES)}"
        )
    owner = f"platform/{_require_id(platform_id, 'platform_id')}" if platform_id is not None else ""
    owner = owner or f"project/{_require_id(project_id or '', 'project_id')}"
    return f"{owner}/{known.name}/{_require_id(file_id, 'file_id')}{known.suffix}"


def names_file(file_type: FileType, last: str) -> bool:
    """Return whether ``last``, the last part of a key, is an id with the suffix of ``file_type``."""
    return last.endswith(file_type.suffix) and bool(ID_PATTERN.fullmatch(last.removesuffix(file_type.suffix)))


def parse(key: str) -> FileRef:
    """Return what a key stands for. See :class:`KeyLayout`."""

    def refuse(why: str) -> StorageError:
        return StorageError(ErrorCode.INVALID_KEY, "parse", key, why)

    parts = key.split("/")
    if len(parts) != 4:
        raise refuse("a key of the layout has four parts: platform|project / owner id / TYPE / id")
    scope, owner_id, type_name, last = parts
    if scope != "platform" and scope != "project":
        raise refuse(f"starts with {scope!r}, not 'platform' or 'project'")
    file_type = FILE_TYPES.get(type_name)
    if file_type is None:
        raise refuse(f"unknown file type {type_name!r}; known: {', '.join(FILE_TYPES)}")
    if not last.endswith(file_type.suffix):
        raise refuse(f"a {file_type.name} ends in {file_type.suffix!r}")
    file_id = last.removesuffix(file_type.suffix) if file_type.suffix else last
    for value in (owner_id, file_id):
        if not ID_PATTERN.fullmatch(value):
            raise refuse(f"id {value!r} is not 1 to 128 characters of 0-9 A-Z a-z _ -")
    return FileRef(
        scope="platform" if scope == "platform" else "project", owner_id=owner_id, file_type=file_type, file_id=file_id
    )
