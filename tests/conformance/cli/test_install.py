"""``conformance install``: what it downloads, what it leaves out, and its messages."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from bucket_conformance.conformance.cli.main import main
from bucket_conformance.providers import discover
from tests.conformance.cli.running import started, until
from tests.providers.launching import is_alive

PROVIDER_FILE = """
import dataclasses
from pathlib import Path
from bucket_conformance.providers.launch.environment import Environment, Step
from bucket_conformance.providers.launch.process import Command, ProcessLaunch
from bucket_conformance.providers.moto import PROVIDER as base
from bucket_conformance.providers.provider import Availability

@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    script: str
    tool: str = ""
    slow: bool = True
    platform: str = ""
    def pins(self): return (self.script,)
    def missing(self):
        return Availability(ready=False, missing=f"{{self.tool}} is not here", how="get it") if self.tool else None
    def steps(self, prefix): return (Step(argv=("/bin/sh", "-c", self.script), env={{"PREFIX": str(prefix)}}),)
    def program(self, prefix, name): return prefix / name

environment = Environment(
    name="thing", title="Thing", recipe=Script(script={script!r}, tool={tool!r}), checks=("program",)
)
launch = ProcessLaunch(
    name="thing", title="Thing", environment=environment,
    command=lambda context: Command(argv=("false",)), version=lambda answer: "1",
)
PROVIDER = dataclasses.replace(base, id={id!r}, launches=(launch,))
"""


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFORMANCE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CONFORMANCE_STATE", str(tmp_path / "state"))


def provider_file(folder: Path, id: str, script: str, tool: str = "") -> str:
    path = folder / f"{id}.py"
    path.write_text(PROVIDER_FILE.format(id=id, script=script, tool=tool), encoding="utf-8")
    return str(path)


def test_several_are_installed_and_the_one_that_fails_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = provider_file(tmp_path, "good", 'echo working; touch "$PREFIX/program"')
    bad = provider_file(tmp_path, "bad", "echo no release $((40 + 2)); exit 7")
    code = main(["install", "bad", "good", "--provider-file", good, "--provider-file", bad])
    out, err = capsys.readouterr()
    assert code == 3
    assert out == "good: ready\n"
    assert "good: Thing: working" in err
    assert err.count("no release 42") == 2, "once as progress, once in the message"
    assert err.endswith("conformance: not installed: bad\n")


def test_a_provider_without_installation_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["install", "local_disk", "r2"]) == 0
    assert capsys.readouterr().out == "local_disk: nothing to install\nr2: nothing to install\n"


def test_all_leaves_out_what_the_machine_cannot_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [
        provider_file(tmp_path, "good", 'touch "$PREFIX/program"'),
        provider_file(tmp_path, "lacking", "exit 1", tool="frobnicator"),
    ]

    def only_ours(extra: list[Path]) -> object:
        return {id: provider for id, provider in discover(extra).items() if id in ("good", "lacking", "local_disk")}

    monkeypatch.setattr("bucket_conformance.conformance.cli.install_command.discover", only_ours)
    code = main(["install", "--all", *(word for file in files for word in ("--provider-file", file))])
    assert code == 0
    assert capsys.readouterr().out == "good: ready\nlacking: left out: frobnicator is not here\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "name the providers to install, or give --all"),
        (["--all", "moto"], "--all takes no names"),
        (["moot"], "unknown provider 'moot'; known: aws, "),
    ],
)
def test_wrong_usage_is_reported(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["install", *words]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_processes_of_an_installation_end_with_it(tmp_path: Path, number: signal.Signals) -> None:
    note = tmp_path / "pid"
    script = f"sleep 600 & echo $! > {note}.part; mv {note}.part {note}; echo compiling; wait"
    path = provider_file(tmp_path, "endless", script)
    cache = str(tmp_path / "cache")
    with started(tmp_path, "install", "endless", "--provider-file", path, CONFORMANCE_CACHE=cache) as process:
        until(note.exists, "the installation has started something")
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said.splitlines()[-1]) == (130, "conformance: interrupted")
    until(lambda: not is_alive(int(note.read_text(encoding="ascii"))), "it has ended", 10)
