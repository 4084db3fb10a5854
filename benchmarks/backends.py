"""The backends to measure: those that need no account and no container engine."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bucket_conformance.conformance.backend.opening import open_session
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.target import S3Endpoint
from bucket_conformance.providers import discover


@contextmanager
def session_on(provider_id: str) -> Iterator[Session]:
    """Start a provider and open a session on it. Yields the session."""
    provider = discover()[provider_id]
    with (
        provider.choose().start(lambda _: None) as running,
        open_session(running.target, capabilities=provider.capabilities) as session,
    ):
        yield session


@contextmanager
def endpoint_of(provider_id: str) -> Iterator[S3Endpoint]:
    """Start a provider and yield its endpoint, without a session."""
    with discover()[provider_id].choose().start(lambda _: None) as running:
        if not isinstance(running.target, S3Endpoint):
            raise SystemExit(f"{provider_id} is no S3 endpoint; name one that is")
        yield running.target


def timed_run(*words: str) -> tuple[float, list[dict[str, Any]]]:
    """Run ``conformance run`` in a new process; return its seconds from start to exit, and the lines of its report."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.jsonl"
        command = [
            sys.executable,
            "-P",
            "-m",
            "bucket_conformance.conformance.cli.main",
            "run",
            *words,
            "--report",
            str(report),
        ]
        started = time.perf_counter()
        subprocess.run(command, capture_output=True, check=False)
        took_s = time.perf_counter() - started
        return took_s, [json.loads(text) for text in report.read_text(encoding="ascii").splitlines()]
