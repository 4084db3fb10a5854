"""Faults of a key layout: typical errors of builders and parsers."""

from __future__ import annotations

import re

from bucket_conformance.reference_impl.keys import FileRef, FileType
from tests.faults.local_faults import WrappedLayout, layout_fault


@layout_fault("layout-says-platforms", "platform files lie below `platforms/`", breaks=["KEY-001"])
class SaysPlatforms(WrappedLayout):
    def build(
        self, file_type: str, file_id: str, *, platform_id: str | None = None, project_id: str | None = None
    ) -> str:
        key = super().build(file_type, file_id, platform_id=platform_id, project_id=project_id)
        return re.sub("^platform/", "platforms/", key)

    def parse(self, key: str) -> FileRef:
        return super().parse(re.sub("^platforms/", "platform/", key))


@layout_fault("layout-lowercases-type", "the type is written in lower case", breaks=["KEY-001", "KEY-002"])
class LowercasesType(WrappedLayout):
    def build(
        self, file_type: str, file_id: str, *, platform_id: str | None = None, project_id: str | None = None
    ) -> str:
        scope, owner, _, name = (
            super().build(file_type, file_id, platform_id=platform_id, project_id=project_id).split("/")
        )
        return f"{scope}/{owner}/{file_type.lower()}/{name}"


@layout_fault("layout-parse-trims-slashes", "slashes around a key are trimmed before it is parsed", breaks=["KEY-003"])
class ParseTrimsSlashes(WrappedLayout):
    def parse(self, key: str) -> FileRef:
        return super().parse(key.strip("/"))


@layout_fault("layout-parse-knows-any-type", "an unknown type is parsed nevertheless", breaks=["KEY-003"])
class ParseKnowsAnyType(WrappedLayout):
    def parse(self, key: str) -> FileRef:
        parts = key.split("/")
        if len(parts) != 4 or not parts[2].isupper():
            return super().parse(key)
        ref = super().parse("/".join([*parts[:2], "FILE", parts[3].removesuffix(".log")]))
        return FileRef(scope=ref.scope, owner_id=ref.owner_id, file_type=FileType(parts[2]), file_id=ref.file_id)


@layout_fault("layout-parse-falls-over", "parsing what is no key fails with an IndexError", breaks=["KEY-003"])
class ParseFallsOver(WrappedLayout):
    def parse(self, key: str) -> FileRef:
        assert key.split("/")[3] is not None
        return super().parse(key)


@layout_fault(
    "layout-knows-one-kind-of-owner",
    "files of a platform lie among those of the project with the same id",
    breaks=["KEY-001", "KEY-004", "KEY-008"],
)
class KnowsOneKindOfOwner(WrappedLayout):
    def build(
        self, file_type: str, file_id: str, *, platform_id: str | None = None, project_id: str | None = None
    ) -> str:
        key = super().build(file_type, file_id, platform_id=platform_id, project_id=project_id)
        return re.sub("^platform/", "project/", key)


@layout_fault(
    "layout-checks-ids-by-line",
    "an id is matched with `$`, which also fits before a newline at the end",
    breaks=["KEY-005"],
    origin="`re.match` with `^…$` where `re.fullmatch` is meant",
)
class ChecksIdsByLine(WrappedLayout):
    def build(
        self, file_type: str, file_id: str, *, platform_id: str | None = None, project_id: str | None = None
    ) -> str:
        plain = file_id.removesuffix("\n")
        return super().build(file_type, plain, platform_id=platform_id, project_id=project_id) + file_id[len(plain) :]


@layout_fault("layout-has-no-longest-id", "an id may be of any length", breaks=["KEY-005"])
class HasNoLongestId(WrappedLayout):
    def build(
        self, file_type: str, file_id: str, *, platform_id: str | None = None, project_id: str | None = None
    ) -> str:
        key = super().build(file_type, file_id[:128], platform_id=platform_id, project_id=project_id)
        return key + file_id[128:]


@layout_fault(
    "layout-takes-empty-owner-for-none",
    "an empty platform id next to a project id counts as none: the owner is tested for truth, not for presence",
    breaks=["KEY-006"],
)
class TakesEmptyOwnerForNone(WrappedLayout):
    def build(
        self, file_type: str, file_id: str, *, platform_id: str | None = None, project_id: str | None = None
    ) -> str:
        return super().build(file_type, file_id, platform_id=platform_id or None, project_id=project_id or None)
