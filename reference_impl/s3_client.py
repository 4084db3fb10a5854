"""Builds the S3 client: signature, addressing, checksums, timeouts, retries, credentials; and lists its secrets."""

from __future__ import annotations

import base64
import functools
import hashlib
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import ProfileNotFound

from bucket_conformance.reference_impl.botocore_internals import (
    Loader,
    Session,
    create_loader,
    determine_content_length,
    parse_timestamp,
)
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.s3_answers import distrust_answers
from bucket_conformance.reference_impl.s3_retries import DEFAULT_RETRIES, RetryBudget

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Addressing = Literal["path", "virtual"]
ChecksumMode = Literal["when_required", "when_supported"]

CONNECT_TIMEOUT_S: Final = 10.0
READ_TIMEOUT_S: Final = 60.0
TOKEN_FILE: Final = "AWS_WEB_IDENTITY_TOKEN_FILE"
ROLE_ARN: Final = "AWS_ROLE_ARN"
"""The variables that EKS sets in a pod whose service account has a role."""
MAX_CONNECTIONS: Final = 32
ASKS_FIRST_FROM: Final = 1024 * 1024
"""Bytes of a body from which the server is asked before it is sent (``Expect: 100-continue``)."""


def make_client(
    *,
    region: str,
    endpoint: str | None = None,
    access_key: str | None = None,
    secret_key: str | None = None,
    session_token: str | None = None,
    addressing: Addressing | None = None,
    checksums: ChecksumMode | None = None,
    ca_file: Path | None = None,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
    read_timeout_s: float = READ_TIMEOUT_S,
    retries: RetryBudget = DEFAULT_RETRIES,
    web_identity_only: bool = False,
) -> S3Client:
    """Return an S3 client that always signs with SigV4.

    Without ``access_key`` the SDK's own chain is used, which finds a pod's web identity. ``addressing`` defaults to
    ``"path"`` where an ``endpoint`` is given and ``"virtual"`` on AWS; ``checksums`` to ``"when_required"`` and
    ``"when_supported"`` likewise, because servers other than AWS often refuse the SDK's extra checksums. An SDK from
    before those options is used without them, as it sends none. ``ca_file`` is a PEM bundle that replaces the default.
    ``web_identity_only`` lets nothing but a pod's web identity sign, whatever ``AWS_ACCESS_KEY_ID`` or ``AWS_PROFILE``
    say. ``retries`` rules how long a request is tried again, whatever the SDK would do. A redirect is never followed.

    Raises ``INVALID_CREDENTIALS`` where a web identity lacks its variables or its token file, and where the SDK's chain
    names a profile that does not exist.
    """
    if (access_key is None) != (secret_key is None):
        raise ValueError("access_key and secret_key go together: give both or neither")
    # A profile has no effect if the credentials are known; a missing one would fail nevertheless.
    core = _core_session(profiles=not web_identity_only and access_key is None)
    if web_identity_only:
        _require_web_identity()
    try:
        session = boto3.session.Session(
            botocore_session=core,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            aws_session_token=session_token,
            region_name=region,
        )
        if web_identity_only:
            chain = core.get_component("credential_provider")
            chain.providers = [one for one in chain.providers if one.METHOD == "assume-role-with-web-identity"]
    except ProfileNotFound as error:
        raise _no_profile(error) from None
    config = _config(
        {
            "signature_version": "s3v4",
            "s3": {
                "addressing_style": addressing or ("path" if endpoint else "virtual"),
                "us_east_1_regional_endpoint": "regional",
            },
            "connect_timeout": connect_timeout_s,
            "read_timeout": read_timeout_s,
            "retries": {"mode": "standard", "total_max_attempts": 1},
            "max_pool_connections": MAX_CONNECTIONS,
            # An AWS_ENDPOINT_URL meant for another program must not redirect this storage.
            "ignore_configured_endpoint_urls": True,
        },
        {
            "request_checksum_calculation": checksums or ("when_required" if endpoint else "when_supported"),
            "response_checksum_validation": checksums or ("when_required" if endpoint else "when_supported"),
        },
    )
    try:
        client = session.client(
            "s3", endpoint_url=endpoint, config=config, verify=str(ca_file) if ca_file is not None else None
        )
    except ProfileNotFound as error:
        raise _no_profile(error) from None
    client.meta.events.register("before-call.s3.DeleteObjects", _send_content_md5)
    client.meta.events.register_last("before-call.s3", _send_small_bodies_at_once)
    client.meta.events.register_last("before-call.s3", _stay_here)
    client.meta.events.register_first("needs-retry.s3", retries.needs_retry, unique_id="storage-retries")  # type: ignore[arg-type]
    distrust_answers(client)
    return client


def _no_profile(error: ProfileNotFound) -> StorageError:
    hint = f"AWS_PROFILE names a profile that is not there: {error}; unset it, or set AP_S3_ACCESS_KEY_ID and "
    return StorageError(ErrorCode.INVALID_CREDENTIALS, "open", None, hint + "AP_S3_SECRET_ACCESS_KEY")


def _require_web_identity() -> None:
    missing = [name for name in (TOKEN_FILE, ROLE_ARN) if not os.environ.get(name)]
    if missing:
        hint = (
            f"{' and '.join(missing)} not set: the pod has no web identity; check the annotation of its service account"
        )
        raise StorageError(ErrorCode.INVALID_CREDENTIALS, "open", None, hint)
    token = os.environ[TOKEN_FILE]
    try:
        Path(token).read_bytes()
    except OSError as error:
        hint = f"{TOKEN_FILE} is {token!r}, which cannot be read: {error.strerror}; check the mount of the token"
        raise StorageError(ErrorCode.INVALID_CREDENTIALS, "open", None, hint) from None


@functools.cache
def _loader() -> Loader:
    return create_loader()


def _core_session(*, profiles: bool) -> Session:
    # The SDK's description of S3 takes a tenth of a second to read; clients of one process can share what was read.
    session = Session(None if profiles else {"profile": (None, None, None, None)})
    session.register_component("data_loader", _loader())
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_timestamp)
    return session


def _timestamp(text: Any) -> datetime:
    # The SDK's own parser takes any notation there is, and a fifth of the time of a listing. S3 uses these two.
    try:
        if isinstance(text, str) and text[10:11] == "T":
            return datetime.fromisoformat(text)
        if isinstance(text, str) and text.endswith(" GMT"):
            return parsedate_to_datetime(text)
    except ValueError:
        pass
    return parse_timestamp(text)


def _config(options: Mapping[str, Any], newer: Mapping[str, Any]) -> Config:
    known: Mapping[str, Any] = Config.OPTION_DEFAULTS
    return Config(**options, **{name: value for name, value in newer.items() if name in known})


def _send_content_md5(params: dict[str, Any], **_: Any) -> None:
    # Since botocore 1.36 a required checksum is CRC32, also with "when_required"; servers that know only Content-MD5
    # then refuse every batch. AWS takes either, so MD5 alone is what all of them understand.
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
    checksum = params["context"].get("checksum", {})
    checksum.pop("request_algorithm", None)
    checksum.pop("request_algorithm_header", None)
    for name in [name for name in params["headers"] if name.lower().startswith("x-amz-checksum-")]:
        del params["headers"][name]
    digest = hashlib.md5(params["body"], usedforsecurity=False).digest()
    params["headers"]["Content-MD5"] = base64.b64encode(digest).decode("ascii")


def _send_small_bodies_at_once(params: dict[str, Any], **_: Any) -> None:
    # The SDK asks before every body, of one byte too: a round trip more, and a second lost at each server that does not
    # know the question. AWS's SDK for Java asks from 1 MiB on.
    size = determine_content_length(params.get("body"))
    if size is not None and size < ASKS_FIRST_FROM:
        params["headers"].pop("Expect", None)


def _stay_here(params: dict[str, Any], **_: Any) -> None:
    # The SDK takes any redirect for a bucket of another region, asks where it is, and is redirected again, until the
    # interpreter gives up. It leaves alone what it believes to have redirected already.
    params["context"].setdefault("s3_redirect", {})["redirected"] = True


def credentials_of(client: S3Client) -> Any:
    """Return the SDK's credentials of a client, which renew themselves; ``None`` where it has none."""
    # No public way leads from a client to its credentials; boto itself reaches for them like this when presigning.
    return getattr(getattr(client, "_request_signer", None), "_credentials", None)


def secrets_of(client: S3Client) -> tuple[str, ...]:
    """Return the values that must never be shown, without fetching or renewing any."""
    credentials = credentials_of(client)
    values = (getattr(credentials, name, None) for name in ("_access_key", "_secret_key", "_token"))
    plain = (vars(credentials).get(name) if credentials is not None else None for name in ("access_key", "secret_key"))
    token = vars(credentials).get("token") if credentials is not None else None
    return tuple(value for value in (*values, *plain, token) if isinstance(value, str) and value)


def credentials_end(client: S3Client) -> datetime | Literal["unknown"] | None:
    """Return when the client's credentials expire: ``None`` never, ``"unknown"`` where temporary without a date.

    Meant to be asked right after signing, when the credentials that signed have been fetched.
    """
    credentials = credentials_of(client)
    if credentials is None:
        return None
    end = getattr(credentials, "_expiry_time", None)
    if isinstance(end, datetime):
        return end.astimezone(UTC)
    return "unknown" if credentials.get_frozen_credentials().token else None
