"""Where a backend under test is, once it was started or found: plain data that a launch passes to a session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bucket_conformance.conformance.parts import PartsOverride
from bucket_conformance.reference_impl.api import Storage

Addressing = Literal["path", "virtual"]
ChecksumMode = Literal["when_required", "when_supported"]


Wrap = Callable[[Storage], Storage]
"""Returns your own storage around the reference storage; the suite then judges yours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Endpoint:
    """An S3 endpoint with credentials.

    - ``url``: scheme, host and port, plus a path where the server serves S3 below one.
    - ``bucket``: an existing bucket, which the suite fills below its own names. With ``None`` the session creates a
      bucket and removes it.
    - ``region``: the region to sign for.
    - ``addressing``: where requests carry the bucket name: in the ``"path"`` or in the host name (``"virtual"``).
    - ``checksums``: when the SDK adds checksums, as in botocore.
    - ``ca_file``: trusted certificates in PEM form, instead of the system's.
    - ``wrap``, ``parts``: your own storage, and your own parts of the application, in place of the reference's.

    ``repr`` never shows the secrets.
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
    """The whole server is thrown away afterwards, so that a session need not remove its objects one by one."""
    keep_versions: bool = False
    """Whether old versions of what a session stored may stay in ``bucket`` where they cannot be removed."""
    wrap: Wrap | None = None
    parts: PartsOverride | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskRoot:
    """A local directory as the root of a storage. Each session makes its own directory below it."""

    root: Path
    wrap: Wrap | None = None
    parts: PartsOverride | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageFactory:
    """Your own storage class. Each call of ``make`` returns a client of the same stored data.

    ``name`` appears in reports.
    """

    make: Callable[[], Storage]
    name: str
    parts: PartsOverride | None = None


Target = S3Endpoint | DiskRoot | StorageFactory
