"""A bucket that keeps versions: a run removes its own by their ids, or refuses to begin, or reports what stays."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bucket_conformance.conformance.backend.errors import OpeningError
from bucket_conformance.conformance.backend.leftovers import Outcome, clean_endpoint
from bucket_conformance.conformance.backend.opening import open_session
from bucket_conformance.conformance.session import MARK
from bucket_conformance.conformance.target import S3Endpoint
from bucket_conformance.conformance.wire.exchange import Recorder
from tests.exemplar.http import HttpFront
from tests.exemplar.raw_client import boto_client
from tests.exemplar.server import Exemplar
from tests.exemplar.types import Request, Response

Change = Callable[[Request], Response | None]


@pytest.fixture
def server() -> Iterator[Exemplar]:
    with Exemplar() as made:
        client = boto_client(made.url)
        client.create_bucket(Bucket="theirs")
        client.put_bucket_versioning(Bucket="theirs", VersioningConfiguration={"Status": "Enabled"})
        for key in ("notes.txt", "conformance-notes/plan"):
            for body in (b"1", b"2"):
                client.put_object(Bucket="theirs", Key=key, Body=body)
            client.delete_object(Bucket="theirs", Key=key)
        client.close()
        yield made


def versions(server: Exemplar) -> list[tuple[str, str]]:
    return sorted(
        (key, version.version_id) for key, kept in server.store.buckets["theirs"].versions.items() for version in kept
    )


@contextlib.contextmanager
def changed(server: Exemplar, change: Change) -> Iterator[str]:
    with HttpFront(lambda request: change(request) or server.handle(request)) as front:
        yield front.url


def target(url: str, **more: Any) -> S3Endpoint:
    return S3Endpoint(url=url, access_key="exemplar", secret_key="exemplar-secret", bucket="theirs", **more)


def denied(status: int = 403) -> Response:
    return Response(status=status, body=b"<Error><Code>AccessDenied</Code></Error>")


def no_version_lists(request: Request) -> Response | None:
    return denied() if "versions" in request.query else None


def no_removal_by_id(request: Request) -> Response | None:
    by_batch = "delete" in request.query and b"<VersionId>" in request.body
    return denied() if "versionId" in request.query or by_batch else None


def work(url: str, *, recorder: Recorder | None = None, **more: Any) -> None:
    with open_session(target(url, **more), recorder=recorder) as session:
        key = session.fresh_prefix() + "k"
        for body in (b"1", b"2"):
            assert session.wire.put(key, body).ok
        session.wire.delete(key)
        session.populate([session.fresh_key() for _ in range(3)])


@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
def test_versions_and_markers_of_the_run_are_removed_and_no_others(server: Exemplar, status: str) -> None:
    client = boto_client(server.url)
    client.put_bucket_versioning(Bucket="theirs", VersioningConfiguration={"Status": status})
    client.close()
    before, recorder = versions(server), Recorder()
    work(server.url, recorder=recorder)
    assert recorder.left_behind == ""
    assert versions(server) == before


@pytest.mark.parametrize("change", [no_version_lists, no_removal_by_id])
def test_where_versions_cannot_be_removed_the_run_does_not_begin(server: Exemplar, change: Change) -> None:
    recorder = Recorder()
    with (
        changed(server, change) as url,
        pytest.raises(OpeningError, match=r"keeps old versions, and a run could not remove its own: .*403") as caught,
        open_session(target(url), recorder=recorder),
    ):
        pass
    assert caught.value.usage
    assert "--keep-versions" in str(caught.value)
    assert f"what bears {MARK}" in recorder.left_behind


@pytest.mark.parametrize("change", [no_version_lists, no_removal_by_id])
def test_versions_that_stay_are_reported_and_hidden(server: Exemplar, change: Change) -> None:
    recorder = Recorder()
    with changed(server, change) as url:
        work(url, recorder=recorder, keep_versions=True)
    assert "its old versions and delete markers stay: " in recorder.left_behind
    client = boto_client(server.url)
    assert client.list_objects_v2(Bucket="theirs").get("Contents", []) == []
    client.close()


def test_what_a_run_left_in_versions_is_cleaned(server: Exemplar) -> None:
    before = versions(server)
    with changed(server, no_removal_by_id) as url:
        work(url, keep_versions=True)
    assert len(versions(server)) > len(before)
    cleaned = list(clean_endpoint(target(server.url), dry_run=False, older_than_s=0.0))
    assert [each.outcome for each in cleaned] == [Outcome.REMOVED]
    assert versions(server) == before


def test_a_bucket_with_object_lock_is_refused_before_anything_is_written(server: Exemplar) -> None:
    asked: list[str] = []

    def locked(request: Request) -> Response | None:
        asked.append(request.method)
        if "object-lock" not in request.query:
            return None
        enabled = "<ObjectLockEnabled>Enabled</ObjectLockEnabled>"
        return Response(status=200, body=f"<ObjectLockConfiguration>{enabled}</ObjectLockConfiguration>".encode())

    with (
        changed(server, locked) as url,
        pytest.raises(OpeningError, match="has object lock enabled") as caught,
        open_session(target(url, keep_versions=True)),
    ):
        pass
    assert caught.value.usage
    assert set(asked) == {"GET"}


@pytest.mark.parametrize("status", [403, 500, 503])
def test_a_bucket_of_unknown_versioning_is_used_with_a_note(server: Exemplar, status: int) -> None:
    client = boto_client(server.url)
    client.create_bucket(Bucket="plain")
    client.close()
    recorder = Recorder()
    with (
        changed(server, lambda request: denied(status) if "versioning" in request.query else None) as url,
        open_session(
            S3Endpoint(url=url, access_key="exemplar", secret_key="exemplar-secret", bucket="plain"), recorder=recorder
        ) as session,
    ):
        session.wire.put(session.fresh_key(), b"x")
    assert f"bucket plain keeps old versions is not known ({status} AccessDenied)" in recorder.note
    assert recorder.left_behind == ""
    assert server.store.buckets["plain"].versions == {}


def test_a_bucket_of_unknown_versioning_that_lists_versions_is_tried(server: Exemplar) -> None:
    before, recorder = versions(server), Recorder()
    with changed(server, lambda request: denied() if "versioning" in request.query else None) as url:
        work(url, recorder=recorder)
    assert (recorder.left_behind, recorder.note) == ("", "")
    assert versions(server) == before


@pytest.mark.parametrize(
    "body",
    [
        b"<GetBucketVersioningResponse/>",
        b"<ListBucketResult><Name>plain</Name><IsTruncated>false</IsTruncated></ListBucketResult>",
        b"<VersioningConfiguration/>",
    ],
)
def test_every_known_refusal_of_versioning_is_recognised(server: Exemplar, body: bytes) -> None:
    client = boto_client(server.url)
    client.create_bucket(Bucket="plain")
    client.close()
    recorder = Recorder()
    with (
        changed(
            server, lambda request: Response(status=200, body=body) if "versioning" in request.query else None
        ) as url,
        open_session(
            S3Endpoint(url=url, access_key="exemplar", secret_key="exemplar-secret", bucket="plain"), recorder=recorder
        ),
    ):
        pass
    assert (recorder.note, recorder.left_behind) == ("", "")
