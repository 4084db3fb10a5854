"""Every imported package is declared in pyproject.toml, and every declared one is imported."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PACKAGES = ("conformance", "providers", "reference_impl")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared() -> tuple[set[str], set[str]]:
    """Return the distributions that every installation brings, and those of extras."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    def names(requirements: list[str]) -> set[str]:
        return {normal(re.split(r"[^A-Za-z0-9._-]", requirement)[0]) for requirement in requirements}

    extras = project["optional-dependencies"].values()
    return names(project["dependencies"]), set().union(*(names(extra) for extra in extras))


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is below a node and is executed: nothing that only a type checker looks at."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from _running(child)


def _modules(node: ast.AST) -> list[str]:
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom(module=str(module)):
            return [module]
        case ast.Call(args=[ast.Constant(value=str(module)), *_]) if ast.unparse(node.func).endswith("import_module"):
            return [module]
    return []


@cache
def imported() -> dict[str, str]:
    """Return each distribution that is imported, with one file that does so; the type stubs' own names are left out."""
    found: dict[str, str] = {}
    owners = packages_distributions()
    for file in sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py")):
        for node in _running(ast.parse(file.read_text("utf-8"))):
            for module in _modules(node):
                top = module.partition(".")[0]
                if top not in sys.stdlib_module_names and top not in ("bucket_conformance", "swift"):
                    names = [normal(name) for name in owners.get(top, [top])]
                    found.setdefault(next((name for name in names if not name.endswith("-stubs")), top), str(file))
    return found


def test_what_is_imported_is_declared() -> None:
    always, extras = declared()
    missing = {name: file for name, file in imported().items() if name not in always | extras}
    assert missing == {}, "declare these in pyproject.toml, or import them no longer"


def test_what_every_installation_brings_is_imported() -> None:
    always, _ = declared()
    assert always - set(imported()) == set(), "nothing imports these: take them out of pyproject.toml"
