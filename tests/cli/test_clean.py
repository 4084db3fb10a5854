"""``conformance clean`` removes what a run told it could not."""

from __future__ import annotations

from pathlib import Path

from tests.cli.running import KEYS, conformance
from tests.faulty.exemplar import Exemplar
from tests.faulty.exemplar_http import HttpFront
from tests.faulty.exemplar_types import Request, Response


def test_what_an_endpoint_does_not_let_go_is_told_with_the_command_that_tries_again(tmp_path: Path) -> None:
    def keeps_buckets(request: Request) -> Response:
        if request.method == "DELETE" and not request.key:
            return Response(status=403, body=b"<Error><Code>AccessDenied</Code></Error>")
        return server.handle(request)

    with Exemplar() as server:
        with HttpFront(keeps_buckets) as front:
            done = conformance(tmp_path, "run", "--endpoint", front.url, "--quick", "--clause", "URL-001", **KEYS)
        [bucket] = server.store.buckets
        assert f"could not be removed: bucket {bucket} (removing it gave 403 AccessDenied)" in done.stderr
        assert "`conformance clean` with --endpoint or --env tries again" in done.stderr
        cleaned = conformance(tmp_path, "clean", "--endpoint", server.url, **KEYS)
        assert (cleaned.returncode, cleaned.stdout) == (0, f"removed bucket {bucket}\n")
        assert server.store.buckets == {}
