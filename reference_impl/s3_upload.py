"""Uploading: one PUT for what fits into one part, multipart for the rest, with at most four parts in memory."""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from bucket_conformance.reference_impl.api import ObjectStat
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.s3_answers import required
from bucket_conformance.reference_impl.s3_errors import guarded

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

OPERATION: Final = "upload"

PART_SIZE: Final = 8 * 1024 * 1024
MIN_PART_SIZE: Final = 5 * 1024 * 1024
MAX_PARTS: Final = 10_000
"""Bounds of a multipart upload (https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html)."""

PARTS_AT_ONCE: Final = 3
"""Parts of one upload that are sent at the same time, while the next one is read."""
ABANDON_S: Final = 5.0
"""Seconds that a failed upload waits for its other parts, which an abort would not remove if they came after it."""

_MD5_HEX: Final = re.compile(r"[0-9a-f]{32}")


class Uploader:
    """Stores one body at a time under a key of one bucket; holds no state between calls."""

    def __init__(self, client: S3Client, bucket: str, *, part_size: int, secrets: Callable[[], Iterable[str]]) -> None:
        self._client = client
        self._bucket = bucket
        self._part_size = part_size
        self._secrets = secrets

    def put(self, key: str, body: bytes, content_type: str) -> ObjectStat:
        """Store ``body`` in one request.

        The server's ``Date`` stands for the modification time: S3 dates a single PUT by when it was answered, to the
        second, so asking again would cost a request and could describe another writer's object.
        """
        response = self._call(
            key,
            lambda: self._client.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType=content_type),
        )
        return ObjectStat(
            key=key,
            size=len(body),
            last_modified=_date_of(response["ResponseMetadata"]),
            etag=plain_etag(required(response, "ETag", OPERATION, key)),
            content_type=content_type,
        )

    def put_stream(self, key: str, stream: BinaryIO, content_type: str) -> ObjectStat:
        """Store what ``stream`` still holds. An exception of the stream leaves as it is, and nothing is stored."""
        head = [_read_part(stream, self._part_size, key)]
        if len(head[0]) == self._part_size:
            head.append(_read_part(stream, self._part_size, key))
        if len(head) < 2 or not head[1]:
            return self.put(key, head[0], content_type)
        return self._multipart(key, head, stream, content_type)

    def _call(self, key: str, action: Callable[[], Any]) -> Any:
        return guarded(OPERATION, key, action, secrets=self._secrets)

    def _multipart(self, key: str, head: list[bytes], stream: BinaryIO, content_type: str) -> ObjectStat:
        """Upload the parts of ``head``, which is emptied, and then what ``stream`` still holds."""
        begun = self._call(
            key,
            lambda: self._client.create_multipart_upload(Bucket=self._bucket, Key=key, ContentType=content_type),
        )
        upload_id: str = required(begun, "UploadId", OPERATION, key)
        # Amazon S3 keeps no checksums of parts of an upload that was begun without one: it checks each part by its own,
        # but to name them when the parts are joined is answered with InvalidPart.
        named = bool(begun.get("ChecksumAlgorithm"))
        sending = _PartsUnderWay(lambda number, body: self._part(key, upload_id, number, body, checksum=named))
        try:
            size = count = 0
            while head:
                if count == MAX_PARTS:
                    raise StorageError(
                        ErrorCode.TOO_LARGE,
                        OPERATION,
                        key,
                        f"more than {MAX_PARTS} parts of {self._part_size} bytes; use a larger part size",
                    )
                sent = len(head[0])
                size, count = size + sent, count + 1
                # Each part is let go before the next is read, so that memory stays at those under way and one more.
                sending.start(count, head)
                if not head and sent == self._part_size:
                    part = _read_part(stream, self._part_size, key)
                    if part:
                        head.append(part)
                    del part
            response = self._complete(key, upload_id, sending.finished())
        except BaseException:
            # The caller must get the first error, even if the cleanup fails as well.
            with contextlib.suppress(Exception):
                sending.abandon()
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
            raise
        return self._stat_of_joined(key, size, content_type, response)

    def _part(self, key: str, upload_id: str, number: int, body: bytes, *, checksum: bool) -> CompletedPartTypeDef:
        """Upload a part and return how it is named when the parts are joined: with its ``checksum``, or without."""
        response = self._call(
            key,
            lambda: self._client.upload_part(
                Bucket=self._bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=body
            ),
        )
        part: CompletedPartTypeDef = {"PartNumber": number, "ETag": required(response, "ETag", OPERATION, key)}
        if checksum:
            for name in ("ChecksumCRC32", "ChecksumCRC32C", "ChecksumCRC64NVME", "ChecksumSHA1", "ChecksumSHA256"):
                if response.get(name):
                    part[name] = response[name]
        return part

    def _complete(self, key: str, upload_id: str, parts: list[CompletedPartTypeDef]) -> Mapping[str, Any]:
        try:
            response: Mapping[str, Any] = self._call(
                key,
                lambda: self._client.complete_multipart_upload(
                    Bucket=self._bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts}
                ),
            )
            required(response, "ETag", OPERATION, key)
        except StorageError as error:
            # The SDK tries again after a lost answer, and then the id is already spent: see whether the object is ours.
            expected = _joined_etag(parts)
            if error.code not in (ErrorCode.CONFLICT, ErrorCode.NOT_FOUND, ErrorCode.INTEGRITY) or expected is None:
                raise
            found = self._head(key)
            if found is None or plain_etag(found.get("ETag")) != expected:
                if error.code is not ErrorCode.NOT_FOUND:
                    raise
                hint = f"the upload was gone before its parts were joined; upload again ({error.hint})"
                raise StorageError(ErrorCode.CONFLICT, OPERATION, key, hint) from None
            return found
        return response

    def _stat_of_joined(self, key: str, size: int, content_type: str, response: Mapping[str, Any]) -> ObjectStat:
        etag = plain_etag(response.get("ETag"))
        modified = _date_of(response["ResponseMetadata"])
        # A joined object has the time at which its upload began, which only a request for the object returns.
        found = self._head(key)
        if found is not None and plain_etag(found.get("ETag")) == etag:
            with contextlib.suppress(LookupError, AttributeError, ArithmeticError, ValueError):
                modified = found["LastModified"].astimezone(UTC)
        return ObjectStat(key=key, size=size, last_modified=modified, etag=etag, content_type=content_type)

    def _head(self, key: str) -> Mapping[str, Any] | None:
        try:
            return self._client.head_object(Bucket=self._bucket, Key=key)
        except Exception:
            return None


class _PartsUnderWay:
    """Sends parts in threads of their own, at most ``PARTS_AT_ONCE`` at a time. For one thread.

    The threads are daemons: whoever interrupts the program does not wait for a server that no longer answers.
    """

    def __init__(self, send: Callable[[int, bytes], CompletedPartTypeDef]) -> None:
        self._send = send
        self._parts: dict[int, CompletedPartTypeDef] = {}
        self._error: BaseException | None = None
        self._room = threading.BoundedSemaphore(PARTS_AT_ONCE)
        self._threads: list[threading.Thread] = []

    def start(self, number: int, head: list[bytes]) -> None:
        """Take the first of ``head`` and send it as part ``number``, once there is room; raise if a part has failed."""
        self._room.acquire()
        self._raise()
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=self._run, args=(number, [head.pop(0)]), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self, number: int, holder: list[bytes]) -> None:
        try:
            if self._error is None:
                self._parts[number] = self._send(number, holder.pop())
        except BaseException as error:
            self._error = self._error or error
        finally:
            self._room.release()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def finished(self) -> list[CompletedPartTypeDef]:
        """Wait for all parts and return them in order; raise what the first that failed raised."""
        for thread in self._threads:
            thread.join()
        self._raise()
        return [self._parts[number] for number in sorted(self._parts)]

    def abandon(self) -> None:
        """Begin no other part and wait for those under way, but not for long."""
        self._error = self._error or RuntimeError("abandoned")
        until = time.monotonic() + ABANDON_S
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))


def plain_etag(etag: str | None) -> str | None:
    """Return an ETag without its quotes, ``None`` where there is none, or only the beginning of one."""
    if not etag or (etag.startswith('"') and not etag.endswith('"')):
        return None
    return etag.strip('"') or None


def _joined_etag(parts: Iterable[CompletedPartTypeDef]) -> str | None:
    etags = [plain_etag(part.get("ETag")) or "" for part in parts]
    if not all(_MD5_HEX.fullmatch(etag) for etag in etags):
        return None
    joined = hashlib.md5(b"".join(bytes.fromhex(etag) for etag in etags), usedforsecurity=False).hexdigest()
    return f"{joined}-{len(etags)}"


def _date_of(metadata: Mapping[str, Any]) -> datetime:
    try:
        date: str = metadata["HTTPHeaders"]["date"]
        if not date.endswith("GMT"):
            raise ValueError(date)
        return parsedate_to_datetime(date).astimezone(UTC)
    except (KeyError, ValueError, TypeError, OverflowError):
        return datetime.now(UTC).replace(microsecond=0)


def _read_part(stream: BinaryIO, size: int, key: str) -> bytes:
    """Read exactly ``size`` bytes, fewer only at the end: a socket or pipe gives what it has, not what was asked."""
    # It gives its value away without a copy, so that a part is never held twice.
    whole = io.BytesIO()
    missing = size
    while missing > 0:
        piece: object = stream.read(missing)
        if not isinstance(piece, bytes | bytearray | memoryview):
            raise StorageError(
                ErrorCode.INVALID_ARGUMENT, OPERATION, key, f"the stream gave {type(piece).__name__}, not bytes"
            )
        if len(piece) > missing:
            raise StorageError(
                ErrorCode.INVALID_ARGUMENT,
                OPERATION,
                key,
                f"the stream gave {len(piece)} bytes when asked for {missing}",
            )
        if not piece:
            break
        if len(piece) == size:
            return bytes(piece)
        whole.write(piece)
        missing -= len(piece)
    return whole.getvalue()
