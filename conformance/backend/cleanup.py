"""Removes what a run created, known by the run's id in its name; never touches anything else.

Only well-formed listings count, and only keys that begin with the requested prefix and contain the run's id. All other
objects stay, and so does a bucket that holds them. What stays is reported.

A listing that shows too little does not count either: it must show the run's lease while that exists.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from bucket_conformance.conformance.backend.checks import OwnBucket, why_not_new
from bucket_conformance.conformance.backend.lease import Lease, lease_key
from bucket_conformance.conformance.backend.run_ids import RUN_ID
from bucket_conformance.conformance.backend.run_traces import (
    KEYS,
    NOT_SERVED,
    UPLOADS,
    VERSIONS,
    EndlessListing,
    Entry,
    Listing,
    Strays,
    Versioning,
    scan,
    versioning_of,
)
from bucket_conformance.conformance.session import LEADS, MARK
from bucket_conformance.conformance.verdict import ViewError
from bucket_conformance.conformance.wire.s3 import S3Wire

BATCH: Final = 100

MOST_KEPT: Final = 20_000
"""Most entries of a listing in memory; they are removed before the listing is read again."""

MOST_ROUNDS: Final = 100
"""How often a listing is read at most: a server may name for ever what no run stored."""

_BUCKET: Final = re.compile(rf"{MARK}({RUN_ID.pattern})(?:-[0-9a-f]+)?")


def run_of_bucket(name: str) -> str | None:
    """Return the id of the run whose bucket has this name, or ``None``: anybody may name a bucket ``conformance-x``."""
    found = _BUCKET.fullmatch(name)
    return found[1] if found else None


def run_prefixes(run_id: str = "") -> tuple[str, ...]:
    """Return the prefixes below which all keys of a run lie, and perhaps those of other people: see ``run_of``.

    Without ``run_id``: those of every run.
    """
    name = f"{MARK}{run_id}"
    below = f"{name}/" if run_id else name
    return (name, f"project/{name}", f"platform/{name}", *(f"{lead}{below}" for lead in ("/", *LEADS)))


def remove_run(
    wire: S3Wire,
    run_id: str,
    *,
    own: OwnBucket | None,
    lease: Lease | None = None,
    versions_stay: str = "",
) -> None:
    """Remove what a run stored in a bucket, and the bucket where it is the run's own and nothing else is in it.

    ``own``: what is known of the bucket where it is the run's own. ``versions_stay``: why old versions are not tried
    to be removed. What stays is noted as ``left_behind`` of the recorder.
    """
    recorder = wire.transport.recorder
    what = f"bucket {wire.bucket}" if own is not None else f"what bears {MARK}{run_id} in bucket {wire.bucket}"
    recorder.left_behind = f"{what} (the removal did not come to its end)"
    troubles = _removed(wire, run_id, own, lease, versions_stay)
    left = [f"{what} ({'; '.join(troubles)})"] if troubles else []
    for bucket in sorted(recorder.side_buckets):
        side_wire = S3Wire(wire.endpoint, bucket, wire.transport, clock_offset_s=wire.clock_offset_s)
        why = _removed(side_wire, run_id, OwnBucket(may_be_there=True, was_empty=True), None, "")
        if why:
            left.append(f"bucket {bucket} ({'; '.join(why)})")
        else:
            recorder.side_buckets.discard(bucket)
    recorder.left_behind = "; ".join(left)


def _removed(wire: S3Wire, run_id: str, own: OwnBucket | None, lease: Lease | None, versions_stay: str) -> list[str]:
    """Remove what can be removed; return why the rest stays."""
    if own is not None:
        if not own.may_be_there or _is_gone(wire):
            return []
        if not own.was_empty:
            # The bucket was requested, and the result is not known. Nothing has been written: it must be empty.
            trouble = why_not_new(wire, wire.bucket)
            if trouble:
                return [f"if this run made it: it {trouble}"]
            own.was_empty = True
    removal = _Removal(wire=wire, run_id=run_id, lease=lease, versions_stay=versions_stay)
    removal.remove("" if own is not None else None)
    if own is not None and not removal.troubles:
        return _remove_bucket(wire, removal.listing)
    return removal.troubles


def _is_gone(wire: S3Wire) -> bool:
    response = wire.request("GET", query=(("list-type", "2"), ("max-keys", "1")))
    return response.status == 404


@dataclass(slots=True, kw_only=True)
class _Removal:
    wire: S3Wire
    run_id: str
    lease: Lease | None
    versions_stay: str
    listing: Listing = KEYS
    troubles: list[str] = field(default_factory=list)
    _last: dict[tuple[str, str], Entry] = field(default_factory=dict)
    """The lease, and its versions: as long as anything of the run is there, they say whose it is."""

    def remove(self, prefix: str | None) -> None:
        """Remove the run's objects below a prefix, or where runs put them; note what stays as ``troubles``."""
        self._choose_listing()
        strays = Strays()
        for below in run_prefixes(self.run_id) if prefix is None else (prefix,):
            try:
                self._remove_below(below, strays)
            except EndlessListing as error:
                self.troubles.append(str(error))
                break
            except ViewError as error:
                self.troubles.append(str(error))
        self._abort_uploads()
        self.wire.transport.recorder.add_note(strays.message(self.wire.bucket))
        self._remove_lease()

    def _choose_listing(self) -> None:
        if self.versions_stay:
            self.troubles.append(f"its old versions and delete markers stay: {self.versions_stay}")
            return
        kept, _ = versioning_of(self.wire)
        if kept is Versioning.KEPT or (kept is Versioning.UNKNOWN and self._lists_versions()):
            self.listing = VERSIONS

    def _lists_versions(self) -> bool:
        try:
            next(scan(self.wire, VERSIONS, lease_key(self.run_id)), None)
        except ViewError:
            return False
        return True

    def _remove_below(self, prefix: str, strays: Strays) -> None:
        """Raise ``ViewError`` if some stay."""
        before: dict[tuple[str, str], Entry] = {}
        by_batch = True
        for _ in range(MOST_ROUNDS):
            found = self._ours(prefix, strays if not before else None)
            if not found:
                return
            # What the batch spared, and names that XML mangles.
            spared = [found[each] for each in found if each in before]
            if spared and not by_batch:
                count = f"{len(spared)} object{'s' * (len(spared) != 1)}"
                raise ViewError(f"{count} could not be removed, such as {spared[0].key!r}")
            by_batch = by_batch and not spared
            self._delete(list(found.values()), by_batch=by_batch)
            before = found
        raise EndlessListing(f"listing {prefix!r}: it names more and more of the run's objects")

    def _ours(self, prefix: str, strays: Strays | None) -> dict[tuple[str, str], Entry]:
        """Return the entries of the run without its lease; only the first ones where there are many."""
        found: dict[tuple[str, str], Entry] = {}
        shows_lease = False
        if strays is not None:
            strays.begin()
        for entry in scan(self.wire, self.listing, prefix, strays=strays):
            if entry.run_id != self.run_id:
                continue
            if entry.key == lease_key(self.run_id):
                shows_lease = True
                if len(self._last) < MOST_KEPT:
                    self._last[entry.key, entry.id] = entry
            else:
                found[entry.key, entry.id] = entry
                if len(found) >= MOST_KEPT:
                    return found
        if self.lease is not None and self.lease.is_written and not shows_lease and self.lease.key.startswith(prefix):
            # A well-formed listing that does not show an existing lease, unless the lease is gone meanwhile.
            if self.wire.head(self.lease.key).ok:
                raise ViewError(
                    f"listing {prefix!r}: it does not show {self.lease.key!r}, which is there; nor, perhaps, the rest"
                )
            self.lease.is_written = False
        return found

    def _delete(self, found: Sequence[Entry], *, by_batch: bool) -> None:
        """Request the removal. Only the next listing decides what is gone, never the responses."""
        if by_batch and len(found) > 1:
            for start in range(0, len(found), BATCH):
                batch = found[start : start + BATCH]
                named = [(each.key, each.id) if each.id else each.key for each in batch]
                response = self.wire.delete_objects(named, quiet=True)
                if not response.ok:
                    return
        else:
            for each in found:
                self._delete_one(each)
                # XML folds the ends of lines where a server does not encode keys; the name stays the run's.
                for end in ("\r\n", "\r") if "\n" in each.key else ():
                    self._delete_one(replace(each, key=each.key.replace("\n", end)))

    def _delete_one(self, entry: Entry) -> bool:
        response = self.wire.request("DELETE", entry.key, query=(("versionId", entry.id),) if entry.id else ())
        return response.ok or response.status == 404

    def _remove_lease(self) -> None:
        gone = [self._delete_one(entry) for entry in self._last.values()]
        if not gone and self.lease is not None and self.lease.is_written:
            gone = [self.wire.delete(self.lease.key).ok]
        # No listing follows that could confirm the responses.
        if gone and not (all(gone) and self.wire.head(lease_key(self.run_id)).status == 404):
            self.troubles.append(f"{lease_key(self.run_id)!r} could not be removed")

    def _abort_uploads(self) -> None:
        before: dict[tuple[str, str], Entry] = {}
        try:
            for _ in range(MOST_ROUNDS):
                found: dict[tuple[str, str], Entry] = {}
                for each in scan(self.wire, UPLOADS, ""):
                    if each.run_id == self.run_id:
                        found[each.key, each.id] = each
                    if len(found) >= MOST_KEPT:
                        break
                if not found:
                    return
                stay = [each for each in found if each in before]
                if stay:
                    self.troubles.append(f"{len(stay)} uploads could not be aborted, such as that of {stay[0][0]!r}")
                    return
                for each in found.values():
                    self.wire.request("DELETE", each.key, query=(("uploadId", each.id),))
                before = found
            self.troubles.append("uploads: the list names more and more of the run's")
        except ViewError as error:
            if error.status not in NOT_SERVED:
                self.troubles.append(f"uploads: {error}")


def _remove_bucket(wire: S3Wire, listing: Listing) -> list[str]:
    """Remove a bucket that is empty; return why it stays."""
    # Objects last: some servers remove a bucket together with objects that others stored in it meanwhile.
    for each in (UPLOADS, listing):
        try:
            other = next(scan(wire, each, "", needs_name=each is not UPLOADS), None)
        except ViewError as error:
            if each is not UPLOADS or error.status not in NOT_SERVED:
                return [str(error)]
        else:
            if other is not None:
                return [f"it holds what is not of this run, such as {other.key!r}"]
    response = wire.request("DELETE")
    gone = response.ok or response.status == 404
    return [] if gone else [f"removing it gave {response.summary}"]
