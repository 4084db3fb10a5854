"""``conformance clean`` removes what a run reported as left, keeps what may be in use, and names both."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.cli.running import KEYS, conformance
from tests.exemplar.http import HttpFront
from tests.exemplar.raw_client import boto_client
from tests.exemplar.server import Exemplar
from tests.exemplar.types import Request, Response


def test_what_cannot_be_removed_is_reported_with_the_command_that_tries_again(tmp_path: Path) -> None:
    def keeps_buckets(request: Request) -> Response:
        if request.method == "DELETE" and not request.key:
            return Response(status=403, body=b"<Error><Code>AccessDenied</Code></Error>")
        return server.handle(request)

    with Exemplar() as server:
        with HttpFront(keeps_buckets) as front:
            done = conformance(tmp_path, "run", "--endpoint", front.url, "--quick", "--clause", "URL-001", **KEYS)
        [bucket] = server.store.buckets
        assert f"could not be removed: bucket {bucket} (removing it gave 403 AccessDenied)" in done.stderr
        run_id = bucket.removeprefix("conformance-")
        assert f"conformance clean --endpoint {front.url} --region us-east-1 --run {run_id}\n" in done.stderr
        kept = conformance(tmp_path, "clean", "--endpoint", server.url, **KEYS)
        run_id = bucket.removeprefix("conformance-")
        assert (kept.returncode, kept.stderr) == (0, "")
        assert kept.stdout.startswith(f"kept bucket {bucket}: ")
        assert kept.stdout.endswith(f" ago; `--older-than 0` or `--run {run_id}` removes it if that run is over\n")
        cleaned = conformance(tmp_path, "clean", "--endpoint", server.url, "--run", run_id, **KEYS)
        assert (cleaned.returncode, cleaned.stderr) == (0, "")
        assert cleaned.stdout.startswith(f"removed bucket {bucket} (")
        assert server.store.buckets == {}


def test_a_listing_that_fails_is_a_message_and_code_3(tmp_path: Path) -> None:
    def lists_no_projects(request: Request) -> Response:
        if dict(request.query).get("prefix", "").startswith("project/"):
            return Response(status=500, body=b"<Error><Code>InternalError</Code></Error>")
        return server.handle(request)

    with Exemplar() as server, HttpFront(lists_no_projects) as front:
        client = boto_client(server.url)
        client.create_bucket(Bucket="theirs")
        client.put_object(Bucket="theirs", Key="conformance-00000001-aaaaaa/0/a", Body=b"x")
        client.close()
        options = ("--endpoint", front.url, "--bucket", "theirs", "--older-than", "0")
        dry = conformance(tmp_path, "clean", *options, "--dry-run", **KEYS)
    assert dry.returncode == 3
    assert dry.stderr == (
        "conformance: bucket theirs could not be listed: listing 'project/conformance-': 500 InternalError\n"
    )
    assert dry.stdout.startswith("would remove 1 object of run 00000001-aaaaaa in bucket theirs (")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--older-than", "5"), "--older-than: '5' is no span of time"),
        (("--older-than", "-1d"), "expected one argument"),
        (("--older-than", "1 day"), "--older-than: '1 day' is no span of time"),
        (("--run", "00000001-aaaaaa"), "--run goes with --endpoint or --env"),
        (("--run", "1", "--endpoint", "http://127.0.0.1:1"), "--run: '1' is no id of a run; one looks like "),
    ],
)
def test_options_that_cannot_be_used_are_reported(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    done = conformance(tmp_path, "clean", *options, **KEYS)
    assert done.returncode == 2
    assert said in done.stderr
