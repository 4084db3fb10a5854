"""What killed runs left in a bucket or an account, told by the mark in its name; nothing else is ever touched."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.bucket_checks import require_bucket, unusable
from conformance.http_transport import HttpTransport
from conformance.opening_error import OpeningError
from conformance.removal import (
    abort_uploads,
    is_bucket_of_a_run,
    is_key_of_a_run,
    remove_bucket,
    remove_keys,
    run_prefixes,
)
from conformance.s3_wire import S3Wire
from conformance.target import S3Endpoint
from conformance.views import S3View
from conformance.wire import Recorder


def clean_endpoint(endpoint: S3Endpoint, *, dry_run: bool) -> Iterator[str]:
    """Remove marked objects from the named bucket, or marked buckets where none is named; yield what was removed.

    Raises ``OpeningError`` where the endpoint cannot be used and, after everything has been tried, where something
    could not be removed.
    """
    transport = HttpTransport(Recorder(), ca_file=endpoint.ca_file)
    try:
        if endpoint.bucket is not None:
            wire = S3Wire(endpoint, endpoint.bucket, transport)
            require_bucket(wire, make=False)
            yield from _clean_bucket(wire, dry_run=dry_run)
        else:
            yield from _clean_account(endpoint, transport, dry_run=dry_run)
    finally:
        transport.close()


def _clean_bucket(wire: S3Wire, *, dry_run: bool) -> Iterator[str]:
    stayed: list[str] = []
    for prefix in run_prefixes():
        keys = _keys(wire, prefix)
        if keys and not dry_run:
            remove_keys(wire, (prefix,), only=is_key_of_a_run)
            stayed += _keys(wire, prefix)
        gone = len(set(keys) - set(stayed))
        if gone:
            yield f"{_number(gone, 'object')} below {wire.bucket}/{prefix}*"
    if not dry_run:
        abort_uploads(wire, run_prefixes(), only=is_key_of_a_run)
    if stayed:
        raise OpeningError(
            f"could not remove {_number(len(stayed), 'object')} from bucket {wire.bucket}, such as {stayed[0]!r}"
        )


def _keys(wire: S3Wire, prefix: str) -> list[str]:
    return [key for key in S3View(wire).keys(prefix) if is_key_of_a_run(key)]


def _clean_account(endpoint: S3Endpoint, transport: HttpTransport, *, dry_run: bool) -> Iterator[str]:
    account = S3Wire(endpoint, "", transport)
    answer = account.request("GET")
    root = answer.xml()
    if not answer.ok or root is None:
        raise unusable(account, answer, "listing the buckets")
    names = [name.text or "" for name in root.iterfind("Buckets/Bucket/Name")]
    stayed: list[str] = []
    for name in filter(is_bucket_of_a_run, names):
        left = "" if dry_run else remove_bucket(S3Wire(endpoint, name, transport))
        if left:
            stayed.append(left)
        else:
            yield f"bucket {name}"
    if stayed:
        raise OpeningError(f"could not remove {', '.join(stayed)}")


def _number(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")
