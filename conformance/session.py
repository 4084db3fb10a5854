"""The one thing a clause sees: an isolated, cleaned-up use of a backend. Never the provider's name."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeVar

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.conformance.parts import (
    MigrationPort,
    RetentionPort,
    SettingsPort,
    SystemParts,
    WriterPort,
)
from bucket_conformance.conformance.verdict import ViewError
from bucket_conformance.conformance.wire import clock
from bucket_conformance.conformance.wire.exchange import Auth, Exchange, Headers, Recorder, Redactor, SignedFrom
from bucket_conformance.conformance.wire.health import Finding
from bucket_conformance.conformance.wire.s3 import S3Wire
from bucket_conformance.conformance.wire.transport import Answer, HttpTransport
from bucket_conformance.reference_impl.api import MAX_URL_LIFE_S, CredentialsEndBeforeUrl, Storage
from bucket_conformance.reference_impl.keys import KeyLayout

T = TypeVar("T")

MARK = "conformance-"
"""Every name that a run creates contains this, so that leftovers can be told from anybody's data."""


LEADS = (" ", "+", "%", "?", "#", "&", "\\", "~", "!", ".", "..", "'", "-", "=", "é", "\U0001f600", "\t")
"""What a few keys of a run begin with before the mark, because keys may; cleaning up looks there too."""


class BackendView(Protocol):
    """The backend seen without the storage under test: its own listing, or the file tree. May raise ``ViewError``."""

    def keys(self, prefix: str) -> list[str]:
        """Return every key that starts with ``prefix``, sorted."""
        ...

    def read(self, key: str) -> bytes | None:
        """Return the bytes of a key, ``None`` where there are none."""
        ...

    def write(self, key: str, body: bytes) -> None:
        """Store bytes under a key."""
        ...


class Interference(Protocol):
    """Trouble between the storage and its backend, made by the suite. Each method acts inside its ``with`` block."""

    def refuse_deletes(self, keys: Iterable[str]) -> AbstractContextManager[None]:
        """The backend refuses to delete these keys (AccessDenied) and deletes the others."""
        ...

    def break_deletes(self, how: str, times: int) -> AbstractContextManager[None]:
        """The next ``times`` deletes fail: ``"503"``, ``"reset_before"`` or ``"reset_after"`` the backend acted, or a
        ``"timeout"`` after it acted."""
        ...

    def cut_downloads(self, after: int, times: int) -> AbstractContextManager[None]:
        """The next ``times`` downloads end after ``after`` bytes of their body."""
        ...

    def deny(self, permission: str) -> AbstractContextManager[None]:
        """The backend refuses (AccessDenied) what needs this permission: ``"s3:PutObject"``, ``"s3:GetObject"``,
        ``"s3:ListBucket"`` or ``"s3:DeleteObject"``."""
        ...


class OtherHands(Protocol):
    """The same backend, opened with credentials other than its own."""

    def with_wrong_secret(self) -> Storage:
        """Return a storage that signs with a secret which is not the backend's."""
        ...

    def with_secret(self, secret: str) -> Storage:
        """Return a storage that signs with this secret (printable ASCII, at least 16 characters)."""
        ...

    def with_expiring_credentials(self, ends_in_s: float) -> Storage:
        """Return a storage whose credentials are good, temporary, and end in so many seconds (over 0).

        It is the same storage each time; what an earlier call asked for no longer holds.
        """
        ...


class Liveness(Protocol):
    """Tells whether a backend works at all, see :mod:`liveness`."""

    def check(self) -> Finding:
        """Return whether it does; one that does not has some seconds to come back."""
        ...


SHARED_LISTING_SIZE: Final = 1001
"""One more than the largest page of S3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedListing:
    """``SHARED_LISTING_SIZE`` keys of the layout, alone below ``prefix``, and the exchanges that stored them.

    They are stored once in a session, for every clause that needs a listing with a second page.
    """

    prefix: str
    keys: tuple[str, ...]
    stored_by: tuple[Exchange, ...]


class Session:
    """A backend as clauses see it. Everything done through it is recorded, and removed when it closes."""

    def __init__(
        self,
        *,
        run_id: str,
        make_storage: Callable[[int | None], Storage],
        layout: KeyLayout,
        capabilities: frozenset[Capability],
        transport: HttpTransport,
        redactor: Redactor,
        view: BackendView | None = None,
        wire: S3Wire | None = None,
        interference: Interference | None = None,
        other_hands: OtherHands | None = None,
        clock_offset_s: float = 0.0,
        parts: SystemParts | None = None,
        liveness: Liveness | None = None,
        keep_alive: Callable[[], None] | None = None,
    ) -> None:
        self.run_id = run_id
        self.storage = make_storage(None)
        """As it comes, with the batch size that it has unless told another."""
        self.layout = layout
        self.capabilities = capabilities
        self.transport = transport
        self.redactor = redactor
        self.clock_offset_s = clock_offset_s
        self._make_storage = make_storage
        self._view = view
        self._wire = wire
        self._interference = interference
        self._other_hands = other_hands
        self._parts = parts or SystemParts()
        self.liveness: Liveness | None = liveness
        """Tells whether the backend still works; ``None`` where nothing can be asked."""
        self._keep_alive = keep_alive
        self._counter = itertools.count()
        self._signed: dict[str, SignedFrom] = {}
        self._strangers: set[str] = set()
        self._other: Storage | None = None
        self._by_batch_size: dict[int, Storage] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._shared_listing: SharedListing | None = None
        self._shared_listing_in_doubt = False
        self.declared_limits: Mapping[str, int] = {}
        """What the backend is said to be limited to, by the names of ``backend.limits`` (``batch_keys``, …)."""

    @property
    def recorder(self) -> Recorder:
        return self.transport.recorder

    @property
    def wire(self) -> S3Wire:
        """Single S3 requests. Only for clauses that require ``Capability.WIRE``."""
        if self._wire is None:
            raise LookupError("this session has no wire; the clause must require Capability.WIRE")
        return self._wire

    @property
    def view(self) -> BackendView:
        """The backend's own view. Only for clauses that require ``Capability.OWN_VIEW``."""
        if self._view is None:
            raise LookupError("this session has no own view; the clause must require Capability.OWN_VIEW")
        return self._view

    @property
    def interference(self) -> Interference:
        """Trouble on request. Only for clauses that require ``Capability.FAULT_INJECTION`` or ``REFUSALS``."""
        if self._interference is None:
            raise LookupError("this session cannot interfere; the clause must require the capability for it")
        return self._interference

    @property
    def other_hands(self) -> OtherHands:
        """Storages with other credentials. Only for clauses that require ``Capability.OTHER_SECRETS`` and the like."""
        if self._other_hands is None:
            raise LookupError("this session has one set of credentials; the clause must require the capability for it")
        return self._other_hands

    @property
    def settings(self) -> SettingsPort:
        """What reads the settings at start. Only for clauses that require ``Capability.SETTINGS``."""
        return _part(self._parts.settings, Capability.SETTINGS)

    @property
    def retention(self) -> RetentionPort:
        """What makes expiry rules. Only for clauses that require ``Capability.RETENTION``."""
        return _part(self._parts.retention, Capability.RETENTION)

    @property
    def migration(self) -> MigrationPort:
        """The migration from local disk. Only for clauses that require ``Capability.MIGRATION``."""
        return _part(self._parts.migration, Capability.MIGRATION)

    @property
    def writer(self) -> WriterPort:
        """Writers that can be killed. Only for clauses that require ``Capability.WRITER``."""
        return _part(self._parts.writer, Capability.WRITER)

    @property
    def root(self) -> Path:
        """The folder that the storage keeps to. Only for clauses that require ``Capability.FILE_TREE``."""
        return _part(self._parts.root, Capability.FILE_TREE)

    def restart(self) -> None:
        """Kill the server hard, start it again, and wait for it. Only with ``Capability.RESTART``."""
        _part(self._parts.restart, Capability.RESTART)()

    def keep_alive(self) -> None:
        """Say to whoever cleans up that this run is at work; called before each example, and rarely sends anything."""
        if self._keep_alive is not None:
            self._keep_alive()

    def another_storage(self) -> Storage:
        """Return a second client of the same backend, with connections of its own. Always the same second one."""
        # A client costs far more than a request, and every example asks for one.
        self._other = self._other or self._make_storage(None)
        return self._other

    def storage_with_batches_of(self, size: int) -> Storage:
        """Return a client that names at most ``size`` keys per delete request; only with a wire to count on."""
        if size not in self._by_batch_size:
            self._by_batch_size[size] = self._make_storage(size)
        return self._by_batch_size[size]

    def fresh_id(self) -> str:
        """Return an id for a project, platform or file that no other example has used."""
        return f"{MARK}{self.run_id}-{next(self._counter):x}"

    def fresh_prefix(self) -> str:
        """Return a prefix, ending in ``/``, below which any key may be stored and nobody else stores."""
        return f"{MARK}{self.run_id}/{next(self._counter):x}/"

    def fresh_key(self, file_type: str = "FILE") -> str:
        """Return a key of the layout, in a project of its own."""
        return self.layout.build(file_type, "file-1", project_id=self.fresh_id())

    def populate(self, keys: Sequence[str], body: bytes = b"x") -> None:
        """Store ``body`` under every key, by the backend's own way in where there is one, several at a time."""
        write: Callable[[str], object]
        if self._view is not None:
            view = self._view
            write = lambda key: view.write(key, body)  # noqa: E731 - two short writers side by side
        else:
            write = lambda key: self.storage.upload(key, body)  # noqa: E731
        if len(keys) <= 2:
            for key in keys:
                write(key)
            return
        # Kept, because its threads keep their connections.
        self._pool = self._pool or ThreadPoolExecutor(4, thread_name_prefix="populate")
        for _ in self._pool.map(write, keys):
            pass

    def shared_listing(self) -> SharedListing:
        """Return objects to look at and not to change, one more than fits on a page; the same ones each time.

        They are stored at the first call. After :meth:`invalidate_shared_listing` they are stored again unless the
        backend shows them all.
        """
        if self._shared_listing is None or (self._shared_listing_in_doubt and not self._is_whole(self._shared_listing)):
            self._shared_listing = None
            owner, kinds = f"{self.fresh_id()}-p", ("FILE", "STEP_FILE", "FLOW_RUN_LOG", "PACKAGE_ARCHIVE")
            # In no order that a listing could come in by chance.
            names = [(kinds[at % 4], f"f{at * 7919 % SHARED_LISTING_SIZE}") for at in range(SHARED_LISTING_SIZE)]
            keys = tuple(self.layout.build(kind, name, project_id=owner) for kind, name in names)
            mark = self.recorder.mark()
            self.populate(keys)
            stored_by = tuple(self.recorder.since(mark))
            self._shared_listing = SharedListing(
                prefix=keys[0].partition(owner)[0] + owner, keys=keys, stored_by=stored_by
            )
        else:
            # To a transcript and its reproducer, what was stored belongs.
            self.recorder.recall(self._shared_listing.stored_by)
        self._shared_listing_in_doubt = False
        return self._shared_listing

    def invalidate_shared_listing(self) -> None:
        """Check the shared listing before its next use: a clause failed, and may have removed too much."""
        self._shared_listing_in_doubt = True

    def _is_whole(self, shared: SharedListing) -> bool:
        try:
            return self._view is not None and self._view.keys(shared.prefix) == sorted(shared.keys)
        except ViewError:
            # How many keys a backend can list is for clauses to say.
            return False

    def remove(self, key: str) -> None:
        """Delete one key, by the backend's own way in where there is one."""
        if self._wire is not None:
            self._wire.delete(key)
        else:
            self.storage.delete_files([key])

    @contextmanager
    def _signing(self, age_s: float) -> Iterator[None]:
        # Under temporary credentials the warning is right, and of no use to a clause that signs and fetches at once.
        with warnings.catch_warnings(), clock.shifted(self.clock_offset_s - age_s):
            warnings.simplefilter("ignore", CredentialsEndBeforeUrl)
            yield

    def signed_url(
        self,
        key: str,
        file_name: str | None = None,
        *,
        expires_in: int = MAX_URL_LIFE_S,
        age_s: float = 0.0,
        storage: Storage | None = None,
    ) -> str:
        """Return a URL that was signed ``age_s`` seconds ago by the backend's clock (negative: in the future).

        ``storage`` signs in place of the session's own: one with a wrong secret.
        """
        with self._signing(age_s):
            url = (storage or self.storage).signed_url(key, file_name, expires_in=expires_in)
        if storage is not None:
            self._strangers.add(url)
        self._signed[url] = SignedFrom(method="GET", url=url, age_s=age_s, expires=str(expires_in))
        return url

    def signed_default_url(self, key: str, *, age_s: float = 0.0) -> str:
        """Return a URL with the storage's own default life, signed ``age_s`` seconds ago."""
        with self._signing(age_s):
            url = self.storage.signed_url(key)
        self._signed[url] = SignedFrom(method="GET", url=url, age_s=age_s, expires=str(MAX_URL_LIFE_S))
        return url

    def signed_upload_url(
        self, key: str, *, expires_in: int = MAX_URL_LIFE_S, age_s: float = 0.0, content_type: str | None = None
    ) -> str:
        """Return an upload URL signed by the storage ``age_s`` seconds ago."""
        with self._signing(age_s):
            url = self.storage.signed_upload_url(key, expires_in=expires_in, content_type=content_type)
        signed: Headers = (("Content-Type", content_type),) if content_type is not None else ()
        self._signed[url] = SignedFrom(method="PUT", url=url, age_s=age_s, expires=str(expires_in), headers=signed)
        return url

    def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Headers = (),
        body: bytes = b"",
        made_from: str | None = None,
        cut_after: int | None = None,
    ) -> Answer:
        """Use a URL as a stranger would, with the URL alone. ``made_from``: the signed URL it was tampered from."""
        made = self._signed.get(made_from or url)
        return self.transport.send(
            method,
            url,
            headers=headers,
            body=body,
            cut_after=cut_after,
            origin="url",
            auth=Auth.URL if made else Auth.NONE,
            signed_from=made,
            signer="wrong secret" if made and made.url in self._strangers else "own",
        )


def _part(part: T | None, capability: Capability) -> T:
    if part is None:
        raise LookupError(f"this session lacks that part; the clause must require Capability.{capability.name}")
    return part
