"""Recipes of environments: PyPI, npm, Go modules, crates, Maven jars, Debian packages. Every version is pinned."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bucket_conformance.providers.launch.environment import Recipe, Step, tool_missing
from bucket_conformance.providers.provider import Availability

_TRIES: Final = 3
"""The number of tries of a step that uses the network."""
_PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PyPI:
    """A venv of this Python with ``requirements`` (each ``name==version``, further bounds allowed)."""

    requirements: tuple[str, ...]
    python: tuple[tuple[int, int], tuple[int, int]] | None = None
    """First and last Python version the server runs on; ``None`` where any does."""
    slow: bool = False
    platform: str = f"python{_PYTHON}"

    def pins(self) -> tuple[str, ...]:
        return self.requirements

    def missing(self) -> Availability | None:
        version = sys.version_info[:2]
        if self.python and not self.python[0] <= version <= self.python[1]:
            low, high = (".".join(map(str, end)) for end in self.python)
            return Availability(
                ready=False,
                missing=f"{self.requirements[0]} runs on Python {low} to {high}, this is {_PYTHON}",
                how=f"run the suite with Python {low} to {high}",
            )
        if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
            return Availability(
                ready=False,
                missing=f"Python {_PYTHON} here cannot make virtual environments (venv or ensurepip is missing)",
                how=f"install the package python{_PYTHON}-venv, or use another Python",
            )
        return None

    def steps(self, prefix: Path) -> tuple[Step, ...]:
        pip = (str(prefix / "bin" / "python"), "-P", "-m", "pip", "--disable-pip-version-check", "--no-input")
        return (
            Step(argv=(sys.executable, "-P", "-m", "venv", "--clear", str(prefix))),
            Step(argv=(*pip, "install", "--progress-bar", "off", *self.requirements), tries=_TRIES),
        )

    def program(self, prefix: Path, name: str) -> Path:
        return prefix / "bin" / name


@dataclass(frozen=True, slots=True, kw_only=True)
class Npm:
    """An npm prefix with ``packages`` (each ``name@version``). ``scripts``: whether their install scripts may run."""

    packages: tuple[str, ...]
    scripts: bool = False
    slow: bool = False
    platform: str = ""

    def pins(self) -> tuple[str, ...]:
        return self.packages

    def missing(self) -> Availability | None:
        return tool_missing(
            "npm", "Node.js package manager", "install Node.js 20 or newer, npm with it (https://nodejs.org)"
        )

    def steps(self, prefix: Path) -> tuple[Step, ...]:
        options = ("--no-audit", "--no-fund", "--loglevel=warn", *(() if self.scripts else ("--ignore-scripts",)))
        return (Step(argv=("npm", "install", "--prefix", str(prefix), *options, *self.packages), tries=_TRIES),)

    def program(self, prefix: Path, name: str) -> Path:
        return prefix / "node_modules" / name


@dataclass(frozen=True, slots=True, kw_only=True)
class GoModule:
    """A program built by ``go install`` of ``package`` at ``version``, statically."""

    package: str
    version: str
    slow: bool = True
    platform: str = ""

    def pins(self) -> tuple[str, ...]:
        return (f"{self.package}@{self.version}",)

    def missing(self) -> Availability | None:
        return tool_missing("go", f"needed to build {self.package}", "install Go (https://go.dev/dl)")

    def steps(self, prefix: Path) -> tuple[Step, ...]:
        argv = ("go", "install", "-trimpath", "-ldflags", "-s -w", f"{self.package}@{self.version}")
        env = {"CGO_ENABLED": "0", "GOBIN": str(prefix / "bin"), "GOFLAGS": ""}
        return (Step(argv=argv, env=env, tries=_TRIES),)

    def program(self, prefix: Path, name: str) -> Path:
        return prefix / "bin" / name


@dataclass(frozen=True, slots=True, kw_only=True)
class Crate:
    """A program built by ``cargo install`` with the crate's own lock file."""

    name: str
    version: str
    features: tuple[str, ...] = ()
    slow: bool = True
    platform: str = ""

    def pins(self) -> tuple[str, ...]:
        return (f"{self.name} {self.version}" + (f" [{','.join(self.features)}]" if self.features else ""),)

    def missing(self) -> Availability | None:
        return tool_missing("cargo", f"needed to build {self.name}", "install Rust (https://rustup.rs)")

    def steps(self, prefix: Path) -> tuple[Step, ...]:
        features = ("--features", ",".join(self.features)) if self.features else ()
        argv = ("cargo", "install", self.name, "--version", self.version, *features, "--locked", "--root", str(prefix))
        return (Step(argv=argv, env={"CARGO_TERM_COLOR": "never"}, tries=_TRIES),)

    def program(self, prefix: Path, name: str) -> Path:
        return prefix / "bin" / name


@dataclass(frozen=True, slots=True, kw_only=True)
class MavenJar:
    """One jar of Maven coordinates ``group:artifact:version[:packaging[:classifier]]``, copied as ``server.jar``."""

    coordinates: str
    slow: bool = False
    platform: str = ""

    def pins(self) -> tuple[str, ...]:
        return (self.coordinates,)

    def missing(self) -> Availability | None:
        return tool_missing(
            "java", "to run the server", "install a Java runtime, 17 or newer (https://adoptium.net)"
        ) or tool_missing("mvn", "to fetch the server", "install Maven (https://maven.apache.org)")

    def steps(self, prefix: Path) -> tuple[Step, ...]:
        plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
        batch = ("mvn", "-B", "-ntp", "-q")
        return (
            Step(argv=(*batch, f"{plugin}:get", f"-Dartifact={self.coordinates}", "-Dtransitive=false"), tries=_TRIES),
            Step(
                argv=(
                    *batch,
                    f"{plugin}:copy",
                    f"-Dartifact={self.coordinates}",
                    f"-DoutputDirectory={prefix}",
                    "-Dmdep.stripVersion=true",
                    "-Dmdep.stripClassifier=true",
                ),
                tries=_TRIES,
            ),
        )

    def program(self, prefix: Path, name: str) -> Path:
        return prefix / name


@dataclass(frozen=True, slots=True, kw_only=True)
class Debian:
    """Packages of the machine's package manager, added only by an explicit install as root; the prefix stays empty."""

    packages: tuple[str, ...]
    programs: tuple[str, ...]
    platform: str = ""

    @property
    def slow(self) -> bool:
        """Return ``True``: only an explicit install adds packages to the machine; present ones are used."""
        return any(shutil.which(name) is None for name in self.programs)

    def pins(self) -> tuple[str, ...]:
        return tuple(f"Debian {name}" for name in self.packages)

    def missing(self) -> Availability | None:
        how = f"on Debian or Ubuntu: sudo apt-get install --no-install-recommends {' '.join(self.packages)}"
        lacking = [name for name in self.programs if shutil.which(name) is None]
        if lacking and (shutil.which("apt-get") is None or os.geteuid() != 0):
            return Availability(ready=False, missing=f"{', '.join(lacking)} not on the PATH", how=how)
        return None

    def steps(self, prefix: Path) -> tuple[Step, ...]:
        if all(shutil.which(name) for name in self.programs):
            return ()
        env = {"DEBIAN_FRONTEND": "noninteractive"}
        # Two providers may be installed at once, but only one process at a time can use the package manager.
        apt = ("apt-get", "-o", "DPkg::Lock::Timeout=900", "-o", "Acquire::Retries=3")
        install = (*apt, "install", "--yes", "--no-install-recommends", *self.packages)
        return (Step(argv=(*apt, "update"), env=env, tries=_TRIES), Step(argv=install, env=env, tries=_TRIES))

    def program(self, prefix: Path, name: str) -> Path:
        return Path(shutil.which(name) or prefix / name)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositeRecipe:
    """Several recipes into one prefix, for servers that need programs of more than one package manager."""

    parts: tuple[Recipe, ...]

    @property
    def slow(self) -> bool:
        return any(part.slow for part in self.parts)

    @property
    def platform(self) -> str:
        return " ".join(part.platform for part in self.parts if part.platform)

    def pins(self) -> tuple[str, ...]:
        return tuple(pin for part in self.parts for pin in part.pins())

    def missing(self) -> Availability | None:
        return next((found for part in self.parts if (found := part.missing()) is not None), None)

    def steps(self, prefix: Path) -> tuple[Step, ...]:
        return tuple(step for part in self.parts for step in part.steps(prefix))

    def program(self, prefix: Path, name: str) -> Path:
        places = [part.program(prefix, name) for part in self.parts]
        return next((place for place in places if place.exists()), places[0])
