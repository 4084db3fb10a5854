"""The examples, executed: their files as they are, judged by a handful of clauses."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bucket_conformance.conformance.cli.main import main
from bucket_conformance.conformance.gate.baseline import read_baseline, render_baseline
from bucket_conformance.conformance.report.document import read
from tests.ci.acting import OURS, ROOT, Runner, needs_act, really, repository
from tests.ci.test_action import the_action
from tests.conformance.cli.running import environment

SOME = ("DEL-001", "LIST-002", "RT-002", "RT-003")
KNOWN = "URL-018"
"""A deviation that the server's baseline accepts."""


def example(name: str, target: Path) -> Path:
    """Copy an example without what running it leaves behind."""
    left = shutil.ignore_patterns("__pycache__", "*.jsonl", ".pytest_cache")
    shutil.copytree(ROOT / "examples" / name, target, ignore=left)
    return target


def judged(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in the example's folder, with the example's own settings."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--conformance-mode=quick", *args],
        cwd=folder,
        env=environment(folder, PYTHONPATH="src"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_the_storage_class_is_judged_by_pytest_alone_and_passes_its_gate(tmp_path: Path) -> None:
    folder = example("sqlite_storage", tmp_path / "sqlite")
    done = judged(folder, "-k", " or ".join(SOME), "--conformance-report", "report.jsonl")
    assert done.returncode == 0, done.stdout + done.stderr
    (section,) = read(folder / "report.jsonl")
    assert section.verdicts() == dict.fromkeys(SOME, "conforms")
    gate = ["gate", str(folder / "report.jsonl"), "--baseline", str(folder / "baseline.toml"), "--partial"]
    assert main(gate) == 0


def test_the_clauses_notice_a_fault_of_the_storage_class(tmp_path: Path) -> None:
    folder = example("sqlite_storage", tmp_path / "sqlite")
    storage = folder / "src" / "sqlite_storage" / "storage.py"
    good = storage.read_text("utf-8")
    bad = good.replace("WHERE key >= ? AND key > ? AND", "WHERE key >= ? AND key >= ? AND")
    assert bad != good
    storage.write_text(bad.replace("PAGE_KEYS: Final = 500", "PAGE_KEYS: Final = 2"), encoding="utf-8")
    done = judged(folder, "-k", "LIST-002", "--conformance-report", "report.jsonl")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "LIST-002 (MUST)" in done.stdout
    gate = ["gate", str(folder / "report.jsonl"), "--baseline", str(folder / "baseline.toml"), "--partial"]
    assert main(gate) == 1


@needs_act
def test_the_workflow_of_the_server_judges_it_by_the_action_and_passes(tmp_path: Path) -> None:
    """With the server and the suite of this environment: what installs them is left out."""
    pytest.importorskip("moto.server")
    workspace = example("object_server", tmp_path / "workspace")
    path = workspace / ".github" / "workflows" / "conformance.yml"
    workflow: dict[Any, Any] = yaml.safe_load(path.read_text("utf-8"))
    steps = workflow["jobs"]["judge"]["steps"]
    kept = [step for step in steps if step.get("name") != "Install the server"]
    assert len(kept) == len(steps) - 1
    (step,) = [step for step in kept if step.get("uses") == OURS]
    step["with"]["python"] = sys.executable
    # A few clauses, one of them a known deviation; the baseline is narrowed to them.
    step["with"]["arguments"] += "".join(f" --clause {clause}" for clause in (*SOME, KNOWN))
    workflow["jobs"]["judge"]["steps"] = kept
    workflow["on"] = workflow.pop(True)  # what YAML 1.1 makes of that word
    path.write_text(yaml.safe_dump(workflow))
    _narrow(workspace / "baseline.toml")
    outcome = Runner(folder=tmp_path, workspace=repository(workspace), action=the_action(tmp_path)).run(path)
    assert outcome.exit_code == 0, outcome.log
    assert outcome.summaries.startswith(f"## ✓ Gate passed\n\n{len(SOME) + 1} expected\n")
    (judged,) = read(outcome.artifacts / "conformance" / "report.jsonl")
    assert judged.verdicts() == {**dict.fromkeys(SOME, "conforms"), KNOWN: "deviates"}


@needs_act
@really
@pytest.mark.parametrize("name", ["sqlite_storage", "object_server"])
def test_the_workflow_of_an_example_passes_as_it_is(name: str, tmp_path: Path) -> None:
    workspace = repository(example(name, tmp_path / "workspace"))
    (path,) = workspace.glob(".github/workflows/*.yml")
    runner = Runner(folder=tmp_path, workspace=workspace, action=the_action(tmp_path, whole=True))
    outcome = runner.run(path, path=f"{Path(sys.base_prefix) / 'bin'}:/usr/local/bin:/usr/bin:/bin", timeout_s=3600)
    assert outcome.exit_code == 0, outcome.log
    assert "✓ Gate passed" in outcome.summaries


def _narrow(path: Path) -> None:
    """Leave out of a baseline what is not judged here."""
    baseline = read_baseline(path)
    for provider in baseline.values():
        provider.plain = {clause: verdict for clause, verdict in provider.plain.items() if clause in (*SOME, KNOWN)}
        provider.entries = {clause: entry for clause, entry in provider.entries.items() if clause in (*SOME, KNOWN)}
    path.write_text(render_baseline(baseline), encoding="utf-8")
