"""What the command line sends to a process that judges: a job, as one line of JSON over a pipe.

Separate from :mod:`job`, which loads what judging needs: a process that only sends a job does not load that.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from bucket_conformance.conformance.contract import Capability, Profile
from bucket_conformance.conformance.effort import Mode
from bucket_conformance.conformance.report.document import DocumentError, Record, loads
from bucket_conformance.conformance.target import Addressing, ChecksumMode, DiskRoot, S3Endpoint


class EndpointRecord(Record, frozen=True, kw_only=True):
    """An S3 endpoint as a job carries it. Its credentials never show in ``repr``."""

    url: str
    access_key: str
    secret_key: str
    session_token: str | None = None
    region: str = "us-east-1"
    addressing: Addressing = "path"
    checksums: ChecksumMode = "when_required"
    bucket: str | None = None
    ca_file: str | None = None
    disposable: bool = False
    keep_versions: bool = False

    def __repr__(self) -> str:
        return f"EndpointRecord(url={self.url!r})"

    @classmethod
    def of(cls, endpoint: S3Endpoint) -> EndpointRecord:
        """Return the record of an endpoint."""
        return cls(
            url=endpoint.url,
            access_key=endpoint.access_key,
            secret_key=endpoint.secret_key,
            session_token=endpoint.session_token,
            region=endpoint.region,
            addressing=endpoint.addressing,
            checksums=endpoint.checksums,
            bucket=endpoint.bucket,
            ca_file=str(endpoint.ca_file) if endpoint.ca_file else None,
            disposable=endpoint.disposable,
            keep_versions=endpoint.keep_versions,
        )

    def target(self) -> S3Endpoint:
        """Return the endpoint."""
        return S3Endpoint(
            url=self.url,
            access_key=self.access_key,
            secret_key=self.secret_key,
            session_token=self.session_token,
            region=self.region,
            addressing=self.addressing,
            checksums=self.checksums,
            bucket=self.bucket,
            ca_file=Path(self.ca_file) if self.ca_file else None,
            disposable=self.disposable,
            keep_versions=self.keep_versions,
        )


class Job(Record, frozen=True, kw_only=True):
    """What to judge, and how: by a worker, which brings the backend up, or by a helper, which gets its address."""

    provider: str
    run_id: str = ""
    clauses: tuple[str, ...] = ()
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    mode: Mode
    budget_s: Annotated[float, Meta(gt=0)] | None = None
    """Seconds that a deep run may take."""
    max_requests: Annotated[int, Meta(ge=1)] | None = None
    limits: bool = False
    """Whether to search the backend's limits as well."""
    provider_files: tuple[str, ...] = ()
    launch: str | None = None
    tls: bool = False
    checksums: ChecksumMode | None = None
    keep_versions: bool = False
    """Whether old versions of what the run stores may stay in a bucket that exists."""
    install: bool = False
    skip_missing: bool = False
    expectations: str | None = None
    """The file of what is known in advance."""
    slow: bool = False
    """Whether the backend takes long to start; such ones start first."""
    helpers: Annotated[int, Meta(ge=0)] = 0
    """How many helpers share the clauses."""
    endpoint: EndpointRecord | None = None
    """The endpoint to judge; with ``root``, none: the provider is started."""
    root: str | None = None
    """For a helper on local disk: the storage's root."""
    capabilities: tuple[Capability, ...] = ()
    """For a helper: what the backend has."""

    @classmethod
    def from_line(cls, text: str) -> Job:
        """Return the job of a line of JSON. :class:`DocumentError` names the property that is wrong, not its value."""
        try:
            return cls.from_json(loads(text))
        except DocumentError as error:
            raise DocumentError(f"no job: {error}") from None

    def target(self) -> S3Endpoint | DiskRoot:
        """Return where a helper finds the backend."""
        if self.root is not None:
            return DiskRoot(root=Path(self.root))
        if self.endpoint is None:
            raise DocumentError("no job of a helper: it names neither an endpoint nor a root")
        return self.endpoint.target()


class Selection(Record, frozen=True, kw_only=True):
    """Which clauses are wanted: those that match any pattern and any profile; empty: all."""

    patterns: tuple[str, ...] = ()
    profiles: tuple[Profile, ...] = ()


class SelectRequest(Record, frozen=True, kw_only=True):
    """A request for the ids of the clauses that match. ``order``: its number, which the reply repeats."""

    order: int
    select: Selection

    @classmethod
    def of_line(cls, text: str) -> SelectRequest | None:
        """Return the request of a line of JSON, ``None`` where the line is no such request."""
        message = loads(text)
        return cls.from_json(message) if isinstance(message, dict) and "select" in message else None


class Selected(Record, frozen=True, kw_only=True, tag_field="type", tag="selected"):
    """The reply with the ids of the clauses. ``order``: the number of the request."""

    order: int
    clauses: tuple[str, ...]


class Unknown(Record, frozen=True, kw_only=True, tag_field="type", tag="unknown"):
    """The reply that no clause is of such a name. ``order``: the number of the request."""

    order: int
    message: str


def select_reply(message: object) -> Selected | Unknown:
    """Return the record of a reply. :class:`DocumentError` names the property that is wrong."""
    unknown = isinstance(message, dict) and message.get("type") == "unknown"
    return Unknown.from_json(message) if unknown else Selected.from_json(message)


def found_at(target: S3Endpoint | DiskRoot) -> dict[str, Any]:
    """Return the properties of a helper's job that say where the backend is."""
    if isinstance(target, DiskRoot):
        return {"root": str(target.root), "endpoint": None}
    return {"endpoint": EndpointRecord.of(target), "root": None}
