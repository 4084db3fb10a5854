"""The table of hostile modes: what the server sends instead of a correct response, and how a run must end."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote
from xml.sax.saxutils import escape

from tests.exemplar.types import Response
from tests.hostile.server import FOREIGN, OTHER, SHARED, Mode, Turn

Respond = Callable[[Turn], bool | None]

LATER: Final = 30
"""The number of requests with correct responses before a server becomes hostile, in the middle of the clauses."""

MIB: Final = 1024 * 1024
HTML: Final = b"<html><head><title>Login</title></head><body><p>Please log in.</p></body></html>"


def _always(status: int, body: bytes = b"", *headers: str, length: str | None = None) -> Respond:
    def respond(turn: Turn) -> bool:
        turn.respond(status, body, *headers, length=length)
        return length is None

    return respond


def _error(status: int, code: str) -> Respond:
    return _always(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())


def _raw(data: bytes) -> Respond:
    def respond(turn: Turn) -> bool:
        turn.send(data)
        return False

    return respond


def _endless(head: bytes, piece: bytes) -> Respond:
    def respond(turn: Turn) -> bool:
        turn.send(head)
        while not turn.ended.is_set():
            turn.send(piece)
        return False

    return respond


def _dripping(head: bytes, piece: bytes = b"x") -> Respond:
    """Send a piece again and again, each soon enough for a timeout that starts anew with every byte."""

    def respond(turn: Turn) -> bool:
        turn.send(head)
        while True:
            turn.drip(piece)

    return respond


def _silent(head: bytes = b"") -> Respond:
    def respond(turn: Turn) -> bool:
        turn.send(head)
        turn.pause(60)
        return False

    return respond


def _elsewhere(status: int) -> Respond:
    def respond(turn: Turn) -> bool:
        turn.respond(
            status, b"", f"Location: http://127.0.0.1:{turn.decoy}/{SHARED}/", "x-amz-bucket-region: eu-moon-1"
        )
        return True

    return respond


def _in_circles(turn: Turn) -> bool:
    turn.respond(307, b"", f"Location: {turn.request.target}")
    return True


def _closing_at(part: bytes) -> Respond:
    return _raw(part)


_OK: Final = b"HTTP/1.1 200 OK\r\n"

EVERYTHING: Final[dict[str, Respond]] = {
    # Statuses.
    "status 200 without a body": _always(200),
    "status 200 with a page": _always(200, HTML, "Content-Type: text/html"),
    "status 200 with an XHTML page": _always(200, b"<!DOCTYPE html>" + HTML, "Content-Type: text/html"),
    "status 200 with JSON": _always(200, b'{"ok": true}', "Content-Type: application/json"),
    "status 204": _always(204, length=""),
    "status 206": _always(206, b"part", "Content-Range: bytes 0-3/4"),
    "status 302 in circles": _in_circles,
    "status 302 to another host": _elsewhere(302),
    "status 307 to another host": _elsewhere(307),
    "status 301 to another host": _elsewhere(301),
    "status 304": _always(304, length=""),
    "status 400": _error(400, "InvalidRequest"),
    "status 401": _always(401, HTML, "WWW-Authenticate: Basic realm=x"),
    "status 403": _error(403, "AccessDenied"),
    "status 403 with a page": _always(403, b"<!DOCTYPE html>" + HTML, "Content-Type: text/html"),
    "status 404": _error(404, "NoSuchBucket"),
    "status 500": _error(500, "InternalError"),
    "status 503": _error(503, "SlowDown"),
    "status 503 with a page": _always(503, HTML, "Retry-After: 86400"),
    "status 999": _always(999, b"what"),
    "status that is no number": _raw(b"HTTP/1.1 OK fine\r\n\r\n"),
    # Framing.
    "interim responses without end": _endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "one interim response, then the end": _raw(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "one interim response, then nothing": _silent(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "one header line without end": _endless(_OK + b"X-A: ", b"a" * 65536),
    "headers without end": _endless(_OK, b"X-A: b\r\n"),
    "headers of 900 KiB": _always(200, b"", *(f"X-H{number}: {'v' * 10_000}" for number in range(90))),
    "bytes that are no header": _raw(_OK + b"\xff\xfe\x00: \x80\r\nno colon here\r\n\r\n"),
    "a length of 2^62": _always(200, b"short", length=str(2**62)),
    "a length of 5000 digits": _always(200, b"short", length="9" * 5000),
    "a length below zero": _always(200, b"short", length="-7"),
    "a length that is a word": _always(200, b"short", length="many"),
    "two different lengths": _always(200, b"short", "Content-Length: 3"),
    "a length that is too short": _always(200, b"x" * 50, length="10"),
    "a length that is too long": _always(200, b"x" * 50, length="100"),
    "chunks of garbage": _raw(_OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nnot a chunk\r\n"),
    "a chunk of 2^62": _raw(_OK + b"Transfer-Encoding: chunked\r\n\r\n4000000000000000\r\nx"),
    "a chunk below zero": _raw(_OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nx"),
    "a chunk extension without end": _endless(_OK + b"Transfer-Encoding: chunked\r\n\r\n5;", b"e" * 65536),
    "chunks without end": _endless(_OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"c" * 4096 + b"\r\n"),
    "a body without end": _endless(_OK + b"\r\n", b"b" * 65536),
    "gzip": _always(200, b"\x1f\x8b\x08\x00" + bytes(range(200)), "Content-Encoding: gzip"),
    "a response to another protocol": _raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "a body with no head": _raw(HTML),
    # Time.
    "nothing": _silent(),
    "half a status line, then nothing": _silent(b"HTTP/1.1 2"),
    "half a head, then nothing": _silent(_OK + b"Content-Length: 5\r\nX-"),
    "half a body, then nothing": _silent(_OK + b"Content-Length: 50\r\n\r\nhalf"),
    "a status line that drips": _dripping(b"", b"HTTP/1.1 200 O"),
    "headers that drip": _dripping(_OK, b"X-A: b\r\n"),
    "a body that drips": _dripping(_OK + b"Content-Length: 100000\r\n\r\n"),
    "chunks that drip": _dripping(_OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    # The connection.
    "the end before a response": _closing_at(b""),
    "the end within the status line": _closing_at(b"HTTP/1.1 20"),
    "the end within the headers": _closing_at(_OK + b"Content-Len"),
    "the end within the body": _closing_at(_OK + b"Content-Length: 100\r\n\r\nonly"),
}
"""The responses of a server to every request."""


def _greet(data: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(data)


GREETINGS: Final[dict[str, Callable[[socket.socket], None]]] = {
    "the end as soon as connected": _greet(b""),
    "a TLS alert as soon as connected": _greet(b"\x15\x03\x01\x00\x02\x02\x46"),
    "a response before the request": _greet(_OK + b"Content-Length: 0\r\n\r\n"),
}


def _xml_everywhere(body: bytes) -> Respond:
    def respond(turn: Turn) -> bool | None:
        if turn.request.method not in ("GET", "POST") or turn.request.key:
            return None
        turn.respond(200, body, "Content-Type: application/xml")
        return True

    return respond


def _listing(
    *keys: str, name: str = SHARED, truncated: bool = False, token: str = "", root: str = "ListBucketResult"
) -> bytes:
    contents = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        f"<ETag>&quot;0&quot;</ETag><Size>6</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for key in keys
    )
    more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    return (
        f'<{root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>{name}</Name><Prefix></Prefix>'
        f"<KeyCount>{len(keys)}</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>{str(truncated).lower()}</IsTruncated>"
        f"{contents}{more}</{root}>"
    ).encode()


def _listed(make: Callable[[Turn], bytes]) -> Respond:
    def respond(turn: Turn) -> bool | None:
        if not turn.is_listing:
            return None
        turn.respond(200, make(turn), "Content-Type: application/xml")
        return True

    return respond


def _changed(old: bytes, new: bytes) -> Respond:
    """Answer listings correctly except for one change."""

    def respond(turn: Turn) -> bool | None:
        if not turn.is_listing:
            return None
        good: Response = turn.good()
        turn.respond(good.status, good.body.replace(old, new), "Content-Type: application/xml")
        return True

    return respond


_ENTITY: Final = (
    b'<?xml version="1.0"?><!DOCTYPE ListBucketResult [<!ENTITY one "a-letter">]>'
    b"<ListBucketResult><Name>%s</Name><IsTruncated>false</IsTruncated>"
    b"<Contents><Key>&one;</Key></Contents></ListBucketResult>"
) % SHARED.encode()

LISTINGS: Final[dict[str, Respond]] = {
    "XML that declares an entity": _xml_everywhere(_ENTITY),
    "XML that declares an attribute": _xml_everywhere(
        _ENTITY.replace(b'ENTITY one "a-letter"', b'ATTLIST a b CDATA "c"')
    ),
    "XML of 10 thousand levels": _xml_everywhere(b"<a>" * 10_000 + b"</a>" * 10_000),
    "XML of 500 thousand elements": _xml_everywhere(b"<r>" + b"<a/>" * 500_000 + b"</r>"),
    "XML with NUL bytes": _xml_everywhere(_listing("a\0b")),
    "XML with binary junk": _xml_everywhere(b"<ListBucketResult>\x01\x02\xff\xfe</ListBucketResult>"),
    "XML in UTF-16": _xml_everywhere(_listing(*FOREIGN).decode().encode("utf-16")),
    "XML in EBCDIC": _xml_everywhere(b"<?xml version='1.0' encoding='cp037'?>" + _listing().decode().encode("cp037")),
    "XML that ends too early": _xml_everywhere(_listing(*FOREIGN)[:-30]),
    "XML of 40 MiB": _xml_everywhere(b"<ListBucketResult><Name>" + b"n" * (40 * MIB) + b"</Name></ListBucketResult>"),
    "a listing in another namespace": _changed(b"http://s3.amazonaws.com/doc/2006-03-01/", b"urn:something:else"),
    "a listing with another root": _changed(b"ListBucketResult", b"ListAllMyBucketsResult"),
    "a listing of another bucket": _listed(lambda turn: _listing(*FOREIGN, name=OTHER)),
    "a listing that ignores the prefix": _listed(lambda turn: _listing(*FOREIGN)),
    "a listing of what is not there": _listed(lambda turn: _listing("theirs/one", "theirs/two")),
    "a listing that is empty, whatever is there": _listed(lambda turn: _listing()),
    "a listing with an empty key": _listed(lambda turn: _listing("")),
    "a listing with a key of a MiB": _listed(lambda turn: _listing("k" * MIB)),
    "a listing that goes on without a token": _listed(lambda turn: _listing(truncated=True)),
    "a listing that goes on with the same token": _listed(lambda turn: _listing(truncated=True, token="again")),
    "a listing that never ends": _listed(
        lambda turn: _listing(f"theirs/{turn.number:09}", truncated=True, token=f"t{turn.number}")
    ),
    "a listing that never ends, empty": _listed(lambda turn: _listing(truncated=True, token=f"t{turn.number}")),
    "a listing that never ends, with full pages": _listed(
        lambda turn: _listing(
            *(f"theirs/{turn.number:09}/{'k' * 900}/{at}" for at in range(1000)),
            truncated=True,
            token=f"t{turn.number}",
        )
    ),
    "listings that fail": lambda turn: _error(500, "InternalError")(turn) if turn.is_listing else None,
    "listings that are pages": lambda turn: _always(200, HTML)(turn) if turn.is_listing else None,
    "listings that never come": lambda turn: _silent()(turn) if turn.is_listing else None,
}
"""The responses of a server to requests on the bucket only; objects are served correctly."""


def _without_prefix(target: str) -> str:
    return re.sub(r"(?<=[?&])prefix=[^&]*&?", "", target)


def _decoded_twice(target: str) -> str:
    path, mark, query = target.partition("?")
    return path + mark + unquote(query, "latin-1").partition("#")[0]


def _in_one_bucket(target: str) -> str:
    return re.sub(r"^/[^/?]+", f"/{SHARED}", target)


def _behind_a_proxy(change: Callable[[str], str], *, of_listings: bool) -> Respond:
    def respond(turn: Turn) -> bool | None:
        lists = turn.request.method == "GET" and not turn.request.key and "prefix" in turn.request.query
        target = change(turn.request.target)
        if target == turn.request.target or (of_listings and not lists):
            return None
        answer: Response = turn.passed_on(target)
        turn.respond(answer.status, answer.body, *(f"{name}: {value}" for name, value in answer.headers))
        return True

    return respond


PROXIES: Final[dict[str, Respond]] = {
    "a proxy that takes the prefix away": _behind_a_proxy(_without_prefix, of_listings=True),
    "a proxy that decodes the query twice": _behind_a_proxy(_decoded_twice, of_listings=True),
    "a proxy that sends every name to one bucket": _behind_a_proxy(_in_one_bucket, of_listings=False),
}
"""Proxies in front of a correct server that change the target: three that would lose other people's objects."""


def _on(*methods: str, do: Respond) -> Respond:
    return lambda turn: do(turn) if turn.request.key and turn.request.method in methods else None


def _date(text: str) -> Respond:
    def respond(turn: Turn) -> bool:
        good = turn.good()
        turn.respond(good.status, good.body, f"Date: {text}", *(f"{name}: {value}" for name, value in good.headers))
        return True

    return respond


def _batches(turn: Turn) -> bool | None:
    if turn.request.method != "POST" or "delete" not in turn.request.query:
        return None
    gone = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in FOREIGN)
    turn.respond(200, f"<DeleteResult>{gone}</DeleteResult>".encode(), "Content-Type: application/xml")
    return True


OBJECTS: Final[dict[str, Respond]] = {
    "downloads without end": _on("GET", do=_endless(_OK + b"\r\n", b"b" * 65536)),
    "downloads of 2^62 bytes": _on("GET", do=_always(200, b"short", length=str(2**62))),
    "downloads that are too long": _on("GET", do=_always(200, b"x" * 5000)),
    "downloads that drip": _on("GET", do=_dripping(_OK + b"Content-Length: 100000\r\n\r\n")),
    "downloads that are gzipped": _on("GET", do=_always(200, b"\x1f\x8b\x08\x00", "Content-Encoding: gzip")),
    "stats of 2^62 bytes": _on("HEAD", do=_always(200, length=str(2**62))),
    "stats with a body": _on("HEAD", do=_raw(_OK + b"Content-Length: 4\r\n\r\nbody")),
    "uploads that are not stored": _on("PUT", do=_always(200, b"", 'ETag: "0"')),
    "uploads that hang": _on("PUT", do=_silent()),
    "deletes that do nothing": _on("DELETE", do=_always(204, length="")),
    "deletes that fail": _on("DELETE", do=_error(403, "AccessDenied")),
    "batches that report the deletion of other keys": _batches,
    "a date that is none": _date("yesterday"),
    "a date in the year 9999": _date("Fri, 31 Dec 9999 23:59:59 GMT"),
    "a date in the year 1970": _date("Thu, 01 Jan 1970 00:00:00 GMT"),
}
"""The responses of a server to some requests on objects."""

AFTERWARDS: Final = (
    "status 200 without a body",
    "status 200 with a page",
    "status 204",
    "status 403",
    "status 404",
    "status 500",
    "status 503",
    "status 302 to another host",
    "interim responses without end",
    "headers without end",
    "a length of 2^62",
    "a body without end",
    "chunks without end",
    "nothing",
    "headers that drip",
    "a body that drips",
    "the end before a response",
    "the end within the body",
)
"""The modes of ``EVERYTHING`` that servers also take on after ``LATER`` requests."""

AT_ONCE: Final = tuple(
    [Mode(name=name, respond=respond) for name, respond in EVERYTHING.items()]
    + [Mode(name=name, greet=greet) for name, greet in GREETINGS.items()]
)
"""Hostile from the start: the run cannot judge anything."""

TURNING: Final = tuple(
    Mode(name=f"later: {name}", respond=respond, greet=greet, after=LATER, exits=frozenset({3}))
    for name, respond, greet in [
        *((name, EVERYTHING[name], None) for name in AFTERWARDS),
        *((name, _closing_at(b""), greet) for name, greet in GREETINGS.items()),
    ]
)
"""Hostile to everything in the middle of a run: what has been judged stands, the rest could not be judged."""

SEEN_BY_NO_CLAUSE: Final = frozenset(
    {
        "a listing in another namespace",
        "stats of 2^62 bytes",
        "stats with a body",
        "deletes that do nothing",
        "a date that is none",
        "a proxy that decodes the query twice",
        "a proxy that sends every name to one bucket",
    }
)
"""The modes of ``LISTINGS`` and ``OBJECTS`` that the clauses of the test do not notice."""

NOT_ONCE_OPEN: Final = frozenset({"a date in the year 9999", "a date in the year 1970"})
"""What matters only while a run begins."""


def _part(name: str, respond: Respond, after: int) -> Mode:
    fine = name in SEEN_BY_NO_CLAUSE or (after and name in NOT_ONCE_OPEN)
    slow = name in ("listings that never come", "uploads that hang", "downloads that drip")
    # What turns in the middle of an example may lose what the example has stored.
    exits = {0, 1} if fine and after else {0} if fine else {0, 1, 3} if slow else {1, 3}
    return Mode(
        name=f"later: {name}" if after else name,
        respond=respond,
        after=after,
        exits=frozenset(exits if after or fine else exits | {2}),
    )


PARTLY: Final = tuple(
    _part(name, respond, after) for after in (0, LATER) for name, respond in {**LISTINGS, **OBJECTS, **PROXIES}.items()
)
"""Hostile in one way only: there may be deviations."""

ALL: Final = (*AT_ONCE, *TURNING, *PARTLY)
