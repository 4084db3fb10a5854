"""A provider: the name of a backend, what it declares, and the ways to reach it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from bucket_conformance.conformance.contract import Capability, ConformanceError
from bucket_conformance.conformance.target import Target

Progress = Callable[[str], None]
"""Receives one short line about what happens ("installing moto 5.2.5"). Called from any thread."""


class Kind(enum.StrEnum):
    """The kind of a provider; a verdict on a mock is no verdict on what it mocks."""

    SERVER = "server"
    SERVICE = "service"
    SIMULATOR = "simulator"
    MOCK = "mock"
    FILE_SYSTEM = "file system"


class LaunchKind(enum.StrEnum):
    """How a backend is started."""

    EMBEDDED = "embedded"
    """Inside this process (local disk)."""
    PROCESS = "process"
    CONTAINER = "container"
    REMOTE = "remote"


class LaunchError(ConformanceError):
    """Raised for a backend that cannot be installed, started or reached. The message says what to do.

    ``log``: the end of the server's own log.
    """

    def __init__(self, message: str, *, log: str = "") -> None:
        super().__init__(message)
        self.log = log


class Unavailable(LaunchError):
    """Raised if something is missing on this machine and cannot be installed. This says nothing about the backend."""


class ProviderError(ConformanceError):
    """Raised for a provider file that cannot be used. The message names the file and what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """Whether a launch can be used on this machine; otherwise what is missing and how to get it.

    ``note``: what a ready launch will do first, such as installing its server at first use. ``installable``: only an
    installation is missing that takes long and must be requested.
    """

    ready: bool
    missing: str = ""
    how: str = ""
    note: str = ""
    installable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A started backend. ``restart`` kills the server hard (SIGKILL) and starts it again on the same data and port."""

    target: Target
    version: str
    launch: LaunchKind
    log: Path | None = None
    restart: Callable[[], None] | None = None


class Launch(Protocol):
    """One way to start a backend."""

    @property
    def kind(self) -> LaunchKind: ...

    def availability(self) -> Availability:
        """Return (fast, no network) whether ``start`` can work here."""
        ...

    def install(self, progress: Progress) -> None:
        """Download what ``start`` needs into the cache; return at once if it is there. Raises ``LaunchError``."""
        ...

    def over_https(self) -> Launch:
        """Return this launch with https under its own authority. Raises ``LaunchError`` if it cannot serve https."""
        ...

    def start(self, progress: Progress) -> AbstractContextManager[Running]:
        """Install if needed, start, and wait until the first request is answered.

        Leaving the context ends and removes everything.
        Raises ``LaunchError`` with the server's log if it does not start.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A limit that the provider documents, and the address of that document (``source``)."""

    value: int
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One backend, with everything known about it before it is judged.

    ``launches`` are in order of preference. ``limits`` is keyed by what is limited: ``batch_keys`` (per DeleteObjects),
    ``key_bytes``, ``segment_bytes`` (between slashes), ``url_life_s``, ``put_bytes``, ``parts``, ``part_min_bytes``.
    ``expectations`` is a file of known deviations; the built-in providers have theirs in ``providers/expectations``.
    """

    id: str
    title: str
    homepage: str
    licence: str
    kind: Kind
    launches: tuple[Launch, ...]
    capabilities: frozenset[Capability]
    limits: Mapping[str, Declared] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    expectations: Path | None = None
    slow: bool = False
    """Whether it takes minutes where most take seconds. A run of many providers starts it first, and so ends sooner."""

    def choose(self, launch: LaunchKind | None = None, *, installing: bool = False) -> Launch:
        """Return the launch of that kind; without a kind the first that is ready, or becomes so by ``installing``.

        ``LaunchError`` for a kind that the provider does not have, ``Unavailable`` where no launch is ready.
        """
        if launch is not None:
            for candidate in self.launches:
                if candidate.kind is launch:
                    return candidate
            offered = ", ".join(candidate.kind.value for candidate in self.launches) or "none"
            raise LaunchError(f"{self.id} has no launch {launch.value!r}; it has: {offered}")
        reasons: list[str] = []
        for candidate in self.launches:
            availability = candidate.availability()
            if availability.ready or (installing and availability.installable):
                return candidate
            reasons.append(f"{candidate.kind.value}: {availability.missing}; {availability.how}")
        raise Unavailable(f"{self.title} cannot be reached from here. " + " | ".join(reasons or ["it has no launch"]))

    def over_https(self) -> Provider:
        """Return this provider with its launches that serve https. Raises ``LaunchError`` where none does."""
        found: list[Launch] = []
        reasons: list[str] = []
        for candidate in self.launches:
            try:
                found.append(candidate.over_https())
            except LaunchError as error:
                reasons.append(str(error))
        if not found:
            raise LaunchError("; ".join(reasons) or f"{self.title} has no launch")
        return replace(self, launches=tuple(found))

    def availability(self) -> Availability:
        """Return the availability of the first ready launch; if none is ready, what each of them lacks."""
        found = [(candidate.kind, candidate.availability()) for candidate in self.launches]
        for _, availability in found:
            if availability.ready:
                return availability
        if len(found) == 1:
            return found[0][1]
        return Availability(
            ready=False,
            missing=" | ".join(f"{kind.value}: {availability.missing}" for kind, availability in found) or "no launch",
            how=" | ".join(f"{kind.value}: {availability.how}" for kind, availability in found),
            installable=any(availability.installable for _, availability in found),
        )
