"""The suite as a guest: in a project whose packages have the names of our directories and of our dependencies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bucket_conformance.conformance.report.document import read
from tests.conformance.cli.running import environment

CLAUSE = "DEL-017"
PACKAGES = ("conformance", "providers", "reference_impl", "tests")
MODULES = ("catalogue", "hypothesis", "uvicorn", "queue", "platformdirs")
"""Names of the standard library and of what the suite depends on: files of this name are common, and never ours."""
ABOVE = Path(sys.executable).parent


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a project that holds packages of those names; importing one of them fails."""
    for name in PACKAGES:
        package = tmp_path / name
        package.mkdir()
        (package / "__init__.py").write_text(f"raise RuntimeError('imported {name} of the project')\n")
    (tmp_path / "test_mine.py").write_text("def test_mine():\n    pass\n")
    return tmp_path


@pytest.fixture
def shadowing(project: Path) -> Path:
    """Make a project that also holds modules with the names of our dependencies."""
    for name in MODULES:
        (project / f"{name}.py").write_text(f"raise RuntimeError('imported {name} of the project')\n")
    return project


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(folder, AP_FILE_STORAGE_LOCATION="local", AP_LOCAL_STORAGE_ROOT=str(folder)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "of the project" not in done.stdout + done.stderr
    return done.stdout


def test_the_command_and_its_workers_import_nothing_from_the_working_directory(shadowing: Path) -> None:
    run(
        shadowing, str(ABOVE / "conformance"), "run", "local_disk", "--quick", "--clause", CLAUSE, "--report", "r.jsonl"
    )
    (section,) = read(shadowing / "r.jsonl")
    assert section.verdicts() == {CLAUSE: "conforms"}


def test_writers_and_helpers_import_nothing_from_it_either(shadowing: Path) -> None:
    chosen = [word for clause in ("DUR-001", "DEL-00?", "KEY-00?") for word in ("--clause", clause)]
    args = ("run", "local_disk", "--quick", "--jobs", "2", *chosen, "--report", "r.jsonl")
    run(shadowing, str(ABOVE / "conformance"), *args)
    (section,) = read(shadowing / "r.jsonl")
    assert section.verdicts()["DUR-001"] == "conforms"
    assert set(section.verdicts().values()) <= {"conforms", "unsupported"}


@pytest.mark.parametrize("module", ["bucket_conformance", "bucket_conformance.conformance.cli.main"])
def test_the_command_as_a_module_runs_next_to_packages_of_our_names(project: Path, module: str) -> None:
    run(project, sys.executable, "-m", module, "run", "local_disk", "--quick", "--clause", CLAUSE)


@pytest.mark.parametrize("command", [(sys.executable, "-m", "pytest"), (str(ABOVE / "pytest"),)])
def test_the_clauses_run_under_pytest(project: Path, command: tuple[str, ...]) -> None:
    seen = run(project, *command, "-rA", "--pyargs", "bucket_conformance", "--conformance-mode=quick", "-k", CLAUSE)
    assert f"{CLAUSE}[local_disk]" in seen


@pytest.mark.parametrize("command", [(sys.executable, "-m", "pytest"), (str(ABOVE / "pytest"),)])
def test_the_tests_of_the_project_run_with_the_plugin_merely_installed(project: Path, command: tuple[str, ...]) -> None:
    assert "1 passed" in run(project, *command, "test_mine.py")


def test_the_storage_runs_from_its_command_line(project: Path) -> None:
    run(project, sys.executable, "-m", "bucket_conformance.reference_impl", "check")


def test_a_provider_file_imports_what_lies_next_to_it_and_in_the_working_directory(shadowing: Path) -> None:
    (shadowing / "in_the_working_directory.py").write_text("TITLE = 'Mine'\n")
    folder = shadowing / "deploy"
    folder.mkdir()
    (folder / "next_to_the_file.py").write_text("ID = 'mine'\n")
    (folder / "mine.py").write_text(
        "from dataclasses import replace\n"
        "from in_the_working_directory import TITLE\n"
        "from next_to_the_file import ID\n"
        "from bucket_conformance.providers.local_disk import PROVIDER\n"
        "PROVIDER = replace(PROVIDER, id=ID, title=TITLE)\n"
    )
    args = ("run", "mine", "--provider-file", "deploy/mine.py", "--quick", "--clause", CLAUSE, "--report", "r.jsonl")
    run(shadowing, str(ABOVE / "conformance"), *args)
    (section,) = read(shadowing / "r.jsonl")
    assert section.header.backend.name == "Mine"


def test_a_storage_of_the_working_directory_is_found(project: Path) -> None:
    (project / "mine.py").write_text(
        "import pathlib, tempfile\n"
        "from bucket_conformance.reference_impl.local import LocalStorage\n"
        "ROOT = pathlib.Path(tempfile.mkdtemp(dir=pathlib.Path(__file__).parent))\n"
        "def make():\n"
        "    return LocalStorage(ROOT)\n"
    )
    storage = ("--pyargs", "bucket_conformance", "--conformance-storage=mine:make", "--conformance-mode=quick")
    assert "1 passed" in run(project, str(ABOVE / "pytest"), *storage, "-k", CLAUSE)
