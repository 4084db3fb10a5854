"""What a release of botocore may remove, and which feature then breaks."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from bucket_conformance.conformance.wire import botocore_internals
from bucket_conformance.conformance.wire.botocore_internals import NEEDED_FOR
from bucket_conformance.reference_impl import botocore_internals as storage_internals

ROOT = Path(__file__).parents[3]
ROOMS = ("conformance", "providers", "reference_impl")
DOCUMENTED = {"botocore", "botocore.config", "botocore.exceptions"}
ADAPTERS = (
    ROOT / "conformance" / "wire" / "botocore_internals.py",
    ROOT / "reference_impl" / "botocore_internals.py",
)


@pytest.mark.parametrize(("name", "feature"), [*NEEDED_FOR.items(), *storage_internals.NEEDED_FOR.items()])
def test_it_is_there(name: str, feature: str) -> None:
    package, module, *path = name.split(".")
    found: object = importlib.import_module(f"{package}.{module}")
    for part in path:
        found = getattr(found, part, None)
    assert found is not None, f"this release of botocore has no {name}; without it these do not work: {feature}"


def test_every_exported_name_has_its_reason() -> None:
    classes = {name for name in botocore_internals.__all__ if name[0].isupper() and name != "NEEDED_FOR"}
    assert classes == {name.split(".")[2] for name in NEEDED_FOR} - {"Session"}
    taken = set(storage_internals.__all__) - {"NEEDED_FOR", "sdk_error_handler", "verifies_with"}
    assert taken == {name.split(".")[2] for name in storage_internals.NEEDED_FOR}


def test_nothing_else_takes_what_is_not_documented() -> None:
    taken = []
    for file in [file for context in ROOMS for file in (ROOT / context).rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            private = {name for name in names if name.partition(".")[0] == "botocore"} - DOCUMENTED
            taken += [f"{file.relative_to(ROOT)}: {name}" for name in sorted(private) if file not in ADAPTERS]
            if any(name.startswith("hypothesis.internal") for name in names):
                assert file.name == "hypothesis_internals.py"
    assert taken == []


PUBLIC = (
    *("contract", "catalogue", "target", "verdict", "session", "strategies", "pytest_plugin", "cli.main"),
    *("report.document", "endpoint_options"),
)
ON_FIRST_USE = ("wire.s3", "backend.sdk_hook", "backend.credentials")
"""Modules that need an adapter, but load it only when they are used."""


@pytest.mark.parametrize("module", [*PUBLIC, *ON_FIRST_USE])
def test_importing_loads_no_adapter(module: str) -> None:
    program = (
        f"import sys, bucket_conformance.conformance.{module}\n"
        "print([name for name in sys.modules if name.endswith('_internals')])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
