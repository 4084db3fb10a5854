"""Environments: built once, whole or not at all, with real commands; failures carry the log."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from bucket_conformance.providers.launch.environment import Environment, Step
from bucket_conformance.providers.launch.recipes import Crate, Debian, GoModule, MavenJar, Npm, PyPI
from bucket_conformance.providers.provider import Availability, LaunchError, Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A recipe of one shell command, which really runs."""

    script: str
    slow: bool = False
    platform: str = ""
    tries: int = 1

    def pins(self) -> tuple[str, ...]:
        return (self.script,)

    def missing(self) -> Availability | None:
        return None

    def steps(self, prefix: Path) -> tuple[Step, ...]:
        return (Step(argv=("/bin/sh", "-c", self.script), env={"PREFIX": str(prefix)}, tries=self.tries),)

    def program(self, prefix: Path, name: str) -> Path:
        return prefix / name


def environment(script: str, *, slow: bool = False) -> Environment:
    return Environment(name="thing", title="Thing", recipe=Script(script=script, slow=slow), checks=("tool",))


@pytest.fixture
def cache(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONFORMANCE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_it_is_built_once_below_the_cache(cache: Path) -> None:
    lines: list[str] = []
    thing = environment('echo building; date +%N > "$PREFIX/tool"')
    assert thing.availability().note.startswith("installs ")
    thing.install(lines.append)
    first = thing.program("tool").read_bytes()
    thing.install(lines.append)
    assert thing.program("tool").read_bytes() == first
    assert thing.program("tool").is_relative_to(cache / "environments")
    assert [line for line in lines if line.endswith("once")] == [lines[0]]
    assert "Thing: building" in lines


def test_another_pin_is_another_folder(cache: Path) -> None:
    assert environment("true").prefix != environment("true # 2").prefix


def test_a_build_that_was_cut_short_is_built_again_from_nothing(cache: Path) -> None:
    thing = environment('touch "$PREFIX/tool"')
    thing.prefix.mkdir(parents=True)
    (thing.prefix / "tool").touch()
    (thing.prefix / "half").touch()
    assert not thing.built
    thing.install(lambda line: None)
    assert not (thing.prefix / "half").exists()
    assert thing.program("tool").exists()


def test_a_build_whose_program_has_gone_is_built_again(cache: Path) -> None:
    thing = environment('touch "$PREFIX/tool"')
    thing.install(lambda line: None)
    (thing.prefix / "tool").unlink()
    thing.install(lambda line: None)
    assert thing.program("tool").exists()


def test_a_failed_build_shows_the_end_of_its_log_and_keeps_it(cache: Path, state: Path) -> None:
    thing = environment("seq 1 100; echo no such package; exit 7")
    with pytest.raises(LaunchError, match=r"installation failed \(exit 7\)") as caught:
        thing.install(lambda line: None)
    assert "no such package" in str(caught.value)
    assert "\n100\n" in caught.value.log
    assert "\n50\n" not in caught.value.log
    (log,) = (state / "logs").iterdir()
    assert str(log) in str(caught.value)
    assert "\n50\n" in log.read_text()
    assert not thing.built


def test_a_step_over_the_network_is_tried_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bucket_conformance.providers.launch.environment._PAUSES_S", (0.01,))
    tried = cache.parent / "tried"
    script = f'echo x >> {tried}; [ "$(wc -l < {tried})" -ge 3 ] || exit 6; touch "$PREFIX/tool"'
    for tries, succeeds in ((2, False), (3, True)):
        tried.unlink(missing_ok=True)
        lines: list[str] = []
        thing = Environment(
            name=f"thing{tries}", title="Thing", recipe=Script(script=script, tries=tries), checks=("tool",)
        )
        with contextlib.nullcontext() if succeeds else pytest.raises(Unavailable, match=r"failed \(exit 6\)"):
            thing.install(lines.append)
        assert (thing.built, tried.read_text()) == (succeeds, "x\n" * tries)
        assert lines.count("Thing: sh failed, trying again in 0.01 s") == tries - 1


@pytest.mark.parametrize(
    "recipe", [PyPI(requirements=("x==1",)), Npm(packages=("x@1",)), GoModule(package="e.org/x", version="v1")]
)
def test_whatever_fetches_is_tried_three_times(recipe: PyPI | Npm | GoModule, tmp_path: Path) -> None:
    assert recipe.steps(tmp_path)[-1].tries == 3


def test_a_build_that_ends_well_without_its_program_is_a_failure(cache: Path) -> None:
    with pytest.raises(LaunchError, match="tool is not there"):
        environment("true").install(lambda line: None)


def test_installers_see_no_storage_credentials_and_logins_in_addresses_are_masked(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "AP_S3_SECRET_ACCESS_KEY", "CONFORMANCE_R2_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "the-secret")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    lines: list[str] = []
    thing = environment('env; echo https://me:pass@packages.example/simple; touch "$PREFIX/tool"')
    thing.install(lines.append)
    assert not any("the-secret" in line or "PYTHONPATH" in line for line in lines)
    assert "Thing: https://***@packages.example/simple" in lines


def test_two_at_once_build_it_once(cache: Path) -> None:
    counter = cache.parent / "count"
    counter.touch()
    thing = environment(f'echo x >> {counter}; sleep 0.2; touch "$PREFIX/tool"')
    lines: list[str] = []
    threads = [threading.Thread(target=thing.install, args=(lines.append,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.read_text() == "x\n"
    assert thing.built


def test_a_slow_recipe_is_not_ready_until_installed_and_names_the_command(cache: Path) -> None:
    thing = environment('touch "$PREFIX/tool"', slow=True)
    assert not thing.availability().ready
    assert thing.availability().how.startswith("run: conformance install thing ")
    thing.install(lambda line: None)
    assert thing.availability() == Availability(ready=True)


def test_a_program_on_the_path_is_used_instead(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "tool"
    program.parent.mkdir()
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    thing = Environment(name="t", title="T", recipe=Script(script="exit 1"), checks=("tool",), on_path="tool")
    thing.install(lambda line: None)
    assert thing.program("tool") == program


def test_a_missing_program_names_the_command_that_installs_it(cache: Path) -> None:
    with pytest.raises(LaunchError, match="run: conformance install thing"):
        environment("true").program("tool")


def test_a_real_venv_is_separate_from_the_suites_own(cache: Path) -> None:
    thing = Environment(name="venv", title="Venv", recipe=PyPI(requirements=("pip",)), checks=("python",))
    thing.install(lambda line: None)
    said = subprocess.run(
        [thing.program("python"), "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert Path(said) == thing.prefix
    assert Path(said) != Path(sys.prefix)
    assert thing.distribution_version("pip")[0].isdigit()
    assert thing.distribution_version("no-such-distribution") == ""


@pytest.mark.parametrize(
    ("recipe", "tool"),
    [
        (GoModule(package="example.org/x", version="v1"), "go"),
        (Crate(name="x", version="1"), "cargo"),
        (Npm(packages=("x@1",)), "npm"),
        (MavenJar(coordinates="g:a:1"), "java"),
        (Debian(packages=("x-server",), programs=("x-serverd",)), "x-serverd"),
    ],
)
def test_a_machine_without_the_tool_says_which_and_what_to_do(
    recipe: GoModule | Crate | Npm | MavenJar | Debian, tool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    found = recipe.missing()
    assert found is not None
    assert not found.ready
    assert tool in found.missing
    assert "install" in found.how


def test_a_server_that_does_not_run_on_this_python_says_so() -> None:
    found = PyPI(requirements=("x==1",), python=((3, 1), (3, 2))).missing()
    assert found is not None
    assert found.missing.startswith("x==1 runs on Python 3.1 to 3.2, this is 3.")


def test_a_cache_that_cannot_be_written_names_the_variable(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CONFORMANCE_CACHE", os.fspath(tmp_path / "file"))
    with pytest.raises(LaunchError, match="set CONFORMANCE_CACHE"):
        environment("true").install(lambda line: None)
