"""Removing what a run created, told by the run's id where runs put it; nothing else is ever touched.

A listing is not believed in more than it says in good order: each key must begin with the prefix that was asked for and
bear the run's id. What else there is stays, and so does a bucket that holds it. What stays is told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from bucket_conformance.conformance.backend.run_ids import RUN_ID
from bucket_conformance.conformance.backend.run_traces import (
    KEYS,
    NOT_SERVED,
    UPLOADS,
    VERSIONS,
    EndlessListing,
    Entry,
    entries,
    is_versioned,
)
from bucket_conformance.conformance.session import LEADS, MARK
from bucket_conformance.conformance.verdict import ViewError
from bucket_conformance.conformance.wire.s3 import S3Wire

BATCH: Final = 100
_BUCKET: Final = re.compile(rf"{MARK}({RUN_ID.pattern})(?:-[0-9a-f]+)?")


def run_of_bucket(name: str) -> str | None:
    """Return the id of the run whose bucket bears such a name, or ``None``: anybody may call one ``conformance-x``."""
    found = _BUCKET.fullmatch(name)
    return found[1] if found else None


def run_prefixes(run_id: str = "") -> tuple[str, ...]:
    """Return the prefixes below which all keys of a run lie.

    Without ``run_id``: those of every run, and perhaps of other people; see ``run_traces.run_of``.
    """
    name = f"{MARK}{run_id}"
    below = f"{name}/" if run_id else name
    return (below, f"project/{name}", f"platform/{name}", *(f"{lead}{below}" for lead in ("/", *LEADS)))


def remove_run(wire: S3Wire, run_id: str, *, with_bucket: bool) -> None:
    """Remove what a run stored in a bucket, and the bucket where it is the run's own and nothing else is in it.

    What stays is noted as ``left_behind`` of the recorder.
    """
    if with_bucket and _is_gone(wire):
        wire.transport.recorder.left_behind = ""
        return
    troubles: list[str] = []
    versioned = is_versioned(wire)
    prefixes = ("",) if with_bucket else run_prefixes(run_id)
    for prefix in prefixes:
        try:
            _remove_below(wire, run_id, prefix, versioned=versioned)
        except EndlessListing as error:
            troubles.append(str(error))
            break
        except ViewError as error:
            troubles.append(str(error))
    _abort_uploads(wire, run_id, troubles)
    if with_bucket and not troubles:
        troubles += _remove_bucket(wire, versioned=versioned)
    what = f"bucket {wire.bucket}" if with_bucket else f"what bears {MARK}{run_id} in bucket {wire.bucket}"
    wire.transport.recorder.left_behind = f"{what} ({'; '.join(troubles)})" if troubles else ""


def _is_gone(wire: S3Wire) -> bool:
    answer = wire.request("GET", query=(("list-type", "2"), ("max-keys", "1")))
    return answer.status == 404


def _remove_below(wire: S3Wire, run_id: str, prefix: str, *, versioned: bool) -> None:
    """Remove the run's objects below a prefix, or their versions and markers. Raises ``ViewError`` if some stay."""
    listing = VERSIONS if versioned else KEYS
    found = [each for each in entries(wire, listing, prefix) if each.run_id == run_id]
    if not found:
        return
    if versioned:
        for each in found:
            _delete_one(wire, each)
    else:
        for start in range(0, len(found), BATCH):
            _delete_batch(wire, found[start : start + BATCH])
    # What the batch spared, and names that XML mangles.
    spared = [each for each in entries(wire, listing, prefix) if each.run_id == run_id]
    for each in spared:
        _delete_one(wire, each)
    left = [each for each in entries(wire, listing, prefix) if each.run_id == run_id] if spared else []
    if left:
        count = f"{len(left)} object{'s' * (len(left) != 1)}"
        raise ViewError(f"{count} could not be removed, such as {left[0].key!r}")


def _delete_batch(wire: S3Wire, batch: Sequence[Entry]) -> None:
    answer = wire.delete_objects([each.key for each in batch], quiet=True)
    root = answer.xml()
    if not answer.ok or (root is not None and root.find("Error") is not None):
        for each in batch:
            _delete_one(wire, each)


def _delete_one(wire: S3Wire, entry: Entry) -> None:
    wire.request("DELETE", entry.key, query=(("versionId", entry.id),) if entry.id else ())


def _abort_uploads(wire: S3Wire, run_id: str, troubles: list[str]) -> None:
    try:
        found = [each for each in entries(wire, UPLOADS, "") if each.run_id == run_id]
        for each in found:
            wire.request("DELETE", each.key, query=(("uploadId", each.id),))
        left = [each for each in entries(wire, UPLOADS, "") if each.run_id == run_id] if found else []
    except ViewError as error:
        if error.status not in NOT_SERVED:
            troubles.append(f"uploads: {error}")
        return
    if left:
        troubles.append(f"{len(left)} uploads could not be aborted, such as that of {left[0].key!r}")


def _remove_bucket(wire: S3Wire, *, versioned: bool) -> list[str]:
    """Remove a bucket that is empty; return why it stays."""
    others: list[Entry] = []
    for listing in (VERSIONS if versioned else KEYS, UPLOADS):
        try:
            others += entries(wire, listing, "")
        except ViewError as error:
            if listing is not UPLOADS or error.status not in NOT_SERVED:
                return [str(error)]
    if others:
        return [f"it holds what is not of this run, such as {others[0].key!r}"]
    answer = wire.request("DELETE")
    gone = answer.ok or answer.status == 404
    return [] if gone else [f"removing it gave {answer.summary}"]
