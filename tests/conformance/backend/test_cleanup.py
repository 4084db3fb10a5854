"""The cleanup changes only what the run stored, whatever a listing contains."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import bucket_conformance.conformance.backend.cleanup
from bucket_conformance.conformance.backend.errors import OpeningError
from bucket_conformance.conformance.backend.leftovers import Outcome, clean_endpoint
from bucket_conformance.conformance.backend.opening import open_session
from bucket_conformance.conformance.backend.run_traces import run_of
from bucket_conformance.conformance.clauses.lifecycle import own_bucket
from bucket_conformance.conformance.target import S3Endpoint
from bucket_conformance.conformance.wire.exchange import Recorder
from tests.exemplar.http import HttpFront
from tests.exemplar.raw_client import boto_client
from tests.exemplar.server import Exemplar
from tests.exemplar.types import Request, Response

RUN = "6b000000-abcdef"
FOREIGN = ("notes.txt", "project/conformance-reports/a", f"conformance-{RUN}0/0/other")


def endpoint(url: str, bucket: str | None) -> S3Endpoint:
    return S3Endpoint(url=url, access_key="exemplar", secret_key="exemplar-secret", bucket=bucket)


def fill(server: Exemplar) -> None:
    client = boto_client(server.url)
    client.create_bucket(Bucket="theirs")
    for key in FOREIGN:
        client.put_object(Bucket="theirs", Key=key, Body=b"x")
    client.close()


def keys(server: Exemplar) -> list[str]:
    client = boto_client(server.url)
    found = [item["Key"] for item in client.list_objects_v2(Bucket="theirs").get("Contents", [])]
    client.close()
    return sorted(found)


def listing(server: Exemplar) -> Response:
    """Answer any listing with all of one bucket."""
    contents = "".join(f"<Contents><Key>{key}</Key></Contents>" for key in keys(server))
    body = f"<ListBucketResult><Name>theirs</Name><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
    return Response(status=200, body=body.encode())


def test_a_server_that_ignores_the_prefix_loses_nothing_foreign() -> None:
    def answer(request: Request) -> Response:
        if request.method == "GET" and "list-type" in dict(request.query):
            return listing(server)
        return server.handle(request)

    with Exemplar() as server:
        fill(server)
        with HttpFront(answer) as front, open_session(endpoint(front.url, "theirs"), run_id=RUN) as session:
            assert session.wire.put(f"conformance-{RUN}/0/ours", b"x").ok
            assert f"conformance-{RUN}/0/ours" in keys(server)
        assert keys(server) == sorted(FOREIGN)


def refused_at_opening(answer: Callable[[Request], Response]) -> list[tuple[str, str]]:
    """Return method and key of each request of a session that does not open, as one bucket stands behind every name."""
    asked: list[tuple[str, str]] = []

    def noted(request: Request) -> Response:
        asked.append((request.method, request.key))
        return answer(request)

    with (
        HttpFront(noted) as front,
        pytest.raises(OpeningError, match="does one bucket stand behind every name") as caught,
        open_session(endpoint(front.url, None), run_id=RUN),
    ):
        pass
    assert caught.value.usage
    return asked


def test_one_bucket_behind_every_name_is_refused_before_anything_is_sent_to_it() -> None:
    with Exemplar() as server:
        fill(server)
        asked = refused_at_opening(lambda request: Response(status=200) if request.method == "PUT" else listing(server))
    assert {method for method, _ in asked} == {"GET"}


def test_one_empty_bucket_that_answers_to_every_name_is_noticed_and_not_removed() -> None:
    def answer(request: Request) -> Response:
        if request.method == "GET":
            named = f"<Name>{request.bucket}</Name><IsTruncated>false</IsTruncated>"
            return Response(status=200, body=f"<ListBucketResult>{named}</ListBucketResult>".encode())
        return Response(status=200)

    assert {method for method, _ in refused_at_opening(answer)} == {"GET"}


def test_a_bucket_that_is_not_empty_right_after_it_was_made_is_left_alone() -> None:
    made: list[str] = []

    def answer(request: Request) -> Response:
        if request.method == "PUT":
            made.append(request.bucket)
            return Response(status=200)
        return listing(server) if made else Response(status=404, body=b"<Error><Code>NoSuchBucket</Code></Error>")

    with Exemplar() as server:
        fill(server)
        asked = refused_at_opening(answer)
        assert keys(server) == sorted(FOREIGN)
    assert {method for method, _ in asked} == {"GET", "PUT"}
    assert [key for method, key in asked if method == "PUT"] == [""]


@pytest.mark.parametrize("status", [403, 409, 500])
def test_a_bucket_that_was_refused_is_removed_only_where_it_may_have_been_made(status: int) -> None:
    def answer(request: Request) -> Response:
        done = server.handle(request)
        if request.method == "PUT" and not request.key:
            return Response(status=status, body=b"<Error><Code>Refused</Code></Error>")
        return done

    with Exemplar() as server:
        with HttpFront(answer) as front, pytest.raises(OpeningError), open_session(endpoint(front.url, None)):
            pass
        assert len(server.store.buckets) == (1 if status < 500 else 0)


def test_foreign_objects_in_a_listing_are_counted_and_nothing_is_called_left_behind() -> None:
    def answer(request: Request) -> Response:
        if request.method == "GET" and "list-type" in dict(request.query):
            return listing(server)
        return server.handle(request)

    recorder = Recorder()
    with Exemplar() as server:
        fill(server)
        with HttpFront(answer) as front, open_session(endpoint(front.url, "theirs"), run_id=RUN, recorder=recorder):
            pass
        assert keys(server) == sorted(FOREIGN)
    assert recorder.left_behind == ""
    count = sum(run_of(key) is None for key in FOREIGN)
    assert f"listings of bucket theirs name {count} objects outside the prefix" in recorder.note
    assert not any(key in recorder.note for key in FOREIGN)  # names are other people's data


def test_clean_counts_the_foreign_objects_of_a_listing() -> None:
    def answer(request: Request) -> Response:
        if request.method == "GET" and "list-type" in dict(request.query):
            return listing(server)
        return server.handle(request)

    with Exemplar() as server:
        fill(server)
        client = boto_client(server.url)
        client.put_object(Bucket="theirs", Key=f"conformance-{RUN}/0/ours", Body=b"x")
        client.close()
        with HttpFront(answer) as front:
            cleaned = list(
                clean_endpoint(endpoint(front.url, "theirs"), dry_run=False, older_than_s=0, only_runs=[RUN])
            )
        assert keys(server) == sorted(FOREIGN)
    assert [each.outcome for each in cleaned] == [Outcome.REMOVED, Outcome.NOTE]
    assert "objects outside the prefix" in cleaned[-1].text


@pytest.mark.parametrize("bucket", ["theirs", None])
def test_a_listing_that_does_not_show_the_runs_lease_is_not_believed(bucket: str | None) -> None:
    hides = False

    def answer(request: Request) -> Response:
        if hides and request.method == "GET" and "list-type" in dict(request.query):
            named = f"<Name>{request.bucket}</Name><IsTruncated>false</IsTruncated>"
            return Response(status=200, body=f"<ListBucketResult>{named}</ListBucketResult>".encode())
        return server.handle(request)

    recorder = Recorder()
    with Exemplar() as server:
        fill(server)
        with HttpFront(answer) as front, open_session(endpoint(front.url, bucket), run_id=RUN, recorder=recorder):
            hides = True
    assert f"it does not show 'conformance-{RUN}/lease', which is there" in recorder.left_behind


def test_a_batch_that_answers_with_a_page_is_not_taken_for_done() -> None:
    def answer(request: Request) -> Response:
        page = Response(status=200, body=b"<html><body>It works!</body></html>")
        return page if "delete" in request.query else server.handle(request)

    recorder = Recorder()
    with Exemplar() as server:
        fill(server)
        with (
            HttpFront(answer) as front,
            open_session(endpoint(front.url, "theirs"), run_id=RUN, recorder=recorder) as session,
        ):
            for number in range(3):
                assert session.wire.put(f"{session.fresh_prefix()}{number}", b"x").ok
        assert keys(server) == sorted(FOREIGN)
    assert recorder.left_behind == ""


def test_more_objects_than_are_kept_in_memory_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_conformance.conformance.backend.cleanup, "MOST_KEPT", 2)
    recorder = Recorder()
    with Exemplar() as server:
        fill(server)
        with open_session(endpoint(server.url, "theirs"), run_id=RUN, recorder=recorder) as session:
            for number in range(9):
                assert session.wire.put(f"{session.fresh_prefix()}{number}", b"x").ok
            for number in range(5):
                key = f"{session.fresh_prefix()}{number}"
                assert session.wire.request("POST", key, query=(("uploads", ""),)).ok
        assert keys(server) == sorted(FOREIGN)
        assert not server.store.buckets["theirs"].uploads
    assert recorder.left_behind == ""


@pytest.mark.parametrize("what", ["uploads", "versions"])
def test_a_listing_of_another_kind_could_not_be_listed(what: str) -> None:
    def answer(request: Request) -> Response:
        if hides and what in request.query and request.method == "GET":
            return Response(status=200, body=b"<Anything><IsTruncated>false</IsTruncated></Anything>")
        return server.handle(request)

    hides, recorder = False, Recorder()
    with Exemplar() as server:
        fill(server)
        client = boto_client(server.url)
        client.put_bucket_versioning(Bucket="theirs", VersioningConfiguration={"Status": "Enabled"})
        client.close()
        with HttpFront(answer) as front, open_session(endpoint(front.url, "theirs"), run_id=RUN, recorder=recorder):
            hides = True
    assert "<Anything> in place of <List" in recorder.left_behind


def test_keys_that_a_killed_search_for_limits_left_are_the_runs() -> None:
    assert run_of(f"conformance-{RUN}-3{'s' * 40}") == RUN
    assert run_of(f"conformance-{RUN}-3s") is None
    assert run_of(f"conformance-{RUN}-notes") is None


def test_a_bucket_that_a_clause_made_is_removed_at_the_end_or_told() -> None:
    refused = True

    def answer(request: Request) -> Response:
        if refused and request.method == "DELETE" and not request.key:
            return Response(status=403, body=b"<Error><Code>AccessDenied</Code></Error>")
        return server.handle(request)

    recorder = Recorder()
    with Exemplar() as server, HttpFront(answer) as front:
        fill(server)
        for refuses_for_ever in (False, True):
            refused = True
            with open_session(endpoint(front.url, "theirs"), run_id=RUN, recorder=recorder) as session:
                with own_bucket(session) as bucket:
                    pass
                assert bucket in server.store.buckets
                refused = refuses_for_ever
            assert (bucket in server.store.buckets) == refuses_for_ever
            assert (f"bucket {bucket} (removing it gave 403" in recorder.left_behind) == refuses_for_ever
        cleaned = list(clean_endpoint(endpoint(server.url, "theirs"), dry_run=False, only_runs=[RUN]))
        assert [each.outcome for each in cleaned] == [Outcome.REMOVED]
        assert list(server.store.buckets) == ["theirs"]


def test_a_run_is_cleaned_by_its_id_where_buckets_may_not_be_listed() -> None:
    def answer(request: Request) -> Response:
        if not request.bucket:
            return Response(status=403, body=b"<Error><Code>AccessDenied</Code></Error>")
        return server.handle(request)

    with Exemplar() as server, HttpFront(answer) as front:
        client = boto_client(server.url)
        client.create_bucket(Bucket=f"conformance-{RUN}")
        client.put_object(Bucket=f"conformance-{RUN}", Key=f"conformance-{RUN}/0/a", Body=b"x")
        client.close()
        cleaned = list(clean_endpoint(endpoint(front.url, None), dry_run=False, only_runs=[RUN]))
        assert [each.outcome for each in cleaned] == [Outcome.REMOVED]
        assert not server.store.buckets
        with pytest.raises(OpeningError, match="listing the buckets"):
            list(clean_endpoint(endpoint(front.url, None), dry_run=False, only_runs=[RUN]))
