"""LIFE: rules that make old files expire, and versions that bring back deleted ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final
from xml.sax.saxutils import escape

from hypothesis import given
from hypothesis import strategies as st

from bucket_conformance.conformance.backend.checks import remove_side_bucket, why_not_new
from bucket_conformance.conformance.catalogue import clause
from bucket_conformance.conformance.contract import Capability, Level, Profile
from bucket_conformance.conformance.parts import ExpiryRule
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.strategies import examples, file_types
from bucket_conformance.conformance.testkit.needs import Operation, needs_taken, refusal_of
from bucket_conformance.conformance.testkit.sources import (
    FILE_STORAGE,
    LIFECYCLE_FILTERS,
    PUT_LIFECYCLE,
    PUT_VERSIONING,
)
from bucket_conformance.conformance.verdict import Inconclusive, compare
from bucket_conformance.conformance.wire.s3 import XML_NAMESPACE, content_md5
from bucket_conformance.conformance.wire.transport import HttpResponse
from bucket_conformance.reference_impl.keys import FILE_TYPES, Scope

LIFECYCLE: Final = (("lifecycle", ""),)
VERSIONING: Final = (("versioning", ""),)


@contextmanager
def own_bucket(session: Session) -> Iterator[str]:
    """Make an empty bucket and remove it at the end, because the judged bucket's configuration must not change."""
    name = session.fresh_id()
    region = session.wire.endpoint.region
    made = session.wire.request("PUT", bucket=name)
    if made.code == "IllegalLocationConstraintException":
        wanted = (
            f"<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        )
        made = session.wire.request("PUT", bucket=name, body=wanted.encode())
    if not made.ok:
        raise Inconclusive(f"the run needs a bucket of its own to change the configuration; making one: {made.summary}")
    if trouble := why_not_new(session.wire, name):
        raise Inconclusive(f"the run needs a bucket of its own to change the configuration, and the one made {trouble}")
    try:
        yield name
    finally:
        remove_side_bucket(session.wire, name)


def put_lifecycle(session: Session, bucket: str, rules: str) -> HttpResponse:
    body = f'<LifecycleConfiguration xmlns="{XML_NAMESPACE}">{rules}</LifecycleConfiguration>'.encode()
    headers = (("Content-MD5", content_md5(body)), ("Content-Type", "application/xml"))
    return session.wire.request("PUT", query=LIFECYCLE, headers=headers, body=body, bucket=bucket)


def rule_xml(rule: ExpiryRule) -> str:
    return (
        f"<Rule><ID>{escape(rule.rule_id)}</ID><Filter><Prefix>{escape(rule.prefix)}</Prefix></Filter>"
        f"<Status>Enabled</Status><Expiration><Days>{rule.days}</Days></Expiration></Rule>"
    )


def kept_rules(response: HttpResponse) -> dict[str, tuple[str, str, str]]:
    """Return the rules in a response: prefix, days and status by id."""
    root = response.xml()
    found = {}
    for rule in root.iterfind("Rule") if root is not None else ():
        # A server may use the old form or the new one; both mean the same prefix.
        prefix = rule.findtext("Filter/Prefix") or rule.findtext("Filter/And/Prefix") or rule.findtext("Prefix") or ""
        found[rule.findtext("ID") or ""] = (
            prefix,
            rule.findtext("Expiration/Days") or "",
            rule.findtext("Status") or "",
        )
    return found


@clause(
    "LIFE-001",
    "A rule for the expiry of each file type is accepted by the bucket and read back with its prefix and days.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(PUT_LIFECYCLE, FILE_STORAGE),
    proved_by=("lifecycle-forgets-prefix", "lifecycle-keeps-one-rule", "lifecycle-answers-and-keeps-nothing"),
    requires={Capability.LIFECYCLE, Capability.RETENTION},
    effort=0.2,
)
@examples("days", [1, 30, 3650])
@given(days=st.integers(1, 100_000))
def test_expiry_rules_are_kept_as_written(session: Session, days: int) -> None:
    policy = {name: days + number for number, name in enumerate(sorted(FILE_TYPES))}
    rules = session.retention.rules(policy, [("project", session.fresh_id()), ("platform", session.fresh_id())])
    with own_bucket(session) as bucket:
        stored = put_lifecycle(session, bucket, "".join(map(rule_xml, rules)))
        read = session.wire.request("GET", query=LIFECYCLE, bucket=bucket)
        compare(
            (stored.status, read.status, kept_rules(read)),
            (200, 200, {rule.rule_id: (rule.prefix, str(rule.days), "Enabled") for rule in rules}),
            "status of storing, status of reading, and rules read (prefix, days, status by id)",
        )


def _filter_rule(inner: str) -> str:
    return f"<Rule><ID>DeleteOldLogs</ID><Status>Enabled</Status>{inner}<Expiration><Days>30</Days></Expiration></Rule>"


_PREFIX: Final = "<Prefix>project/</Prefix>"
_FILTER: Final = "<Filter><Prefix>FLOW_RUN_LOG/</Prefix></Filter>"


@clause(
    "LIFE-002",
    "A rule with both a Prefix of its own and a Filter is refused with MalformedXML, and no rule is kept.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(PUT_LIFECYCLE, LIFECYCLE_FILTERS),
    proved_by=("lifecycle-takes-prefix-and-filter", "lifecycle-refuses-but-keeps"),
    requires={Capability.LIFECYCLE},
)
@examples("inner", [_PREFIX + _FILTER, _FILTER + _PREFIX, _PREFIX + "<Filter><Prefix>project/</Prefix></Filter>"])
@given(inner=st.just(_PREFIX + _FILTER))
def test_prefix_beside_filter_is_refused(session: Session, inner: str) -> None:
    with own_bucket(session) as bucket:
        refused = put_lifecycle(session, bucket, _filter_rule(inner))
        kept = kept_rules(session.wire.request("GET", query=LIFECYCLE, bucket=bucket))
        # The same rule without the prefix of its own is taken: otherwise the refusal says nothing of it.
        good = put_lifecycle(session, bucket, _filter_rule(_FILTER))
        needs_taken(good, Operation.LIFECYCLE, "PUT ?lifecycle")
        said = refusal_of(refused, "400 MalformedXML")
        compare((said, kept), ("400 MalformedXML", {}), "status and code, rules kept afterwards")


@clause(
    "LIFE-003",
    "Versioning can be switched on, suspended and on again, and each time the status is read back.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(PUT_VERSIONING, FILE_STORAGE),
    proved_by=("versioning-status-is-not-kept", "versioning-stays-on"),
    requires={Capability.VERSIONING},
)
def test_versioning_status_is_kept(session: Session) -> None:
    wanted = ["Enabled", "Suspended", "Enabled"]
    with own_bucket(session) as bucket:
        statuses = [_set_versioning(session, bucket, status) for status in wanted]
        compare(statuses, wanted, "status of versioning after it was set, each time")


def _set_versioning(session: Session, bucket: str, status: str) -> str:
    tag = "VersioningConfiguration"
    body = f'<{tag} xmlns="{XML_NAMESPACE}"><Status>{status}</Status></{tag}>'.encode()
    headers = (("Content-MD5", content_md5(body)), ("Content-Type", "application/xml"))
    response = session.wire.request("PUT", query=VERSIONING, headers=headers, body=body, bucket=bucket)
    if not response.ok:
        return f"setting {status}: {response.summary}"
    read = session.wire.request("GET", query=VERSIONING, bucket=bucket)
    root = read.xml()
    return (root.findtext("Status") or "no status") if read.ok and root is not None else f"reading: {read.summary}"


@clause(
    "LIFE-004",
    "The expiry rule of a file type meets every key of that type and owner, and no key of another type or owner.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(FILE_STORAGE, LIFECYCLE_FILTERS),
    proved_by=("retention-prefix-by-type-alone", "retention-prefix-without-slash", "retention-prefix-of-owner"),
    requires={Capability.RETENTION},
)
@examples("file_type", sorted(FILE_TYPES))
@given(file_type=file_types())
def test_expiry_rules_meet_the_keys_they_are_for(session: Session, file_type: str) -> None:
    owner = session.fresh_id()
    twins: Sequence[tuple[Scope, str]] = [("project", owner), ("platform", owner), ("project", owner + "a")]
    rules = session.retention.rules({file_type: 30}, twins[:1])
    wanted, met = set(), set()
    for scope, owner_id in twins:
        for other in FILE_TYPES:
            key = _key(session, scope, owner_id, other)
            if (scope, owner_id, other) == ("project", owner, file_type):
                wanted.add(key)
            if any(key.startswith(rule.prefix) for rule in rules):
                met.add(key)
    compare(sorted(met), sorted(wanted), f"keys that expire by the rules for {file_type} of project {owner}")


def _key(session: Session, scope: Scope, owner_id: str, file_type: str) -> str:
    if scope == "project":
        return session.layout.build(file_type, "file-1", project_id=owner_id)
    return session.layout.build(file_type, "file-1", platform_id=owner_id)
