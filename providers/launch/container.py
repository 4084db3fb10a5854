"""A server run as a container by testcontainers (extra ``containers``): removed afterwards, its log kept on failure."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bucket_conformance.conformance.target import S3Endpoint
from bucket_conformance.providers.launch.folders import RUN_ID, logs_dir
from bucket_conformance.providers.launch.ports import LOOPBACK, reserved_ports
from bucket_conformance.providers.launch.probe import ProbeResponse, ask
from bucket_conformance.providers.launch.process import random_credentials
from bucket_conformance.providers.provider import Availability, LaunchError, LaunchKind, Progress, Running, Unavailable

_ENGINE_TIMEOUT_S: Final = 2
_LOCAL_ENGINE: Final = "unix:///var/run/docker.sock"
_POLL_S: Final = 0.05
_TAIL_CHARACTERS: Final = 16_384
VERSION_LABEL: Final = "org.opencontainers.image.version"
_NO_VERSION: Final = re.compile(r"development|\(?devel\)?\b|unknown\b", re.IGNORECASE)
"""The version that a server prints if its build set none, such as ``DEVELOPMENT.GOGET``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image by ``name``, ``tag`` and, where known, ``digest`` (``sha256:…``), which then takes precedence.

    ``variable`` names an environment variable that replaces the whole reference, for mirrors and local builds.
    """

    name: str
    tag: str
    digest: str | None = None
    variable: str | None = None

    @property
    def reference(self) -> str:
        chosen = os.environ.get(self.variable) if self.variable else None
        return chosen or f"{self.name}:{self.tag}" + (f"@{self.digest}" if self.digest else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerLaunch:
    """An image whose ``port`` serves S3.

    ``environment`` and ``command`` are made from the (access key, secret key) that the server should accept.
    ``version_command`` is run inside; the first group of ``version_pattern`` in what it prints is the version. If
    it matches nothing, the version is the image's label, or else the image's id.
    """

    name: str
    title: str
    image: Image
    port: int
    environment: Callable[[str, str], Mapping[str, str]]
    command: Callable[[str, str], tuple[str, ...]] = lambda access_key, secret_key: ()
    version_command: tuple[str, ...] = ()
    version_pattern: str = r"version:? (\S+)"
    region: str = "us-east-1"
    fixed_credentials: tuple[str, str] | None = field(default=None, repr=False)
    ready: Callable[[int], bool] = lambda status: status == 200
    deadline_s: float = 120.0

    @property
    def kind(self) -> LaunchKind:
        return LaunchKind.CONTAINER

    def over_https(self) -> ContainerLaunch:
        raise LaunchError(f"{self.title} is started over https as a process only")

    def availability(self) -> Availability:
        """Return whether the engine itself responds: a client on the PATH does not prove it."""
        if importlib.util.find_spec("testcontainers") is None:
            return Availability(
                ready=False,
                missing="testcontainers is not installed",
                how='pip install "bucket-conformance[containers]"',
            )
        address = os.environ.get("DOCKER_HOST") or _LOCAL_ENGINE
        try:
            _knock()
            docker = importlib.import_module("docker")
            client = docker.from_env(timeout=_ENGINE_TIMEOUT_S)
            try:
                client.ping()
            finally:
                client.close()
        except Exception as error:
            return Availability(
                ready=False,
                missing=f"no container engine answers at {address} ({type(error).__name__})",
                how="install and start Docker or Podman, or set DOCKER_HOST to the address of an engine",
            )
        return Availability(ready=True)

    def install(self, progress: Progress) -> None:
        """Pull the image unless the engine has it."""
        availability = self.availability()
        if not availability.ready:
            raise Unavailable(f"{self.title}: {availability.missing}; {availability.how}")
        reference = self.image.reference
        docker = importlib.import_module("docker")
        client = docker.from_env()
        try:
            try:
                client.images.get(reference)
            except docker.errors.ImageNotFound:
                progress(f"{self.title}: pulling {reference}, once")
                client.images.pull(reference)
        except docker.errors.DockerException as error:
            raise Unavailable(
                f"{self.title}: cannot pull {reference}: {error}"
                + (f"; set {self.image.variable} to an image that the engine has" if self.image.variable else "")
            ) from error
        finally:
            client.close()

    @contextlib.contextmanager
    def start(self, progress: Progress) -> Iterator[Running]:
        self.install(progress)
        access_key, secret_key = self.fixed_credentials or random_credentials()
        module = importlib.import_module("testcontainers.core.container")
        log = logs_dir() / f"container-{RUN_ID}-{self.name}.log"
        with reserved_ports(1) as (host_port,):
            container = module.DockerContainer(self.image.reference)
            # The suite chooses the port, so that a restart keeps it; on a local engine no other machine may reach it.
            here = _engine_is_here()
            container.ports[f"{self.port}/tcp"] = (LOOPBACK, host_port) if here else host_port
            container.env.update(self.environment(access_key, secret_key))
            command = self.command(access_key, secret_key)
            if command:
                container.with_command(list(command))
            try:
                self._begin(container)
                endpoint = S3Endpoint(
                    url=f"http://{LOOPBACK if here else container.get_container_host_ip()}:{host_port}",
                    access_key=access_key,
                    secret_key=secret_key,
                    region=self.region,
                    disposable=True,
                )

                def restart() -> None:
                    wrapped = container.get_wrapped_container()
                    wrapped.kill()
                    wrapped.wait()
                    wrapped.start()
                    self._wait(container, endpoint, log)

                self._wait(container, endpoint, log)
                yield Running(
                    target=endpoint, version=self._version(container), launch=self.kind, log=log, restart=restart
                )
            except Exception:
                _keep_log(container, log)
                raise
            finally:
                with contextlib.suppress(Exception):
                    container.stop(force=True, delete_volume=True)

    def _version(self, container: Any) -> str:
        """Return the version that the server or the label of its image reports, and the image."""
        wrapped = container.get_wrapped_container()
        reference = self.image.reference
        version = self._reported_version(wrapped) or str((wrapped.image.labels or {}).get(VERSION_LABEL, ""))
        if version:
            return f"{version} ({reference})"
        # A tag may refer to another image later.
        return reference if "@sha256:" in reference else f"{reference} ({wrapped.image.short_id})"

    def _reported_version(self, wrapped: Any) -> str:
        if not self.version_command:
            return ""
        code, said = wrapped.exec_run(list(self.version_command))
        found = re.search(self.version_pattern, bytes(said).decode("utf-8", "replace"))
        return found[1] if code == 0 and found and not _NO_VERSION.match(found[1]) else ""

    def _begin(self, container: Any) -> None:
        try:
            container.start()
        except Exception as error:
            raise LaunchError(f"{self.title}: the engine cannot start {self.image.reference}: {error}") from error

    def _wait(self, container: Any, endpoint: S3Endpoint, log: Path) -> ProbeResponse:
        deadline = time.monotonic() + self.deadline_s
        last = "nothing answered"
        while time.monotonic() < deadline:
            try:
                response = ask(endpoint)
            except OSError as error:
                last = str(error)
            else:
                last = f"it responded with status {response.status}"
                if self.ready(response.status):
                    return response
            wrapped = container.get_wrapped_container()
            wrapped.reload()
            if wrapped.status in ("exited", "dead"):
                last = "the container ended"
                break
            time.sleep(_POLL_S)
        tail = _keep_log(container, log)
        raise LaunchError(f"{self.title}: not ready ({last}); the end of its log {log}:\n{tail}", log=tail)


def _engine_is_here() -> bool:
    """Return whether the engine shares this machine's loopback; an explicit connection mode means that it may not."""
    local = (os.environ.get("DOCKER_HOST") or _LOCAL_ENGINE).startswith("unix://")
    return local and not os.environ.get("TESTCONTAINERS_CONNECTION_MODE")


def _knock() -> None:
    """Raise ``OSError`` unless a process listens on the engine's socket: without one, the SDK leaks its own socket."""
    address = os.environ.get("DOCKER_HOST") or _LOCAL_ENGINE
    if address.startswith("unix://"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knocking:
            knocking.settimeout(_ENGINE_TIMEOUT_S)
            knocking.connect(address.removeprefix("unix://"))


def _keep_log(container: Any, log: Path) -> str:
    with contextlib.suppress(Exception):
        text = bytes(container.get_wrapped_container().logs(stdout=True, stderr=True)).decode("utf-8", "replace")
        log.write_text(text, encoding="utf-8")
        return text[-_TAIL_CHARACTERS:]
    return ""
