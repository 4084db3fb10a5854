"""The clean-up touches nothing that is not the run's, whatever a listing says."""

from __future__ import annotations

import pytest

from bucket_conformance.conformance.backend.errors import OpeningError
from bucket_conformance.conformance.backend.opening import open_session
from bucket_conformance.conformance.target import S3Endpoint
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


def test_one_bucket_behind_every_name_is_refused_before_anything_is_written_or_removed() -> None:
    asked: list[tuple[str, str]] = []

    def answer(request: Request) -> Response:
        asked.append((request.method, request.key))
        return Response(status=200) if request.method == "PUT" else listing(server)

    with Exemplar() as server:
        fill(server)
        with (
            HttpFront(answer) as front,
            pytest.raises(OpeningError, match="does one bucket stand behind every name") as caught,
            open_session(endpoint(front.url, None), run_id=RUN),
        ):
            pass
        assert caught.value.usage
        assert {method for method, _ in asked} == {"GET", "PUT"}
        assert [key for method, key in asked if method == "PUT"] == [""]
