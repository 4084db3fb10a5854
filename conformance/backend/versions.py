"""Checks whether a run can remove what it stores in an existing bucket with versioning or object lock.

Checked before the run begins: a plain delete in such a bucket hides an object behind a marker; the object stays, is
paid for, and does not show in a listing.
"""

from __future__ import annotations

from bucket_conformance.conformance.backend.errors import OpeningError
from bucket_conformance.conformance.backend.run_traces import VERSIONS, Entry, scan
from bucket_conformance.conformance.session import MARK
from bucket_conformance.conformance.verdict import ViewError
from bucket_conformance.conformance.wire.s3 import S3Wire


def require_no_lock(wire: S3Wire) -> None:
    """Raise :class:`OpeningError` where the bucket has object lock: what is stored there may not be removable."""
    response = wire.request("GET", query=(("object-lock", ""),))
    root = response.xml()
    if not response.ok or root is None or root.tag != "ObjectLockConfiguration":
        return
    if root.findtext("ObjectLockEnabled") == "Enabled":
        raise OpeningError(
            f"the bucket {wire.bucket!r} at {wire.endpoint.url} has object lock enabled: what a run stores there may "
            "have to stay until its retention ends. Name a bucket without object lock. No object was written.",
            usage=True,
        )


def why_versions_stay(wire: S3Wire, run_id: str) -> str:
    """Return why versions and delete markers of the run cannot be removed; '' where they can.

    It is tried with one object.
    """
    key = f"{MARK}{run_id}/versions"
    for what, response in (("writing", wire.put(key, b"a version")), ("deleting", wire.delete(key))):
        if not response.ok:
            return f"{what} an object to try it with gave {response.summary}"
    try:
        listed = _versions_of(wire, key)
        if not listed:
            return "the list of versions does not show those of an object that was just written and deleted"
        for entry in listed:
            response = wire.request("DELETE", key, query=(("versionId", entry.id),))
            if not response.ok:
                return f"removing a version by its id gave {response.summary}"
        left = _versions_of(wire, key)
    except ViewError as error:
        return f"the versions could not be listed: {error}"
    return f"{len(left)} of {len(listed)} versions were still there after their removal by id" if left else ""


def _versions_of(wire: S3Wire, key: str) -> list[Entry]:
    return [entry for entry in scan(wire, VERSIONS, key) if entry.key == key]


def refusal(wire: S3Wire, why: str) -> OpeningError:
    """Return the error for a bucket whose versions would stay, for a reason."""
    return OpeningError(
        f"the bucket {wire.bucket!r} at {wire.endpoint.url} keeps old versions, and a run could not remove its own: "
        f"{why}. Name a bucket without versioning, or allow the key s3:ListBucketVersions and s3:DeleteObjectVersion; "
        "--keep-versions (pytest: --conformance-keep-versions) runs all the same and lets them stay.",
        usage=True,
    )


def unknown(wire: S3Wire, answered: str) -> str:
    """Return the note for a bucket that did not say whether it keeps versions."""
    return (
        f"whether bucket {wire.bucket} keeps old versions is not known ({answered}): if it does, those of the run "
        "may stay there"
    )
