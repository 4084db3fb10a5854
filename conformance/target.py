"""Where a backend under test is, once something has started or found it: plain data handed from launch to session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bucket_conformance.conformance.parts import ChangeParts
from bucket_conformance.reference_impl.api import Storage

Addressing = Literal["path", "virtual"]
ChecksumMode = Literal["when_required", "when_supported"]


Wrap = Callable[[Storage], Storage]
"""Puts a storage of one's own around the reference's, to be judged in its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Endpoint:
    """An S3 endpoint with credentials.

    ``url`` is scheme, host and port, with a path where the server mounts S3 below one. ``bucket`` is a bucket that
    exists and that we may fill below names of our own; ``None`` means that the session makes and removes its own.
    The secrets never show in ``repr``.
    """

    url: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    region: str = "us-east-1"
    addressing: Addressing = "path"
    checksums: ChecksumMode = "when_required"
    bucket: str | None = None
    ca_file: Path | None = None
    disposable: bool = False
    """The whole server is thrown away afterwards: what a session leaves in it need not be removed one by one."""
    keep_versions: bool = False
    """Whether old versions of what a session stored may stay in ``bucket`` where they cannot be removed."""
    wrap: Wrap | None = None
    parts: ChangeParts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskRoot:
    """A local folder to be used as storage root. Each session makes a folder of its own below it."""

    root: Path
    wrap: Wrap | None = None
    parts: ChangeParts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageFactory:
    """A storage class of somebody else's. Each call of ``make`` gives a client of the same stored data."""

    make: Callable[[], Storage]
    name: str
    parts: ChangeParts | None = None


Target = S3Endpoint | DiskRoot | StorageFactory
