"""Runs a server as a native program: own directory, free loopback ports, random credentials, all removed later."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import string
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from bucket_conformance.conformance.backend.child_process import ChildError, ChildProcess
from bucket_conformance.conformance.target import ChecksumMode, S3Endpoint
from bucket_conformance.providers.launch import certificates, supervisor
from bucket_conformance.providers.launch.certificates import Certificates
from bucket_conformance.providers.launch.environment import Environment
from bucket_conformance.providers.launch.folders import FOLDER_VARIABLE, RunFolder, logs_dir, make_run_folder
from bucket_conformance.providers.launch.ports import LOOPBACK, reserved_ports
from bucket_conformance.providers.launch.probe import ProbeResponse, ask
from bucket_conformance.providers.provider import Availability, LaunchError, LaunchKind, Progress, Running, Unavailable

_BIND_FAILURE: Final = re.compile(
    r"address (is )?already in use|EADDRINUSE|port \d+ (is )?(already )?in use|bind.*in use", re.IGNORECASE
)
_FRESH_PORTS_TRIES: Final = 4
_POLL_S: Final = 0.03
_TAIL_BYTES: Final = 16_384
_ORDER_DEADLINE_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchContext:
    """What a command may use: ``data`` for the server's objects, ``work`` for its configuration, ``ports`` (the first
    serves S3), and the credentials it should accept. With ``tls`` the first port is to serve https, and https only."""

    data: Path
    work: Path
    ports: tuple[int, ...]
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    tls: Certificates | None = None

    @property
    def scratch(self) -> Path:
        """Return the directory for temporary files (TMPDIR), for programs that do not read TMPDIR."""
        return _scratch(self.work)

    @property
    def scheme(self) -> str:
        return "https" if self.tls else "http"

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.ports[0]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A program with arguments, and the variables added to a minimal environment.

    ``external_files``: files that it makes outside of its directory regardless of its settings, and that stay when it
    is killed.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    external_files: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessLaunch:
    """A native program behind a supervisor.

    ``command`` is called once per try, after the installation. ``version`` gets the first response and returns the
    backend's version. ``fixed_credentials`` (access key, secret key) are for servers with credentials that cannot be
    chosen, ``make_credentials`` for those that require keys of a special form. ``ready`` decides
    from the status of a signed list-buckets request whether the server is up; ``deadline_s`` is how long it may take.
    ``region``, ``path`` (S3 mounted below it) and ``checksums`` are what clients of this server must set; ``bucket`` is
    one that the command makes, for servers that make none by request (the probe then checks it). ``https``: whether
    ``command`` supports ``LaunchContext.tls``; for a server that cannot, ``no_https`` says why. ``tls``: this start
    is over https.
    """

    name: str
    title: str
    command: Callable[[LaunchContext], Command]
    version: Callable[[ProbeResponse], str]
    environment: Environment | None = None
    ports: int = 1
    region: str = "us-east-1"
    path: str = ""
    checksums: ChecksumMode = "when_required"
    bucket: str | None = None
    fixed_credentials: tuple[str, str] | None = field(default=None, repr=False)
    make_credentials: Callable[[], tuple[str, str]] = lambda: random_credentials()
    ready: Callable[[int], bool] = lambda status: status == 200
    deadline_s: float = 120.0
    https: bool = False
    no_https: str = "the suite does not know how to start it over https"
    tls: bool = False

    @property
    def kind(self) -> LaunchKind:
        return LaunchKind.PROCESS

    def over_https(self) -> ProcessLaunch:
        if not self.https:
            raise LaunchError(f"{self.title} is not started over https: {self.no_https}")
        return replace(self, tls=True)

    def availability(self) -> Availability:
        made = certificates.availability()
        if self.tls and not made.ready:
            return made
        return self.environment.availability() if self.environment else Availability(ready=True)

    def install(self, progress: Progress) -> None:
        if self.environment:
            self.environment.install(progress)

    @contextlib.contextmanager
    def start(self, progress: Progress) -> Iterator[Running]:
        availability = self.availability()
        if not availability.ready:
            raise Unavailable(f"{self.title}: {availability.missing}; {availability.how}")
        self.install(progress)
        with contextlib.ExitStack() as stack:
            server = self._first_that_binds(stack, progress)
            yield Running(
                target=server.endpoint,
                version=self.version(server.answer),
                launch=self.kind,
                log=server.log,
                restart=server.restart,
            )

    def _first_that_binds(self, stack: contextlib.ExitStack, progress: Progress) -> _Server:
        for attempt in range(1, _FRESH_PORTS_TRIES + 1):
            trial = contextlib.ExitStack()
            try:
                server = trial.enter_context(self._server())
            except _PortTaken as error:
                trial.close()
                if attempt == _FRESH_PORTS_TRIES:
                    raise LaunchError(
                        f"{self.title}: its ports were taken {attempt} times in a row; its last message:\n{error.log}",
                        log=error.log,
                    ) from error
                progress(f"{self.title}: a port was taken meanwhile, trying others")
            else:
                stack.push(trial.pop_all())
                return server
        raise AssertionError("the last try returns or raises")

    @contextlib.contextmanager
    def _server(self) -> Iterator[_Server]:
        with reserved_ports(self.ports) as ports, _supervised(self.name) as (supervisor_of, folder, log):
            access_key, secret_key = self.fixed_credentials or self.make_credentials()
            context = LaunchContext(
                data=folder.data,
                work=folder.work,
                ports=ports,
                access_key=access_key,
                secret_key=secret_key,
                tls=certificates.make_certificates(folder.work / "tls") if self.tls else None,
            )
            context.scratch.mkdir()
            command = self.command(context)
            (folder.path / supervisor.EXTERNAL_FILES).write_text(
                "\n".join(map(str, command.external_files)), encoding="utf-8"
            )
            server = _Server(
                title=self.title,
                supervisor=supervisor_of,
                order={
                    "op": "start",
                    "argv": list(command.argv),
                    "env": {**_minimal_environment(folder), **command.env},
                    "cwd": str(folder.work),
                    "log": str(log),
                },
                endpoint=S3Endpoint(
                    url=f"{context.scheme}://{context.address}{self.path}",
                    ca_file=context.tls.authority if context.tls else None,
                    access_key=access_key,
                    secret_key=secret_key,
                    region=self.region,
                    checksums=self.checksums,
                    bucket=self.bucket,
                    disposable=True,
                ),
                ready=self.ready,
                deadline_s=self.deadline_s,
                log=log,
            )
            server.begin()
            yield server


class _PortTaken(LaunchError):
    """Raised where another process has the port of the server."""


class _Server:
    """One started server: its supervisor, and how to check that it is ready."""

    def __init__(
        self,
        *,
        title: str,
        supervisor: SupervisorClient,
        order: Mapping[str, object],
        endpoint: S3Endpoint,
        ready: Callable[[int], bool],
        deadline_s: float,
        log: Path,
    ) -> None:
        self._title = title
        self._supervisor = supervisor
        self._order = order
        self._ready = ready
        self._deadline_s = deadline_s
        self.endpoint = endpoint
        self.log = log
        self.answer = ProbeResponse(status=0, server="")

    def begin(self) -> None:
        status = self._supervisor.request(self._order)
        if status["error"]:
            raise LaunchError(f"{self._title}: cannot run its program: {status['error']}")
        self._wait()

    def restart(self) -> None:
        """SIGKILL the server with all its children and start it again on the same data and ports."""
        self._supervisor.request({"op": "kill"})
        self.begin()

    def _wait(self) -> None:
        deadline = time.monotonic() + self._deadline_s
        last = "nothing answered"
        while time.monotonic() < deadline:
            try:
                response = ask(self.endpoint)
            except OSError as error:
                last = f"{error}"
            else:
                last = f"it responded with status {response.status}"
                # Another process may respond on the port: only a server that is still alive has bound it.
                if self._ready(response.status) and self._supervisor.request({"op": "status"})["alive"]:
                    self.answer = response
                    return
            self._check_alive()
            time.sleep(_POLL_S)
        raise LaunchError(
            f"{self._title}: not ready after {self._deadline_s:g} s ({last}); "
            f"the end of its log {self.log}:\n{self._tail()}",
            log=self._tail(),
        )

    def _check_alive(self) -> None:
        status = self._supervisor.request({"op": "status"})
        if status["alive"]:
            return
        tail = self._tail()
        if _BIND_FAILURE.search(tail):
            raise _PortTaken(f"{self._title}: its port is taken", log=tail)
        code = status["code"]
        end = f"was killed by signal {-code}" if isinstance(code, int) and code < 0 else f"ended with exit code {code}"
        raise LaunchError(f"{self._title}: {end} before it responded; the end of its log {self.log}:\n{tail}", log=tail)

    def _tail(self) -> str:
        with contextlib.suppress(OSError), self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            return log.read().decode("utf-8", "replace")
        return ""


class SupervisorClient:
    """The client of the supervisor; :mod:`supervisor` describes the messages."""

    def __init__(self, folder: RunFolder) -> None:
        program = str(Path(supervisor.__file__))
        # The supervisor inherits the lock, so the folder counts as in use until both processes have ended.
        self._process = ChildProcess(
            [sys.executable, "-I", "-S", program, str(folder.path), str(os.getpid())],
            cwd="/",
            env={},
            pass_fds=(folder.lock_fd,),
            new_session=True,
        )

    def request(self, order: Mapping[str, object]) -> dict[str, Any]:
        try:
            return self._process.request(order, _ORDER_DEADLINE_S)
        except ChildError as error:
            raise LaunchError(f"the process that supervises the server failed, and ended the server: {error}") from None

    def end(self) -> None:
        self._process.end(_ORDER_DEADLINE_S)


@contextlib.contextmanager
def _supervised(name: str) -> Iterator[tuple[SupervisorClient, RunFolder, Path]]:
    """A supervisor with a run directory. The log outlives the directory only if an exception is raised."""
    folder = make_run_folder(name)
    try:
        log = logs_dir() / f"{folder.path.name}.log"
        keeper = SupervisorClient(folder)
        try:
            yield keeper, folder, log
        except _PortTaken:
            log.unlink(missing_ok=True)
            raise
        except Exception:
            raise
        except BaseException:
            log.unlink(missing_ok=True)
            raise
        else:
            log.unlink(missing_ok=True)
        finally:
            keeper.end()
    finally:
        shutil.rmtree(folder.path, ignore_errors=True)
        os.close(folder.lock_fd)


def random_credentials() -> tuple[str, str]:
    """An access key of 20 capital letters and digits, and a secret key of 40 letters and digits."""
    capitals = string.ascii_uppercase + string.digits
    letters = string.ascii_letters + string.digits
    access_key = "CONF" + "".join(secrets.choice(capitals) for _ in range(16))
    return access_key, "".join(secrets.choice(letters) for _ in range(40))


def _scratch(work: Path) -> Path:
    return work / "tmp"


def _minimal_environment(folder: RunFolder) -> dict[str, str]:
    """Return only the PATH: a server under test must not get the user's credentials, proxies and settings."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder.work),
        "TMPDIR": str(_scratch(folder.work)),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        FOLDER_VARIABLE: str(folder.path),
    }
