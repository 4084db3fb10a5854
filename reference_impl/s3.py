"""Storage in a bucket of Amazon S3 or of any server that speaks its protocol."""

from __future__ import annotations

import builtins
import io
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal, cast

from botocore.exceptions import ClientError

from bucket_conformance.reference_impl.api import (
    DEFAULT_BATCH_SIZE,
    MAX_BATCH_SIZE,
    MAX_URL_LIFE_S,
    CheckResult,
    CredentialsEndBeforeUrl,
    DeleteResult,
    ObjectStat,
    require_collection,
    require_content_type,
    require_key,
    require_url_life,
)
from bucket_conformance.reference_impl.check import run_check
from bucket_conformance.reference_impl.disposition import attachment
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.public_endpoint import try_public_url
from bucket_conformance.reference_impl.s3_answers import required
from bucket_conformance.reference_impl.s3_bulk import BulkUploads, prepare_bulk
from bucket_conformance.reference_impl.s3_client import credentials_end, secrets_of
from bucket_conformance.reference_impl.s3_delete import delete_keys
from bucket_conformance.reference_impl.s3_download import STREAM_BUFFER, download, get
from bucket_conformance.reference_impl.s3_errors import guarded, status_of, translate
from bucket_conformance.reference_impl.s3_upload import MIN_PART_SIZE, PART_SIZE, Uploader, plain_etag

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DEFAULT_CONTENT_TYPE: Final = "application/octet-stream"
PARALLEL_BATCHES: Final = 4

MOST_EMPTY_PAGES: Final = 1000
"""Pages of a listing in a row that may hold no key and say that there is more: what was deleted may take a few."""


class S3Storage:
    """One bucket as :class:`Storage`; :func:`make_client` makes the client.

    ``batch_size``: keys per delete request, 1 … 1000, of which ``parallel_batches`` are under way at once.
    ``url_life``: seconds that a URL lives unless the call says otherwise. ``url_client``: signs the URLs, where readers
    reach the bucket by another endpoint than we do. ``part_size``: bytes per part of a streamed upload; up to four
    times as much is held in memory, as three parts are sent at once.
    """

    def __init__(
        self,
        client: S3Client,
        bucket: str,
        *,
        batch_size: int = DEFAULT_BATCH_SIZE,
        url_life: int = MAX_URL_LIFE_S,
        url_client: S3Client | None = None,
        parallel_batches: int = PARALLEL_BATCHES,
        part_size: int = PART_SIZE,
    ) -> None:
        if not 1 <= batch_size <= MAX_BATCH_SIZE:
            raise ValueError(f"batch_size is {batch_size}; 1 to {MAX_BATCH_SIZE} are allowed")
        if not 1 <= url_life <= MAX_URL_LIFE_S:
            raise ValueError(f"url_life is {url_life}; 1 to {MAX_URL_LIFE_S} seconds are allowed")
        if parallel_batches < 1:
            raise ValueError(f"parallel_batches is {parallel_batches}; at least 1 is needed")
        if part_size < MIN_PART_SIZE:
            raise ValueError(f"part_size is {part_size}; S3 wants at least {MIN_PART_SIZE} bytes")
        self._client = client
        self._url_client = url_client or client
        self._bucket = bucket
        self._batch_size = batch_size
        self._url_life = url_life
        self._parallel_batches = parallel_batches
        self._uploader = Uploader(client, bucket, part_size=part_size, secrets=self._secrets)
        self._bucket_seen = False

    def __repr__(self) -> str:
        return f"S3Storage(bucket={self._bucket!r}, endpoint={self._client.meta.endpoint_url!r})"

    def _secrets(self) -> tuple[str, ...]:
        return (*secrets_of(self._client), *secrets_of(self._url_client))

    def upload(self, key: str, body: bytes | BinaryIO, *, content_type: str | None = None) -> ObjectStat:
        """See ``api.Storage.upload``. A failed upload leaves no parts if the server allows."""
        require_key(key, "upload")
        kind = require_content_type(DEFAULT_CONTENT_TYPE if content_type is None else content_type, "upload", key)
        if isinstance(body, bytes | bytearray | memoryview):
            return self._uploader.put(key, bytes(body), kind)
        if not hasattr(body, "read"):
            raise StorageError(
                ErrorCode.INVALID_ARGUMENT, "upload", key, f"body is {type(body).__name__}; bytes or a stream is needed"
            )
        return self._uploader.put_stream(key, body, kind)

    def bulk_uploads(self) -> BulkUploads | str:
        """Return a faster way to upload many small bodies, with the guarantees of ``upload``; or why there is none.

        It goes past whatever is registered with the events of the client.
        """
        return prepare_bulk(self._client, self._bucket, self._uploader.put, default_type=DEFAULT_CONTENT_TYPE)

    def download(self, key: str) -> bytes:
        """See ``api.Storage.download``."""
        return download(self._client, self._bucket, require_key(key, "download"), self._secrets)

    @contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        """See ``api.Storage.open``. One answer is read to its end, so one version is what comes."""
        raw = get(self._client, self._bucket, require_key(key, "open"), "open", self._secrets)
        with io.BufferedReader(raw, STREAM_BUFFER) as stream:
            yield cast(BinaryIO, stream)

    def stat(self, key: str) -> ObjectStat:
        """See ``api.Storage.stat``."""
        return self._stat(key, "stat")

    def exists(self, key: str) -> bool:
        """See ``api.Storage.exists``."""
        try:
            self._stat(key, "exists")
        except StorageError as error:
            if error.code is ErrorCode.NOT_FOUND:
                return False
            raise
        return True

    def _stat(self, key: str, operation: str) -> ObjectStat:
        require_key(key, operation)
        try:
            head = self._client.head_object(Bucket=self._bucket, Key=key)
        except Exception as error:
            ours = translate(error, operation, key, secrets=self._secrets)
            if ours.code is ErrorCode.NOT_FOUND:
                self._require_bucket(operation)
            raise ours from None
        self._bucket_seen = True
        return guarded(
            operation,
            key,
            lambda: ObjectStat(
                key=key,
                size=required(head, "ContentLength", operation, key),
                last_modified=required(head, "LastModified", operation, key).astimezone(UTC),
                etag=plain_etag(head.get("ETag")),
                content_type=head.get("ContentType"),
            ),
            secrets=self._secrets,
        )

    def _require_bucket(self, operation: str) -> None:
        """Distinguish a missing bucket from a missing key, as HEAD does not; asks until the bucket was seen once."""
        if self._bucket_seen:
            return
        try:
            self._client.head_bucket(Bucket=self._bucket)
        except ClientError as error:
            if status_of(error) == 404:
                raise StorageError(
                    ErrorCode.BUCKET_NOT_FOUND,
                    operation,
                    None,
                    f"the bucket {self._bucket!r} does not exist; create it or check AP_S3_BUCKET",
                ) from None
        except Exception as error:
            raise translate(error, operation, secrets=self._secrets) from None
        self._bucket_seen = True

    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        """See ``api.Storage.list``. The order is the server's own: S3 promises UTF-8 byte order."""
        try:
            require_key(prefix or "any", "list")
        except StorageError:
            return  # No key can start with what no key can hold.
        more: dict[str, str] = {}
        tokens: set[str] = set()
        empty = 0
        while True:
            page, last = guarded("list", None, partial(self._page, prefix, more), secrets=self._secrets)
            empty = 0 if page else empty + 1
            if empty > MOST_EMPTY_PAGES and last is not None:
                raise StorageError(
                    ErrorCode.UNKNOWN,
                    "list",
                    None,
                    f"{empty} pages in a row hold no key and say that there is more; the listing would never end",
                )
            yield from page
            if last is None:
                return
            if not last or last in tokens:
                what = f"repeats the continuation token {last[:40]!r}" if last else "gives no continuation token"
                raise StorageError(
                    ErrorCode.UNKNOWN,
                    "list",
                    None,
                    f"page {len(tokens) + 1} says there is more but {what}; the listing would never end",
                )
            tokens.add(last)
            more = {"ContinuationToken": last}

    def _page(self, prefix: str, more: dict[str, str]) -> tuple[builtins.list[ObjectStat], str | None]:
        """Return what one page lists, and the token of the next: ``None`` at the end, ``""`` where it is missing."""
        # The SDK asks for encoding-type=url by itself and decodes, so keys that XML cannot carry arrive intact.
        page: Mapping[str, Any] = self._client.list_objects_v2(
            Bucket=self._bucket,
            Prefix=prefix,
            **more,  # type: ignore[arg-type]
        )
        truncated = required(page, "IsTruncated", "list", None)
        found = [
            ObjectStat(
                key=entry["Key"],
                size=entry["Size"],
                last_modified=entry["LastModified"].astimezone(UTC),
                etag=plain_etag(entry.get("ETag")),
            )
            for entry in page.get("Contents", [])
        ]
        # Whoever lists to delete would otherwise delete what is not theirs. Their names are nobody's business.
        if strangers := sum(not stat.key.startswith(prefix) for stat in found):
            hint = f"asked for keys that begin with {prefix!r}, the server lists {strangers} that do not: no S3 does so"
            raise StorageError(ErrorCode.INTEGRITY, "list", None, hint)
        return found, str(page.get("NextContinuationToken") or "") if truncated else None

    def delete_files(self, keys: Iterable[str]) -> DeleteResult:
        """See ``api.Storage.delete_files``. Batches run in parallel; a failure stops no other."""
        distinct = dict.fromkeys(require_collection(keys))
        for key in distinct:
            require_key(key, "delete_files")
        return delete_keys(
            self._client,
            self._bucket,
            tuple(distinct),
            batch_size=self._batch_size,
            parallel_batches=self._parallel_batches,
            secrets=self._secrets,
        )

    def signed_url(self, key: str, file_name: str | None = None, *, expires_in: int | None = None) -> str:
        """See ``api.Storage.signed_url``. ``expires_in`` defaults to the ``url_life`` configured."""
        named = {} if file_name is None else {"ResponseContentDisposition": attachment(file_name)}
        return self._sign("get_object", "signed_url", key, expires_in, named)

    def signed_upload_url(self, key: str, *, expires_in: int | None = None, content_type: str | None = None) -> str:
        """See ``api.Storage.signed_upload_url``."""
        typed = {}
        if content_type is not None:
            typed = {"ContentType": require_content_type(content_type, "signed_upload_url", key)}
        return self._sign("put_object", "signed_upload_url", key, expires_in, typed)

    def _sign(
        self,
        method: Literal["get_object", "put_object"],
        operation: str,
        key: str,
        expires_in: int | None,
        parameters: dict[str, str],
    ) -> str:
        require_key(key, operation)
        life = require_url_life(self._url_life if expires_in is None else expires_in, operation, key)
        url: str = guarded(
            operation,
            key,
            lambda: self._url_client.generate_presigned_url(
                method, Params={"Bucket": self._bucket, "Key": key, **parameters}, ExpiresIn=life
            ),
            secrets=self._secrets,
        )
        end = guarded(operation, key, lambda: credentials_end(self._url_client), secrets=self._secrets)
        if end is not None and (end == "unknown" or end < datetime.now(UTC) + timedelta(seconds=life)):
            when = "at an unknown time" if end == "unknown" else f"at {end:%Y-%m-%dT%H:%M:%SZ}"
            warnings.warn(
                f"{operation}: the URL is signed for {life} s, but its temporary credentials end {when}, and the URL "
                "with them; ask for a shorter life or sign with long-lived keys",
                CredentialsEndBeforeUrl,
                stacklevel=3,
            )
        return url

    def check(self) -> CheckResult:
        """See ``api.Storage.check``."""
        apart = self._url_client is not self._client
        return run_check(self, f"s3://{self._bucket}", try_url=try_public_url if apart else None)
