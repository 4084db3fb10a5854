"""Opens a session on a target: the one place where the suite meets the reference's backends and makes buckets."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bucket_conformance.conformance.backend.checks import (
    OwnBucket,
    make_bucket,
    probe_clock,
    require_bucket,
    require_no_such_bucket,
    smoke,
)
from bucket_conformance.conformance.backend.cleanup import remove_run, run_prefixes
from bucket_conformance.conformance.backend.credentials import DiskAlternateCredentials, S3AlternateCredentials
from bucket_conformance.conformance.backend.errors import OpeningError
from bucket_conformance.conformance.backend.lease import Lease
from bucket_conformance.conformance.backend.liveness import DiskLiveness, S3Liveness, StorageLiveness
from bucket_conformance.conformance.backend.patching import replaced
from bucket_conformance.conformance.backend.reference import reference_parts
from bucket_conformance.conformance.backend.run_ids import new_run_id
from bucket_conformance.conformance.backend.run_traces import Versioning, run_of, versioning_of
from bucket_conformance.conformance.backend.sdk_hook import SdkHook, SdkInterference
from bucket_conformance.conformance.backend.versions import refusal as versions_refusal
from bucket_conformance.conformance.backend.versions import require_no_lock, unknown, why_versions_stay
from bucket_conformance.conformance.backend.views import DiskView, S3View
from bucket_conformance.conformance.backend.writers import ATTEMPTS, RETRY_S, DiskWriters, S3Writers, importable
from bucket_conformance.conformance.contract import Capability
from bucket_conformance.conformance.parts import PART_CAPABILITIES, ApplicationParts
from bucket_conformance.conformance.session import MARK, Session
from bucket_conformance.conformance.target import DiskRoot, S3Endpoint, StorageFactory, Target
from bucket_conformance.conformance.wire.exchange import Recorder, Redactor
from bucket_conformance.conformance.wire.s3 import S3Wire
from bucket_conformance.conformance.wire.transport import HttpTransport
from bucket_conformance.reference_impl import keys as reference_layout
from bucket_conformance.reference_impl.api import Storage
from bucket_conformance.reference_impl.keys import KeyLayout
from bucket_conformance.reference_impl.local import LocalStorage
from bucket_conformance.reference_impl.s3 import S3Storage
from bucket_conformance.reference_impl.s3_client import make_client
from bucket_conformance.reference_impl.s3_retries import RetryBudget

ALWAYS_S3 = frozenset(
    {
        Capability.WIRE,
        Capability.SIGNED_URLS,
        Capability.SIGNED_UPLOADS,
        Capability.OTHER_SECRETS,
        Capability.EXPIRING_CREDENTIALS,
        Capability.OWN_VIEW,
        Capability.FAULT_INJECTION,
        Capability.REFUSALS,
    }
)
"""What every S3 endpoint is judged for, declared or not: the storage system cannot do without."""

ALWAYS_DISK = frozenset(
    {
        Capability.SIGNED_URLS,
        Capability.SIGNED_UPLOADS,
        Capability.OTHER_SECRETS,
        Capability.OWN_VIEW,
        Capability.REFUSALS,
        Capability.FILE_TREE,
    }
)


@contextmanager
def open_session(
    target: Target,
    *,
    capabilities: frozenset[Capability] = frozenset(),
    layout: KeyLayout | None = None,
    run_id: str | None = None,
    recorder: Recorder | None = None,
    restart: Callable[[], None] | None = None,
) -> Iterator[Session]:
    """Open a session and probe it; remove what it created when the context is left, also by an interrupt.

    ``capabilities`` are added to those that every target of the kind has; those that stand for a part of the system
    (settings, migration, …) are there if and only if the part is. ``restart`` kills the server hard and starts it
    again. Raises :class:`OpeningError`.
    """
    opener = {S3Endpoint: _open_s3, DiskRoot: _open_disk, StorageFactory: _open_factory}[type(target)]
    with opener(  # type: ignore[operator]
        target,
        capabilities=capabilities,
        layout=layout or reference_layout,
        run_id=run_id or new_run_id(),
        recorder=recorder or Recorder(),
        parts=ApplicationParts(restart=restart),
    ) as session:
        try:
            yield session
        finally:
            session.stop_populating()


def _with_parts(declared: frozenset[Capability], parts: ApplicationParts) -> frozenset[Capability]:
    return (declared - PART_CAPABILITIES) | parts.capabilities()


@contextmanager
def _open_s3(
    target: S3Endpoint,
    *,
    capabilities: frozenset[Capability],
    layout: KeyLayout,
    run_id: str,
    recorder: Recorder,
    parts: ApplicationParts,
) -> Iterator[Session]:
    redactor = Redactor((target.access_key, target.secret_key, target.session_token))
    transport = HttpTransport(recorder, ca_file=target.ca_file)
    with ExitStack() as stack:
        stack.callback(transport.close)
        bucket = target.bucket or f"{MARK}{run_id}"
        wire = S3Wire(target, bucket, transport)
        wire.clock_offset_s = probe_clock(wire)
        own = OwnBucket() if target.bucket is None else None
        lease: Lease | None = None
        versions_stay = ""

        def clean_up() -> None:
            remove_run(wire, run_id, own=own, lease=lease, versions_stay=versions_stay)

        if own is not None:
            if not target.disposable:
                require_no_such_bucket(wire)
                # Before the bucket is created: an interrupt or a lost response must not leave it behind.
                stack.callback(clean_up)
            make_bucket(wire, own)
        else:
            require_bucket(wire)
        hook = SdkHook(recorder, ca_file=target.ca_file)
        stack.callback(hook.close)

        def make_client_with(secret_key: str) -> Any:
            client = make_client(
                region=target.region,
                endpoint=target.url,
                access_key=target.access_key,
                secret_key=secret_key,
                session_token=target.session_token,
                addressing=target.addressing,
                checksums=target.checksums,
                ca_file=target.ca_file,
                retries=RetryBudget(time_s=RETRY_S, max_attempts=ATTEMPTS),
            )
            client.meta.events.register("before-send.s3", hook.before_send)  # type: ignore[arg-type]
            stack.callback(client.close)
            return client

        def storage_over(client: Any, batch_size: int | None = None) -> Storage:
            storage = S3Storage(client, bucket)
            if batch_size is not None:
                storage = S3Storage(client, bucket, batch_size=batch_size)
            return target.wrap(storage) if target.wrap else storage

        def make_storage(batch_size: int | None) -> Storage:
            return storage_over(make_client_with(target.secret_key), batch_size)

        def open_with(secret_key: str, change: Callable[[Any], None]) -> Storage:
            client = make_client_with(secret_key)
            change(client)
            return storage_over(client)

        if own is None and not target.disposable:
            require_no_lock(wire)
            kept, answered = versioning_of(wire)
            stack.callback(clean_up)
            version_id = smoke(wire, run_id)
            # A server that does not report versioning may still show it by the id of a version.
            if kept is Versioning.KEPT or (answered and version_id not in ("", "null")):
                versions_stay = why_versions_stay(wire, run_id)
                if versions_stay and not target.keep_versions:
                    raise versions_refusal(wire, versions_stay)
            elif kept is Versioning.UNKNOWN:
                recorder.add_note(unknown(wire, answered))
        else:
            smoke(wire, run_id)
        liveness = S3Liveness(wire, run_id, own_bucket=target.bucket is None)
        liveness.start()
        if not target.disposable:
            lease = Lease(wire, run_id)
            lease.renew()
        recorder.clear()
        parts = reference_parts(parts, layout)
        if importable(target.wrap):
            parts = replace(parts, writer=stack.enter_context(S3Writers(target, bucket)))
        if target.parts is not None:
            parts = target.parts(parts)
        yield Session(
            run_id=run_id,
            make_storage=make_storage,
            layout=layout,
            capabilities=_with_parts(capabilities | ALWAYS_S3, parts),
            parts=parts,
            transport=transport,
            redactor=redactor,
            view=S3View(wire),
            wire=wire,
            interference=SdkInterference(hook, wire),
            alternate_credentials=S3AlternateCredentials(
                open_with=open_with,
                access_key=target.access_key,
                secret_key=target.secret_key,
                session_token=target.session_token,
            ),
            clock_offset_s=wire.clock_offset_s,
            liveness=liveness,
            keep_alive=lease.renew if lease is not None else None,
        )


@contextmanager
def _open_disk(
    target: DiskRoot,
    *,
    capabilities: frozenset[Capability],
    layout: KeyLayout,
    run_id: str,
    recorder: Recorder,
    parts: ApplicationParts,
) -> Iterator[Session]:
    root = Path(tempfile.mkdtemp(prefix=f"{MARK}{run_id}-", dir=target.root))
    secret = secrets.token_bytes(32)
    transport = HttpTransport(recorder)
    with ExitStack() as stack:
        stack.callback(_remove_folder, root, recorder)
        stack.callback(transport.close)
        # A web server is loaded only by those who judge a disk.
        from bucket_conformance.reference_impl.signed_urls import UrlServer

        server = stack.enter_context(UrlServer(LocalStorage(root, secret=secret)))

        def signing_with(secret: bytes) -> Storage:
            storage = LocalStorage(root, base_url=server.url, secret=secret)
            return target.wrap(storage) if target.wrap else storage

        def make_storage(_: int | None) -> Storage:
            return signing_with(secret)

        parts = replace(reference_parts(parts, layout), root=root)
        if importable(target.wrap):
            parts = replace(parts, writer=stack.enter_context(DiskWriters(root, target.wrap)))
        if target.parts is not None:
            parts = target.parts(parts)
        yield Session(
            run_id=run_id,
            make_storage=make_storage,
            layout=layout,
            capabilities=_with_parts(capabilities | ALWAYS_DISK, parts),
            parts=parts,
            transport=transport,
            redactor=Redactor((secret.hex(),)),
            view=DiskView(root),
            interference=_DiskInterference(),
            alternate_credentials=DiskAlternateCredentials(signing_with),
            liveness=DiskLiveness(root, recorder),
        )


def _remove_folder(root: Path, recorder: Recorder) -> None:
    """Remove the folder of a session, links in it as such; note it where it stays."""
    shutil.rmtree(root, ignore_errors=True)
    recorder.left_behind = f"folder {root} (it could not be removed whole)" if os.path.lexists(root) else ""


class _DiskInterference:
    """Faults that can be injected on a file system."""

    @contextmanager
    def refuse_deletes(self, keys: Iterable[str]) -> Iterator[None]:
        names = {key.rpartition("/")[2] for key in keys}
        real = os.unlink

        def refusing(path: str | bytes | os.PathLike[str], *, dir_fd: int | None = None) -> None:
            name = os.fsdecode(path).rpartition("/")[2]
            if name in names:
                raise PermissionError(13, "refused by the suite", name)
            real(path, dir_fd=dir_fd)

        with replaced(os, "unlink", refusing), replaced(os, "remove", refusing):
            yield

    def fail_deletes(self, how: str, times: int) -> contextlib.AbstractContextManager[None]:
        raise LookupError("a file system sends no requests that could break")

    def truncate_downloads(self, after: int, times: int) -> contextlib.AbstractContextManager[None]:
        raise LookupError("a file system sends no answers that could be cut")

    def deny(self, permission: str) -> contextlib.AbstractContextManager[None]:
        raise LookupError("a file system grants no S3 permissions that could be missing")


@contextmanager
def _open_factory(
    target: StorageFactory,
    *,
    capabilities: frozenset[Capability],
    layout: KeyLayout,
    run_id: str,
    recorder: Recorder,
    parts: ApplicationParts,
) -> Iterator[Session]:
    transport = HttpTransport(recorder)
    with _naming_errors(target.name, "making the storage"):
        storage = target.make()
    # No parts of the reference here: a user's own storage brings its parts, or has none.
    parts = target.parts(parts) if target.parts is not None else parts
    try:
        _try_storage(storage, target.name, run_id)
        session = Session(
            run_id=run_id,
            make_storage=lambda _: target.make(),
            layout=layout,
            capabilities=_with_parts(capabilities, parts),
            parts=parts,
            transport=transport,
            redactor=Redactor(()),
        )
        session.liveness = liveness = StorageLiveness(session.storage, run_id, recorder)
        liveness.start()
        yield session
    finally:
        transport.close()
        recorder.left_behind = _removed_from(storage, run_id, target.name)


def _removed_from(storage: Storage, run_id: str, name: str) -> str:
    """Remove what a run stored in a user's own storage; return what stays, '' where nothing does."""
    left: list[str] = []
    why = ""
    try:
        for prefix in run_prefixes(run_id):
            if found := _keys_of(storage, run_id, prefix):
                storage.delete_files(found)
                left += _keys_of(storage, run_id, prefix)
        why = f"{len(left)} objects, such as {left[0]!r}" if left else ""
    except Exception as error:  # a user's storage may raise any error, which must not hide the verdicts
        why = f"{type(error).__name__}: {error}"
    return f"what bears {MARK}{run_id} in {name} ({why}); remove its keys that contain {MARK}{run_id}" if why else ""


def _keys_of(storage: Storage, run_id: str, prefix: str) -> list[str]:
    return [s.key for s in storage.list(prefix) if s.key.startswith(prefix) and run_of(s.key) == run_id]


@contextmanager
def _naming_errors(name: str, doing: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # a user's class may raise any error; its author needs to know which and where
        raise OpeningError(f"{name}: {doing} failed: {type(error).__name__}: {error}") from error


def _try_storage(storage: Storage, name: str, run_id: str) -> None:
    """Write, read and remove one object through a user's own storage."""
    key = f"{MARK}{run_id}/smoke"
    with _naming_errors(name, "uploading a probe object"):
        storage.upload(key, b"smoke")
    with _naming_errors(name, "downloading the probe object"):
        read = storage.download(key)
    with _naming_errors(name, "deleting the probe object"):
        storage.delete_files([key])
    if read != b"smoke":
        raise OpeningError(f"{name}: the probe object came back as {read!r} instead of b'smoke'")
