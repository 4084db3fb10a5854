"""Lifecycle rules in a bucket: read, merge with what others put there, write, read back and compare."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from botocore.exceptions import ClientError

from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.retention import MAX_RULES, RULE_ID_PREFIX, Rule
from bucket_conformance.reference_impl.s3_client import secrets_of
from bucket_conformance.reference_impl.s3_errors import backend_code_of, translate

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")

READ: Final = "s3:GetLifecycleConfiguration"
WRITE: Final = "s3:PutLifecycleConfiguration"

_MINIMUM_SIZE: Final = "TransitionDefaultMinimumObjectSize"


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketRules:
    """The lifecycle rules of a bucket: ours, ordered by id, and the foreign ones as the server gave them."""

    ours: tuple[Rule, ...]
    foreign: tuple[Mapping[str, Any], ...]
    settings: Mapping[str, str]
    """What the server stores next to the rules and would reset unless the storage sends it back."""


def lifecycle_configuration(rules: Iterable[Rule], foreign: Iterable[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Return the configuration that ``PutBucketLifecycleConfiguration`` takes: foreign rules first, then ours.

    Every rule selects by ``Filter``: S3 refuses a rule that also has its own ``Prefix``, and a configuration
    that mixes both forms, so foreign rules of the old form are written in the new one, which means the same.
    """
    made = [
        {
            "ID": rule.rule_id,
            "Status": "Enabled",
            "Filter": {"Prefix": rule.prefix},
            "Expiration": {"Days": rule.days},
        }
        for rule in rules
    ]
    return {"Rules": [*(_in_filter_form(rule) for rule in foreign), *made]}


def read_rules(client: S3Client, bucket: str) -> BucketRules:
    """Return the rules of ``bucket``; none is no error.

    Errors: ``ACCESS_DENIED`` naming the permission, ``UNSUPPORTED`` where the server has no lifecycle, and what every
    request may raise.
    """
    response = _call(client, READ, lambda: _get(client, bucket))
    found = response.get("Rules", [])
    ours = tuple(sorted((_as_rule(rule) for rule in found if _is_ours(rule)), key=lambda rule: rule.rule_id))
    settings = {_MINIMUM_SIZE: response[_MINIMUM_SIZE]} if response.get(_MINIMUM_SIZE) else {}
    return BucketRules(ours=ours, foreign=tuple(rule for rule in found if not _is_ours(rule)), settings=settings)


def apply_rules(client: S3Client, bucket: str, rules: Sequence[Rule]) -> BucketRules:
    """Make ``rules`` our rules of ``bucket``, keep everybody else's, and return what the bucket then says it has.

    Our rules that are not in ``rules`` are removed; with no rules all of ours are. S3 sets all rules at once and
    knows no condition, so two who change them at once may undo each other: that shows when they are read back, as
    ``CONFLICT``. Errors besides: those of :func:`read_rules`, ``INVALID_ARGUMENT`` for more than 1000 rules together.
    """
    before = read_rules(client, bucket)
    total = len(before.foreign) + len(rules)
    if total > MAX_RULES:
        hint = (
            f"{len(rules)} rules and {len(before.foreign)} foreign ones make {total}, a bucket may have {MAX_RULES}; "
            "name fewer owners or types, or run a sweep daily instead"
        )
        raise StorageError(ErrorCode.INVALID_ARGUMENT, "retention", None, hint)
    wanted = tuple(sorted(rules, key=lambda rule: rule.rule_id))
    if wanted != before.ours:
        _write(client, bucket, lifecycle_configuration(rules, before.foreign), before.settings)
    after = read_rules(client, bucket)
    if after.ours != wanted:
        odd = next(iter(set(wanted) ^ set(after.ours)))
        hint = f"the bucket does not have the rules that were sent; first difference: {odd.rule_id!r} ({odd.prefix!r})"
        raise StorageError(ErrorCode.CONFLICT, "retention", None, hint + "; run again, or look who else changes them")
    if not _same(before.foreign, after.foreign):
        hint = "the foreign rules of the bucket are not those that were there before; compare them with a backup"
        raise StorageError(ErrorCode.CONFLICT, "retention", None, hint)
    return after


def _get(client: S3Client, bucket: str) -> dict[str, Any]:
    try:
        return cast("dict[str, Any]", client.get_bucket_lifecycle_configuration(Bucket=bucket))
    except ClientError as error:
        if backend_code_of(error) == "NoSuchLifecycleConfiguration":
            return {}
        raise


def _write(client: S3Client, bucket: str, configuration: dict[str, Any], settings: Mapping[str, str]) -> None:
    if configuration["Rules"]:
        _call(
            client,
            WRITE,
            lambda: client.put_bucket_lifecycle_configuration(
                Bucket=bucket,
                LifecycleConfiguration=configuration,  # type: ignore[arg-type]
                **settings,  # type: ignore[arg-type]
            ),
        )
    else:
        _call(client, WRITE, lambda: client.delete_bucket_lifecycle(Bucket=bucket))


def _call(client: S3Client, permission: str, action: Callable[[], T]) -> T:
    try:
        return action()
    except Exception as error:
        ours = translate(error, "retention", secrets=lambda: secrets_of(client))
        if ours.code is ErrorCode.ACCESS_DENIED:
            ours = StorageError(ours.code, ours.operation, None, f"the credentials lack {permission}; {ours.hint}")
        elif isinstance(error, ClientError) and backend_code_of(error) in ("NotImplemented", "MethodNotAllowed"):
            hint = f"this server has no lifecycle rules; run a sweep daily instead ({ours.hint})"
            ours = StorageError(ErrorCode.UNSUPPORTED, ours.operation, None, hint)
        raise ours from None


def _is_ours(rule: Mapping[str, Any]) -> bool:
    return str(rule.get("ID", "")).startswith(RULE_ID_PREFIX)


def _as_rule(rule: Mapping[str, Any]) -> Rule:
    """Read one of our rules; one that somebody has changed gets 0 days, which none of our rules has."""
    filtered = _in_filter_form(rule)
    plain = set(filtered["Filter"]) <= {"Prefix"} and filtered.get("Status") == "Enabled"
    days = rule.get("Expiration", {}).get("Days", 0)
    return Rule(
        rule_id=str(rule["ID"]), prefix=filtered["Filter"].get("Prefix", ""), days=int(days) if plain and days else 0
    )


def _in_filter_form(rule: Mapping[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in rule.items() if name not in ("Prefix", "Filter")}
    return {**rest, "Filter": rule.get("Filter") or {"Prefix": rule.get("Prefix") or ""}}


def _same(before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]) -> bool:
    # A list rather than a set: rules are nested, and ids may be missing.
    left = [_in_filter_form(rule) for rule in after]
    for rule in before:
        if _in_filter_form(rule) not in left:
            return False
        left.remove(_in_filter_form(rule))
    return not left
