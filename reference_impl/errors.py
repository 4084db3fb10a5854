"""The one error type of the storage, and the closed set of codes callers may branch on."""

from __future__ import annotations

import enum


class ErrorCode(enum.StrEnum):
    """Why an operation failed. Callers decide by code, never by message text."""

    NOT_FOUND = "not_found"
    """The key does not exist (or existed and was deleted)."""
    INVALID_KEY = "invalid_key"
    """The key, or an id it would be built from, cannot be stored; nothing was sent or written."""
    INVALID_ARGUMENT = "invalid_argument"
    """Another argument is outside its documented range (an expiry over 7 days, a negative length)."""
    ACCESS_DENIED = "access_denied"
    """The backend knows the caller and refuses the operation."""
    INVALID_CREDENTIALS = "invalid_credentials"
    """The backend does not accept the credentials (unknown key id, wrong secret, expired token)."""
    BUCKET_NOT_FOUND = "bucket_not_found"
    """The configured bucket, or local root, does not exist."""
    CONFLICT = "conflict"
    """Another object stands in the way (a file where a folder is needed, a lost conditional write)."""
    NO_SPACE = "no_space"
    """The backend is full or over its quota; the old value, if any, is untouched."""
    TOO_LARGE = "too_large"
    """The body exceeds what the backend can hold in one object."""
    INTEGRITY = "integrity"
    """Bytes were lost or changed under way: a short body, a wrong checksum, a cut-off download."""
    UNAVAILABLE = "unavailable"
    """The backend cannot be reached or keeps answering 5xx/429 after the bounded retries."""
    UNSUPPORTED = "unsupported"
    """This backend has no such operation (for example versioning on local disk)."""
    UNKNOWN = "unknown"
    """Anything else; the hint carries what the backend said."""


class StorageError(Exception):
    """A storage operation failed.

    Attributes:
        code: the ``ErrorCode`` to branch on.
        operation: the method that failed, such as ``"upload"``.
        key: the offending key, or ``None`` where no single key is concerned.
        hint: what happened and what to do next, for humans. Never contains credentials.
    """

    def __init__(self, code: ErrorCode, operation: str, key: str | None = None, hint: str = "") -> None:
        self.code = code
        self.operation = operation
        self.key = key
        self.hint = hint
        super().__init__(code, operation, key, hint)

    def __str__(self) -> str:
        subject = f" {self.key!r}" if self.key is not None else ""
        return f"{self.operation}{subject}: {self.code.value}" + (f": {self.hint}" if self.hint else "")
