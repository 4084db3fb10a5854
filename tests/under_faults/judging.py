"""Judges what the storage reports about one operation under faults: it is compared with what the server really stores.

After a success the server holds exactly what was requested. After an error the value may be old or new, and nothing
else; the server's own state decides which, so that the next operation is judged by it and not by a guess.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Final, cast

from bucket_conformance.reference_impl.api import DeleteError, DeleteResult
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.s3 import S3Storage
from tests.under_faults.bucket import ATTEMPTS, LOCKED, World
from tests.under_faults.proxy import HARMLESS, STALLS, Fault

OUTAGE: Final = frozenset({ErrorCode.UNAVAILABLE, ErrorCode.INTEGRITY})
"""The codes that an operation may raise if faults of the connection kept it from finishing."""
OF_UPLOAD: Final = OUTAGE | {ErrorCode.CONFLICT}
"""The same for an upload, which raises ``CONFLICT`` if its id is used up and it cannot recognise the object."""


class OwnError(Exception):
    """The error of the caller's own stream."""


class Stream(io.RawIOBase):
    """A stream that cannot be rewound, gives at most 700 bytes at a time and may raise after ``breaks_at`` bytes."""

    def __init__(self, body: bytes, breaks_at: int | None = None) -> None:
        self._body = io.BytesIO(body)
        self._left = breaks_at

    def read(self, size: int = -1) -> bytes:
        if self._left is not None and self._left <= 0:
            raise OwnError
        piece = self._body.read(min(size, 700) if size >= 0 else 700)
        if self._left is not None:
            piece = piece[: self._left]
            self._left -= len(piece)
        return piece


@dataclass(slots=True, kw_only=True)
class Judge:
    """Runs operations of ``storage`` on ``world`` and asserts about each; ``outcomes`` counts what was seen."""

    world: World
    storage: S3Storage
    outcomes: dict[str, int] = field(default_factory=dict)

    def _note(self, name: str) -> None:
        self.outcomes[name] = self.outcomes.get(name, 0) + 1

    def _run(self, action: Callable[[], object], allowed: frozenset[ErrorCode], *, resumes: bool = True) -> object:
        """Return what ``action`` returns, or the ``StorageError`` it raises, if that is one of ``allowed``.

        With ``resumes``, fewer faults than attempts must not be felt at all, wherever they fell.
        """
        before = len(self.world.proxy.seen)
        result: object
        try:
            result = action()
        except StorageError as error:
            result = error
        if not isinstance(result, StorageError):
            self._note("done")
            return result
        met = self._faults_since(before)
        assert result.code in allowed, f"{result}, after {met}"
        assert met, f"{result}, though nothing went wrong on the way"
        assert not resumes or len(met) >= ATTEMPTS or set(met) & set(STALLS), (
            f"gave up after {len(met)} of {ATTEMPTS} tries: {result}, after {met}"
        )
        self._note("failed")
        return result

    def _faults_since(self, before: int) -> list[Fault]:
        """Return the faults that the proxy injected after the first ``before`` requests, without the harmless ones."""
        return [one.fault for one in self.world.proxy.seen[before:] if one.fault not in HARMLESS]

    def upload(self, key: str, body: bytes, *, as_stream: bool = False, breaks_at: int | None = None) -> None:
        before = self.world.truth()
        given = cast("BinaryIO", Stream(body, breaks_at)) if as_stream else body
        if as_stream and breaks_at is not None and breaks_at <= len(body):
            try:
                result = self._run(lambda: self.storage.upload(key, given), OF_UPLOAD)
            except OwnError:
                result = None
                self._note("broken stream")
            assert result is None or isinstance(result, StorageError), "an upload of a broken stream reported success"
            assert self.world.truth() == before
        else:
            result = self._run(lambda: self.storage.upload(key, given), OF_UPLOAD)
            after = self.world.truth()
            wanted = {**before, key: body}
            if isinstance(result, StorageError):
                assert after in (before, wanted), "after an unknown upload the value is neither the old nor the new"
            else:
                assert after == wanted, "success was reported, but the bytes are not stored"
                assert result.size == len(body)  # type: ignore[attr-defined]
                assert result.etag in (None, self.world.etag(key))  # type: ignore[attr-defined]
        self.no_forgotten_uploads()

    def download(self, key: str) -> None:
        truth = self.world.truth().get(key)
        data = self._run(lambda: self._missing_is_none(lambda: self.storage.download(key)), OUTAGE)
        assert isinstance(data, StorageError) or data == truth, "not the bytes that are stored"

    def open(self, key: str, piece: int) -> None:
        truth = self.world.truth().get(key)
        got: list[bytes] = []

        def read() -> bool:
            with self.storage.open(key) as stream:
                while data := stream.read(piece):
                    got.append(data)
            return True

        whole = self._run(lambda: self._missing_is_none(read), OUTAGE, resumes=False)
        if whole is None:
            assert truth is None, "not found, but it is there"
        elif whole is True:
            assert b"".join(got) == truth, "the end of the stream is not the end of what is stored"
        else:
            assert (truth or b"").startswith(b"".join(got))

    def stat(self, key: str) -> None:
        truth = self.world.truth().get(key)
        found = self._run(lambda: self._missing_is_none(lambda: self.storage.stat(key)), OUTAGE)
        if not isinstance(found, StorageError):
            assert (None if found is None else found.size) == (None if truth is None else len(truth))  # type: ignore[attr-defined]
            assert found is None or found.etag == self.world.etag(key)  # type: ignore[attr-defined]
        there = self._run(lambda: self.storage.exists(key), OUTAGE)
        assert isinstance(there, StorageError) or there is (truth is not None)

    def list(self, prefix: str) -> None:
        truth = sorted(
            ((key, len(body)) for key, body in self.world.truth().items() if key.startswith(prefix)),
            key=lambda found: found[0].encode(),
        )
        got: list[tuple[str, int]] = []

        def read() -> None:
            for found in self.storage.list(prefix):
                got.append((found.key, found.size))

        ended = self._run(read, OUTAGE, resumes=False)
        if isinstance(ended, StorageError):
            assert got == truth[: len(got)]
        else:
            assert got == truth, "the listing ended early or listed what is not there"

    def delete(self, keys: Sequence[str]) -> None:
        before = self.world.truth()
        distinct = list(dict.fromkeys(keys))
        seen_before = len(self.world.proxy.seen)
        result: DeleteResult
        code: ErrorCode | None = None
        try:
            result = self.storage.delete_files(keys)
        except DeleteError as error:
            result, code = error.result, error.code
        assert code in OUTAGE | {ErrorCode.ACCESS_DENIED, None}
        assert (code is None) is not bool(result.failed or result.unknown), (
            "success was reported for an incomplete deletion"
        )
        after = self.world.truth()
        refused = [one.key for one in result.failed]
        assert sorted([*result.deleted, *refused, *result.unknown]) == sorted(distinct), "the result is no partition"
        assert not set(result.deleted) & after.keys(), "reported as deleted, but still there"
        assert set(refused) <= {key for key in distinct if key.startswith(LOCKED)}
        assert all(one.code is ErrorCode.ACCESS_DENIED and one.backend_code == "AccessDenied" for one in result.failed)
        assert {key: body for key, body in before.items() if key not in distinct} == {
            key: body for key, body in after.items() if key not in distinct
        }, "another key was changed"
        locked = {key for key in distinct if key.startswith(LOCKED)}
        assert locked <= {*refused, *result.unknown}, "an error of a single key was lost"
        met = self._faults_since(seen_before)
        if len(met) < ATTEMPTS and not set(met) & set(STALLS):
            assert not result.unknown, f"gave up on {result.unknown} after {met}"
        self._note("unknown" if result.unknown else "done")

    def no_forgotten_uploads(self) -> None:
        """Assert that each upload left open lost its id with a response, or was aborted as often as is allowed."""
        seen = self.world.proxy.seen
        for upload_id in self.world.uploads():
            known = any(one.delivered and one.answer and upload_id.encode() in one.answer.body for one in seen)
            aborts = [one.fault for one in seen if one.method == "DELETE" and upload_id in one.target]
            assert not known or len(aborts) >= ATTEMPTS, f"an upload was left behind, aborted {len(aborts)} times"

    @staticmethod
    def _missing_is_none(action: Callable[[], object]) -> object:
        try:
            return action()
        except StorageError as error:
            if error.code is ErrorCode.NOT_FOUND:
                return None
            raise


FAST_FAULTS: Final = tuple(fault for fault in Fault if fault not in STALLS)
"""Faults that take no time: an example may hold any number of them."""
