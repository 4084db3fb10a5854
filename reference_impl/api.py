"""The storage port. These docstrings are the specification; the backends only implement it.

Keys are non-empty ``str`` of at most 1024 UTF-8 bytes, without lone surrogates. A backend that cannot hold a key
says so with ``ErrorCode.INVALID_KEY`` before anything is sent or written. The keys of the product are built by
:mod:`keys`; every backend must hold all of those.

Every method may raise :class:`StorageError` with ``ACCESS_DENIED``, ``INVALID_CREDENTIALS``,
``BUCKET_NOT_FOUND``, ``UNAVAILABLE`` or ``UNKNOWN``; further codes are named per method. No other exception leaves
a storage, except one raised by the caller's own stream. All methods may be called from several threads at once.

A request may succeed although its response is lost. The storage then repeats it by itself for some time, and raises
``UNAVAILABLE`` (no response) or ``INTEGRITY`` (a part of one) if no whole response comes. "After such an error" below
says what is known then and what is safe to repeat.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Final, Protocol, runtime_checkable

from bucket_conformance.reference_impl.errors import ErrorCode, StorageError

MAX_KEY_BYTES: Final = 1024
"""Longest key, in UTF-8 bytes (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html)."""

MAX_URL_LIFE_S: Final = 604_800
"""Longest and default life of a signed URL, in seconds: seven days
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/ShareObjectPreSignedURL.html)."""

DEFAULT_BATCH_SIZE: Final = 100
"""The default number of keys in one delete request."""

MAX_BATCH_SIZE: Final = 1000
"""The largest number of keys in one DeleteObjects request
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectStat:
    """What is known of one stored object.

    ``size`` is in bytes; ``last_modified`` is timezone-aware UTC; ``etag`` is without quotes, ``None`` where the
    backend has none; ``content_type`` is ``None`` where it is unknown (listings do not carry it).
    """

    key: str
    size: int
    last_modified: datetime
    etag: str | None = None
    content_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteFailure:
    """One key that the backend refused to delete, with the backend's own code (``"AccessDenied"``) and ours."""

    key: str
    code: ErrorCode
    backend_code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteResult:
    """The outcome of ``delete_files``. The three fields partition the distinct keys of the call, in call order.

    ``deleted``: gone (or never there). ``failed``: refused by the backend and still there. ``unknown``: the request
    that named them broke off, so they may or may not be gone; deleting them again is safe.
    """

    deleted: tuple[str, ...] = ()
    failed: tuple[DeleteFailure, ...] = ()
    unknown: tuple[str, ...] = ()
    requests: int = 0
    """Batch requests that were needed, retries not counted; 0 on a backend without batches."""


class DeleteError(StorageError):
    """``delete_files`` could not delete every key; ``result`` says which are deleted, refused and unknown."""

    def __init__(self, code: ErrorCode, result: DeleteResult, hint: str = "") -> None:
        first = result.failed[0].key if result.failed else (result.unknown[0] if result.unknown else None)
        super().__init__(code, "delete_files", first, hint)
        self.result = result


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What ``check`` found: permissions that worked, in the order tried, and how long it took, in seconds.

    ``warnings``: sentences on what could not be tried and is no error, such as a public endpoint that does not answer
    here.
    """

    location: str
    permissions: tuple[str, ...]
    duration_s: float
    warnings: tuple[str, ...] = ()


class CredentialsEndBeforeUrl(UserWarning):
    """The credentials that signed a URL expire before the URL does, so the URL dies with them."""


@runtime_checkable
class Storage(Protocol):
    """A flat map from key to bytes, with signed URLs."""

    def upload(self, key: str, body: bytes | BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        """Store ``body`` under ``key``, replacing what was there, and return its stat.

        Atomic: until this returns, readers see the old value whole (or nothing); afterwards the new value whole,
        and on local disk it survives a crash. A stream is read from its current position to its end, in pieces, and
        is never held whole in memory; it need not be seekable. If the stream raises, that exception is re-raised,
        nothing is stored and the old value stays. ``content_type`` defaults to ``application/octet-stream``.

        After such an error: ``key`` holds the old value or the new value, each whole. Repeating with the same bytes is
        safe as long as nobody else writes the key; a value that another client wrote in between is replaced, also by
        the storage's own repeats. A stream must be opened anew. Parts of an unfinished upload may stay at the server,
        where no listing shows them; a lifecycle rule removes them.

        Errors: ``INVALID_KEY``, ``INVALID_ARGUMENT`` (a body that gives no bytes, a content type that is no header),
        ``NO_SPACE``, ``TOO_LARGE``, ``CONFLICT``, ``INTEGRITY``, ``UNSUPPORTED`` (the key lies on another file system).
        """
        ...

    def download(self, key: str) -> bytes:
        """Return the whole value. Never short: a body cut off under way is ``INTEGRITY`` (after bounded retries).

        After such an error: nothing has changed; repeating is always safe.

        Errors: ``NOT_FOUND``, ``INVALID_KEY``, ``INTEGRITY``.
        """
        ...

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        """Open the value for streaming, ``with storage.open(key) as stream``; ``read(n)`` gives up to ``n`` bytes.

        The bytes are those of one version, also when the key is overwritten or deleted meanwhile. Reading past a
        cut-off raises ``INTEGRITY`` and never looks like the end. ``NOT_FOUND`` and ``INVALID_KEY`` are raised by
        entering the context.

        After such an error: nothing has changed, and the bytes that were read are those of the value. Repeating is
        always safe, but begins at the first byte, perhaps of a newer version.
        """
        ...

    def stat(self, key: str) -> ObjectStat:
        """Return the stat of ``key``. Agrees with ``download`` about existence.

        After such an error: nothing has changed; repeating is always safe.

        Errors: ``NOT_FOUND``, ``INVALID_KEY``, ``INTEGRITY`` (an answer that was cut off).
        """
        ...

    def exists(self, key: str) -> bool:
        """Return whether ``key`` is stored. A backend that refuses to say raises; that is never ``False``.

        After such an error: nothing has changed, and the key may or may not exist; repeating is always safe.

        Errors: those of ``stat`` but ``NOT_FOUND``.
        """
        ...

    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        """Yield every object whose key starts with ``prefix``, each once, in UTF-8 byte order of the keys.

        Lazy: pages are fetched as they are consumed. Objects present during the whole iteration appear; those
        created or deleted meanwhile may or may not. ``prefix`` is a plain string, not a folder: ``"a"`` also matches
        ``"ab"``. One that no key can start with lists nothing.

        After such an error: nothing has changed, and what was yielded before stays true. Repeating is always safe, but
        begins at the first key.

        Errors: ``INTEGRITY`` (a page that was cut off).
        """
        ...

    def delete_files(self, keys: Iterable[str]) -> DeleteResult:
        """Delete exactly these keys. Missing keys and repeats are no error; an empty iterable sends nothing.

        Returns when every key is gone. Otherwise raises :class:`DeleteError`, whose ``result`` names the deleted, the
        refused (with code) and the unknown; all batches are tried first. Requests name at most ``batch_size``
        distinct keys each. ``INVALID_KEY`` for any key is raised before anything is deleted, and so is
        ``INVALID_ARGUMENT`` for a single string, which would otherwise mean its characters.

        After such an error: the keys in ``result.unknown`` may or may not be gone. Repeating with these keys is safe as
        long as nobody else writes them; a value that another client stored in between is deleted, also by the storage's
        own repeats.
        """
        ...

    def signed_url(self, key: str, file_name: str | None = None, *, expires_in: int = MAX_URL_LIFE_S) -> str:
        """Return a URL that serves ``key`` by GET without credentials for ``expires_in`` seconds (1 … 604800).

        The URL is bound to method, key, expiry and, where ``file_name`` is given, to a ``Content-Disposition:
        attachment`` with that name (RFC 6266, RFC 8187). A storage's own URL scheme may ignore further parameters that
        change nothing; SigV4 signs them all. Existence is not checked and nothing is sent to the bucket, so repeating
        is always safe. Warns with :class:`CredentialsEndBeforeUrl` where the signing credentials end earlier. A storage
        may be configured with another life to start from; given none, it is seven days.

        Errors: ``INVALID_KEY``, ``INVALID_ARGUMENT`` (life out of range, never rounded down), ``UNSUPPORTED`` (a
        storage that was not configured to sign).
        """
        ...

    def signed_upload_url(self, key: str, *, expires_in: int = MAX_URL_LIFE_S, content_type: str | None = None) -> str:
        """Return a URL that stores the body of one PUT under ``key``, for ``expires_in`` seconds (1 … 604800).

        Where ``content_type`` is given the PUT must send exactly that header. Nothing is sent to the bucket. Whoever
        uses the URL and loses the response knows what ``upload`` says of it. Warnings and errors as ``signed_url``.
        """
        ...

    def check(self) -> CheckResult:
        """Write, read, list and remove one probe object; raise naming the missing permission.

        Where readers use another address than this storage (``AP_S3_PUBLIC_ENDPOINT``), the probe is also fetched there
        by a signed URL: a wrong response is an error that names the variable, no response is a warning in the result.

        After such an error: a probe may remain below ``storage-check/``, if its removal failed too. Repeating is always
        safe, because every probe has its own random name.

        Errors: ``ACCESS_DENIED`` with the permission's name (``s3:PutObject``, ``s3:GetObject``, ``s3:DeleteObject``,
        ``s3:ListBucket``) in ``hint``; every other one as the failing step raised it, with what was being tried.
        """
        ...


def require_key(key: str, operation: str) -> str:
    """Return ``key`` if it is one that the port allows; raise ``INVALID_KEY`` otherwise. Backends call this first."""
    given: object = key
    if not isinstance(given, str):
        # Callers without a type checker do pass bytes and numbers; no other exception may leave a storage.
        hint = f"a key is a str, not {type(given).__name__}"
        raise StorageError(ErrorCode.INVALID_KEY, operation, repr(given), hint)
    if not key:
        raise StorageError(ErrorCode.INVALID_KEY, operation, key, "a key must not be empty")
    try:
        size = len(key.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise StorageError(
            ErrorCode.INVALID_KEY, operation, key, f"no UTF-8 form: lone surrogate at index {error.start}"
        ) from None
    if size > MAX_KEY_BYTES:
        raise StorageError(
            ErrorCode.INVALID_KEY, operation, key, f"{size} bytes in UTF-8, at most {MAX_KEY_BYTES} are allowed"
        )
    return key


def require_collection(keys: Iterable[str]) -> Iterable[str]:
    """Return ``keys``; raise ``INVALID_ARGUMENT`` for a single string, whose characters would be the keys to delete."""
    if isinstance(keys, str):
        hint = f"delete_files takes the keys as an iterable; pass [{keys!r}] to delete one"
        raise StorageError(ErrorCode.INVALID_ARGUMENT, "delete_files", keys, hint)
    return keys


def is_content_type(value: str) -> bool:
    """Return whether ``value`` can stand in a Content-Type header: 1 to 255 printable ASCII characters, not padded."""
    return 0 < len(value) <= 255 and value.isascii() and value.isprintable() and value == value.strip()


def require_content_type(value: object, operation: str, key: str) -> str:
    """Return ``value`` if it is a content type, the same for every backend; raise ``INVALID_ARGUMENT`` otherwise."""
    if not isinstance(value, str) or not is_content_type(value):
        hint = f"content type {value!r} is not 1 to 255 printable ASCII characters; pass one such as 'text/plain'"
        raise StorageError(ErrorCode.INVALID_ARGUMENT, operation, key, hint)
    return value


def require_url_life(expires_in: object, operation: str, key: str) -> int:
    """Return ``expires_in`` if it is a whole number from 1 to 604800; raise ``INVALID_ARGUMENT`` otherwise."""
    if isinstance(expires_in, bool) or not isinstance(expires_in, int) or not 1 <= expires_in <= MAX_URL_LIFE_S:
        raise StorageError(
            ErrorCode.INVALID_ARGUMENT,
            operation,
            key,
            f"expires_in is {expires_in!r}; whole seconds from 1 to {MAX_URL_LIFE_S} (7 days) are allowed",
        )
    return expires_in
