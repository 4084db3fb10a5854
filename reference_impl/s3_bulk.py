"""The faster client for many small uploads: obstore, which the extra ``bulk`` installs.

obstore (https://developmentseed.org/obstore/) signs and sends in native code and needs about a fifth of the processor
time that the SDK needs. Of a response it tells nothing but the ETag. A request of it therefore counts only if the ETag
is the MD5 of the bytes that were sent; everything else is left to the SDK, with the storage's own checks, retries and
errors. What obstore cannot do as the SDK does is found before the first request, see :func:`prepare_bulk`.
"""

from __future__ import annotations

import hashlib
import logging
import os
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from bucket_conformance.reference_impl.api import MAX_KEY_BYTES, ObjectStat, require_content_type
from bucket_conformance.reference_impl.botocore_internals import verifies_with
from bucket_conformance.reference_impl.s3_client import credentials_end, credentials_of
from bucket_conformance.reference_impl.s3_retries import FIRST_WAIT_S

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from obstore.store import ClientConfig, S3Config, S3Credential, S3Store

MAX_BYTES: Final = 1024 * 1024
"""Bodies up to this size are sent by obstore; longer ones are few, and the SDK sends them in parts."""
GIVE_UP_AFTER: Final = 50
"""Requests in a row that obstore could not prove, after which the SDK sends everything: more than one restart of a
server costs (one request per worker)."""
CREDENTIALS_LIFE: Final = timedelta(seconds=60)
"""How long temporary credentials are kept before the SDK is asked again, which renews them when they are due."""

_LOG: Final = logging.getLogger(__name__)
_PLAIN_KEY: Final = re.compile(r"(?!(?:.*/)?\.{1,2}(?:/|$))[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")
"""Keys that obstore's paths cannot change: no empty, ``.`` or ``..`` segments and nothing that needs an escape."""
_PROBE: Final = "k"
_PROXIES: Final = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"})
_HARMLESS: Final = frozenset(
    {
        "AWS_ACCESS_KEY_ID",
        "AWS_CA_BUNDLE",
        "AWS_CONFIG_FILE",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_DEFAULT_OUTPUT",
        "AWS_DEFAULT_PROFILE",
        "AWS_DEFAULT_REGION",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_EXECUTION_ENV",
        "AWS_MAX_ATTEMPTS",
        "AWS_PAGER",
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_RETRY_MODE",
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SECURITY_TOKEN",
        "AWS_SESSION_TOKEN",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_STS_REGIONAL_ENDPOINTS",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    }
)
"""Variables that obstore does not read, or that :func:`_store` overrides. It takes its other settings from the
environment too (encryption, certificates, signing), and then it would not send what the SDK sends."""

Upload = Callable[[str, bytes, str], ObjectStat]
"""Stores bytes under a key with a content type, by the SDK."""


@dataclass(slots=True, kw_only=True)
class BulkUploads:
    """Stores small bodies by obstore, and by ``otherwise`` what obstore did not store provably. For any thread.

    ``sent`` and ``unproved`` count the requests of obstore; ``why_ended`` says why it is no longer used.
    """

    store: S3Store
    otherwise: Upload
    default_type: str
    wait: Callable[[float], None] = time.sleep
    sent: int = 0
    unproved: int = 0
    why_ended: str | None = None
    _in_a_row: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def takes(self, key: str, size: int) -> bool:
        """Return whether obstore is used for this key and this number of bytes."""
        plain = len(key) <= MAX_KEY_BYTES and _PLAIN_KEY.fullmatch(key) is not None
        return plain and size <= MAX_BYTES and self.why_ended is None

    def upload(self, key: str, body: bytes, *, content_type: str | None = None) -> ObjectStat:
        """Store ``body`` as ``Storage.upload`` does; the modification time is this machine's.

        One request is sent where its response proves the bytes. Otherwise the SDK sends them again. Errors: those of
        ``Storage.upload``.
        """
        kind = require_content_type(self.default_type if content_type is None else content_type, "upload", key)
        md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
        try:
            etag = self.store.put(key, body, attributes={"Content-Type": kind}, use_multipart=False)["e_tag"]
        except Exception as error:
            # Its text is for people and may hold what must not be shown. The SDK's own try tells what is wrong.
            self._count(type(error).__name__)
            self.wait(random.random() * FIRST_WAIT_S)
            return self.otherwise(key, body, kind)
        if etag != f'"{md5}"' and etag != md5:
            self._count("an ETag that is not the MD5 of the bytes")
            return self.otherwise(key, body, kind)
        with self._lock:
            self.sent += 1
            self._in_a_row = 0
        return ObjectStat(
            key=key,
            size=len(body),
            last_modified=datetime.now(UTC).replace(microsecond=0),
            etag=md5,
            content_type=kind,
        )

    def _count(self, why: str) -> None:
        with self._lock:
            self.unproved += 1
            self._in_a_row += 1
            if self._in_a_row >= GIVE_UP_AFTER and self.why_ended is None:
                self.why_ended = f"{self._in_a_row} requests of obstore in a row proved nothing, the last: {why}"
                _LOG.warning("boto3 sends the rest: %s", self.why_ended)


def prepare_bulk(
    client: S3Client,
    bucket: str,
    otherwise: Upload,
    *,
    default_type: str,
    environ: Mapping[str, str] = os.environ,
) -> BulkUploads | str:
    """Return uploads by obstore to the bucket that ``client`` reaches, or why the SDK has to send everything.

    The credentials are those of ``client``, renewed by it (keys, profile, web identity), and so are address, region,
    time-outs and, for the SDK's ``when_supported``, a checksum. The SDK alone is used where obstore is not installed;
    with a certificate authority of your own, as obstore would trust the usual ones too; behind a proxy; with variables
    that obstore reads and the SDK does not; where the address of the bucket is neither path nor virtual-host style; and
    for temporary credentials outside AWS. Of redirects obstore follows the 303 alone, which no S3 sends, without the
    signature but with the session token. May fetch credentials; sends nothing to the bucket.
    """
    try:
        import obstore
    except ImportError:
        return "obstore is not installed; pip install 'bucket-conformance[bulk]' makes it faster"
    foreign = sorted(name for name in environ if name.upper().startswith("AWS_") and name.upper() not in _HARMLESS)
    if foreign:
        return f"obstore may read {', '.join(foreign)} otherwise than boto3 does"
    if any(name.upper() in _PROXIES and value for name, value in environ.items()):
        return "a proxy is set, and obstore may choose it otherwise than boto3 does"
    try:
        place = _place(client, bucket)
    except Exception as error:
        return f"boto3 cannot sign yet ({type(error).__name__})"
    if place is None:
        return "the address of the bucket is of no style that obstore knows"
    if credentials_end(client) is not None and not _is_aws(place):
        return "obstore would follow a redirect with status 303 and take the session token along"
    if place.endpoint.startswith("https:") and verifies_with(client) is not True:
        return "obstore would trust more certificate authorities than the one that is set"
    try:
        store = _store(client, bucket, place)
    except Exception as error:
        return f"obstore {obstore.__version__} does not take these settings ({type(error).__name__})"
    return BulkUploads(store=store, otherwise=otherwise, default_type=default_type)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where obstore finds the bucket: an endpoint without it (path style) or with it in its host."""

    endpoint: str
    virtual: bool


def _place(client: S3Client, bucket: str) -> _Place | None:
    # Only the SDK knows which address its rules give. A signed URL tells, and is made without a request.
    url = urlsplit(client.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": _PROBE}))
    if url.path == f"/{_PROBE}" and (url.hostname or "").startswith(f"{bucket}."):
        return _Place(endpoint=f"{url.scheme}://{url.netloc}", virtual=True)
    if url.path.endswith(f"/{bucket}/{_PROBE}"):
        above = url.path.removesuffix(f"/{bucket}/{_PROBE}")
        return _Place(endpoint=f"{url.scheme}://{url.netloc}{above}", virtual=False)
    return None


def _is_aws(place: _Place) -> bool:
    host = urlsplit(place.endpoint).hostname or ""
    return place.endpoint.startswith("https:") and host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def _store(client: S3Client, bucket: str, place: _Place) -> S3Store:
    from obstore.store import S3Store

    config: Any = client.meta.config
    options: ClientConfig = {
        "allow_http": place.endpoint.startswith("http:"),
        "allow_invalid_certificates": False,
        "connect_timeout": timedelta(seconds=config.connect_timeout),
        "timeout": timedelta(seconds=config.connect_timeout + config.read_timeout),
    }
    settings: S3Config = {
        "region": client.meta.region_name,
        "endpoint": place.endpoint,
        "aws_endpoint_url_s3": place.endpoint,
        "virtual_hosted_style_request": place.virtual,
        "skip_signature": False,
        "unsigned_payload": False,
    }
    if getattr(config, "request_checksum_calculation", None) == "when_supported":
        settings["checksum_algorithm"] = "SHA256"
    return S3Store(
        bucket,
        config=settings,
        credential_provider=lambda: _credential(client),
        client_options=options,
        retry_config={"max_retries": 0},
    )


def _credential(client: S3Client) -> S3Credential:
    frozen = credentials_of(client).get_frozen_credentials()
    ends = credentials_end(client) is not None
    return {
        "access_key_id": frozen.access_key,
        "secret_access_key": frozen.secret_key,
        "token": frozen.token,
        "expires_at": datetime.now(UTC) + CREDENTIALS_LIFE if ends else None,
    }
