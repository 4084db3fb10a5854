"""What cannot be removed keeps nothing else from being removed, and is named at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from conformance.leftovers import clean_endpoint
from conformance.opening_error import OpeningError
from conformance.target import S3Endpoint
from tests.faulty.exemplar import Exemplar
from tests.faulty.exemplar_http import HttpFront
from tests.faulty.exemplar_types import Request, Response
from tests.faulty.raw_client import boto_client

FIRST, SECOND = "conformance-00000001-aaaaaa", "conformance-00000002-bbbbbb"
KEPT = f"{FIRST}/0/kept"


@contextmanager
def front_that_keeps(server: Exemplar, what: str) -> Iterator[str]:
    """Serve ``server`` by a front that refuses to delete what has ``what`` in its path or in its batch."""

    def answer(request: Request) -> Response:
        batch = request.method == "POST" and "delete" in dict(request.query)
        named = what in f"{request.bucket}/{request.key}" or (batch and what.encode() in request.body)
        if named and (batch or request.method == "DELETE"):
            return Response(status=403, body=b"<Error><Code>AccessDenied</Code></Error>")
        return server.handle(request)

    with HttpFront(answer) as front:
        yield front.url


def cleaned(url: str, bucket: str | None) -> tuple[list[str], str]:
    """What was said to be removed, and the error at the end."""
    endpoint = S3Endpoint(url=url, access_key="exemplar", secret_key="exemplar-secret", bucket=bucket)
    said: list[str] = []
    with pytest.raises(OpeningError) as caught:  # noqa: PT012 - what came before the error counts
        for line in clean_endpoint(endpoint, dry_run=False):
            said.append(line)
    return said, str(caught.value)


def test_a_bucket_that_cannot_be_removed_does_not_keep_the_next() -> None:
    with Exemplar() as server, front_that_keeps(server, FIRST) as url:
        client = boto_client(server.url)
        for bucket in (FIRST, SECOND):
            client.create_bucket(Bucket=bucket)
        client.close()
        said, error = cleaned(url, None)
        assert said == [f"bucket {SECOND}"]
        assert list(server.store.buckets) == [FIRST]
        assert error == f"could not remove bucket {FIRST} (removing it gave 403 AccessDenied)"


def test_an_object_that_stays_is_not_said_to_be_removed_and_the_others_go() -> None:
    with Exemplar() as server, front_that_keeps(server, KEPT) as url:
        client = boto_client(server.url)
        client.create_bucket(Bucket="theirs")
        for key in (KEPT, f"{FIRST}/0/goes", f"project/{SECOND}/FILE/goes", "notes.txt"):
            client.put_object(Bucket="theirs", Key=key, Body=b"x")
        said, error = cleaned(url, "theirs")
        assert said == [f"1 object below theirs/{prefix}conformance-*" for prefix in ("", "project/")]
        left = [item["Key"] for item in client.list_objects_v2(Bucket="theirs")["Contents"]]
        client.close()
        assert sorted(left) == sorted([KEPT, "notes.txt"])
        assert error == f"could not remove 1 object from bucket theirs, such as '{KEPT}'"
