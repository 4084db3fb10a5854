"""The data types of a clause. They hold data only and run nothing."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final

CONTRACT_VERSION: Final = "2026.11"
"""Changes when a clause is added, when one is removed, and when one decides differently."""


class ConformanceError(Exception):
    """The base of the suite's errors: wrong input, or a backend that cannot be judged. A verdict is never an error."""


class Level(enum.StrEnum):
    """How binding a promise is, in the words of RFC 2119."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"


class Profile(enum.StrEnum):
    """Which users of a backend need the promise."""

    CORE = "core"
    """The storage system itself, on any backend, local disk included."""
    S3 = "s3"
    """What a client may expect of an S3-compatible endpoint. The norm is the documentation of Amazon S3."""


class Capability(enum.StrEnum):
    """What a backend may or may not be able to do.

    The planner compares the capabilities of a backend with those that a clause requires, before the clause runs.
    """

    WIRE = "wire"
    """Speaks the S3 protocol over HTTP, so that single requests can be sent and counted."""
    SIGNED_URLS = "signed_urls"
    """Serves signed URLs for download."""
    SIGNED_UPLOADS = "signed_uploads"
    """Accepts uploads with signed URLs."""
    OTHER_SECRETS = "other_secrets"
    """Can be opened with a wrong secret, so that the suite can check that requests signed with it are rejected."""
    EXPIRING_CREDENTIALS = "expiring_credentials"
    """Can be opened with temporary credentials whose expiry time is known."""
    OWN_VIEW = "own_view"
    """Can be inspected without the storage under test: through its own listing, or through the file tree."""
    FAULT_INJECTION = "fault_injection"
    """The suite can reject, break or cut off requests between the storage and the backend."""
    REFUSALS = "refusals"
    """The suite can make deletes of single keys fail."""
    FILE_TREE = "file_tree"
    """Keeps its objects as files below a local root directory."""
    MULTIPART = "multipart"
    CONDITIONAL_PUT = "conditional_put"
    VERSIONING = "versioning"
    LIFECYCLE = "lifecycle"
    COPY = "copy"
    DURABLE = "durable"
    """Promises that confirmed writes survive a kill of the server."""
    RESTART = "restart"
    """The suite can kill the server and start it again."""
    SETTINGS = "settings"
    """Has a loader for the settings of the product."""
    RETENTION = "retention"
    """Has a component that makes expiry rules for file types."""
    MIGRATION = "migration"
    """Has a migration from local disk."""
    WRITER = "writer"
    """Can be written to by a process that the suite kills."""


class Harm(enum.StrEnum):
    """The harm that a deviation may do to the users of a backend. Most deviations do none."""

    LOSES_DATA = "loses data"
    """An object that should have stayed is removed, emptied or replaced."""
    STORES_WRONG_DATA = "stores wrong data"
    """Bytes that were known to be damaged or truncated are stored as if they were complete."""
    SERVES_WRONG_DATA = "serves wrong data"
    """A download returns, as a complete object, bytes that nobody ever stored."""
    CROSSES_TENANTS = "crosses tenants"
    """An operation for one owner reaches the data of another owner."""
    LEAKS = "leaks"
    """Content or secrets become visible where they must not."""
    BYPASSES_AUTHENTICATION = "bypasses authentication"
    """A request is served although no valid signature allows it."""
    BREAKS_OUT = "breaks out"
    """Something outside of the bucket, or outside of the directory of the storage, is reached."""

    @property
    def severity(self) -> int:
        """Return how bad it is compared with the others; more is worse. Where several were seen, the worst is kept."""
        return _SEVERITY.index(self)

    @property
    def is_attack(self) -> bool:
        """Return whether a reproducer of this harm is a ready attack.

        Such a reproducer is withheld until the project of the backend knows about it.
        """
        return self in (Harm.BYPASSES_AUTHENTICATION, Harm.BREAKS_OUT)


LONGEST_TITLE: Final = 40
"""Characters that the title of a clause may have."""

_SEVERITY: Final = (
    Harm.LEAKS,
    Harm.SERVES_WRONG_DATA,
    Harm.STORES_WRONG_DATA,
    Harm.LOSES_DATA,
    Harm.CROSSES_TENANTS,
    Harm.BYPASSES_AUTHENTICATION,
    Harm.BREAKS_OUT,
)

_ID: Final = re.compile(r"[A-Z]{2,5}-\d{3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One promise, as data.

    ``id`` is permanent and has the form ``FAMILY-NNN`` (``URL-003``: 2 to 5 capital letters, 3 digits).
    ``statement`` is one sentence in the present tense, without white space around it.
    ``sources`` are the addresses of the norm, at least one: a document of Amazon S3, an RFC, or a section of the
    storage system's own documentation.
    ``requires`` are the capabilities without which a backend cannot be judged by this clause.
    ``title`` names the promise in at most :data:`LONGEST_TITLE` characters; ``consequence`` says in one plain sentence
    what happens to an application where the promise is broken. Reports show both to people who know no clause.

    Raises ``ValueError`` where the id, the statement, the title, the consequence or the sources do not have this form.
    """

    id: str
    statement: str
    level: Level
    profile: Profile
    sources: tuple[str, ...]
    requires: frozenset[Capability] = frozenset()
    title: str = ""
    consequence: str = ""

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise ValueError(f"clause id {self.id!r}: expected FAMILY-NNN, such as 'URL-003'")
        if not self.sources:
            raise ValueError(f"clause {self.id}: a clause needs at least one source")
        if not self.statement or self.statement != self.statement.strip():
            raise ValueError(f"clause {self.id}: the statement is empty or padded")
        if len(self.title) > LONGEST_TITLE:
            raise ValueError(
                f"clause {self.id}: the title {self.title!r} has {len(self.title)} characters; at most {LONGEST_TITLE}"
            )
        if self.consequence and (not self.consequence.endswith(".") or ". " in self.consequence):
            raise ValueError(f"clause {self.id}: the consequence {self.consequence!r} is not one sentence")

    @property
    def family(self) -> str:
        """The letters of the id: ``URL`` for ``URL-003``."""
        return self.id.partition("-")[0]
