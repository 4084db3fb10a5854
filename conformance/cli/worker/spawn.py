"""Starts the processes that judge: the command of each, with nothing heavy to import."""

from __future__ import annotations

from typing import IO, Any, Final

from bucket_conformance.conformance.backend.child_process import ChildProcess, python_module

_PACKAGE: Final = "bucket_conformance.conformance.cli.worker"


def start_worker(*, helpers: int, errors: IO[Any]) -> ChildProcess:
    """Start a worker and this many helpers next to it; its standard error goes to ``errors``."""
    return ChildProcess(python_module(f"{_PACKAGE}.prestart", str(helpers)), errors=errors)


def start_helper() -> ChildProcess:
    """Start a process that loads and waits for its job on standard input; at the end of that it ends."""
    return ChildProcess(python_module(f"{_PACKAGE}.helper"))
