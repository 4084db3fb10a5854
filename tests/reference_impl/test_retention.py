"""Retention: rules that match real keys, applied to a real server and read back; and the sweep on real files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucket_conformance.reference_impl import keys
from bucket_conformance.reference_impl.api import DeleteError, DeleteFailure, DeleteResult, Storage
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.local import LocalStorage
from bucket_conformance.reference_impl.retention import (
    MAX_RULES,
    RULE_ID_PREFIX,
    Match,
    Owner,
    Rule,
    explain,
    require_policy,
    rules,
    stored_owners,
    sweep,
)
from bucket_conformance.reference_impl.retention_rules import apply_rules, lifecycle_configuration, read_rules
from bucket_conformance.reference_impl.s3_client import make_client
from tests.reference_impl.bucket_world import ACCESS_KEY, BUCKET, SECRET, Bucket, fresh_bucket, moto_server
from tests.reference_impl.stub_s3 import answer, error, running

LOGS = {"FLOW_RUN_LOG": 30}
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def project(owner_id: str) -> Owner:
    return Owner(scope="project", owner_id=owner_id)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture
def bucket(server: str) -> Bucket:
    return fresh_bucket(server)


def stored_configuration(bucket: Bucket) -> list[dict[str, Any]]:
    answer = bucket.client.get_bucket_lifecycle_configuration(Bucket=BUCKET)
    return cast("list[dict[str, Any]]", answer["Rules"])


ids = st.from_regex(keys.ID_PATTERN, fullmatch=True)
owners = st.builds(Owner, scope=st.sampled_from(["platform", "project"]), owner_id=ids)


@given(st.lists(owners, max_size=5), st.sampled_from([*keys.FILE_TYPES]), ids, owners)
def test_a_rule_matches_every_key_of_its_owner_and_type_and_no_other_key(
    wanted: list[Owner], kind: str, file_id: str, stranger: Owner
) -> None:
    made = rules({kind: 3}, wanted)
    assert {rule.rule_id for rule in made} == {f"{RULE_ID_PREFIX}{o.scope}.{o.owner_id}.{kind}" for o in wanted}
    for owner in {*wanted, stranger}:
        for other in keys.FILE_TYPES:
            key = keys.build(other, file_id, **{f"{owner.scope}_id": owner.owner_id})
            matching = [rule for rule in made if key.startswith(rule.prefix)]
            assert len(matching) == (owner in wanted and other == kind)


def test_rules_do_not_depend_on_the_order_or_repetition_of_their_input() -> None:
    one = rules({"FILE": 9, "FLOW_RUN_LOG": 30}, [project("b"), project("a"), project("b")])
    other = rules({"FLOW_RUN_LOG": 30, "FILE": 9}, [project("a"), project("b")])
    assert one == other
    assert one[0] == Rule(rule_id="file-retention.project.a.FILE", prefix="project/a/FILE/", days=9)
    assert len({rule.rule_id for rule in one}) == 4


def test_more_rules_than_a_bucket_may_have_are_refused_with_the_way_out() -> None:
    many = [project(str(number)) for number in range(MAX_RULES)]
    assert len(rules(LOGS, many)) == MAX_RULES
    with pytest.raises(StorageError) as caught:
        rules(LOGS, [*many, project("one-more")])
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT
    assert "1001 rules" in caught.value.hint
    assert "sweep" in caught.value.hint


@pytest.mark.parametrize(
    "policy", [{"FILE": 0}, {"FILE": -1}, {"FILE": 2**31}, {"FILE": True}, {"FILE": 1.5}, {"LOGS": 3}]
)
def test_a_policy_of_no_days_or_of_an_unknown_type_is_refused(policy: dict[str, int]) -> None:
    with pytest.raises(StorageError) as caught:
        require_policy(policy)
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT


def test_applied_rules_are_those_the_server_gives_back_in_filter_form(bucket: Bucket) -> None:
    bucket.storage.upload("project/a/FLOW_RUN_LOG/r.log", b"1")
    bucket.storage.upload("platform/x/FILE/f", b"1")
    bucket.storage.upload("stray", b"1")
    found = stored_owners(bucket.storage)
    assert found == (Owner(scope="platform", owner_id="x"), project("a"))
    made = rules({"FLOW_RUN_LOG": 30, "FILE": 7}, found)
    assert apply_rules(bucket.client, BUCKET, made).ours == made
    stored = {rule["ID"]: rule for rule in stored_configuration(bucket)}
    assert stored["file-retention.project.a.FLOW_RUN_LOG"]["Filter"] == {"Prefix": "project/a/FLOW_RUN_LOG/"}
    assert all(set(rule) == {"ID", "Status", "Filter", "Expiration"} for rule in stored.values())
    assert read_rules(bucket.client, BUCKET).ours == made


def test_foreign_rules_stay_and_ours_are_replaced_and_removed(bucket: Bucket) -> None:
    foreign: list[Any] = [
        {"ID": "theirs", "Status": "Disabled", "Filter": {"Prefix": "backup/"}, "Expiration": {"Days": 400}},
        {
            "ID": "parts",
            "Status": "Enabled",
            "Filter": {},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2},
        },
    ]
    bucket.client.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": foreign})
    before = stored_configuration(bucket)
    apply_rules(bucket.client, BUCKET, rules(LOGS, [project("a"), project("b")]))
    apply_rules(bucket.client, BUCKET, rules({"FLOW_RUN_LOG": 5}, [project("b")]))
    found = read_rules(bucket.client, BUCKET)
    assert found.ours == rules({"FLOW_RUN_LOG": 5}, [project("b")])
    assert len(found.foreign) == 2
    apply_rules(bucket.client, BUCKET, ())
    after = stored_configuration(bucket)
    assert [rule["ID"] for rule in after] == [rule["ID"] for rule in before]
    assert [rule["Expiration"] for rule in after if rule["ID"] == "theirs"] == [{"Days": 400}]


def test_a_bucket_without_rules_has_none_before_and_after(bucket: Bucket) -> None:
    assert read_rules(bucket.client, BUCKET).ours == ()
    assert apply_rules(bucket.client, BUCKET, ()).ours == ()
    apply_rules(bucket.client, BUCKET, rules(LOGS, [project("a")]))
    apply_rules(bucket.client, BUCKET, ())
    found = read_rules(bucket.client, BUCKET)
    assert (found.ours, found.foreign) == ((), ())


def test_foreign_rules_of_the_old_form_are_written_in_the_new_one() -> None:
    old = {"ID": "old", "Status": "Enabled", "Prefix": "tmp/", "Expiration": {"Days": 1}}
    assert lifecycle_configuration((), [old])["Rules"] == [
        {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 1}}
    ]


def test_foreign_rules_count_towards_the_limit_of_the_bucket(bucket: Bucket) -> None:
    foreign: Any = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "x/"}, "Expiration": {"Days": 1}}
    bucket.client.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": [foreign]})
    with pytest.raises(StorageError) as caught:
        apply_rules(bucket.client, BUCKET, rules(LOGS, [project(str(n)) for n in range(MAX_RULES)]))
    assert (caught.value.code, "1 foreign" in caught.value.hint) == (ErrorCode.INVALID_ARGUMENT, True)
    assert [rule["ID"] for rule in stored_configuration(bucket)] == ["theirs"]


@pytest.mark.parametrize(
    ("reply", "code", "said"),
    [
        (error(403, "AccessDenied"), ErrorCode.ACCESS_DENIED, "s3:GetLifecycleConfiguration"),
        (error(501, "NotImplemented"), ErrorCode.UNSUPPORTED, "sweep"),
        (error(404, "NoSuchBucket"), ErrorCode.BUCKET_NOT_FOUND, "bucket"),
    ],
)
def test_a_refusal_names_the_missing_permission_or_the_way_out(reply: bytes, code: ErrorCode, said: str) -> None:
    with running(lambda request: reply) as stub:
        client = make_client(endpoint=stub.url, region="us-east-1", access_key=ACCESS_KEY, secret_key=SECRET)
        with pytest.raises(StorageError) as caught:
            apply_rules(client, BUCKET, rules(LOGS, [project("a")]))
    assert (caught.value.code, said in caught.value.hint) == (code, True)
    assert SECRET not in str(caught.value)


def test_a_server_that_accepts_rules_and_keeps_others_is_found_out() -> None:
    kept = (
        b"<LifecycleConfiguration><Rule><ID>file-retention.project.a.FLOW_RUN_LOG</ID><Status>Enabled</Status>"
        b"<Filter><Prefix></Prefix></Filter><Expiration><Days>30</Days></Expiration></Rule></LifecycleConfiguration>"
    )
    with running(lambda request: answer(200, kept if request.method == "GET" else b"")) as stub:
        client = make_client(endpoint=stub.url, region="us-east-1", access_key=ACCESS_KEY, secret_key=SECRET)
        with pytest.raises(StorageError) as caught:
            apply_rules(client, BUCKET, rules(LOGS, [project("a")]))
        assert stub.count("PUT") == 1
    assert caught.value.code is ErrorCode.CONFLICT


def test_explain_counts_what_a_prefix_matches_and_shows_that_a_bare_type_matches_nothing(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    for number in range(3):
        storage.upload(f"project/a/FLOW_RUN_LOG/{number}.log", bytes(10))
    storage.upload("project/ab/FLOW_RUN_LOG/1.log", bytes(10))
    assert explain(storage, ["project/a/FLOW_RUN_LOG/", "FLOW_RUN_LOG/"]) == (
        Match(prefix="project/a/FLOW_RUN_LOG/", files=3, size=30),
        Match(prefix="FLOW_RUN_LOG/", files=0, size=0),
    )


def aged(storage: LocalStorage, key: str, age: timedelta) -> None:
    storage.upload(key, b"12345")
    when = (NOW - age).timestamp()
    os.utime(storage.root / key, (when, when))


@pytest.fixture
def old_and_young(tmp_path: Path) -> LocalStorage:
    storage = LocalStorage(tmp_path)
    aged(storage, "project/a/FLOW_RUN_LOG/exact.log", timedelta(days=30))
    aged(storage, "project/a/FLOW_RUN_LOG/young.log", timedelta(days=30) - timedelta(seconds=1))
    aged(storage, "project/b/FLOW_RUN_LOG/old.log", timedelta(days=300))
    aged(storage, "project/a/FILE/old", timedelta(days=300))
    aged(storage, "FLOW_RUN_LOG/outside.log", timedelta(days=300))
    return storage


OLD = ("project/a/FLOW_RUN_LOG/exact.log", "project/b/FLOW_RUN_LOG/old.log")


def test_a_sweep_deletes_what_is_old_enough_of_its_types_and_nothing_else(old_and_young: LocalStorage) -> None:
    report = sweep(old_and_young, LOGS, NOW)
    assert (report.deleted, report.deleted_bytes, report.kept, report.outside) == (OLD, 10, 2, 1)
    assert [stat.key for stat in old_and_young.list()] == [
        "FLOW_RUN_LOG/outside.log",
        "project/a/FILE/old",
        "project/a/FLOW_RUN_LOG/young.log",
    ]
    assert sweep(old_and_young, LOGS, NOW).deleted == ()


def test_a_dry_sweep_names_the_same_files_and_deletes_none(old_and_young: LocalStorage) -> None:
    report = sweep(old_and_young, LOGS, NOW, dry_run=True)
    assert (report.deleted, report.deleted_bytes, report.kept, report.outside) == (OLD, 10, 2, 1)
    assert len(list(old_and_young.list())) == 5


def test_a_sweep_works_on_a_bucket(bucket: Bucket) -> None:
    bucket.storage.upload("project/a/FLOW_RUN_LOG/r.log", b"1")
    bucket.storage.upload("project/a/FILE/f", b"1")
    later = datetime.now(UTC) + timedelta(days=31)
    assert sweep(bucket.storage, LOGS, later).deleted == ("project/a/FLOW_RUN_LOG/r.log",)
    assert [stat.key for stat in bucket.storage.list()] == ["project/a/FILE/f"]


class Rewriting(LocalStorage):
    """Writes one file again between the listing and the deletion; refuses to delete another."""

    def list(self, prefix: str = "") -> Iterator[Any]:
        found = list(super().list(prefix))
        self.upload(OLD[0], b"fresh")
        return iter(found)

    def delete_files(self, wanted: Any) -> DeleteResult:
        failed = (DeleteFailure(key=OLD[1], code=ErrorCode.ACCESS_DENIED, message="no"),)
        raise DeleteError(ErrorCode.ACCESS_DENIED, DeleteResult(failed=failed))


def test_a_sweep_keeps_what_was_written_again_and_reports_what_was_refused(old_and_young: LocalStorage) -> None:
    storage: Storage = Rewriting(old_and_young.root)
    report = sweep(storage, LOGS, NOW)
    assert storage.download(OLD[0]) == b"fresh"
    assert [(failure.key, failure.code) for failure in report.failed] == [(OLD[1], ErrorCode.ACCESS_DENIED)]
    assert (report.deleted, report.deleted_bytes, report.kept) == ((), 0, 3)


def test_a_sweep_needs_a_time_with_a_timezone(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        sweep(LocalStorage(tmp_path), LOGS, NOW.replace(tzinfo=None))
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT


def test_a_limit_longer_than_the_calendar_deletes_nothing(old_and_young: LocalStorage) -> None:
    assert sweep(old_and_young, {"FLOW_RUN_LOG": 2**31 - 1}, NOW).deleted == ()
