"""A container engine for the tests: the running one, or a new one if the caller allows to start it."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from bucket_conformance.providers.launch.container import _knock
from bucket_conformance.providers.launch.supervisor import _die_with_parent

VARIABLE: Final = "CONFORMANCE_START_ENGINE"
_DEADLINE_S: Final = 60.0


@contextlib.contextmanager
def engine(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Yield a client of an engine, which ``DOCKER_HOST`` then names. Skips the test if there is none.

    With ``CONFORMANCE_START_ENGINE`` set, root starts dockerd with its own socket and data folder, and without
    changes to the firewall.
    """
    pytest.importorskip("testcontainers")
    docker = importlib.import_module("docker")
    with contextlib.ExitStack() as stack:
        if not _answers(docker):
            if not os.environ.get(VARIABLE):
                pytest.skip(f"no container engine answers; {VARIABLE}=1 lets root start the installed dockerd")
            if os.geteuid() != 0 or shutil.which("dockerd") is None:
                pytest.skip("no container engine answers, and none can be started: needs root and dockerd on the PATH")
            patch.setenv("DOCKER_HOST", stack.enter_context(_started(folder)))
            # The engine does not have the cleanup image of testcontainers, and no registry is reachable.
            patch.setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
            _wait(docker, folder)
        client = docker.from_env()
        stack.callback(client.close)
        yield client


@contextlib.contextmanager
def _started(folder: Path) -> Iterator[str]:
    socket = f"unix://{folder}/socket"
    places = {"data-root": "data", "exec-root": "exec", "pidfile": "pid"}
    options = [f"--{name}={folder / place}" for name, place in places.items()]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["dockerd", *options, f"--host={socket}", "--iptables=false", "--ip-masq=false"],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            preexec_fn=_die_with_parent,
        )
        try:
            yield socket
        finally:
            process.terminate()
            try:
                process.wait(_DEADLINE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(docker: Any) -> bool:
    try:
        _knock()
    except OSError:
        return False
    client = docker.from_env(timeout=10)
    try:
        return bool(client.ping())
    except docker.errors.DockerException:
        return False
    finally:
        client.close()


def _wait(docker: Any, folder: Path) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while not ((folder / "socket").exists() and _answers(docker)):
        if time.monotonic() > deadline:
            tail = (folder / "log").read_text(errors="replace")[-2000:]
            pytest.skip(f"dockerd does not come up here: {tail}")
        time.sleep(0.1)
