"""The workflows: checked by the tools that know GitHub's rules, and executed as far as it goes without GitHub."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest
import yaml

from bucket_conformance.conformance.report.document import read
from bucket_conformance.providers import discover
from tests.ci import nightly, nightly_merge
from tests.ci.acting import ROOT, Runner, needs_act, really, repository, uses
from tests.conformance.report.documents import section, write

WORKFLOWS = sorted([*ROOT.glob(".github/workflows/*.yml"), *ROOT.glob("examples/*/.github/workflows/*.yml")])
ACTIONLINT = shutil.which("actionlint") or shutil.which("actionlint", path=str(Path.home() / "go" / "bin"))
ZIZMOR = shutil.which("zizmor", path=str(Path(sys.executable).parent)) or shutil.which("zizmor")

each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: str(path.relative_to(ROOT)))


def load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return found


def said(*command: str) -> tuple[int, str]:
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False
    )
    return done.returncode, done.stdout


@pytest.mark.skipif(ACTIONLINT is None, reason="actionlint is not installed: go install github.com/rhysd/actionlint/…")
def test_actionlint_finds_nothing() -> None:
    assert said(str(ACTIONLINT), *map(str, WORKFLOWS)) == (0, "")


@pytest.mark.skipif(ZIZMOR is None, reason="zizmor is not installed: pip install zizmor")
def test_an_audit_of_their_security_finds_nothing() -> None:
    options = ("--offline", "--no-progress", "--quiet", "--config", ".github/zizmor.yml")
    code, log = said(str(ZIZMOR), *options, "action.yml", *map(str, WORKFLOWS))
    assert code == 0, log


@each_workflow
def test_a_workflow_has_minimal_permissions_and_every_job_a_timeout(path: Path) -> None:
    workflow = load(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert "concurrency" in workflow
    for name, job in workflow["jobs"].items():
        assert "uses" in job or "timeout-minutes" in job, name


@each_workflow
def test_a_shell_gets_values_from_the_environment_only(path: Path) -> None:
    steps = [step for job in load(path)["jobs"].values() for step in job.get("steps", [])]
    assert not [step["run"] for step in steps if "${{" in step.get("run", "")]


def test_our_action_passes_values_to_its_shell_by_the_environment_only() -> None:
    action = load(ROOT / "action.yml")
    assert not [step["name"] for step in action["runs"]["steps"] if "${{" in step.get("run", "")]
    assert all(entry["description"] for entry in [*action["inputs"].values(), *action["outputs"].values()])


def test_an_action_is_named_in_one_version_everywhere() -> None:
    names = set().union(*(uses(load(path)) for path in [*WORKFLOWS, ROOT / "action.yml"]))
    versions = [name for name in names if "@" in name]
    assert len({name.partition("@")[0] for name in versions}) == len(versions), sorted(versions)


def test_a_night_has_a_job_for_each_provider_and_each_service() -> None:
    plan = {name: json.loads(value) for name, value in nightly.plan(discover().values(), seed=7).items()}
    assert plan["seed"] == 7
    judged = [*plan["started"], *(entry["provider"] for entry in plan["live"])]
    assert sorted(judged) == sorted(set(discover()) - {nightly.ANY_ENDPOINT})
    assert {"provider": "aws", "variables": "CONFORMANCE_AWS"} in plan["live"]
    assert set(plan["containers"]) <= set(plan["started"])


def test_a_missing_report_of_a_night_is_named_and_affects_no_other_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "moto.jsonl", section({"KEY-001": "conforms"}, provider="moto"))
    write(tmp_path / "aws.jsonl", section({"KEY-001": "skipped"}, provider="aws"))
    (tmp_path / "minio.jsonl").write_text((tmp_path / "moto.jsonl").read_text().partition('{"type":"footer"')[0])
    summary, merged = tmp_path / "summary.md", tmp_path / "nightly.jsonl"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("STARTED", '["garage", "minio", "moto"]')
    monkeypatch.setenv("LIVE", '[{"provider": "aws"}]')
    assert nightly_merge.main(str(tmp_path), str(merged)) == 3
    assert [found.provider for found in read(merged)] == ["aws", "moto"]
    text = summary.read_text("utf-8")
    assert "- garage: its job left no report" in text
    assert "- minio: " in text
    monkeypatch.setenv("STARTED", '["moto"]')
    assert nightly_merge.main(str(tmp_path), str(merged)) == 0


@needs_act
def test_a_service_without_secrets_is_skipped_by_name(tmp_path: Path) -> None:
    runner = Runner(folder=tmp_path, workspace=_checkout(tmp_path / "workspace"))
    path = f"{_installed_already(tmp_path / 'programs')}:{runner.search_path}"
    outcome = runner.run(
        runner.workspace / ".github/workflows/nightly.yml", job="live", matrix=["provider:aws"], path=path
    )
    assert outcome.exit_code == 0, outcome.log
    (skipped,) = read(outcome.artifacts / "report-aws" / "aws.jsonl")
    assert set(skipped.verdicts().values()) == {"skipped"}
    assert "CONFORMANCE_AWS_ACCESS_KEY_ID" in skipped.results[0].reason


@needs_act
@really
def test_a_night_of_one_provider_ends_in_a_merged_report(tmp_path: Path) -> None:
    runner = Runner(folder=tmp_path, workspace=_checkout(tmp_path / "workspace"))
    outcome = runner.run(
        runner.workspace / ".github/workflows/nightly.yml",
        job="merge",
        matrix=["provider:local_disk"],
        path=_clean_python(tmp_path / "python"),
        timeout_s=1800,
    )
    (judged,) = read(outcome.artifacts / "nightly" / "nightly.jsonl")
    assert judged.provider == "local_disk"
    assert "## Nightly matrix" in outcome.summaries
    assert "- moto: its job left no report" in outcome.summaries
    assert outcome.exit_code == 1  # the other providers have no report, and the exit code says so


@needs_act
@really
def test_a_release_is_built_checked_and_tried(tmp_path: Path) -> None:
    runner = Runner(folder=tmp_path, workspace=_checkout(tmp_path / "workspace"))
    outcome = runner.run(
        runner.workspace / ".github/workflows/release.yml",
        "workflow_dispatch",
        job="build",
        path=_clean_python(tmp_path / "python"),
        timeout_s=900,
    )
    assert outcome.exit_code == 0, outcome.log
    assert {path.suffix for path in (outcome.artifacts / "dist").iterdir()} == {".whl", ".gz"}


@needs_act
@really
def test_the_site_has_documentation_and_matrix_and_the_history_grows(tmp_path: Path) -> None:
    workspace = _checkout(tmp_path / "workspace")
    origin = tmp_path / "origin.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", str(workspace), str(origin)], check=True)
    subprocess.run(["git", "-C", str(workspace), "remote", "add", "origin", str(origin)], check=True)
    runner = Runner(folder=tmp_path, workspace=workspace)
    path = _clean_python(tmp_path / "python")
    site = tmp_path / "artifacts" / "github-pages"

    # Publishing itself is left out by name: that only GitHub can do.
    first = runner.run(workspace / ".github/workflows/pages.yml", job="deploy", path=path, timeout_s=1200)
    assert first.exit_code == 0, first.log
    for page in ("index.html", "contract/index.html", "providers/moto.html", "matrix/index.html"):
        assert (site / page).is_file(), page
    assert "acme" not in (site / "matrix" / "index.html").read_text("utf-8")
    assert not _stored(origin), "no report, no history"

    calls = _as_the_night_calls_it(workspace)
    for day, verdict in enumerate(("conforms", "deviates"), 1):
        started = f"2026-11-0{day}T02:00:00Z"
        night = section({"KEY-001": verdict}, provider="acme", version=f"{day}.0", started=started)
        write(_made(tmp_path / "artifacts" / "nightly") / "nightly.jsonl", night)
        outcome = runner.run(calls, "workflow_dispatch", path=path, timeout_s=1200)
        assert outcome.exit_code == 0, outcome.log
        assert len(_stored(origin)) == day
    assert (site / "index.html").is_file()
    assert not (site / "matrix" / ".git").exists()
    assert "acme" in (site / "matrix" / "index.html").read_text("utf-8").lower()


def _as_the_night_calls_it(workspace: Path) -> Path:
    """Write a workflow that is the last job of the nightly one, with the same permissions and inputs."""
    (job,) = [job for job in load(ROOT / ".github/workflows/nightly.yml")["jobs"].values() if "uses" in job]
    kept = {name: value for name, value in job.items() if name not in ("needs", "if")}
    path = workspace / ".github" / "workflows" / "night.yml"
    path.write_text(yaml.safe_dump({"on": "workflow_dispatch", "jobs": {"pages": kept}}), encoding="utf-8")
    return path


def _stored(origin: Path) -> list[str]:
    """Return the reports on the branch that holds the history; nothing where there is no such branch."""
    listed = subprocess.run(
        ["git", "-C", str(origin), "ls-tree", "-r", "--name-only", "history"],
        capture_output=True,
        text=True,
        check=False,
    )
    return [name for name in listed.stdout.split() if name.endswith(".jsonl")]


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _checkout(folder: Path) -> Path:
    """Copy what a checkout of the repository holds, changes that are not committed included."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("this is no checkout of the repository")
    for name in listed.stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return repository(folder)


def _installed_already(folder: Path) -> Path:
    """Make a `python` that leaves out what would change the environment of these tests, and runs all else."""
    folder.mkdir()
    program = folder / "python"
    program.write_text(
        "#!/bin/sh\n"
        'case "$*" in "-m pip install"*) echo "left out, the suite is installed already: pip install"; exit 0 ;; esac\n'
        f'exec {sys.executable} "$@"\n'
    )
    program.chmod(0o755)
    return folder


def _clean_python(folder: Path) -> str:
    """Make a Python with nothing installed; return a search path on which it comes first."""
    venv.create(folder, with_pip=True)
    return f"{folder / 'bin'}:/usr/local/go/bin:/usr/local/bin:/usr/bin:/bin"
