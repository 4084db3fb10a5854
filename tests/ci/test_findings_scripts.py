"""Checks the form of the scripts in `findings/`; runs none of them, since they install packages."""

import os
import re
import subprocess
from pathlib import Path

import pytest

FINDINGS = Path(__file__).parents[2] / "findings"
SCRIPTS = sorted(FINDINGS.glob("*.sh"))
FIELDS = ("What", "Where", "Date", "Behaviour", "Expected", "Matters")


def names(scripts: list[Path]) -> list[str]:
    return [script.stem for script in scripts]


def faults_of_form(text: str) -> list[str]:
    """Return in what the text of a script differs from the form that `findings/README.md` describes."""
    header, _, body = text.partition("\nset -euo pipefail\n")
    faults = [f"no field {field!r}" for field in FIELDS if not re.search(rf"^# {field}: \S", header, re.MULTILINE)]
    if not body:
        faults.append("no `set -euo pipefail`")
    if not text.startswith("#!/usr/bin/env bash\n"):
        faults.append("the first line is not `#!/usr/bin/env bash`")
    if not re.search(r"^# Date: \d{4}-\d{2}-\d{2}$", header, re.MULTILINE):
        faults.append("the date is not written as YYYY-MM-DD")
    if not re.search(r"^#= (?!TODO)\S", header, re.MULTILINE):
        faults.append("no output on record (lines that begin with `#= `)")
    if "$(mktemp -d)" not in body or not re.search(r"^trap .*rm -rf .* EXIT$", body, re.MULTILINE):
        faults.append("no temporary folder that a trap removes")
    if re.search(r"0\.0\.0\.0|/work/|/home/|/root/|/tmp/", text):
        faults.append("an address or a path of one machine")
    if re.search(r"\b(reference_impl|conformance|providers)\b", body):
        faults.append("uses this project")
    installs = [line for line in body.splitlines() if line.startswith('echo "+ ') and " install " in line]
    packages = [word for line in installs for word in line.rstrip('"').split(" install ")[1].split()]
    if not packages:
        faults.append("says not what it installs")
    faults += [f"{package} has no version" for package in packages if not re.search(r"(==|.@)\d", package)]
    return faults


def test_there_are_findings() -> None:
    assert len(SCRIPTS) >= 10


@pytest.mark.parametrize("script", SCRIPTS, ids=names(SCRIPTS))
def test_a_script_keeps_the_form(script: Path) -> None:
    assert faults_of_form(script.read_text(encoding="utf-8")) == []
    assert os.access(script, os.X_OK), f"{script.name} is not executable: chmod +x it"
    checked = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_index_names_each_script_once() -> None:
    index = (FINDINGS / "README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| \[[^\]]+\]\(([^)]+)\.sh\) \|", index, re.MULTILINE)) == names(SCRIPTS)


def test_the_check_of_the_form_notices_what_is_missing() -> None:
    whole = SCRIPTS[0].read_text(encoding="utf-8")
    broken = {
        "# Matters: ": "# Other: ",
        "set -euo pipefail": "set -e",
        "$(mktemp -d)": "scratch",
        "#= ": "# ",
        "# Date: 20": "# Date: ",
        "==": "~=",
        "127.0.0.1": "0.0.0.0",
    }
    for old, new in broken.items():
        assert old in whole
        assert faults_of_form(whole.replace(old, new)), f"nothing is seen when {old!r} is replaced by {new!r}"
