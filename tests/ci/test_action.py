"""Our action, executed against real servers: what it judges, gates, writes and outputs."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from bucket_conformance.conformance.cli.main import main
from bucket_conformance.conformance.contract import CONTRACT_VERSION
from bucket_conformance.conformance.report.disclosure import WITHHELD
from bucket_conformance.conformance.report.document import read
from tests.ci.acting import OURS, ROOT, Outcome, Runner, needs_act, really, repository
from tests.conformance.report.documents import section, write
from tests.exemplar.server import Exemplar
from tests.faults.gateway import FaultyServer, all_faults
from tests.faults.upstreams import InProcess

pytestmark = needs_act

SECRET = "a-Secret+of/the.endpoint=="
KEYS = {"AWS_ACCESS_KEY_ID": "exemplar", "AWS_SECRET_ACCESS_KEY": SECRET}
FEW = "--clause DEL-001 --clause RT-003"


def server(fault: str = "") -> FaultyServer:
    return FaultyServer(all_faults()[fault] if fault else None, upstream=InProcess(Exemplar("exemplar", SECRET)))


def act(folder: Path, inputs: Mapping[str, str], *, baseline: str = "", python: str = sys.executable) -> Outcome:
    """Run a workflow of one job that uses the action where the suite is installed, and keep the action's outputs."""
    workspace = folder / "workspace"
    steps: list[dict[str, Any]] = [
        {"uses": "actions/checkout@v7"},
        {
            "id": "judged",
            "uses": OURS,
            "env": {name: f"${{{{ secrets.{name} }}}}" for name in KEYS},
            "with": {"python": python, **inputs},
        },
        {
            "if": "always()",
            "env": {"OUTPUTS": "${{ toJSON(steps.judged.outputs) }}", "PAGE": "${{ steps.judged.outputs.page }}"},
            "run": 'echo "$OUTPUTS" > "$ARTIFACTS/outputs.json"; [ -z "$PAGE" ] || cp "$PAGE" "$ARTIFACTS/page.html"',
        },
    ]
    workflow = workspace / ".github" / "workflows" / "gate.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text(yaml.safe_dump({"on": "push", "jobs": {"gate": {"runs-on": "ubuntu-24.04", "steps": steps}}}))
    if baseline:
        (workspace / "baseline.toml").write_text(baseline, encoding="utf-8")
    runner = Runner(folder=folder, workspace=repository(workspace), action=the_action(folder))
    return runner.run(workflow, secrets=KEYS)


def the_action(folder: Path, *, whole: bool = False) -> Path:
    """Copy the files of the action as a tag of our repository has them; ``whole``: with the packages to install."""
    target = folder / "action"
    target.mkdir(parents=True)
    shutil.copy(ROOT / "action.yml", target)
    if whole:
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, target)
        for name in ("conformance", "providers", "reference_impl"):
            shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def outputs(outcome: Outcome) -> dict[str, str]:
    found: dict[str, str] = json.loads((outcome.artifacts / "outputs.json").read_text("utf-8"))
    return found


@pytest.fixture
def baseline(tmp_path: Path) -> str:
    """Return the path of a baseline in which both clauses conform."""
    good = section(
        {"DEL-001": "conforms", "RT-003": "conforms"},
        provider="endpoint",
        version="unknown",
        contract=CONTRACT_VERSION,
        backend={"name": "endpoint", "version": "unknown"},
    )
    report, path = write(tmp_path / "accepted.jsonl", good), tmp_path / "accepted.toml"
    assert main(["accept", report, "--baseline", str(path), "--reason", "first look"]) == 0
    return path.read_text("utf-8")


def test_a_good_endpoint_passes_with_summary_report_and_page(tmp_path: Path, baseline: str) -> None:
    with server() as good:
        inputs = {"endpoint": good.url, "mode": "quick", "arguments": f"{FEW} --seed 7", "baseline": "baseline.toml"}
        outcome = act(tmp_path, {**inputs, "title": "Our `own` store $(touch injected)"}, baseline=baseline)
    assert outcome.exit_code == 0, outcome.log
    said = outputs(outcome)
    assert (said["exit-code"], said["verdict"]) == ("0", "passed")
    kept = outcome.artifacts / "conformance"
    assert {path.name for path in kept.iterdir()} >= {"report.jsonl", "index.html", "junit.xml", "summary.md"}
    (section,) = read(kept / "report.jsonl")
    assert (section.header.seed, section.header.mode) == (7, "quick")
    assert section.verdicts() == {"DEL-001": "conforms", "RT-003": "conforms"}
    assert Path(said["report"]).name == "report.jsonl"
    assert (outcome.artifacts / "page.html").read_bytes() == (kept / "index.html").read_bytes()
    assert outcome.summaries.startswith("## ✓ Gate passed\n\n2 expected\n")
    assert "## Our \\`own\\` store $(touch injected)" in outcome.summaries
    assert not list(tmp_path.rglob("injected"))
    leaks = [path for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert SECRET not in outcome.log
    assert not leaks


def test_a_regression_fails_the_job_and_is_reported_first(tmp_path: Path, baseline: str) -> None:
    with server("get-missing-gives-empty-200") as bad:
        inputs = {"endpoint": bad.url, "mode": "quick", "arguments": FEW, "baseline": "baseline.toml"}
        outcome = act(tmp_path, {**inputs, "artifact": "endpoint-report"}, baseline=baseline)
    assert outcome.exit_code == 1, outcome.log
    said = outputs(outcome)
    assert (said["exit-code"], said["verdict"]) == ("1", "regression")
    assert outcome.summaries.startswith("## ✗ Gate failed\n\n1 regression, 1 expected\n")
    assert "| ✗ | regression | endpoint | RT-003 |" in outcome.summaries
    assert (outcome.artifacts / "endpoint-report" / "reproducers" / "endpoint" / "RT-003.py").is_file()


@pytest.mark.parametrize("public", ["", "false"])
def test_an_undisclosed_attack_is_shown_in_private_only(tmp_path: Path, public: str) -> None:
    few = {"mode": "quick", "arguments": "--clause URL-017 --seed 1", "public": public}
    with server("serves-without-a-signature") as bad:
        outcome = act(tmp_path, {"endpoint": bad.url, **few})
    assert outcome.exit_code == 1, outcome.log
    kept = outcome.artifacts / "conformance"
    names = ("report.jsonl", "index.html", "summary.md")
    shown = [outcome.log, outcome.summaries, *((kept / name).read_text("utf-8") for name in names)]
    start = WITHHELD.partition(" of ")[0]  # a log has lines
    assert [start in text for text in shown] == [not public] * len(shown)
    assert (kept / "reproducers" / "endpoint" / "URL-017.py").exists() is bool(public)
    assert ('"evidence"' in (kept / "report.jsonl").read_text("ascii")) is bool(public)


@really
def test_without_a_baseline_an_unexpected_deviation_fails_the_job(tmp_path: Path) -> None:
    with server("get-missing-gives-empty-200") as bad:
        outcome = act(tmp_path, {"endpoint": bad.url, "mode": "quick", "arguments": FEW, "artifact": ""})
    assert outcome.exit_code == 1, outcome.log
    assert outputs(outcome)["verdict"] == "regression"
    assert outcome.summaries.startswith("## Object storage conformance\n")
    assert not (outcome.artifacts / "conformance").exists()


@pytest.mark.parametrize(
    ("inputs", "complaint"),
    [
        ({}, "give one of the inputs endpoint, provider and storage"),
        ({"endpoint": "http://127.0.0.1:1", "provider": "moto"}, "give one of the inputs"),
        ({"provider": "moto", "mode": "thorough"}, "the input mode is quick or default"),
        ({"provider": "moto", "public": "yes"}, "the input public is true, false or empty"),
        ({"provider": "moto", "bucket": "trials"}, "the inputs bucket and region go with endpoint"),
        ({"provider": "moto", "arguments": "--help"}, "nothing was judged"),
        ({"endpoint": "http://user:word@127.0.0.1:1"}, "write http://HOST:PORT"),
    ],
)
def test_wrong_inputs_end_in_the_exit_code_of_wrong_usage(
    tmp_path: Path, inputs: dict[str, str], complaint: str
) -> None:
    outcome = act(tmp_path, inputs)
    assert outcome.exit_code == 1, outcome.log  # of act: the job failed
    assert outputs(outcome) == {"exit-code": "2", "verdict": "usage", "report": "", "page": ""}
    assert complaint in outcome.log


@really
def test_an_endpoint_that_is_not_there_is_no_regression(tmp_path: Path, baseline: str) -> None:
    with server() as gone:
        url = gone.url
    outcome = act(tmp_path, {"endpoint": url, "arguments": FEW, "baseline": "baseline.toml"}, baseline=baseline)
    assert outcome.exit_code == 1, outcome.log
    assert outputs(outcome)["verdict"] == "usage"  # most often a wrong address
    assert "| ✗ | error | endpoint |" in outcome.summaries


@really
def test_the_action_installs_the_suite_from_its_own_checkout(tmp_path: Path) -> None:
    action = the_action(tmp_path / "again", whole=True)
    workspace = tmp_path / "workspace"
    shutil.copytree(action, workspace)
    with server() as good:
        step = {
            "id": "judged",
            "uses": "./",
            "env": KEYS,
            "with": {"endpoint": good.url, "mode": "quick", "arguments": FEW},
        }
        workflow = workspace / "gate.yml"
        jobs = {"gate": {"runs-on": "ubuntu-24.04", "steps": [{"uses": "actions/checkout@v7"}, step]}}
        workflow.write_text(yaml.safe_dump({"on": "push", "jobs": jobs}))
        outcome = Runner(folder=tmp_path, workspace=repository(workspace)).run(
            workflow, timeout_s=900, path="/usr/local/bin:/usr/bin:/bin"
        )
    assert outcome.exit_code == 0, outcome.log
    assert read(outcome.artifacts / "conformance" / "report.jsonl")
