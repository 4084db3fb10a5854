"""What a clause is: pure data, nothing that runs."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final

CONTRACT_VERSION: Final = "2026.11"
"""Changes whenever a clause is added, removed or decides differently."""


class Level(enum.StrEnum):
    """How binding a promise is (RFC 2119)."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"


class Profile(enum.StrEnum):
    """Who needs the promise."""

    CORE = "core"
    """The storage system itself, on any backend, local disk included."""
    S3 = "s3"
    """What a client may expect of an S3-compatible endpoint; Amazon S3's documentation is the norm."""


class Capability(enum.StrEnum):
    """What a backend may or may not have. The planner decides by these before a clause runs."""

    WIRE = "wire"
    """Speaks the S3 protocol over HTTP, so that single requests can be sent and counted."""
    SIGNED_URLS = "signed_urls"
    """Serves signed URLs for download."""
    SIGNED_UPLOADS = "signed_uploads"
    """Takes uploads by signed URL."""
    OTHER_SECRETS = "other_secrets"
    """Can be opened with a secret that is not its own, to see what that signs refused."""
    EXPIRING_CREDENTIALS = "expiring_credentials"
    """Can be opened with temporary credentials, whose end is known."""
    OWN_VIEW = "own_view"
    """Can be looked into without the storage under test (its own listing, or the file tree)."""
    FAULT_INJECTION = "fault_injection"
    """Requests between storage and backend can be refused, broken or cut by the suite."""
    REFUSALS = "refusals"
    """Deletes of single keys can be made to fail by the suite."""
    FILE_TREE = "file_tree"
    """Keeps its objects as files below a local root."""
    MULTIPART = "multipart"
    CONDITIONAL_PUT = "conditional_put"
    VERSIONING = "versioning"
    LIFECYCLE = "lifecycle"
    COPY = "copy"
    DURABLE = "durable"
    """Promises that answered writes survive a kill of the server."""
    RESTART = "restart"
    """Its server can be killed and started again by the suite."""
    SETTINGS = "settings"
    """Comes with a loader of the product's settings."""
    RETENTION = "retention"
    """Comes with something that makes expiry rules for types of files."""
    MIGRATION = "migration"
    """Comes with a migration from local disk."""
    WRITER = "writer"
    """Can be written to by a process that the suite kills."""


class Harm(enum.StrEnum):
    """What a deviation may do to those who rely on the backend; most deviations do none of it."""

    LOSES_DATA = "loses data"
    """An object is removed, emptied or replaced that should have stayed."""
    STORES_WRONG_DATA = "stores wrong data"
    """Bytes that were known to be damaged or cut off are kept as if they were whole."""
    SERVES_WRONG_DATA = "serves wrong data"
    """Bytes are given as a whole object that nobody ever stored."""
    CROSSES_TENANTS = "crosses tenants"
    """What is done for one owner reaches what belongs to another."""
    LEAKS = "leaks"
    """Content or secrets show where they must not."""
    BYPASSES_AUTHENTICATION = "bypasses authentication"
    """A request is served that no valid signature allows."""
    BREAKS_OUT = "breaks out"
    """Something outside of the bucket or the storage's folder is reached."""

    @property
    def is_attack(self) -> bool:
        """Whether a reproducer of it is a ready attack, to be withheld until the backend's project knows."""
        return self in (Harm.BYPASSES_AUTHENTICATION, Harm.BREAKS_OUT)


_ID: Final = re.compile(r"[A-Z]{2,5}-\d{3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One promise.

    ``id`` is permanent (``URL-003``). ``statement`` is one sentence in the present tense. ``sources`` are addresses of
    the norm: an Amazon S3 document, an RFC, or a section of the storage system's own documentation.
    """

    id: str
    statement: str
    level: Level
    profile: Profile
    sources: tuple[str, ...]
    requires: frozenset[Capability] = frozenset()

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise ValueError(f"clause id {self.id!r}: expected FAMILY-NNN, such as 'URL-003'")
        if not self.sources:
            raise ValueError(f"clause {self.id}: a clause needs at least one source")
        if not self.statement or self.statement != self.statement.strip():
            raise ValueError(f"clause {self.id}: the statement is empty or padded")

    @property
    def family(self) -> str:
        return self.id.partition("-")[0]
