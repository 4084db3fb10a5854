"""How each backend is reached. One file of this package is one provider; :func:`discover` finds them all."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Final

from bucket_conformance.providers.provider import Provider, ProviderError

ENTRY_POINTS: Final = "conformance.providers"
"""The entry point group in which other distributions register providers; each entry point names a ``Provider``."""

_NOT_PROVIDERS: Final = frozenset({"provider", "declared_file"})


def discover(extra: Sequence[Path] = ()) -> dict[str, Provider]:
    """Return every provider by id, sorted: of this package, of entry points, and of ``extra`` (``.toml``, ``.py``).

    A ``.py`` file defines ``PROVIDER``, and may import from its own directory and from the working directory; a
    ``.toml`` file is described in :mod:`declared_file`. Raises ``ProviderError``, which names the file, for a broken
    file and for an id that is used twice.
    """
    found: dict[str, tuple[str, Provider]] = {}
    for origin, provider in (*_built_in(), *_installed(), *_given(extra)):
        if provider.id in found:
            first = found[provider.id][0]
            raise ProviderError(f"{origin}: the id {provider.id!r} is taken by {first}; rename one")
        found[provider.id] = (origin, provider)
    return {provider_id: found[provider_id][1] for provider_id in sorted(found)}


def _built_in() -> Iterator[tuple[str, Provider]]:
    for module in pkgutil.iter_modules(__path__):
        if module.ispkg or module.name in _NOT_PROVIDERS:
            continue
        name = f"{__name__}.{module.name}"
        yield name, _provider_of(importlib.import_module(name), name)


def _installed() -> Iterator[tuple[str, Provider]]:
    for entry in metadata.entry_points(group=ENTRY_POINTS):
        origin = f"entry point {entry.name!r} ({entry.value})"
        try:
            loaded = entry.load()
        except Exception as error:
            raise ProviderError(
                f"{origin}: cannot be loaded: {type(error).__name__}: {error}; repair or uninstall {_package(entry)}"
            ) from error
        yield origin, _checked(loaded, origin)


def _package(entry: metadata.EntryPoint) -> str:
    return f"the package {entry.dist.name}" if entry.dist else "the package that offers it"


def _given(files: Sequence[Path]) -> Iterator[tuple[str, Provider]]:
    for file in files:
        if not file.is_file():
            raise ProviderError(f"{file}: no such file; give the path of a .toml or .py provider file")
        if file.suffix == ".toml":
            from bucket_conformance.providers.declared_file import read_provider

            yield str(file), read_provider(file)
        elif file.suffix == ".py":
            yield str(file), _provider_of(_run_file(file), str(file))
        else:
            raise ProviderError(f"{file}: a provider file ends in .toml or .py, not {file.suffix!r}")


def _run_file(file: Path) -> ModuleType:
    # The path is part of the name, so that two files of one name do not replace each other.
    name = f"_conformance_provider_{abs(hash(file.resolve())):x}_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ProviderError(f"{file}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    # The file can import what lies next to it or in the working directory. These come last, so that they hide nothing.
    for place in (str(file.resolve().parent), str(Path.cwd())):
        if place not in sys.path:
            sys.path.append(place)
    # Dataclasses look up their module in sys.modules.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ProviderError(f"{file}: cannot be run: {type(error).__name__}: {error}") from error
    return module


def _provider_of(module: ModuleType, origin: str) -> Provider:
    return _checked(getattr(module, "PROVIDER", None), origin)


def _checked(found: object, origin: str) -> Provider:
    if not isinstance(found, Provider):
        raise ProviderError(f"{origin}: expected PROVIDER = Provider(...), found {type(found).__name__}")
    return found
