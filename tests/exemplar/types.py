"""Requests, responses and errors of the exemplary server: plain values, no sockets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final
from urllib.parse import quote, unquote_to_bytes

Headers = tuple[tuple[str, str], ...]

UNRESERVED: Final = "-._~"
SIGNATURE_PARAMETERS: Final = frozenset(
    {
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-SignedHeaders",
        "X-Amz-Signature",
        "X-Amz-Security-Token",
        "X-Amz-Content-Sha256",
    }
)
"""Query parameters that belong to a signed URL and say nothing about the operation."""


class S3Error(Exception):
    """A refusal, with the status and code of Amazon S3; ``fields`` are further elements of the error body."""

    def __init__(
        self, status: int, code: str, message: str = "", *, headers: Headers = (), fields: Headers = ()
    ) -> None:
        super().__init__(status, code, message)
        self.status = status
        self.code = code
        self.message = message or code
        self.headers = headers
        self.fields = fields


def _decode(raw: str, *, plus: bool) -> str:
    data = unquote_to_bytes((raw.replace("+", " ") if plus else raw).encode("latin-1"))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise S3Error(400, "InvalidURI", "Couldn't parse the specified URI.") from None


def split_query(raw: str) -> list[tuple[str, str]]:
    """Return the decoded pairs of a raw query string, in order; a name without ``=`` has the value ``""``."""
    pairs = (part.partition("=") for part in raw.split("&") if part)
    return [(_decode(name, plus=True), _decode(value, plus=True)) for name, _, value in pairs]


def join_query(pairs: Iterable[tuple[str, str]]) -> str:
    return "&".join(f"{quote(name, safe=UNRESERVED)}={quote(value, safe=UNRESERVED)}" for name, value in pairs)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as it arrived. ``target`` is the raw request target; header values are Latin-1 text.

    ``body`` is what followed the head, freed of HTTP's own chunked coding but not of ``aws-chunked``. ``truncated``
    says that the client went away before the announced length: only faults that request them ever get one.
    """

    method: str
    target: str
    headers: Headers = ()
    body: bytes = b""
    truncated: bool = False

    @cached_property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @cached_property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The decoded query pairs, in order, repeats included."""
        return tuple(split_query(self.target.partition("?")[2]))

    @cached_property
    def query(self) -> Mapping[str, str]:
        """The decoded query; the first value where a name repeats."""
        return dict(reversed(self.pairs))

    @cached_property
    def _header_map(self) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for name, value in self.headers:
            lower = name.lower()
            found[lower] = f"{found[lower]},{value}" if lower in found else value
        return found

    def header(self, name: str, default: str = "") -> str:
        """Return the value of the header ``name`` (any case); repeated headers are joined by commas."""
        return self._header_map.get(name.lower(), default)

    def has_header(self, name: str) -> bool:
        return name.lower() in self._header_map

    @cached_property
    def bucket(self) -> str:
        return _decode(self.path[1:].partition("/")[0], plus=False)

    @cached_property
    def key(self) -> str:
        """The object key, decoded once; ``""`` for requests on a bucket or on the service."""
        return _decode(self.path[1:].partition("/")[2], plus=False)

    @property
    def is_presigned(self) -> bool:
        return "X-Amz-Signature" in self.query

    def is_object(self, *methods: str) -> bool:
        """Whether this is a plain object request (no sub-resource, no copy) by one of ``methods``."""
        plain = SIGNATURE_PARAMETERS | {"x-id"}
        return (
            self.method in methods
            and self.key != ""
            and all(name in plain or name.startswith("response-") for name in self.query)
            and not self.has_header("x-amz-copy-source")
        )

    def is_listing(self) -> bool:
        """Whether this lists objects (V1 or V2)."""
        others = {"uploads", "versions", "versioning", "lifecycle", "location", "acl", "policy", "tagging", "cors"}
        return self.method == "GET" and self.bucket != "" and self.key == "" and not others & self.query.keys()

    def is_batch_delete(self) -> bool:
        return self.method == "POST" and self.key == "" and "delete" in self.query

    def with_key(self, key: str) -> Request:
        """Return the request on another key. It needs ``forward.trusted``: the signature no longer fits."""
        query = self.target.partition("?")[1:]
        path = f"/{quote(self.bucket, safe=UNRESERVED)}/{quote(key, safe=UNRESERVED + '/')}"
        return replace(self, target=path + "".join(query))

    def with_query(self, *, drop: Iterable[str] = (), **values: str) -> Request:
        """Return the request with query parameters dropped or set; underscores in names stand for hyphens."""
        named = {name.replace("_", "-"): value for name, value in values.items()}
        gone = {*drop, *named}
        kept = [pair for pair in self.pairs if pair[0] not in gone]
        joined = join_query([*kept, *named.items()])
        return replace(self, target=self.path + (f"?{joined}" if joined else ""))

    def with_header(self, name: str, value: str | None) -> Request:
        """Return the request with the header set, or removed where ``value`` is ``None``."""
        kept = tuple(pair for pair in self.headers if pair[0].lower() != name.lower())
        return replace(self, headers=kept if value is None else (*kept, (name, value)))

    def with_body(self, body: bytes) -> Request:
        """Return the request with another body and the Content-Length that fits; digests of the old one are dropped."""
        request = replace(self, body=body)
        for name in ("content-length", "content-md5", "x-amz-content-sha256", "x-amz-sdk-checksum-algorithm"):
            request = request.with_header(name, None)
        kept = tuple(pair for pair in request.headers if not pair[0].lower().startswith("x-amz-checksum-"))
        return replace(request, headers=(*kept, ("Content-Length", str(len(body)))))

    def unsigned(self) -> Request:
        """Return the request freed of every trace of a signature, as ``forward.trusted`` takes it."""
        bare = self.with_header("Authorization", None)
        if not SIGNATURE_PARAMETERS & self.query.keys():
            return bare
        return bare.with_query(drop=SIGNATURE_PARAMETERS)


@dataclass(frozen=True, kw_only=True)
class Response:
    """One answer. The front writes Content-Length; the last three fields let a fault misbehave on the wire.

    ``cut_after``: send only so many bytes of the body, then drop the connection. ``hang_up``: drop it without any
    answer. ``junk_after``: bytes written behind the body, so that the next answer on the connection is garbage.
    """

    status: int
    headers: Headers = ()
    body: bytes = b""
    cut_after: int | None = None
    hang_up: bool = False
    junk_after: bytes = b""

    def header(self, name: str, default: str = "") -> str:
        return next((value for key, value in self.headers if key.lower() == name.lower()), default)

    def with_header(self, name: str, value: str | None) -> Response:
        """Return the answer with the header set, or removed where ``value`` is ``None``."""
        kept = tuple(pair for pair in self.headers if pair[0].lower() != name.lower())
        return replace(self, headers=kept if value is None else (*kept, (name, value)))

    def with_body(self, body: bytes) -> Response:
        """Return the answer with another body, and the length that fits."""
        return replace(self.with_header("Content-Length", None), body=body)
