"""What is in the distributions: one import package, whole, also where a wheel comes from the source distribution."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

pytest.importorskip("hatchling", reason="what builds the distributions is not installed")

ROOT = Path(__file__).parents[2]
ROOMS = ("conformance", "providers", "reference_impl")


def built(source: Path, target: str, folder: Path) -> Path:
    command = [sys.executable, "-P", "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=120)
    (made,) = folder.iterdir()
    return made


def files_of(room: str) -> set[str]:
    return {
        str(file.relative_to(ROOT))
        for file in (ROOT / room).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of an unpacked source distribution."""
    folder = tmp_path_factory.mktemp("source")
    with tarfile.open(built(ROOT, "sdist", folder / "built")) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (made,) = (folder / "unpacked").iterdir()
    return made


@pytest.mark.parametrize("unpack", [False, True], ids=["from the checkout", "from the source distribution"])
def test_a_wheel_adds_one_import_package_and_all_of_it(tmp_path: Path, unpacked: Path, unpack: bool) -> None:
    with ZipFile(built(unpacked if unpack else ROOT, "wheel", tmp_path)) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert {name.partition("/")[0] for name in names} == {"bucket_conformance"}
    assert "bucket_conformance/py.typed" in names
    for room in ROOMS:
        below = {name for name in names if name.startswith(f"bucket_conformance/{room}/")}
        assert below == {f"bucket_conformance/{file}" for file in files_of(room)}


def test_a_source_distribution_has_each_directory_once_with_what_tries_it(unpacked: Path) -> None:
    for room in ROOMS:
        assert {str(file.relative_to(unpacked)) for file in (unpacked / room).rglob("*.py")} == {
            file for file in files_of(room) if file.endswith(".py")
        }
    assert {"tests", "docs", "examples", "benchmarks", "tox.ini", "toxfile.py"} <= {
        entry.name for entry in unpacked.iterdir()
    }
