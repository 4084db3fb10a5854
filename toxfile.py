"""Gives tox one environment per provider, named by its id, so that adding a provider touches its own file alone."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tox.config.loader.memory import MemoryLoader
from tox.config.types import Command
from tox.plugin import impl

if TYPE_CHECKING:
    from tox.config.sets import ConfigSet
    from tox.session.state import State

PROVIDERS = Path(__file__).parent / "providers"


def _ids() -> list[str]:
    return sorted(provider for path in PROVIDERS.glob("*.py") for provider in _provider_of(path))


def _provider_of(path: Path) -> Iterator[str]:
    """The id in ``PROVIDER = Provider(id="…", …)``, read and not run: tox's interpreter cannot import the project."""
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="PROVIDER")], value=ast.Call(keywords=keywords)):
                for keyword in keywords:
                    if keyword.arg == "id" and isinstance(keyword.value, ast.Constant):
                        yield str(keyword.value.value)


@impl
def tox_extend_envs() -> Iterable[str]:
    return _ids()


@impl
def tox_add_core_config(core_conf: ConfigSet, state: State) -> None:
    for provider in _ids():
        state.conf.memory_seed_loaders[provider].append(
            MemoryLoader(
                description=f"judge {provider}",
                # Values of this loader are taken as they are, so what stands behind "--" is added here.
                commands=[Command(["conformance", "run", provider, *(state.conf.pos_args(None) or ())])],
                package="wheel",
                dependency_groups=set(),
                extras={"containers"},
            )
        )
