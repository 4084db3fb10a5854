"""Finds the modules of faults: each kind is a separate package, and no list needs maintenance."""

from __future__ import annotations

import importlib
import pkgutil


def import_faults(kind: str) -> None:
    """Import every module of ``tests/faults/<kind>/``, so that its faults register themselves."""
    package = importlib.import_module(f"tests.faults.{kind}")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
