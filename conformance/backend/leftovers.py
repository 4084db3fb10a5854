"""Removes what killed runs left in a bucket or an account, known by its name; never touches anything else.

A run that may still be active is kept and named. Three things decide:

- its age: the time since it began (by the time in its id) or since anything of it last changed (``Last-Modified``),
  whichever is shorter, by the slower of our clock and the server's. A clock that is wrong, or an id from the future,
  so makes a run younger and never older;
- its lease (:mod:`lease`): while it is fresh, the run is active, however old it is;
- the user, who may name a run and so state that it has ended.

An expired lease proves nothing, as the machine of a run may have slept: it makes no run older than it is.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass

from bucket_conformance.conformance.backend.ages import DAY_S, span
from bucket_conformance.conformance.backend.checks import OwnBucket, probe_clock, require_bucket, unusable
from bucket_conformance.conformance.backend.cleanup import remove_run, run_of_bucket, run_prefixes
from bucket_conformance.conformance.backend.errors import OpeningError
from bucket_conformance.conformance.backend.lease import LEASE_S, lease_age_s
from bucket_conformance.conformance.backend.run_ids import begun_at
from bucket_conformance.conformance.backend.run_traces import (
    KEYS,
    NOT_SERVED,
    UPLOADS,
    VERSIONS,
    Listing,
    Traces,
    Versioning,
    look,
    time_of,
    versioning_of,
)
from bucket_conformance.conformance.session import MARK
from bucket_conformance.conformance.target import S3Endpoint
from bucket_conformance.conformance.verdict import ViewError
from bucket_conformance.conformance.wire import clock
from bucket_conformance.conformance.wire.exchange import Recorder
from bucket_conformance.conformance.wire.s3 import S3Wire
from bucket_conformance.conformance.wire.transport import HttpTransport


class Outcome(enum.Enum):
    """The result for something that a run left."""

    REMOVED = "removed"
    """In a dry run: it would be removed."""
    KEPT = "kept"
    """Its run may still be active."""
    FAILED = "failed"
    """It could not be listed, or not be removed."""
    NOTE = "note"
    """Nothing was left of it: what the user should know of the backend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """One result of cleaning, as a line for the user."""

    outcome: Outcome
    text: str


def clean_endpoint(
    endpoint: S3Endpoint,
    *,
    dry_run: bool,
    older_than_s: float = DAY_S,
    only_runs: Collection[str] = (),
) -> Iterator[Cleaned]:
    """Remove what runs left in the named bucket, or their buckets where none is named; yield one result for each.

    Runs younger than ``older_than_s`` and runs with a fresh lease are kept. ``only_runs``: these runs alone, whatever
    their age and lease. Cleaning goes on after what cannot be listed or removed. Raises
    ``OpeningError`` where the endpoint or its bucket cannot be used at all.
    """
    transport = HttpTransport(Recorder(), ca_file=endpoint.ca_file)
    cleaning = _Cleaning(dry_run=dry_run, older_than_s=older_than_s, only_runs=only_runs)
    try:
        if endpoint.bucket is not None:
            yield from cleaning.bucket(S3Wire(endpoint, endpoint.bucket, transport))
            if only_runs:
                # Some clauses make their own buckets next to the judged one, where they may.
                with suppress(OpeningError):
                    yield from cleaning.account(S3Wire(endpoint, "", transport))
        else:
            yield from cleaning.account(S3Wire(endpoint, "", transport))
        if transport.recorder.note:
            yield Cleaned(outcome=Outcome.NOTE, text=transport.recorder.note)
    finally:
        transport.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cleaning:
    dry_run: bool
    older_than_s: float
    only_runs: Collection[str]

    def bucket(self, wire: S3Wire) -> Iterator[Cleaned]:
        wire.clock_offset_s = probe_clock(wire)
        require_bucket(wire)
        found: dict[str, Traces] = {}
        objects = _objects(wire)
        for prefix in [prefix for run_id in self.only_runs or ("",) for prefix in run_prefixes(run_id)]:
            try:
                look(wire, objects, prefix, found)
            except ViewError as error:
                yield Cleaned(outcome=Outcome.FAILED, text=f"bucket {wire.bucket} could not be listed: {error}")
        try:
            look(wire, UPLOADS, "", found)
        except ViewError as error:
            if error.status not in NOT_SERVED:
                text = f"the uploads in bucket {wire.bucket} could not be listed: {error}"
                yield Cleaned(outcome=Outcome.FAILED, text=text)
        for run_id, traces in sorted(found.items()):
            if self._is_meant(run_id):
                yield self._run(wire, run_id, traces.newest, f"{traces} of run {run_id} in bucket {wire.bucket}")

    def account(self, account: S3Wire) -> Iterator[Cleaned]:
        response = account.request("GET")
        account.clock_offset_s = clock.server_offset(response.header("date"))
        if account.clock_offset_s:
            response = account.request("GET")
        root = response.xml()
        if not response.ok or root is None or root.tag != "ListAllMyBucketsResult":
            named = [wire for wire in map(self._own(account), self.only_runs) if wire.request("GET").ok]
            if not named:
                raise unusable(account, response, "listing the buckets")
            # A key that may not list buckets may still be one that makes and removes them.
            for wire in named:
                yield self._own_bucket(wire, wire.bucket.removeprefix(MARK), None)
            return
        for entry in root.iterfind("Buckets/Bucket"):
            name = entry.findtext("Name") or ""
            run_id = run_of_bucket(name)
            if run_id is None or not self._is_meant(run_id):
                continue
            wire = S3Wire(account.endpoint, name, account.transport, clock_offset_s=account.clock_offset_s)
            yield self._own_bucket(wire, run_id, time_of(entry.findtext("CreationDate")))

    @staticmethod
    def _own(account: S3Wire) -> Callable[[str], S3Wire]:
        return lambda run_id: S3Wire(
            account.endpoint, f"{MARK}{run_id}", account.transport, clock_offset_s=account.clock_offset_s
        )

    def _own_bucket(self, wire: S3Wire, run_id: str, made: float | None) -> Cleaned:
        found = {run_id: Traces(newest=made)}
        try:
            look(wire, _objects(wire), "", found)
        except ViewError as error:
            return Cleaned(outcome=Outcome.FAILED, text=f"bucket {wire.bucket} could not be listed: {error}")
        return self._run(wire, run_id, found[run_id].newest, f"bucket {wire.bucket}", with_bucket=True)

    def _run(self, wire: S3Wire, run_id: str, newest: float | None, what: str, *, with_bucket: bool = False) -> Cleaned:
        age_s = self._age_s(run_id, newest, wire.clock_offset_s)
        if not self.only_runs:
            why = self._still_in_use(wire, run_id, age_s)
            if why:
                return Cleaned(outcome=Outcome.KEPT, text=f"{what}: {why}")
        if not self.dry_run:
            own = OwnBucket(may_be_there=True, was_empty=True) if with_bucket else None
            remove_run(wire, run_id, own=own)
            left = wire.transport.recorder.left_behind
            if left:
                return Cleaned(outcome=Outcome.FAILED, text=f"could not remove {left}")
        return Cleaned(outcome=Outcome.REMOVED, text=f"{what} ({span(age_s)} old)")

    def _still_in_use(self, wire: S3Wire, run_id: str, age_s: float) -> str:
        """Return why a run may be active and which option removes it anyway; '' where it may be removed."""
        by_name = f"`--run {run_id}` removes it if that run is over"
        # A bucket that a clause makes for itself has no lease in it: that is in the bucket of the run.
        own = S3Wire(wire.endpoint, f"{MARK}{run_id}", wire.transport, clock_offset_s=wire.clock_offset_s)
        leases = (lease_age_s(where, run_id) for where in ((wire,) if wire.bucket == own.bucket else (wire, own)))
        lease_s = min((age for age in leases if age is not None), default=None)
        if lease_s is not None and lease_s < LEASE_S:
            return f"its run is at work, as it said {span(lease_s)} ago; {by_name}"
        if age_s < self.older_than_s:
            return f"begun or changed {span(age_s)} ago; `--older-than {_option(age_s)}` or {by_name}"
        return ""

    def _is_meant(self, run_id: str) -> bool:
        return not self.only_runs or run_id in self.only_runs

    def _age_s(self, run_id: str, newest: float | None, server_ahead_s: float) -> float:
        now = time.time()
        return max(0.0, min(now, now + server_ahead_s) - max(begun_at(run_id), newest or 0.0))


def _objects(wire: S3Wire) -> Listing:
    """Return the way to list all that is stored in a bucket, old versions too where it keeps them."""
    kept, _ = versioning_of(wire)
    return VERSIONS if kept is Versioning.KEPT else KEYS


def _option(age_s: float) -> str:
    """Return a value of ``--older-than`` that takes in what is as old as this."""
    for length, unit in ((DAY_S, "d"), (3600, "h"), (60, "m")):
        if age_s >= length:
            return f"{int(age_s // length)}{unit}"
    return "0"
