"""Separate environments for servers, because their dependencies clash: built once, pinned, cached.

An environment is a folder ``<cache>/environments/<name>-<hash>``; the hash covers the recipe (pins, and the Python
version where it matters), so a changed pin is another folder. The marker file is written last: a folder without it is
a build that was cut short, and is built again. A lock file next to it keeps two runs from building at the same time.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

from bucket_conformance.providers.launch.folders import cache_dir, logs_dir
from bucket_conformance.providers.provider import Availability, LaunchError, Progress, Unavailable

_MARKER: Final = "complete.json"
_TAIL_LINES: Final = 25
_LOCK_DEADLINE_S: Final = 3600.0
_PAUSES_S: Final = (5.0, 20.0, 60.0)
"""Seconds to wait before the second, third and further tries of a step: an unreliable registry often works by then."""
_STORAGE_VARIABLE: Final = re.compile(r"^(AWS|AP|CONFORMANCE)_", re.IGNORECASE)
"""The credentials of the storage under test; an installer does not need them. Those of package registries stay."""
_URL_LOGIN: Final = re.compile(r"(?<=://)[^/@\s]+@")
_PYTHON_NOISE: Final = (
    "PYTHONPATH",
    "PYTHONHOME",
    "VIRTUAL_ENV",
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_USER",
    "PIP_REQUIRE_VIRTUALENV",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command of a recipe, with variables added to the cleaned environment.

    ``tries``: how often it is run until it succeeds; more than once for steps that use the network.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    tries: int = 1


class Recipe(Protocol):
    """How to fill a prefix. ``pins`` identifies the result; ``slow`` recipes run only when asked for by ``install``."""

    @property
    def slow(self) -> bool: ...
    @property
    def platform(self) -> str:
        """Return what else the result depends on, such as the Python version; '' for nothing."""
        ...

    def pins(self) -> tuple[str, ...]: ...
    def missing(self) -> Availability | None:
        """Return the tool that this recipe needs and this machine lacks; ``None`` if nothing is missing."""
        ...

    def steps(self, prefix: Path) -> tuple[Step, ...]: ...
    def program(self, prefix: Path, name: str) -> Path:
        """Return the path of the program (or jar, or module) ``name`` after the steps."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A named environment. ``title`` is for people; ``checks`` are programs that must exist once it is built.

    ``on_path``: a program that is used instead if it is on the PATH.
    """

    name: str
    title: str
    recipe: Recipe
    checks: tuple[str, ...]
    on_path: str | None = None

    @property
    def prefix(self) -> Path:
        pins = json.dumps([self.name, self.recipe.platform, *self.recipe.pins()])
        return cache_dir() / "environments" / f"{self.name}-{hashlib.sha256(pins.encode()).hexdigest()[:12]}"

    @property
    def built(self) -> bool:
        """Return whether it is complete: marker and programs exist (the Python of a venv may be gone)."""
        return self._is_whole()

    def availability(self) -> Availability:
        """Return ready if it is built, on the PATH, or quick to build at first use. Does not use the network."""
        if self._from_path() or self.built:
            return Availability(ready=True)
        missing = self.recipe.missing()
        if missing is not None:
            # A quick build happens at first use; a slow one must be requested, unless it is built already.
            then = f", then run: conformance install {self.name}" if self.recipe.slow else ""
            instead = f"; or put the program {self.on_path} on the PATH" if self.on_path else ""
            return replace(missing, how=f"{missing.how}{then}{instead}")
        if self.recipe.slow:
            return Availability(
                ready=False,
                missing=f"{self.title} is not installed ({', '.join(self.recipe.pins())})",
                how=f"run: conformance install {self.name} (once; it may take minutes)",
                installable=True,
            )
        return Availability(ready=True, note=f"installs {', '.join(self.recipe.pins())} at first use")

    def program(self, name: str) -> Path:
        """Return the path of an installed program. Raises ``LaunchError`` where the environment is not built."""
        found = self._from_path()
        if found and name == self.on_path:
            return found
        path = self.recipe.program(self.prefix, name)
        if not self.built or not path.exists():
            raise LaunchError(f"{self.title}: {name} is not installed; run: conformance install {self.name}")
        return path

    def distribution_version(self, distribution: str) -> str:
        """Return the version of a Python distribution in the environment; '' where there is none."""
        places = [str(path) for path in self.prefix.glob("lib*/python*/site-packages")]
        found = importlib.metadata.distributions(name=distribution, path=places)
        return next((str(entry.version) for entry in found), "")

    def install(self, progress: Progress) -> None:
        """Build unless built. Raises ``Unavailable`` with the end of the log, which is kept."""
        if self._from_path() or self.built:
            return
        missing = self.recipe.missing()
        if missing is not None:
            raise Unavailable(f"{self.title}: {missing.missing}; {missing.how}")
        try:
            self.prefix.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LaunchError(
                f"{self.title}: cannot make {self.prefix.parent}: {error.strerror}; "
                "set CONFORMANCE_CACHE to a folder that can be written"
            ) from error
        with _locked(self.prefix.with_name(self.prefix.name + ".lock"), self.title, progress):
            if self._is_whole():
                return
            progress(f"{self.title}: making its environment ({', '.join(self.recipe.pins())}), once")
            shutil.rmtree(self.prefix, ignore_errors=True)
            self.prefix.mkdir()
            self._build(progress)
            marker = {"name": self.name, "pins": self.recipe.pins()}
            scratch = self.prefix / (_MARKER + ".part")
            scratch.write_text(json.dumps(marker), encoding="utf-8")
            scratch.replace(self.prefix / _MARKER)

    def remove(self) -> None:
        """Remove the environment; the next ``install`` builds it again."""
        (self.prefix / _MARKER).unlink(missing_ok=True)
        shutil.rmtree(self.prefix, ignore_errors=True)

    def _from_path(self) -> Path | None:
        found = shutil.which(self.on_path) if self.on_path else None
        return Path(found) if found else None

    def _is_whole(self) -> bool:
        return (self.prefix / _MARKER).is_file() and self._lacking() is None

    def _lacking(self) -> str | None:
        return next((name for name in self.checks if not self.recipe.program(self.prefix, name).exists()), None)

    def _build(self, progress: Progress) -> None:
        log = logs_dir() / f"install-{self.prefix.name}.log"
        log.unlink(missing_ok=True)
        for step in self.recipe.steps(self.prefix):
            _run_until_it_succeeds(step, log=log, title=self.title, progress=progress)
        lacking = self._lacking()
        if lacking is not None:
            raise LaunchError(
                f"{self.title}: the installation ended without an error, but {lacking} is not there; see {log}",
                log=_tail(log),
            )
        log.unlink(missing_ok=True)


def _run_until_it_succeeds(step: Step, *, log: Path, title: str, progress: Progress) -> None:
    for done in range(1, step.tries):
        try:
            return run_logged(step, log=log, title=title, progress=progress)
        except Unavailable:
            pause_s = _PAUSES_S[min(done, len(_PAUSES_S)) - 1]
            progress(f"{title}: {Path(step.argv[0]).name} failed, trying again in {pause_s:g} s")
            time.sleep(pause_s)
    return run_logged(step, log=log, title=title, progress=progress)


def run_logged(step: Step, *, log: Path, title: str, progress: Progress) -> None:
    """Run one command; its lines go to ``log`` and, cut, to ``progress``. Raises ``Unavailable`` with the last ones."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not _STORAGE_VARIABLE.search(name) and name not in _PYTHON_NOISE
    }
    try:
        process = subprocess.Popen(
            step.argv,
            env={**env, **step.env},
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            process_group=0,  # it starts many compilers, which have to end with it
        )
    except OSError as error:
        raise Unavailable(f"{title}: cannot run {step.argv[0]}: {error.strerror or error}") from error
    try:
        with process, log.open("a", encoding="utf-8") as out:
            assert process.stdout is not None
            for line in process.stdout:
                clean = _URL_LOGIN.sub("***@", line)
                out.write(clean)
                out.flush()
                if clean.strip():
                    progress(f"{title}: {clean.strip()[:160]}")
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if process.returncode:
        tail = _tail(log)
        command = " ".join([Path(step.argv[0]).name, *step.argv[1:]])
        raise Unavailable(
            f"{title}: the installation failed (exit {process.returncode}): {command}\n{tail}\n"
            f"The whole log: {log}. Are the package registries reachable from here?",
            log=tail,
        )


def _tail(log: Path) -> str:
    with contextlib.suppress(OSError):
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:])
    return ""


@contextlib.contextmanager
def _locked(path: Path, title: str, progress: Progress) -> Iterator[None]:
    lock_fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + _LOCK_DEADLINE_S
        reported = False
        while True:
            try:
                fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise LaunchError(
                        f"{title}: another run has been installing it for an hour; end it, then try again"
                    ) from None
                if not reported:
                    progress(f"{title}: another run is installing it, waiting")
                    reported = True
                time.sleep(0.1)
        yield
    finally:
        os.close(lock_fd)


def tool_missing(tool: str, purpose: str, how: str) -> Availability | None:
    """Return ``None`` where ``tool`` is on the PATH, else what is missing."""
    if shutil.which(tool):
        return None
    return Availability(ready=False, missing=f"{tool} ({purpose}) is not on the PATH", how=how)
