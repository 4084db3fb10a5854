"""A running URL server and a plain HTTP client for it."""

from __future__ import annotations

import http.client
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bucket_conformance.reference_impl.local import LocalStorage
from bucket_conformance.reference_impl.signed_urls import UrlServer

SECRET = b"0123456789abcdef0123456789abcdef"
BODY = bytes(range(256)) * 40


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def code(self) -> str | None:
        return ET.fromstring(self.body).findtext("Code")


def call(url: str, method: str = "GET", *, headers: dict[str, str] | None = None, body: bytes | None = None) -> Answer:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    try:
        target = url.split(parts.netloc, 1)[1]
        connection.request(method, target, body=body, headers=headers or {})
        return Answer(connection.getresponse())
    finally:
        connection.close()


@pytest.fixture(scope="module", name="server")
def running_server() -> Iterator[UrlServer]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        root.mkdir()
        with UrlServer(LocalStorage(root, secret=SECRET)) as running:
            yield running


@pytest.fixture(name="storage")
def storage_with_object(server: UrlServer) -> LocalStorage:
    server.storage.upload("project/p/FILE/k", BODY, content_type="text/plain")
    return server.storage


@pytest.fixture(name="url")
def url_of_object(storage: LocalStorage) -> str:
    return storage.signed_url("project/p/FILE/k", 'na"me\r\nX-Evil: 1.txt')


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "nothing happened in 10 s"
        time.sleep(0.01)
