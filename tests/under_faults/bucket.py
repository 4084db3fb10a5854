"""A bucket behind the faulty proxy: the storage under test, and the server's true state, read without the proxy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final, Protocol
from unittest import mock

import botocore.endpoint

import bucket_conformance.reference_impl.s3
from bucket_conformance.reference_impl.s3 import S3Storage
from bucket_conformance.reference_impl.s3_client import make_client
from bucket_conformance.reference_impl.s3_retries import RetryBudget
from bucket_conformance.reference_impl.s3_upload import PART_SIZE
from tests.exemplar import delete as exemplar_delete
from tests.exemplar import listing as exemplar_listing
from tests.exemplar import multipart as exemplar_multipart
from tests.exemplar.server import Exemplar
from tests.exemplar.store import Bucket as Kept
from tests.exemplar.types import Request
from tests.under_faults.proxy import FaultyProxy

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET: Final = "files"
ACCESS_KEY: Final = "key-of-the-test"
SECRET_KEY: Final = "secret-of-the-test-0123456789"
ATTEMPTS: Final = 3
LOCKED: Final = "locked/"
"""The prefix of keys that every delete refuses, each with its own AccessDenied."""
SMALL_PART: Final = 1000
SMALL_PAGE: Final = 3


class DeleteOne(Protocol):
    def __call__(self, bucket: Kept, named: exemplar_delete.Named, *, quiet: bool) -> str: ...


@dataclass(slots=True, kw_only=True)
class World:
    """The server, the proxy in front of it, and what the server really stores."""

    server: Exemplar
    proxy: FaultyProxy
    _clients: dict[tuple[float, int], S3Client] = field(default_factory=dict, repr=False)

    @property
    def kept(self) -> Kept:
        return self.server.store.buckets[BUCKET]

    def start(self, objects: Mapping[str, bytes] | None = None) -> None:
        """Forget everything; begin with ``objects`` in the bucket and no fault planned."""
        self.proxy.plan()
        with self.server.store.lock:
            self.server.store.buckets[BUCKET] = Kept(BUCKET)
        for key, body in (objects or {}).items():
            self.server.handle(Request(method="PUT", target=f"/{BUCKET}/{key}", body=body), trusted=True)

    def truth(self) -> dict[str, bytes]:
        """Every object with its bytes, as the server holds it."""
        with self.server.store.lock:
            found = {key: self.kept.current(key) for key in self.kept.versions}
        return {key: version.body for key, version in found.items() if version is not None}

    def etag(self, key: str) -> str:
        with self.server.store.lock:
            found = self.kept.current(key)
        assert found is not None
        return found.etag

    def uploads(self) -> set[str]:
        """The ids of the multipart uploads that are neither joined nor aborted."""
        with self.server.store.lock:
            return set(self.kept.uploads)

    def storage(
        self,
        *,
        read_timeout_s: float = 10.0,
        max_attempts: int = ATTEMPTS,
        batch_size: int = 2,
        parallel_batches: int = 1,
        part_size: int = PART_SIZE,
    ) -> S3Storage:
        """A storage whose requests go through the proxy; clients are kept, because making one takes long."""
        if (read_timeout_s, max_attempts) not in self._clients:
            self._clients[read_timeout_s, max_attempts] = make_client(
                endpoint=self.proxy.url,
                region="us-east-1",
                access_key=ACCESS_KEY,
                secret_key=SECRET_KEY,
                connect_timeout_s=10,
                read_timeout_s=read_timeout_s,
                retries=RetryBudget(max_attempts=max_attempts),
            )
        client = self._clients[read_timeout_s, max_attempts]
        return S3Storage(client, BUCKET, batch_size=batch_size, parallel_batches=parallel_batches, part_size=part_size)


@contextmanager
def world() -> Iterator[World]:
    """Serve a bucket behind the proxy, whose keys below ``LOCKED`` cannot be deleted.

    Requests are tried again without a pause.
    """
    hurried = SimpleNamespace(sleep=lambda _: None)
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(botocore.endpoint, "time", hurried))
        stack.enter_context(mock.patch.object(exemplar_delete, "_delete_one", _refusing(exemplar_delete._delete_one)))
        server = stack.enter_context(Exemplar(ACCESS_KEY, SECRET_KEY))
        proxy = stack.enter_context(FaultyProxy(server.url))
        made = World(server=server, proxy=proxy)
        made.start()
        yield made


@contextmanager
def small_sizes() -> Iterator[None]:
    """Make parts ``SMALL_PART`` bytes and pages ``SMALL_PAGE`` keys large, on both sides: examples become cheap."""
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(bucket_conformance.reference_impl.s3, "MIN_PART_SIZE", SMALL_PART))
        stack.enter_context(mock.patch.object(exemplar_multipart, "MIN_PART_BYTES", SMALL_PART))
        real = exemplar_listing.max_keys
        stack.enter_context(
            mock.patch.object(exemplar_listing, "max_keys", lambda request: min(real(request), SMALL_PAGE))
        )
        yield


def _refusing(real: DeleteOne) -> DeleteOne:
    def delete_one(bucket: Kept, named: exemplar_delete.Named, *, quiet: bool) -> str:
        if named[0].startswith(LOCKED):
            return exemplar_delete._error(named[0], "AccessDenied", "Access Denied", None)
        return real(bucket, named, quiet=quiet)

    return delete_one
