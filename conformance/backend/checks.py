"""Checks whether an endpoint and its bucket can be used, and explains what to do if not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from bucket_conformance.conformance.backend.errors import OpeningError
from bucket_conformance.conformance.backend.run_traces import KEYS, scan
from bucket_conformance.conformance.session import MARK
from bucket_conformance.conformance.verdict import ViewError, show
from bucket_conformance.conformance.wire import clock
from bucket_conformance.conformance.wire.s3 import S3Wire
from bucket_conformance.conformance.wire.transport import HttpResponse

_ONE_BUCKET: Final = (
    "Does the address name a bucket already, or does one bucket stand behind every name? Give the address of the "
    "server alone, and a bucket with --bucket. No object was written."
)


def probe_clock(wire: S3Wire) -> float:
    """Send any request, signed with our clock: the Date of every response gives the server's time."""
    response = wire.request("GET", query=(("list-type", "2"), ("max-keys", "1")))
    if response.status == 0:
        raise _silent(wire, response)
    if response.code == "NoSuchKey":
        raise OpeningError(
            f"asked for the bucket {wire.bucket!r}, {wire.endpoint.url} looked for an object. {_ONE_BUCKET}", usage=True
        )
    return clock.server_offset(response.header("date"))


def _silent(wire: S3Wire, response: HttpResponse) -> OpeningError:
    if response.untrusted:
        return OpeningError(
            f"{wire.endpoint.url}: its certificate is not trusted: {response.error}. Give the certificates of its "
            "authority with --ca-file FILE (pytest: --conformance-ca-file), or set AWS_CA_BUNDLE."
        )
    return OpeningError(
        f"{wire.endpoint.url} does not answer: {response.error}. Check the address and that the server runs."
    )


_CREDENTIAL_CODES: Final = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "NotSignedUp"})
_TOKEN_CODES: Final = frozenset({"InvalidToken", "ExpiredToken", "TokenRefreshRequired"})


@dataclass(slots=True)
class OwnBucket:
    """What is known of a bucket that a run creates. It is removed only if it was empty at first."""

    may_be_there: bool = False
    """Whether its creation was requested, and the server has not refused."""
    was_empty: bool = False
    """Whether a well-formed listing of it was empty right after its creation."""


def require_bucket(wire: S3Wire) -> None:
    """Raise :class:`OpeningError` unless the bucket exists and can be listed."""
    response = wire.request("GET", query=(("list-type", "2"), ("max-keys", "1")))
    if not response.ok:
        raise unusable(wire, response, f"listing the bucket {wire.bucket!r}")


def make_bucket(wire: S3Wire, own: OwnBucket) -> None:
    """Create the bucket and note the result in ``own``. Raises :class:`OpeningError` unless it is new and empty."""
    own.may_be_there = True
    response = wire.request("PUT")
    if response.code == "IllegalLocationConstraintException":
        region = wire.endpoint.region
        response = wire.request(
            "PUT",
            body=f"<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint>"
            "</CreateBucketConfiguration>".encode(),
        )
    if not response.ok:
        own.may_be_there = not 400 <= response.status < 500
        raise unusable(wire, response, f"making the bucket {wire.bucket!r}")
    trouble = why_not_new(wire, wire.bucket)
    if trouble:
        raise OpeningError(
            f"the bucket {wire.bucket!r} that was just made at {wire.endpoint.url} {trouble}. {_ONE_BUCKET}",
            usage=True,
        )
    own.was_empty = True


def require_no_such_bucket(wire: S3Wire) -> None:
    """Raise :class:`OpeningError` where a bucket exists that nobody has created: then all names lead to one bucket.

    It may belong to somebody and be empty, so that nothing else shows it.
    """
    response = wire.request("GET", query=(("list-type", "2"), ("max-keys", "1")))
    root = response.xml()
    if response.ok and root is not None and root.tag == KEYS.root:
        raise OpeningError(
            f"the bucket {wire.bucket!r}, which nobody has made yet, is there at {wire.endpoint.url}. {_ONE_BUCKET}",
            usage=True,
        )


def remove_side_bucket(wire: S3Wire, bucket: str) -> None:
    """Remove an empty bucket that a clause made next to the judged one; the end of the session tries again."""
    response = wire.request("DELETE", bucket=bucket)
    if response.ok or response.status == 404:
        wire.transport.recorder.side_buckets.discard(bucket)


def why_not_new(wire: S3Wire, bucket: str) -> str:
    """Return why a bucket that was just made is not ours, or '' if it is empty and has the right name.

    Checked before anything is written or configured in it: where all names lead to one bucket, it is somebody's.
    """
    made = S3Wire(wire.endpoint, bucket, wire.transport, clock_offset_s=wire.clock_offset_s)
    try:
        found = next(scan(made, KEYS, "", needs_name=True), None)
    except ViewError as error:
        return f"could not be listed ({error})"
    if found is None and bucket != wire.bucket:
        wire.transport.recorder.side_buckets.add(bucket)
    return f"is not empty: it holds {found.key!r}" if found is not None else ""


def unusable(wire: S3Wire, response: HttpResponse, doing: str) -> OpeningError:
    """Return the error that says what a response means for the use of the backend, and what to do about it."""
    if response.status == 0:
        return _silent(wire, response)
    seen = f"{doing} at {wire.endpoint.url} gave {response.summary}"
    if response.code in _TOKEN_CODES:
        return OpeningError(
            f"{seen}: the session token has ended or is wrong. Get new credentials and set AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN together; unset AWS_SESSION_TOKEN for a permanent key."
        )
    if response.code in _CREDENTIAL_CODES:
        return OpeningError(f"{seen}: the credentials are not accepted. Check the access key and the secret key.")
    if response.status == 404 and urlsplit(wire.endpoint.url).path.strip("/"):
        return OpeningError(f"{seen}. {_ONE_BUCKET}", usage=True)
    if response.code == "NoSuchBucket" or response.status == 404:
        return OpeningError(f"{seen}: there is no such bucket. Create it first, or name another with --bucket.")
    root = response.xml()
    region = response.header("x-amz-bucket-region") or (root.findtext("Region") if root is not None else None)
    if response.status in (301, 307, 400, 403) and region and region != wire.endpoint.region:
        message = root.findtext("Message") if root is not None else None
        own_words = f" The server says: {show(message)}." if message else ""
        return OpeningError(
            f"{seen}: the region is {region!r}, not {wire.endpoint.region!r}. Give --region {region} (with --env: "
            f"AP_S3_REGION).{own_words}"
        )
    if 300 <= response.status < 400:
        to = (response.header("location") or "").partition("?")[0]
        where = f" to {to!r}; name the address where the bucket is answered (--endpoint, AP_S3_ENDPOINT)" if to else ""
        return OpeningError(
            f"{seen}: the server redirects{where}. A redirect is never followed, because the credentials would follow."
        )
    if response.status == 403:
        return OpeningError(
            f"{seen}: permission is missing (s3:ListBucket, s3:PutObject, s3:GetObject and s3:DeleteObject are needed; "
            "s3:CreateBucket where no bucket is named)."
        )
    return OpeningError(f"{seen}. The backend cannot be judged.")


def smoke(wire: S3Wire, run_id: str) -> str:
    """Write, read and remove one object: without that, no clause can be judged.

    Return the id of the version that was written, '' where the response has none.
    """
    key = f"{MARK}{run_id}/smoke"
    response = wire.put(key, b"smoke")
    if not response.ok:
        raise unusable(wire, response, "writing a probe object")
    read = wire.get(key)
    if read.ok and read.body != b"smoke":
        raise OpeningError(
            f"the probe object that was written to {wire.endpoint.url} came back as {read.body[:60]!r}: "
            "that is no object storage, or something between changes what it carries"
        )
    if not read.ok:
        raise unusable(wire, read, "reading the probe object back")
    removed = wire.delete(key)
    if not removed.ok:
        raise unusable(wire, removed, "removing the probe object")
    return response.header("x-amz-version-id") or ""
