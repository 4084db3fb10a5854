"""Which providers ``conformance run`` judges, what it installs first, and what it skips."""

from __future__ import annotations

from pathlib import Path

import pytest

from bucket_conformance.conformance.cli.main import main
from bucket_conformance.conformance.report.document import read
from bucket_conformance.conformance.verdict import Verdict
from tests.conformance.cli.running import conformance
from tests.conformance.cli.test_install import provider_file

FEW = ("--quick", "--clause", "KEY-001", "--clause", "KEY-009")
ABSENT = 'id = "absent"\ntitle = "Absent"\ncommand = ["no-such-program"]\n'


def verdicts(folder: Path) -> dict[str, set[Verdict]]:
    return {section.provider: set(section.verdicts().values()) for section in read(folder / "r.jsonl")}


def skipped(folder: Path, *args: str) -> tuple[int, set[Verdict], str]:
    """Judge ``absent`` together with the local disk; return the exit code, its verdicts and the output."""
    done = conformance(folder, "run", "local_disk", "absent", *args, *FEW, "--report", "r.jsonl")
    return done.returncode, verdicts(folder)["absent"], " ".join((done.stdout + done.stderr).split())


def test_what_is_missing_is_an_error_or_skipped_as_the_caller_wants_and_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "absent.toml").write_text(ABSENT, encoding="utf-8")
    file = ("--provider-file", "absent.toml")
    code, found, said = skipped(tmp_path, *file)
    assert (code, found) == (3, {Verdict.ERROR})
    assert "could not be judged: Absent cannot be reached from here." in said
    code, found, said = skipped(tmp_path, *file, "--skip-missing")
    assert (code, found) == (0, {Verdict.SKIPPED})
    assert said.count("no-such-program is not on the PATH") == 1
    assert "· absent skipped: Absent cannot be reached from here." in said


def test_a_server_that_does_not_come_up_is_an_error_also_where_what_is_missing_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "absent.toml").write_text(ABSENT.replace("no-such-program", "false"), encoding="utf-8")
    code, found, said = skipped(tmp_path, "--provider-file", "absent.toml", "--skip-missing")
    assert (code, found) == (3, {Verdict.ERROR})
    assert "ended with exit code 1" in said


def test_all_selects_providers_that_start_here_and_no_remote_services(tmp_path: Path) -> None:
    (tmp_path / "absent.toml").write_text(ABSENT, encoding="utf-8")
    here = ("--all", "--provider-file", "absent.toml", "--launch")
    done = conformance(tmp_path, "run", *here, "embedded", *FEW, "--report", "r.jsonl")
    assert done.returncode == 0, done.stderr
    assert [section.provider for section in read(tmp_path / "r.jsonl")] == ["local_disk"]
    none = conformance(tmp_path, "run", *here, "remote", *FEW)
    assert none.returncode == 2
    assert "b2: left out: environment variables CONFORMANCE_B2_ACCESS_KEY_ID" in none.stderr
    assert "no provider starts on this machine in that way" in none.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [(["--all", "moto"], "--all takes no names"), (["--all", "--endpoint", "http://h"], "name no provider")],
)
def test_all_goes_with_nothing_else_that_names_a_backend(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    assert main(["run", *words]) == 2
    assert says in capsys.readouterr().err


def test_a_big_build_is_made_only_where_asked_for_and_its_failure_can_be_skipped(tmp_path: Path) -> None:
    built = tmp_path / "built"
    good = provider_file(tmp_path, "good", f'touch "$PREFIX/program" {built}')
    bad = provider_file(tmp_path, "bad", "echo no release $((40 + 2)); exit 7")
    cache = {"CONFORMANCE_CACHE": str(tmp_path / "cache")}
    args = ("run", "good", "bad", "--provider-file", good, "--provider-file", bad, *FEW, "--report", "r.jsonl")
    done = conformance(tmp_path, *args, "--skip-missing", **cache)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not built.exists()
    done = conformance(tmp_path, *args, "--skip-missing", "--install", **cache)
    assert built.exists()
    assert verdicts(tmp_path) == {"good": {Verdict.ERROR}, "bad": {Verdict.SKIPPED}}, "the good server is /bin/false"
    assert "no release 42" in done.stdout
    assert done.returncode == 3
