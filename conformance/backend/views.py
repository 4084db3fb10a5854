"""Views of a backend that do not use the storage under test."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote_plus

from bucket_conformance.conformance.verdict import ViewError
from bucket_conformance.conformance.wire.s3 import S3Wire
from bucket_conformance.conformance.wire.transport import HttpResponse

WRITE_RETRIES: Final = 3
"""How often a write that the backend failed (5xx, no answer) is tried again."""

MOST_PAGES: Final = 1000
"""Most pages of one listing: a million keys, where pages have a thousand."""

MOST_KEY_BYTES: Final = 48 * 1024 * 1024
"""Most bytes of all keys of one listing, as they are all held in memory."""

MOST_KEY_CHARACTERS: Final = 64 * 1024
"""No backend accepts longer keys; a longer key in a listing is not ours, and would fill the report."""

LISTING_S: Final = 600.0
"""Seconds that all pages of a listing may take together."""


class S3View:
    """A view of a bucket by plain requests."""

    def __init__(self, wire: S3Wire) -> None:
        self._wire = wire

    def keys(self, prefix: str) -> list[str]:
        return sorted(set(self._listed(prefix)))

    def _listed(self, prefix: str) -> Iterator[str]:
        token: str | None = None
        seen: set[str] = set()
        size, ends = 0, time.monotonic() + LISTING_S
        for page in itertools.count(1):
            query = [("list-type", "2"), ("encoding-type", "url"), ("prefix", prefix)]
            if token is not None:
                query.append(("continuation-token", token))
            response = self._wire.request("GET", query=sorted(query))
            root = response.xml()
            if not response.ok or root is None or root.tag != "ListBucketResult":
                raise ViewError(f"listing {prefix!r}: {response.summary}", status=response.status)
            encoded = root.findtext("EncodingType") == "url"
            for entry in root.iterfind("Contents"):
                key = entry.findtext("Key") or ""
                size += len(key)
                if len(key) > MOST_KEY_CHARACTERS:
                    raise ViewError(f"listing {prefix!r} gives a key of {len(key)} characters: {key[:40]!r}…")
                yield unquote_plus(key) if encoded else key
            token = root.findtext("NextContinuationToken")
            if root.findtext("IsTruncated") != "true" or not token:
                return
            if token in seen:
                raise ViewError(f"listing {prefix!r} never ends: continuation token {token!r} came twice")
            seen.add(token)
            if page >= MOST_PAGES or size > MOST_KEY_BYTES or time.monotonic() > ends:
                raise ViewError(
                    f"listing {prefix!r} did not end: {page} pages came, with {size} bytes of keys, "
                    "and the last says that there is more"
                )

    def read(self, key: str) -> bytes | None:
        response = self._wire.get(key)
        if response.status == 404:
            return None
        self._require(response, "reading", key)
        return response.body

    def write(self, key: str, body: bytes) -> None:
        response = self._wire.put(key, body)
        for _ in range(WRITE_RETRIES):
            if response.status < 500 and response.status != 0:
                break
            # Setting up is no clause's promise: a client tries again after a 5xx, and so do we.
            response = self._wire.put(key, body)
        self._require(response, "writing", key)

    @staticmethod
    def _require(response: HttpResponse, doing: str, key: str) -> None:
        if not response.ok:
            raise ViewError(f"{doing} {key!r}: {response.summary}", status=response.status)


class DiskView:
    """A view of a file tree by the operating system."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def keys(self, prefix: str) -> list[str]:
        # Walking starts at the deepest folder that the prefix names whole, as a root may hold very much else.
        start = self._root / prefix.rpartition("/")[0]
        found = []
        for folder, _, files in os.walk(start):
            relative = Path(folder).relative_to(self._root)
            for name in files:
                key = name if relative == Path() else f"{relative.as_posix()}/{name}"
                if key.startswith(prefix):
                    found.append(key)
        return sorted(found)

    def read(self, key: str) -> bytes | None:
        try:
            return (self._root / key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, key: str, body: bytes) -> None:
        path = self._root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
