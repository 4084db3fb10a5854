"""Faults of an S3 server: each one function between the client and a good server.

See the package docstring for how to write one.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, Self, TypeVar

from tests.exemplar.http import HttpFront
from tests.exemplar.payload import open_body
from tests.exemplar.sigv4 import verify
from tests.exemplar.types import Request, Response, S3Error
from tests.exemplar.xml import error_response
from tests.faults.discovery import import_faults
from tests.faults.upstreams import InProcess, Upstream


class Identified(Protocol):
    """Anything with an id."""

    @property
    def id(self) -> str: ...


F = TypeVar("F", bound=Identified)
Behaviour = Callable[[Request, "Forward"], Response]

_ID: Final = re.compile("[a-z0-9]+(-[a-z0-9]+)*")
_CLAUSE: Final = re.compile(r"[A-Z]{2,5}-\d{3}")


class Forward:
    """Forwards requests to the good server, and holds the memory of one running faulty server.

    ``forward(request)`` passes the request on as it is, to be authenticated there. ``forward.trusted(request)``
    skips authentication, for requests that the fault changed. ``forward.memory`` is a fresh dict per server, to be
    used under ``forward.lock``.
    """

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.memory: dict[Any, Any] = {}
        self.lock = threading.RLock()

    def __call__(self, request: Request) -> Response:
        return self.upstream.send(request, trusted=False)

    def trusted(self, request: Request) -> Response:
        """Pass on a request without its signature: authentication has been decided by the fault."""
        return self.upstream.send(request.unsigned(), trusted=True)

    def authentic(self, request: Request) -> Response | None:
        """Return ``None`` where the good server would accept the signature, else its refusal; changes nothing.

        Signature and body hash are checked here with the upstream's key; nothing is sent.
        """
        try:
            open_body(request, verify(request, self.upstream.credentials))
        except S3Error as error:
            return error_response(error, request.path, "0")
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One deliberate defect.

    ``breaks`` names the clauses expected to notice it. ``origin`` is a link to the real bug that it imitates, or a note
    on it. ``wants_truncated``: the behaviour is also called for bodies that broke off (``request.truncated``).
    """

    id: str
    title: str
    breaks: frozenset[str]
    behave: Behaviour
    origin: str = ""
    wants_truncated: bool = False

    def __post_init__(self) -> None:
        require_identity(self.id, self.title, self.breaks)


def require_identity(fault_id: str, title: str, breaks: frozenset[str]) -> None:
    """Raise ``ValueError`` for an id that is not kebab-case, a missing title, or no well-formed clause id."""
    if not _ID.fullmatch(fault_id):
        raise ValueError(f"fault id {fault_id!r}: expected kebab-case, such as 'serves-expired-urls'")
    if not title or title != title.strip():
        raise ValueError(f"fault {fault_id}: the title is empty or padded")
    wrong = sorted(clause for clause in breaks if not _CLAUSE.fullmatch(clause))
    if wrong or not breaks:
        raise ValueError(f"fault {fault_id}: breaks must name clauses such as 'URL-003', not {wrong or 'nothing'}")


class Registry(Generic[F]):
    """Faults by id, in order of registration; an id can be used once."""

    def __init__(self) -> None:
        self._faults: dict[str, F] = {}

    def add(self, fault: F) -> F:
        if fault.id in self._faults:
            raise ValueError(f"fault id {fault.id!r} is registered twice; give one of them another id")
        self._faults[fault.id] = fault
        return fault

    def __iter__(self) -> Iterator[F]:
        return iter(self._faults.values())

    def __len__(self) -> int:
        return len(self._faults)

    def __getitem__(self, fault_id: str) -> F:
        try:
            return self._faults[fault_id]
        except KeyError:
            raise KeyError(f"no fault {fault_id!r}; known: {', '.join(self._faults) or 'none'}") from None


_S3_FAULTS: Final[Registry[Fault]] = Registry()


def fault(
    fault_id: str, title: str, *, breaks: Iterable[str], origin: str = "", wants_truncated: bool = False
) -> Callable[[Behaviour], Fault]:
    """Register the decorated ``(request, forward) -> Response`` as a fault; the name then stands for the fault."""

    def register(behave: Behaviour) -> Fault:
        return _S3_FAULTS.add(
            Fault(
                id=fault_id,
                title=title,
                breaks=frozenset(breaks),
                behave=behave,
                origin=origin,
                wants_truncated=wants_truncated,
            )
        )

    return register


def all_faults() -> Registry[Fault]:
    """Return every S3 fault of the modules ``tests/faults/s3/``, importing those not yet imported."""
    import_faults("s3")
    return _S3_FAULTS


def __getattr__(name: str) -> Registry[Fault]:
    # ALL_FAULTS is computed on first use: the fault modules import this one.
    if name == "ALL_FAULTS":
        return all_faults()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class FaultyServer:
    """Serves one fault over HTTP; a context manager. ``url`` is its endpoint.

    ``upstream`` is the good server: a new exemplary one by default (then ``access_key``, ``secret_key`` are
    what clients sign with), or an :class:`~tests.faults.upstreams.HttpUpstream`. ``fault=None`` forwards everything.
    """

    def __init__(self, fault: Fault | None, *, upstream: Upstream | None = None) -> None:
        self.fault = fault
        self.forward = Forward(upstream or InProcess())
        wants_truncated = fault is not None and fault.wants_truncated
        self._front = HttpFront(self.handle, wants_truncated=wants_truncated)

    @property
    def url(self) -> str:
        return self._front.url

    def handle(self, request: Request) -> Response:
        """Answer one request as the fault does. A request whose address cannot be read is never passed to the fault."""
        try:
            _ = request.bucket, request.key, request.query
        except S3Error:
            return self.forward(request)
        return self.forward(request) if self.fault is None else self.fault.behave(request, self.forward)

    def __enter__(self) -> Self:
        self._front.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._front.close()
        self.forward.upstream.close()
