"""The session: what a clause may use of one backend. Isolated, recorded, cleaned up; hides the provider's name."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypeVar
from urllib.parse import unquote, urlsplit

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.conformance.parts import (
    ApplicationParts,
    MigrationPort,
    RetentionPort,
    SettingsPort,
    WriterPort,
)
from bucket_conformance.conformance.verdict import ViewError
from bucket_conformance.conformance.wire import clock
from bucket_conformance.conformance.wire.exchange import Auth, Exchange, Headers, Recorder, Redactor, SignedFrom
from bucket_conformance.conformance.wire.health import HealthCheck
from bucket_conformance.conformance.wire.transport import HttpResponse, HttpTransport
from bucket_conformance.reference_impl.api import MAX_URL_LIFE_S, CredentialsEndBeforeUrl, Storage
from bucket_conformance.reference_impl.keys import KeyLayout

if TYPE_CHECKING:
    from bucket_conformance.conformance.wire.s3 import S3Wire

T = TypeVar("T")

MARK = "conformance-"
"""Every name that a run creates contains this text, which distinguishes our leftovers from other data."""


LEADS = (" ", "+", "%", "?", "#", "&", "\\", "~", "!", ".", "..", "'", "-", "=", "é", "\U0001f600", "\t")
"""Some keys of a run begin with one of these, before the mark, because keys may. Cleanup looks there as well."""


class BackendView(Protocol):
    """The backend seen without the storage under test: through its own listing, or through the file tree.

    Each method may raise ``ViewError``.
    """

    def keys(self, prefix: str) -> list[str]:
        """Return every key that starts with ``prefix``, sorted."""
        ...

    def read(self, key: str) -> bytes | None:
        """Return the bytes stored under a key, or ``None`` where the key does not exist."""
        ...

    def write(self, key: str, body: bytes) -> None:
        """Store these bytes under a key; replaces what was there."""
        ...


class Interference(Protocol):
    """Faults between the storage and its backend, made by the suite.

    Each method returns a context manager; the fault is active inside its ``with`` block.
    """

    def refuse_deletes(self, keys: Iterable[str]) -> AbstractContextManager[None]:
        """Make deletes of these keys fail with AccessDenied; all other keys are deleted."""
        ...

    def fail_deletes(self, how: str, times: int) -> AbstractContextManager[None]:
        """Make the next ``times`` deletes fail.

        ``how`` is ``"503"``, ``"reset_before"`` or ``"reset_after"`` (the connection breaks before or after the backend
        acts), or ``"timeout"`` (no response, after the backend acted).
        """
        ...

    def truncate_downloads(self, after: int, times: int) -> AbstractContextManager[None]:
        """End the next ``times`` downloads after ``after`` bytes of their body."""
        ...

    def deny(self, permission: str) -> AbstractContextManager[None]:
        """Reject, with AccessDenied, every request that needs this permission.

        Known are ``"s3:PutObject"``, ``"s3:GetObject"``, ``"s3:ListBucket"`` and ``"s3:DeleteObject"``.
        """
        ...


class AlternateCredentials(Protocol):
    """Opens the same backend with credentials that are not its own."""

    def with_wrong_secret(self) -> Storage:
        """Return a storage that signs with a secret other than the backend's."""
        ...

    def with_secret(self, secret: str) -> Storage:
        """Return a storage that signs with this secret (printable ASCII, at least 16 characters)."""
        ...

    def with_expiring_credentials(self, ends_in_s: float) -> Storage:
        """Return a storage with valid temporary credentials that expire in ``ends_in_s`` seconds (more than 0).

        Each call returns the same storage, and replaces the expiry of the call before.
        """
        ...


class Liveness(Protocol):
    """Checks whether a backend works at all; see :mod:`bucket_conformance.conformance.wire.health`."""

    def check(self) -> HealthCheck:
        """Return whether the backend works. A backend that does not respond has some seconds to recover."""
        ...


SHARED_LISTING_SIZE: Final = 1001
"""One more than the largest page of a listing in S3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedListing:
    """``SHARED_LISTING_SIZE`` keys of the layout, and the exchanges that stored them.

    No other keys exist below ``prefix``. The keys are stored once per session, for every clause that needs a listing
    with a second page.
    """

    prefix: str
    keys: tuple[str, ...]
    stored_by: tuple[Exchange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleRecord:
    """What was exchanged for one example, and the numbers in the fresh names that it got."""

    exchanges: tuple[Exchange, ...]
    names: range


class Session:
    """One backend as clauses see it. Records everything done through it, and cleans up when it closes.

    ``open_session`` makes it; clauses receive it as their first argument. Attributes for clauses:

    - ``storage``: the storage under test, a ``Storage``.
    - ``layout``: the key layout of the application.
    - ``capabilities``: what the backend can do.
    - ``run_id``: the id that is part of every name that this run creates.
    - ``clock_offset_s``: the backend's clock minus ours, in seconds.
    """

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
        alternate_credentials: AlternateCredentials | None = None,
        clock_offset_s: float = 0.0,
        parts: ApplicationParts | None = None,
        liveness: Liveness | None = None,
        keep_alive: Callable[[], None] | None = None,
    ) -> None:
        self.run_id = run_id
        self.storage = make_storage(None)
        """The storage under test, with its default batch size."""
        self.layout = layout
        self.capabilities = capabilities
        self.transport = transport
        self.redactor = redactor
        self.clock_offset_s = clock_offset_s
        self._make_storage = make_storage
        self._view = view
        self._wire = wire
        self._interference = interference
        self._alternate_credentials = alternate_credentials
        self._parts = parts or ApplicationParts()
        self.liveness: Liveness | None = liveness
        """Checks whether the backend still works; ``None`` where there is no way to check it."""
        self._keep_alive = keep_alive
        self._next_name = 0
        self._again: Iterator[int] = iter(())
        self._first_name = 0
        self._restored: range | None = None
        self._signed: dict[str, SignedFrom] = {}
        self._strangers: set[str] = set()
        self._other: Storage | None = None
        self._by_batch_size: dict[int, Storage] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._shared_listing: SharedListing | None = None
        self._shared_listing_in_doubt = False
        self.declared_limits: Mapping[str, int] = {}
        """Declared limits of the backend, by the names of ``backend.limits`` (``batch_keys``, …)."""

    @property
    def recorder(self) -> Recorder:
        """The recorder of every exchange of this session."""
        return self.transport.recorder

    @property
    def wire(self) -> S3Wire:
        """The client for single S3 requests. Only for clauses that require ``Capability.WIRE``.

        Raises ``LookupError`` where the session has none.
        """
        if self._wire is None:
            raise LookupError("this session has no wire; the clause must require Capability.WIRE")
        return self._wire

    @property
    def view(self) -> BackendView:
        """The backend without the storage under test. Only for clauses that require ``Capability.OWN_VIEW``.

        Raises ``LookupError`` where the session has none.
        """
        if self._view is None:
            raise LookupError("this session has no own view; the clause must require Capability.OWN_VIEW")
        return self._view

    @property
    def interference(self) -> Interference:
        """Faults on demand. Only for clauses that require ``Capability.FAULT_INJECTION`` or ``REFUSALS``.

        Raises ``LookupError`` where the session has none.
        """
        if self._interference is None:
            raise LookupError("this session cannot interfere; the clause must require the capability for it")
        return self._interference

    @property
    def alternate_credentials(self) -> AlternateCredentials:
        """Storages with other credentials.

        Only for clauses that require ``Capability.OTHER_SECRETS`` or ``EXPIRING_CREDENTIALS``; raises ``LookupError``
        where the session has none.
        """
        if self._alternate_credentials is None:
            raise LookupError("this session has one set of credentials; the clause must require the capability for it")
        return self._alternate_credentials

    @property
    def settings(self) -> SettingsPort:
        """The loader of the settings. Only for clauses that require ``Capability.SETTINGS``."""
        return _part(self._parts.settings, Capability.SETTINGS)

    @property
    def retention(self) -> RetentionPort:
        """The component that makes expiry rules. Only for clauses that require ``Capability.RETENTION``."""
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
        """The root directory of the storage. Only for clauses that require ``Capability.FILE_TREE``."""
        return _part(self._parts.root, Capability.FILE_TREE)

    def restart(self) -> None:
        """Kill the server (SIGKILL), start it again, and wait until it responds. Only with ``Capability.RESTART``."""
        _part(self._parts.restart, Capability.RESTART)()

    def keep_alive(self) -> None:
        """Mark this run as active, so that no cleanup removes its data.

        Called before each example; most calls send no request.
        """
        if self._keep_alive is not None:
            self._keep_alive()

    def another_storage(self) -> Storage:
        """Return a second client of the same backend, with its own connections. Each call returns the same one."""
        # Making a client costs far more than a request, and every example calls this.
        self._other = self._other or self._make_storage(None)
        return self._other

    def storage_with_batches_of(self, size: int) -> Storage:
        """Return a client that names at most ``size`` keys in one delete request; needs a wire to count requests."""
        if size not in self._by_batch_size:
            self._by_batch_size[size] = self._make_storage(size)
        return self._by_batch_size[size]

    def fresh_id(self) -> str:
        """Return an id for a project, platform or file that no other example uses."""
        return f"{MARK}{self.run_id}-{self._number():x}"

    def fresh_prefix(self) -> str:
        """Return a prefix that ends in ``/``. Any key may be stored below it, and nobody else stores there."""
        return f"{MARK}{self.run_id}/{self._number():x}/"

    def _number(self) -> int:
        for number in self._again:
            return number
        number = self._next_name
        self._next_name += 1
        return number

    def begin_example(self) -> None:
        """Forget the exchanges so far: those to come, and the names, are an example's."""
        self.recorder.clear()
        self._first_name, self._restored = self._next_name, None

    @property
    def example(self) -> ExampleRecord:
        """The exchanges and the names since :meth:`begin_example`."""
        names = self._restored or range(self._first_name, self._next_name)
        return ExampleRecord(exchanges=tuple(self.recorder.kept()), names=names)

    def restore_example(self, record: ExampleRecord) -> None:
        """Put the record of an earlier example in place of the one at hand."""
        self.recorder.clear()
        self.recorder.recall(record.exchanges)
        self._restored = record.names

    @contextmanager
    def same_names(self, numbers: Iterable[int]) -> Iterator[None]:
        """Let the example inside the block get the names with these numbers again, and fresh ones after them.

        What was stored under them must be removed first, see :meth:`remove_stored`.
        """
        self._again = iter(numbers)
        try:
            yield
        finally:
            self._again = iter(())

    def is_of_shared_listing(self, exchanges: Iterable[Exchange]) -> bool:
        """Return whether the shared listing has a part in these exchanges."""
        stored_by = self._shared_listing.stored_by if self._shared_listing is not None else ()
        return not {id(each) for each in stored_by}.isdisjoint(map(id, exchanges))

    def remove_stored(self, exchanges: Iterable[Exchange]) -> None:
        """Delete every key that these exchanges may have stored, except those of the shared listing. Needs a wire."""
        shared = {id(each) for each in self._shared_listing.stored_by} if self._shared_listing is not None else set()
        base = urlsplit(self.wire.url("")).path
        paths = {
            each.target.partition("?")[0]
            for each in exchanges
            if each.method in ("PUT", "POST") and id(each) not in shared
        }
        for path in sorted(paths):
            key = unquote(path.removeprefix(base)) if path.startswith(base) else ""
            if f"{MARK}{self.run_id}" in key:
                self.wire.delete(key)

    def fresh_key(self, file_type: str = "FILE") -> str:
        """Return a key of the layout, in a new project. ``file_type`` is a name in ``FILE_TYPES``."""
        return self.layout.build(file_type, "file-1", project_id=self.fresh_id())

    def populate(self, keys: Sequence[str], body: bytes = b"x") -> None:
        """Store ``body`` under every key, several at a time.

        Writes through ``view`` where the backend has one, otherwise through the storage under test.
        """
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
        # Kept for the session, because its threads keep their connections.
        self._pool = self._pool or ThreadPoolExecutor(4, thread_name_prefix="populate")
        for _ in self._pool.map(write, keys):
            pass

    def stop_populating(self) -> None:
        """End the threads of :meth:`populate`: what they store after an interrupt would outlive the cleanup."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def shared_listing(self) -> SharedListing:
        """Return stored objects for reading only, one more than fits on a page of a listing.

        Each call returns the same objects; the first call stores them. After :meth:`invalidate_shared_listing` they are
        stored again, unless the backend lists all of them.
        """
        if self._shared_listing is None or (self._shared_listing_in_doubt and not self._is_whole(self._shared_listing)):
            self._shared_listing = None
            owner, kinds = f"{self.fresh_id()}-p", ("FILE", "STEP_FILE", "FLOW_RUN_LOG", "PACKAGE_ARCHIVE")
            # In an order that no listing returns by chance.
            names = [(kinds[at % 4], f"f{at * 7919 % SHARED_LISTING_SIZE}") for at in range(SHARED_LISTING_SIZE)]
            keys = tuple(self.layout.build(kind, name, project_id=owner) for kind, name in names)
            mark = self.recorder.mark()
            self.populate(keys)
            stored_by = tuple(self.recorder.since(mark))
            self._shared_listing = SharedListing(
                prefix=keys[0].partition(owner)[0] + owner, keys=keys, stored_by=stored_by
            )
        else:
            # A transcript and its reproducer must contain the requests that stored the objects.
            self.recorder.recall(self._shared_listing.stored_by)
        self._shared_listing_in_doubt = False
        return self._shared_listing

    def invalidate_shared_listing(self) -> None:
        """Check the shared listing before its next use. Called when a clause failed: it may have deleted too much."""
        self._shared_listing_in_doubt = True

    def _is_whole(self, shared: SharedListing) -> bool:
        try:
            return self._view is not None and self._view.keys(shared.prefix) == sorted(shared.keys)
        except ViewError:
            # Whether a backend can list this many keys is decided by clauses, not here.
            return False

    def remove(self, key: str) -> None:
        """Delete one key: with a single S3 request where there is a wire, otherwise through the storage under test."""
        if self._wire is not None:
            self._wire.delete(key)
        else:
            self.storage.delete_files([key])

    @contextmanager
    def _signing(self, age_s: float) -> Iterator[None]:
        # With temporary credentials the warning is right, but a clause signs and fetches at once and does not need it.
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

        ``expires_in`` is the life of the URL in seconds. ``storage`` signs instead of the session's own storage: one
        with a wrong secret, for example.
        """
        with self._signing(age_s):
            url = (storage or self.storage).signed_url(key, file_name, expires_in=expires_in)
        if storage is not None:
            self._strangers.add(url)
        self._signed[url] = SignedFrom(method="GET", url=url, age_s=age_s, expires=str(expires_in))
        return url

    def signed_default_url(self, key: str, *, age_s: float = 0.0) -> str:
        """Return a URL with the default life of the storage, signed ``age_s`` seconds ago."""
        with self._signing(age_s):
            url = self.storage.signed_url(key)
        self._signed[url] = SignedFrom(method="GET", url=url, age_s=age_s, expires=str(MAX_URL_LIFE_S))
        return url

    def signed_upload_url(
        self, key: str, *, expires_in: int = MAX_URL_LIFE_S, age_s: float = 0.0, content_type: str | None = None
    ) -> str:
        """Return an upload URL that the storage signed ``age_s`` seconds ago; its life is ``expires_in`` seconds."""
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
    ) -> HttpResponse:
        """Send a request to a URL without any credentials except those in the URL itself; return the response.

        - ``made_from``: the signed URL from which a changed URL was made.
        - ``cut_after``: send this many bytes of the body, then hang up; the response then has status 0.
        """
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
