"""Retention: how long files of a type are kept, as lifecycle rules of a bucket or as a sweep of any storage.

A lifecycle rule selects by prefix only, and the type is the third part of a key, after the owner. So a type has no
prefix of its own (``FLOW_RUN_LOG/`` matches no key at all): each owner and type needs its own rule, and a new project
has none until the rules are applied again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from bucket_conformance.reference_impl import keys
from bucket_conformance.reference_impl.api import DeleteError, ObjectStat, Storage
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError

MAX_RULES: Final = 1000
"""Most rules of one bucket (https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html)."""

RULE_ID_PREFIX: Final = "file-retention."
"""The prefix of the id of every rule that the storage writes; rules with other ids belong to others and are kept."""

MAX_DAYS: Final = 2**31 - 1

_SWEEP_BATCH: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Owner:
    """A platform or a project."""

    scope: keys.Scope
    owner_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Files below ``prefix`` expire this many days after they were written."""

    rule_id: str
    prefix: str
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """How many stored files, and bytes, lie below one prefix."""

    prefix: str
    files: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepFailure:
    """A file that was old enough but could not be deleted, or may or may not be gone (the hint says which)."""

    key: str
    code: ErrorCode
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepReport:
    """What a sweep did; in a dry run, what it would do. Sizes in bytes.

    ``kept``: files of the layout that are too young or of a type without a limit. ``outside``: names that the layout
    never builds; they are never deleted.
    """

    dry_run: bool
    deleted: tuple[str, ...]
    deleted_bytes: int
    kept: int
    outside: int
    failed: tuple[SweepFailure, ...]


def require_policy(policy: Mapping[str, int]) -> Mapping[str, int]:
    """Return ``policy`` (type name to days); raise ``INVALID_ARGUMENT`` for an unknown type or days outside
    1 … 2147483647."""
    for name, days in policy.items():
        if name not in keys.FILE_TYPES:
            raise _refuse(f"unknown file type {name!r}; known: {', '.join(keys.FILE_TYPES)}")
        given: object = days
        if isinstance(given, bool) or not isinstance(given, int) or not 1 <= days <= MAX_DAYS:
            raise _refuse(f"{days!r} days for {name}; whole days from 1 to {MAX_DAYS} are allowed")
    return policy


def stored_owners(storage: Storage) -> tuple[Owner, ...]:
    """Return every owner that has a file of the layout, in order, from one listing."""
    found = {Owner(scope=ref.scope, owner_id=ref.owner_id) for _, ref in _files(storage) if ref is not None}
    return tuple(sorted(found))


def rules(policy: Mapping[str, int], owners: Iterable[Owner]) -> tuple[Rule, ...]:
    """Return one rule per owner and type of ``policy``, ordered by owner and type, the same for the same input.

    Every prefix is that of keys which :func:`build` makes, up to and with the slash before the
    file's id. Raises ``INVALID_ARGUMENT`` for a bad policy and for more rules than a bucket may have, and
    ``INVALID_KEY`` for a bad owner id.
    """
    require_policy(policy)
    wanted = sorted(set(owners))
    made = tuple(_rule(owner, name, policy[name]) for owner in wanted for name in sorted(policy))
    if len(made) > MAX_RULES:
        raise _refuse(
            f"{len(wanted)} owners and {len(policy)} types need {len(made)} rules, a bucket may have {MAX_RULES}; "
            "name fewer owners or types, or run a sweep daily instead, which has no such limit"
        )
    return made


def _rule(owner: Owner, type_name: str, days: int) -> Rule:
    if owner.scope == "platform":
        key = keys.build(type_name, "id", platform_id=owner.owner_id)
    else:
        key = keys.build(type_name, "id", project_id=owner.owner_id)
    # No id holds a dot, so different owners and types never share a rule's id.
    rule_id = f"{RULE_ID_PREFIX}{owner.scope}.{owner.owner_id}.{type_name}"
    return Rule(rule_id=rule_id, prefix=key[: key.rindex("/") + 1], days=days)


def explain(storage: Storage, prefixes: Iterable[str]) -> tuple[Match, ...]:
    """Return for each prefix, in order, how many stored files begin with it: what a rule of that prefix would meet.

    One listing per prefix. ``0`` files is the answer for a prefix that cannot match, such as ``"FLOW_RUN_LOG/"``.
    """
    found = []
    for prefix in prefixes:
        sizes = [stat.size for stat in storage.list(prefix)]
        found.append(Match(prefix=prefix, files=len(sizes), size=sum(sizes)))
    return tuple(found)


def sweep(storage: Storage, policy: Mapping[str, int], now: datetime, *, dry_run: bool = False) -> SweepReport:
    """Delete every file of the layout whose type has a limit in ``policy`` and whose last write is that many days of
    24 hours before ``now`` (timezone-aware), or more.

    Works on every storage, needs no rules, and may run at any interval. A file that was written again between
    listing and deleting is kept. A failure of one file stops no other and is in the report. Raises
    ``INVALID_ARGUMENT`` for a bad policy or a ``now`` without timezone, and what ``list`` raises.
    """
    require_policy(policy)
    if now.tzinfo is None:
        raise _refuse(f"now is {now.isoformat()} without a timezone; pass an aware datetime, such as datetime.now(UTC)")
    limits = {name: now - timedelta(days=min(days, _longest(now))) for name, days in policy.items()}
    kept = outside = 0
    deleted: list[str] = []
    failed: list[SweepFailure] = []
    size = 0

    def old() -> Iterator[ObjectStat]:
        nonlocal kept, outside
        for stat, ref in _files(storage):
            if ref is None:
                outside += 1
            elif ref.file_type.name in limits and stat.last_modified <= limits[ref.file_type.name]:
                yield stat
            else:
                kept += 1

    found = old()
    while batch := tuple(islice(found, _SWEEP_BATCH)):
        if dry_run:
            gone: Sequence[str] = [stat.key for stat in batch]
        else:
            still = []
            for stat in batch:
                now_there = _now(storage, stat.key, failed)
                if now_there is None:
                    continue
                if now_there.last_modified <= stat.last_modified:
                    still.append(stat.key)
                else:
                    kept += 1
            gone = _delete(storage, still, failed)
        names = set(gone)
        size += sum(stat.size for stat in batch if stat.key in names)
        deleted.extend(gone)
    return SweepReport(
        dry_run=dry_run,
        deleted=tuple(deleted),
        deleted_bytes=size,
        kept=kept,
        outside=outside,
        failed=tuple(failed),
    )


def _longest(now: datetime) -> int:
    # A limit of more days than the calendar has means: never.
    return now.toordinal() - 2


def _now(storage: Storage, key: str, failed: list[SweepFailure]) -> ObjectStat | None:
    try:
        return storage.stat(key)
    except StorageError as error:
        if error.code is not ErrorCode.NOT_FOUND:
            failed.append(SweepFailure(key=key, code=error.code, hint=error.hint))
        return None


def _delete(storage: Storage, batch: Sequence[str], failed: list[SweepFailure]) -> tuple[str, ...]:
    try:
        return storage.delete_files(batch).deleted
    except DeleteError as error:
        failed.extend(SweepFailure(key=one.key, code=one.code, hint=one.message) for one in error.result.failed)
        unsure = "the request broke off: gone or not, sweep again"
        failed.extend(SweepFailure(key=key, code=error.code, hint=unsure) for key in error.result.unknown)
        return error.result.deleted
    except StorageError as error:
        failed.extend(SweepFailure(key=key, code=error.code, hint=error.hint) for key in batch)
        return ()


def _files(storage: Storage) -> Iterator[tuple[ObjectStat, keys.FileRef | None]]:
    for stat in storage.list():
        try:
            yield stat, keys.parse(stat.key)
        except StorageError:
            yield stat, None


def _refuse(hint: str) -> StorageError:
    return StorageError(ErrorCode.INVALID_ARGUMENT, "retention", None, hint)
