"""The first faults of a key layout, as patterns."""

from __future__ import annotations

from bucket_conformance.reference_impl import keys
from bucket_conformance.reference_impl.keys import FileRef
from tests.faults.local_faults import WrappedLayout, layout_fault


@layout_fault("layout-forgets-log-suffix", "a flow run log lies without its .log", breaks=["KEY-002"])
class ForgetsLogSuffix(WrappedLayout):
    def build(
        self, file_type: str, file_id: str, *, platform_id: str | None = None, project_id: str | None = None
    ) -> str:
        return super().build(file_type, file_id, platform_id=platform_id, project_id=project_id).removesuffix(".log")

    def parse(self, key: str) -> FileRef:
        return super().parse(f"{key}.log" if "/FLOW_RUN_LOG/" in key else key)


@layout_fault("layout-takes-both-owners", "with both owners given, the platform wins silently", breaks=["KEY-006"])
class TakesBothOwners(WrappedLayout):
    def build(
        self, file_type: str, file_id: str, *, platform_id: str | None = None, project_id: str | None = None
    ) -> str:
        owner = None if platform_id is not None else project_id
        return super().build(file_type, file_id, platform_id=platform_id, project_id=owner)


@layout_fault("layout-folds-case", "ids are lower-cased: two files share a key", breaks=["KEY-003", "KEY-004"])
class FoldsCase(WrappedLayout):
    def build(
        self, file_type: str, file_id: str, *, platform_id: str | None = None, project_id: str | None = None
    ) -> str:
        return super().build(file_type, file_id.lower(), platform_id=platform_id, project_id=project_id)


@layout_fault("layout-cleans-ids", "a bad id is cleaned instead of refused", breaks=["KEY-005"])
class CleansIds(WrappedLayout):
    def build(
        self, file_type: str, file_id: str, *, platform_id: str | None = None, project_id: str | None = None
    ) -> str:
        cleaned = "".join(character for character in file_id if keys.ID_PATTERN.fullmatch(character))
        return super().build(file_type, cleaned or "_", platform_id=platform_id, project_id=project_id)
