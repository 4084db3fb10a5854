"""Backends inside this process: a directory of the local disk as storage root."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

from bucket_conformance.conformance.target import DiskRoot
from bucket_conformance.providers.launch.folders import APPLICATION, run_folder
from bucket_conformance.providers.provider import Availability, LaunchError, LaunchKind, Progress, Running


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskLaunch:
    """A fresh directory below the state directory, removed at the end."""

    name: str = "local_disk"

    @property
    def kind(self) -> LaunchKind:
        return LaunchKind.EMBEDDED

    def over_https(self) -> DiskLaunch:
        raise LaunchError("Local disk is not reached over a network")

    def availability(self) -> Availability:
        return Availability(ready=True)

    def install(self, progress: Progress) -> None:
        """Nothing to install."""

    @contextlib.contextmanager
    def start(self, progress: Progress) -> Iterator[Running]:
        with run_folder(self.name) as folder:
            yield Running(target=DiskRoot(root=folder.data), version=_version(), launch=self.kind)


def _version() -> str:
    try:
        own = metadata.version(APPLICATION)
    except metadata.PackageNotFoundError:
        own = "unreleased"
    return f"{own} on {platform.system()} {platform.release()}"
