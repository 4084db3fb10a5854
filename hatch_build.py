"""Build hook of the wheel: makes the links in ``src/bucket_conformance`` that a source distribution does not have.

A source distribution holds the directories once, at its top: its tools follow links and would store them twice.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

DIRECTORIES: Final = ("conformance", "providers", "reference_impl")


class LinkHook(BuildHookInterface):
    """Runs before the files of a wheel are collected, editable ones included."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        package = Path(self.root) / "src" / "bucket_conformance"
        for name in DIRECTORIES:
            link = package / name
            if link.is_dir():
                continue
            link.unlink(missing_ok=True)  # a file with the link's target: a checkout without core.symlinks
            try:
                link.symlink_to(Path("..", "..", name), target_is_directory=True)
            except OSError:  # a file system or an account that may not have links
                shutil.copytree(Path(self.root) / name, link)
