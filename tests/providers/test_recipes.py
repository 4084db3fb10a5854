"""Recipes that need the machine's packages, alone and together with others."""

from __future__ import annotations

from pathlib import Path

import pytest

from bucket_conformance.providers.launch.environment import Environment, Recipe
from bucket_conformance.providers.launch.recipes import CompositeRecipe, Crate, Debian, GoModule, Npm, PyPI

SHELL = Debian(packages=("dash",), programs=("sh",))
ABSENT = Debian(packages=("frobnicator",), programs=("frobnicate", "sh"))


def test_packages_that_are_there_need_no_installation(tmp_path: Path) -> None:
    assert not SHELL.slow
    assert SHELL.missing() is None
    assert SHELL.steps(tmp_path) == ()
    assert SHELL.program(tmp_path, "sh").is_absolute()


def test_packages_are_added_to_the_machine_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ABSENT.slow
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    missing = ABSENT.missing()
    assert missing is not None
    assert missing.missing == "frobnicate not on the PATH"
    assert "apt-get install --no-install-recommends frobnicator" in missing.how


def test_recipes_together_are_as_slow_and_as_bound_as_their_parts(tmp_path: Path) -> None:
    python = PyPI(requirements=("thing==1",))
    both = CompositeRecipe(parts=(python, SHELL))
    assert not both.slow
    assert CompositeRecipe(parts=(python, ABSENT)).slow
    assert both.pins() == ("thing==1", "Debian dash")
    assert both.platform == python.platform
    assert both.steps(tmp_path) == python.steps(tmp_path)
    assert both.program(tmp_path, "sh") == SHELL.program(tmp_path, "sh")
    assert both.program(tmp_path, "thing") == tmp_path / "bin" / "thing"


def test_installable_providers_are_distinguished_from_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFORMANCE_CACHE", str(tmp_path))
    environment = Environment(name="thing", title="Thing", recipe=ABSENT, checks=("frobnicate",))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert not environment.availability().installable
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(
        "bucket_conformance.providers.launch.recipes.shutil.which",
        lambda name: "/bin/x" if name in ("sh", "apt-get") else None,
    )
    availability = environment.availability()
    assert not availability.ready
    assert availability.installable
    assert availability.how.startswith("run: conformance install thing ")


@pytest.mark.parametrize(
    ("recipe", "on_path", "how"),
    [
        (
            GoModule(package="x.org/p", version="v1"),
            "p",
            "install Go (https://go.dev/dl), then run: conformance install p; or put the program p on the PATH",
        ),
        (Crate(name="p", version="1"), None, "install Rust (https://rustup.rs), then run: conformance install p"),
        (Npm(packages=("p@1",)), None, "install Node.js 20 or newer, npm with it (https://nodejs.org)"),
    ],
)
def test_a_missing_tool_is_reported_with_every_step_to_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: Recipe, on_path: str | None, how: str
) -> None:
    monkeypatch.setenv("CONFORMANCE_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    environment = Environment(name="p", title="P", recipe=recipe, checks=("p",), on_path=on_path)
    assert environment.availability().how == how
