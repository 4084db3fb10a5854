"""Cleaning does not touch running runs, continues after what it cannot list or remove, and names all that stays."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
import time_machine

from bucket_conformance.conformance.backend.ages import DAY_S
from bucket_conformance.conformance.backend.lease import LEASE_S, RENEW_S, lease_key
from bucket_conformance.conformance.backend.leftovers import Outcome, clean_endpoint
from bucket_conformance.conformance.backend.opening import open_session
from bucket_conformance.conformance.target import S3Endpoint
from tests.exemplar import http as exemplar_http
from tests.exemplar import sigv4 as exemplar_sigv4
from tests.exemplar import store as exemplar_store
from tests.exemplar.http import HttpFront
from tests.exemplar.raw_client import boto_client
from tests.exemplar.server import Exemplar
from tests.exemplar.types import Request, Response

FIRST, SECOND = "00000001-aaaaaa", "00000002-bbbbbb"
"""Runs of 1970."""
KEPT = f"conformance-{FIRST}/0/kept"

Change = Callable[[Request, Response], Response]


def id_of(age_s: float, digits: str = "c0ffee") -> str:
    return f"{int(time.time() - age_s):x}-{digits}"


@pytest.fixture
def server() -> Iterator[Exemplar]:
    with Exemplar() as made:
        yield made


@contextmanager
def front(server: Exemplar, change: Change) -> Iterator[str]:
    """Serve ``server`` by a front that may change its answers."""
    with HttpFront(lambda request: change(request, server.handle(request))) as made:
        yield made.url


@contextmanager
def front_that_keeps(server: Exemplar, what: str) -> Iterator[str]:
    """Serve ``server`` by a front that refuses to delete what has ``what`` in its path or in its batch."""

    def answer(request: Request) -> Response:
        batch = request.method == "POST" and "delete" in dict(request.query)
        named = what in f"{request.bucket}/{request.key}" or (batch and what.encode() in request.body)
        if named and (batch or request.method == "DELETE"):
            return REFUSED
        return server.handle(request)

    with HttpFront(answer) as made:
        yield made.url


REFUSED = Response(status=403, body=b"<Error><Code>AccessDenied</Code></Error>")


def endpoint(url: str, bucket: str | None = None) -> S3Endpoint:
    return S3Endpoint(url=url, access_key="exemplar", secret_key="exemplar-secret", bucket=bucket)


def filled(server: Exemplar, bucket: str, *keys: str) -> None:
    client = boto_client(server.url)
    client.create_bucket(Bucket=bucket)
    for key in keys:
        client.put_object(Bucket=bucket, Key=key, Body=b"x")
    client.close()


def cleaned(url: str, bucket: str | None = None, **more: Any) -> dict[Outcome, list[str]]:
    found: dict[Outcome, list[str]] = {outcome: [] for outcome in Outcome}
    for each in clean_endpoint(endpoint(url, bucket), dry_run=False, **more):
        found[each.outcome].append(each.text)
    return found


def keys(server: Exemplar, bucket: str) -> list[str]:
    client = boto_client(server.url)
    found = [item["Key"] for item in client.list_objects_v2(Bucket=bucket).get("Contents", [])]
    client.close()
    return sorted(found)


@contextmanager
def clocks(*, ours: float = 0.0, servers: float = 0.0) -> Iterator[None]:
    """Let our clock, and that of the servers in this process, be so many seconds ahead."""
    with pytest.MonkeyPatch.context() as patch, time_machine.travel(time.time() + ours, tick=True):
        for module in (exemplar_http, exemplar_sigv4, exemplar_store):
            patch.setattr(module, "real_now", lambda: REAL_NOW() + servers)
        yield


def later(seconds: float) -> AbstractContextManager[None]:
    return clocks(ours=seconds, servers=seconds)


REAL_NOW = exemplar_sigv4.real_now
OLD_S = 2 * DAY_S


def test_a_bucket_that_cannot_be_removed_does_not_stop_the_removal_of_others(server: Exemplar) -> None:
    first, second = f"conformance-{FIRST}", f"conformance-{SECOND}"
    for bucket in (first, second):
        filled(server, bucket)
    with front_that_keeps(server, first) as url, later(OLD_S):
        found = cleaned(url)
    assert list(server.store.buckets) == [first]
    [removed], [failed] = found[Outcome.REMOVED], found[Outcome.FAILED]
    assert removed.startswith(f"bucket {second} (2 d old)")
    assert f"bucket {first}" in failed
    assert "403 AccessDenied" in failed


def test_an_object_that_stays_is_not_reported_as_removed_and_others_are_removed(server: Exemplar) -> None:
    filled(server, "theirs", KEPT, f"conformance-{FIRST}/0/goes", f"project/conformance-{SECOND}-1/FILE/f", "notes.txt")
    with front_that_keeps(server, KEPT) as url, later(OLD_S):
        found = cleaned(url, "theirs")
    assert keys(server, "theirs") == sorted([KEPT, "notes.txt"])
    [removed], [failed] = found[Outcome.REMOVED], found[Outcome.FAILED]
    assert removed.startswith(f"1 object of run {SECOND} in bucket theirs")
    assert repr(KEPT) in failed


def test_a_prefix_that_cannot_be_listed_is_reported_and_others_are_cleaned(server: Exemplar) -> None:
    filled(server, "theirs", f"project/conformance-{FIRST}-1/FILE/f", f"conformance-{SECOND}/0/a")

    def refuse(request: Request, response: Response) -> Response:
        return REFUSED if dict(request.query).get("prefix", "").startswith("?") else response

    with front(server, refuse) as url, later(OLD_S):
        found = cleaned(url, "theirs")
    assert keys(server, "theirs") == []
    assert "bucket theirs could not be listed: listing '?conformance-': 403 AccessDenied" in found[Outcome.FAILED]


@pytest.mark.parametrize(
    ("begun_s", "written_s", "kept"),
    [
        (3 * DAY_S, 2 * DAY_S, False),
        (DAY_S - 60, DAY_S - 60, True),
        (3 * DAY_S, 3600, True),
        (-3 * DAY_S, 2 * DAY_S, True),
    ],
    ids=["old", "begun less than a day ago", "something changed an hour ago", "an id from the future"],
)
@pytest.mark.parametrize("own_bucket", [False, True])
def test_the_younger_of_two_times_decides_the_age_of_a_run(
    server: Exemplar, begun_s: float, written_s: float, kept: bool, own_bucket: bool
) -> None:
    run_id = id_of(begun_s - written_s)
    bucket = f"conformance-{run_id}" if own_bucket else "theirs"
    filled(server, bucket, f"conformance-{run_id}/0/a")
    with later(written_s):
        found = cleaned(server.url, None if own_bucket else bucket)
    assert found[Outcome.FAILED] == []
    assert [bool(found[outcome]) for outcome in (Outcome.KEPT, Outcome.REMOVED)] == [kept, not kept]
    if kept:
        [text] = found[Outcome.KEPT]
        assert f"`--run {run_id}` removes it if that run is over" in text
        with later(written_s):
            assert len(cleaned(server.url, None if own_bucket else bucket, only_runs=[run_id])[Outcome.REMOVED]) == 1
    assert (server.store.buckets if own_bucket else keys(server, bucket)) == ({} if own_bucket else [])


@pytest.mark.parametrize("own_bucket", [False, True])
@pytest.mark.parametrize("wrong", [{"ours": 9 * DAY_S}, {"servers": 9 * DAY_S}, {"ours": -9 * DAY_S}], ids=str)
def test_a_wrong_clock_makes_no_run_count_as_old(server: Exemplar, own_bucket: bool, wrong: dict[str, float]) -> None:
    run_id = id_of(60)
    bucket = f"conformance-{run_id}" if own_bucket else "theirs"
    filled(server, bucket, f"conformance-{run_id}/0/a")
    with clocks(**wrong):
        found = cleaned(server.url, None if own_bucket else bucket)
        assert {outcome: len(found[outcome]) for outcome in Outcome if found[outcome]} == {Outcome.KEPT: 1}
    assert keys(server, bucket) == [f"conformance-{run_id}/0/a"]


@pytest.mark.parametrize("bucket", [None, "theirs"])
def test_a_running_run_is_kept_at_any_age_and_removed_if_it_is_named(server: Exemplar, bucket: str | None) -> None:
    filled(server, "theirs")
    run_id = id_of(0)
    with open_session(endpoint(server.url, bucket), run_id=run_id) as session:
        session.populate([session.fresh_prefix() + "a"])
        where = session.wire.bucket
        [kept] = cleaned(server.url, bucket, older_than_s=0)[Outcome.KEPT]
        assert "its run is at work, as it said" in kept
        assert keys(server, where) == sorted(
            [lease_key(run_id), *(f"conformance-{run_id}/{name}" for name in ("0/a", "alive-0"))]
        )
    assert list(server.store.buckets) == ["theirs"]
    assert keys(server, "theirs") == []
    assert session.recorder.left_behind == ""


def test_an_expired_lease_neither_keeps_a_run_nor_makes_it_old(server: Exemplar) -> None:
    run_id = id_of(0)
    filled(server, "theirs", lease_key(run_id))
    with later(LEASE_S + 60):
        assert len(cleaned(server.url, "theirs")[Outcome.KEPT]) == 1
        assert len(cleaned(server.url, "theirs", older_than_s=600)[Outcome.REMOVED]) == 1


def test_a_lease_that_cannot_be_read_keeps_its_run(server: Exemplar) -> None:
    filled(server, "theirs", f"conformance-{FIRST}/0/a")

    def refuse(request: Request, response: Response) -> Response:
        return REFUSED if request.key.endswith("/lease") else response

    with front(server, refuse) as url, later(OLD_S):
        assert len(cleaned(url, "theirs")[Outcome.KEPT]) == 1
    assert keys(server, "theirs") == [f"conformance-{FIRST}/0/a"]


def test_a_lease_is_written_rarely_and_is_in_no_recording(server: Exemplar, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_session(endpoint(server.url)) as session:
        assert session.recorder.kept() == []
        before = session.recorder.total
        session.keep_alive()
        assert session.recorder.total == before
        real = time.monotonic
        monkeypatch.setattr(time, "monotonic", lambda: real() + RENEW_S)
        session.keep_alive()
        session.keep_alive()
        assert session.recorder.total == before + 1


def test_a_run_that_can_write_no_lease_goes_on(server: Exemplar) -> None:
    def refuse(request: Request, response: Response) -> Response:
        return REFUSED if request.key.endswith("/lease") else response

    with front(server, refuse) as url, open_session(endpoint(url)) as session:
        session.keep_alive()
        assert session.wire.put(session.fresh_prefix() + "a", b"x").ok
