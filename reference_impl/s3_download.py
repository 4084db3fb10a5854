"""Reading bodies: whole with bounded retries, or as a stream whose end can be trusted."""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.s3_answers import require_length
from bucket_conformance.reference_impl.s3_errors import guarded, translate

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

MAX_DOWNLOADS: Final = 3
"""Tries to read one body whole, the first included. The SDK's own retries end where the answer's head has come."""

_MD5_HEX: Final = re.compile(r"[0-9a-f]{32}")

STREAM_BUFFER: Final = 64 * 1024


class CheckedBody(io.RawIOBase):
    """The body of one answer. Its end is an end only if every byte has come; a failure stays one.

    That every promised byte has come is not enough where the promise may be too small: the bytes must also be those of
    the ETag, where that is their MD5, or be as many as the server says when asked again.
    """

    def __init__(
        self,
        client: S3Client,
        bucket: str,
        key: str,
        response: GetObjectOutputTypeDef,
        operation: str,
        secrets: Callable[[], Iterable[str]],
    ) -> None:
        super().__init__()
        self._client = client
        self._bucket = bucket
        self._key = key
        self._operation = operation
        self._secrets = secrets
        self._body = response["Body"]
        self._promised: int | None = response.get("ContentLength")
        self._etag: str | None = response.get("ETag")
        # An ETag of another form is no MD5 of the body: hashing would only cost time.
        self._md5 = hashlib.md5(usedforsecurity=False) if _MD5_HEX.fullmatch(self._plain_etag()) else None
        self._come = 0
        self._ended = False
        self._broken: StorageError | None = None

    def _plain_etag(self) -> str:
        return (self._etag or "").strip('"')

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        data = self._next(len(view)) if len(view) else b""
        view[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        """Return the whole rest of the body, read in one piece."""
        data = self._next(None)
        self._next(1)
        return data

    def _next(self, size: int | None) -> bytes:
        if self._broken is not None:
            raise StorageError(self._broken.code, self._operation, self._key, self._broken.hint)
        if self._ended:
            return b""
        try:
            data = self._body.read(size)
        except Exception as error:
            raise self._cut(translate(error, self._operation, self._key, secrets=self._secrets).hint) from None
        self._come += len(data)
        if self._md5 is not None:
            self._md5.update(data)
        if not data:
            self._end()
        return data

    def _end(self) -> None:
        if self._promised is not None and self._come != self._promised:
            raise self._cut("the body ended early")
        if self._md5 is None or self._plain_etag() != self._md5.hexdigest():
            try:
                require_length(
                    self._client,
                    self._bucket,
                    self._key,
                    self._operation,
                    etag=self._etag,
                    size=self._come,
                    secrets=self._secrets,
                )
            except StorageError as error:
                self._broken = error
                raise
        self._ended = True

    def _cut(self, why: str) -> StorageError:
        self._broken = StorageError(
            ErrorCode.INTEGRITY,
            self._operation,
            self._key,
            f"cut off after {self._come} of {self._promised} bytes: {why}",
        )
        return self._broken

    def close(self) -> None:
        if not self.closed:
            with contextlib.suppress(Exception):
                self._body.close()
        super().close()


def get(client: S3Client, bucket: str, key: str, operation: str, secrets: Callable[[], Iterable[str]]) -> CheckedBody:
    """Ask for an object and return its unread body; ``INTEGRITY`` where no answer says where its body ends."""
    for _ in range(MAX_DOWNLOADS):
        response = guarded(operation, key, lambda: client.get_object(Bucket=bucket, Key=key), secrets=secrets)
        # Without either of these headers the end of the connection ends the body, even if the connection broke.
        fields: Mapping[str, Any] = response
        if "ContentLength" in fields or "transfer-encoding" in fields["ResponseMetadata"]["HTTPHeaders"]:
            return CheckedBody(client, bucket, key, response, operation, secrets)
        response["Body"].close()
    raise StorageError(
        ErrorCode.INTEGRITY, operation, key, f"the answer was cut off {MAX_DOWNLOADS} times: it has no Content-Length"
    )


def download(client: S3Client, bucket: str, key: str, secrets: Callable[[], Iterable[str]]) -> bytes:
    """Return the whole body; ``INTEGRITY`` where every one of ``MAX_DOWNLOADS`` tries was cut off."""
    seen: list[str] = []
    for _ in range(MAX_DOWNLOADS):
        with get(client, bucket, key, "download", secrets) as body:
            try:
                return body.readall()
            except StorageError as error:
                if error.code is not ErrorCode.INTEGRITY:
                    raise
                seen.append(error.hint)
    raise StorageError(
        ErrorCode.INTEGRITY, "download", key, f"the body was cut off {MAX_DOWNLOADS} times ({'; '.join(seen)})"
    )
