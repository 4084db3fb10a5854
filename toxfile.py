"""Gives tox one environment per provider, named by its id, so that adding a provider touches its own file alone.

Each also comes crossed with the SDK, which is half of what is judged: ``ID-boto135`` (the last release before checksums
became a default), ``ID-whensupported`` (the newest as it ships, with checksums wherever an operation knows them) and
``ID-whenrequired`` (the newest, told to send them only where they are required). Their reports can be held against
each other by ``conformance compare``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tox.config.loader.memory import MemoryLoader
from tox.config.types import Command
from tox.plugin import impl
from tox.tox_env.python.pip.req_file import PythonDeps

if TYPE_CHECKING:
    from tox.config.sets import ConfigSet
    from tox.session.state import State

PROVIDERS = Path(__file__).parent / "providers"
SDKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "boto135": ("boto3==1.35.99", ()),
    "whensupported": ("", ("--checksums", "when_supported")),
    "whenrequired": ("", ("--checksums", "when_required")),
}
"""By factor: the requirement that replaces the newest SDK, and what ``conformance run`` is told."""


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
    ids = _ids()
    return [*ids, *(f"{provider}-{factor}" for factor in SDKS for provider in ids)]


@impl
def tox_add_core_config(core_conf: ConfigSet, state: State) -> None:
    root = core_conf["tox_root"]
    for provider in _ids():
        _add(state, provider, f"judge {provider}", provider)
        for factor, (requirement, options) in SDKS.items():
            told = f"judge {provider} with {requirement or ' '.join(options)}"
            _add(state, f"{provider}-{factor}", told, provider, *options, deps=PythonDeps(requirement, root))


def _add(state: State, name: str, description: str, *words: str, **more: object) -> None:
    state.conf.memory_seed_loaders[name].append(
        MemoryLoader(
            description=description,
            # Values of this loader are taken as they are, so what stands behind "--" is added here.
            commands=[Command(["conformance", "run", "--install", *words, *(state.conf.pos_args(None) or ())])],
            package="wheel",
            dependency_groups=set(),
            extras={"containers", "tls"},
            **more,
        )
    )
