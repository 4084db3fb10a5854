"""An exemplary S3 server in memory: it has Amazon S3's documented behaviour for everything in the contract.

    with Exemplar("access", "secret") as server:
        client = boto3.client("s3", endpoint_url=server.url, ...)

or ``python -m tests.exemplar.server --port 9000``. Path-style addressing only.
"""

from __future__ import annotations

import argparse
import threading
from typing import Self

from tests.exemplar.http import HttpFront
from tests.exemplar.router import handle
from tests.exemplar.sigv4 import Credentials
from tests.exemplar.store import Store
from tests.exemplar.types import Request, Response


class Exemplar:
    """The server. ``url`` is its endpoint once entered; ``store`` is what it keeps; ``handle`` skips HTTP."""

    def __init__(
        self,
        access_key: str = "exemplar",
        secret_key: str = "exemplar-secret",
        *,
        region: str = "us-east-1",
        port: int = 0,
    ) -> None:
        self.credentials = Credentials(access_key=access_key, secret_key=secret_key, region=region)
        self.store = Store()
        self._port = port
        self._front: HttpFront | None = None

    @property
    def url(self) -> str:
        if self._front is None:
            raise RuntimeError("the exemplary server is not running; enter it with 'with Exemplar(...) as server'")
        return self._front.url

    def handle(self, request: Request, *, trusted: bool = False) -> Response:
        return handle(self.store, self.credentials, request, trusted=trusted)

    def __enter__(self) -> Self:
        self._front = HttpFront(self.handle, port=self._port).__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        if self._front is not None:
            self._front.close()
            self._front = None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.exemplar.server", description="Serve S3 from memory.")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--access-key", default="exemplar")
    parser.add_argument("--secret-key", default="exemplar-secret")
    parser.add_argument("--region", default="us-east-1")
    given = parser.parse_args()
    with Exemplar(given.access_key, given.secret_key, region=given.region, port=given.port) as server:
        print(server.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
