"""Turns a recorded exchange into a step of a reproducer: what to send again, and the response to expect."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from bucket_conformance.conformance.reproducer import urls
from bucket_conformance.conformance.reproducer.literals import Code, body_literal
from bucket_conformance.conformance.reproducer.template import chunked, error_code, leaves, object_headers, unsigned
from bucket_conformance.conformance.reproducer.values import Values, is_md5_of
from bucket_conformance.conformance.target import Addressing
from bucket_conformance.conformance.wire.exchange import Auth, Exchange, Headers, Redactor

Step = dict[str, Any]

_NOISE: Final = frozenset(
    (
        "user-agent",
        "accept-encoding",
        "authorization",
        "x-amz-date",
        "x-amz-security-token",
        "x-amz-content-sha256",
        "host",
        "connection",
        "expect",
        "amz-sdk-invocation-id",
        "amz-sdk-request",
        "x-amzn-trace-id",
        "accept",
        "x-amz-user-agent",
    )
)
_SUB_RESOURCES: Final = frozenset(
    (
        "acl",
        "tagging",
        "retention",
        "legal-hold",
        "policy",
        "cors",
        "lifecycle",
        "versioning",
        "uploads",
        "uploadId",
        "attributes",
        "torrent",
        "logging",
        "location",
        "website",
        "notification",
        "encryption",
        "replication",
        "object-lock",
        "versions",
    )
)
_MADE_HERE: Final = (b"made by the suite", b"<Message>refused</Message>")


class NotReplayable(Exception):
    """Raised where a script cannot repeat an exchange; the message is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How the recorded server was addressed: its path, the bucket, and where requests carry the bucket name."""

    endpoint_path: str
    bucket: str
    addressing: Addressing


class StepMaker:
    """Makes the steps of one recording."""

    def __init__(self, exchanges: Sequence[Exchange], place: Place, redactor: Redactor, region: str) -> None:
        self._exchanges = exchanges
        self._place = place
        self._redactor = redactor
        self._region = region
        self._host = _endpoint_host(exchanges, place)
        self.values = Values(exchanges)
        self.masked = False

    def step(self, source: int) -> Step:
        """Return the step for an exchange. Raises :class:`NotReplayable` where there is none."""
        exchange = self._exchanges[source]
        if any(mark in exchange.response_body for mark in _MADE_HERE):
            raise NotReplayable("the suite answered it itself, to see what the client does")
        if exchange.status is None and exchange.cut_after is None and exchange.origin == "storage":
            raise NotReplayable(f"the suite or the network broke it off ({self._clean(exchange.error or 'no answer')})")
        step: Step = {"method": exchange.method}
        path, _, _ = exchange.target.partition("?")
        step |= self._where(path, _header(exchange.headers, "host"))
        if exchange.auth is Auth.URL:
            self._url(step, exchange)
        else:
            query = self._clean(self.values.query(source))
            step |= {"query": query} if query else {}
            if exchange.auth is Auth.NONE:
                if "X-Amz-Signature=" in exchange.target:
                    raise NotReplayable("how its URL was signed is not recorded")
                step["sign"] = "none"
            else:
                self._header_auth(step, exchange)
        self._content(step, exchange)
        if exchange.cut_after is not None:
            step["cut_after"] = exchange.cut_after
        step |= self._answer(exchange)
        return step

    def _clean(self, text: str) -> str:
        clean = self._redactor.text(text)
        if clean != text:
            self.masked = True
        return clean.replace(Redactor.MASK, "redacted")

    def _where(self, path: str, host: str) -> Step:
        """Return the bucket (where it is another one) and the key, or the raw path where no key encodes to it."""
        base = self._place.endpoint_path.rstrip("/")
        rest = path[len(base) :] if path.startswith(base) else path
        bucket = self._place.bucket
        if self._place.addressing == "virtual":
            named = bucket
            if self._host and host:
                named = "" if host == self._host else host.removesuffix("." + self._host)
        else:
            first, slash, tail = rest[1:].partition("/")
            named, rest = unquote(first), slash + tail
        step: Step = {} if named == bucket else {"bucket": self._clean(named)}
        if not named and rest == "/":
            return step
        if not rest or (rest == "/" and self._place.addressing == "virtual"):
            return step
        try:
            key = unquote(rest[1:], errors="strict")
        except UnicodeDecodeError:
            key = ""
        if key and quote(key, safe="/-._~") == rest[1:]:
            return step | {"key": self._clean(key)}
        return step | {"path": self._clean(rest)}

    def _header_auth(self, step: Step, exchange: Exchange) -> None:
        proof = _header(exchange.headers, "authorization")
        if proof and not proof.startswith("AWS4-HMAC-SHA256 "):
            raise NotReplayable(f"its signature is of another kind ({self._clean(proof.split(' ')[0])})")
        scope = re.search(r"Credential=[^,]*?/\d{8}/([^/,]*)/", proof)
        if scope and scope[1] != self._region:
            step["region"] = scope[1]
        if exchange.signer != "own":
            step["signer"] = exchange.signer
        if exchange.age_s:
            step["age"] = exchange.age_s
        names = re.search(r"SignedHeaders=([^,\s]*)", proof)
        if names:
            present = {name.lower() for name, _ in exchange.headers if name.lower() not in _NOISE}
            unsigned = sorted(name for name in present - set(names[1].split(";")) if name.startswith("x-amz-"))
            if unsigned:
                step["unsigned"] = unsigned

    def _url(self, step: Step, exchange: Exchange) -> None:
        made = exchange.signed_from
        if made is None:
            raise NotReplayable("how its URL was signed is not recorded")
        parts = urlsplit(made.url)
        before = urls.pairs(parts.query)
        if urls.value_of(before, "X-Amz-Signature") is None:
            raise NotReplayable("its URL is not signed with Signature Version 4")
        step["sign"] = "url"
        if exchange.signer != "own":
            step["signer"] = exchange.signer
        signed: Step = {"age": made.age_s, "expires": urls.value_of(before, "X-Amz-Expires") or made.expires}
        if urls.value_of(before, "X-Amz-Expires") == "":
            signed["expires"] = ""
        if made.method != exchange.method:
            signed["method"] = made.method
        place = self._where(parts.path or "/", parts.netloc)
        sent_place = {name: step[name] for name in ("bucket", "key", "path") if name in step}
        if place != sent_place:
            signed["place"] = place
        region = re.search(r"/\d{8}/([^/]*)/", unquote(urls.value_of(before, "X-Amz-Credential") or ""))
        if region and region[1] != self._region:
            signed["region"] = region[1]
        own = [(name, value) for name, value in before if name not in urls.SIGNER]
        if own:
            signed["query"] = [self._clean(name + ("" if value is None else f"={value}")) for name, value in own]
        names = unquote(urls.value_of(before, "X-Amz-SignedHeaders") or "host").split(";")
        headers = [(name, self._signed_header(name, exchange)) for name in names if name != "host"]
        if headers:
            signed["headers"] = headers
        step["signed"] = signed
        changed = urls.changes(before, urls.pairs(exchange.target.partition("?")[2]))
        if changed:
            step["then"] = [tuple(self._clean(i) if isinstance(i, str) else i for i in change) for change in changed]

    def _signed_header(self, name: str, exchange: Exchange) -> str:
        made = exchange.signed_from
        known = {given.lower(): value for given, value in made.headers} if made else {}
        if name not in known:
            raise NotReplayable(f"the value of {name!r} that its URL was signed with is not recorded")
        return self._clean(known[name])

    def _content(self, step: Step, exchange: Exchange) -> None:
        body = exchange.body
        if body is None:
            raise NotReplayable(f"its body of {exchange.body_size} bytes was streamed and not kept")
        text = self.values.body(body, exchange)
        headers = []
        for name, value in exchange.headers:
            low = name.lower()
            if low in _NOISE and not (low == "authorization" and exchange.auth is not Auth.HEADER):
                continue
            if low == "content-length" and value == str(len(body)):
                continue
            if low == "authorization":
                shown = self._redactor.text(f"{name}: {value}").partition(": ")[2]
                self.masked |= shown != value
                headers.append((name, shown))
                continue
            value = self._own_bucket(low, self.values.header(name, value, exchange))
            if low == "content-md5" and text is not None and is_md5_of(value, body):
                value = "⟦md5 of the body⟧"
            headers.append((name, self._clean(value)))
        if headers:
            step["headers"] = headers
        payload = _header(exchange.headers, "x-amz-content-sha256")
        if payload.startswith("STREAMING-AWS4-HMAC-SHA256"):
            step |= _chunks(body, exchange.signed_body)
            step["payload"] = payload
            return
        if payload and payload != hashlib.sha256(body).hexdigest() and exchange.auth is Auth.HEADER:
            step["payload"] = self._clean(payload)
        elif payload and exchange.auth is not Auth.HEADER:
            step.setdefault("headers", []).append(("x-amz-content-sha256", payload))
        if text is not None:
            step["body"] = self._clean(text)
        elif body:
            literal = body_literal(body)
            if literal is None:
                raise NotReplayable(f"its body of {len(body)} bytes is too large to be written down")
            step["body"] = self._clean_body(literal)

    def _clean_body(self, literal: Code | bytes | str) -> Code | bytes | str:
        if isinstance(literal, str):
            return self._clean(literal) if "⟦" not in literal else self._clean(literal).encode()
        if isinstance(literal, bytes):
            clean = self._clean(literal.decode("latin-1")).encode("latin-1")
            return clean if self._clean(literal.decode("utf-8", "replace")) and clean != literal else literal
        return literal

    def _own_bucket(self, name: str, value: str) -> str:
        """Mark the recorded bucket in the source of a copy, because a replay uses another bucket."""
        if name != "x-amz-copy-source":
            return value
        bucket = re.escape(self._place.bucket)
        return re.sub(rf"^(/?){bucket}(?=/|%2F)", r"\1⟦bucket⟧", value)

    def _answer(self, exchange: Exchange) -> Step:
        """Return what to compare a replay with: status, error code, and the stable parts of the content."""
        step: Step = {"was": exchange.status}
        status, body = exchange.status, exchange.response_body
        if status is None:
            return step
        if exchange.error:
            # How many bytes came before it broke off is chance.
            return step | {"broken": True}
        whole = exchange.response_size is None or exchange.response_size == len(body)
        names = {item.partition("=")[0] for item in exchange.target.partition("?")[2].split("&")}
        on_object = self._is_object(exchange) and not names & _SUB_RESOURCES
        code = error_code(body)
        if code or (status >= 300 and exchange.method != "HEAD"):
            return step | ({"error": self._clean(code)} if whole or code else {})
        if on_object and exchange.method in ("GET", "HEAD") and status in (200, 206):
            if exchange.method == "GET":
                step["content"] = self._read(exchange, whole)
            kept = object_headers(list(exchange.response_headers), exchange.method)
            if exchange.response_headers:  # some requests have none recorded: a HEAD with bytes behind it
                step["object"] = {name: self._clean(value) for name, value in sorted(kept.items())}
        elif on_object and exchange.method == "PUT" and "partNumber" not in names and exchange.body is not None:
            etag = _header(exchange.response_headers, "etag").strip('"')
            if (
                etag
                and not _header(exchange.headers, "x-amz-copy-source")
                and "aws-chunked" not in str(exchange.headers)
            ):
                step["md5_etag"] = etag == hashlib.md5(exchange.body, usedforsecurity=False).hexdigest()
        elif body.lstrip().startswith(b"<") and self._comparable(exchange, names):
            batch = b"<DeleteResult" in body
            if whole or not batch:
                step["answer"] = [self._clean(leaf) for leaf in leaves(body)]
                step |= {} if whole else {"cut": True}
        return step

    def _is_object(self, exchange: Exchange) -> bool:
        place = self._where(exchange.target.partition("?")[0], _header(exchange.headers, "host"))
        return "key" in place or place.get("path", "/") != "/"

    def _comparable(self, exchange: Exchange, names: set[str]) -> bool:
        # A list of the whole bucket also shows other objects in the bucket of the replay.
        return exchange.method != "GET" or "prefix" in names or self._is_object(exchange)

    def _read(self, exchange: Exchange, whole: bool) -> bytes | tuple[int | None, int, str]:
        body = exchange.response_body
        if whole and len(body) <= 64:
            clean = self._redactor.text(body.decode("latin-1")).encode("latin-1")
            if clean == body:
                return body
        return exchange.response_size, len(body), hashlib.sha256(unsigned(body)).hexdigest()


def _chunks(body: bytes, signed: bytes | None) -> Step:
    """Return the parts of a signed aws-chunked body, so that the script can sign it again.

    ``signed`` is the body that the signatures belong to, where other bytes were sent in its place. Raises
    :class:`NotReplayable` where the parts do not give the same body again.
    """
    found: list[bytes] = []
    at = 0
    while match := re.compile(rb"([0-9a-fA-F]+);chunk-signature=([0-9a-f]{64})\r\n").match(body, at):
        size = int(match[1], 16)
        found.append(body[match.end() : match.end() + size])
        at = match.end() + size
        if not size:
            break
        at += 2
    rest = re.fullmatch(rb"(?:([^\r\n]+)\r\nx-amz-trailer-signature:[0-9a-f]{64}\r\n\r\n)?", body[at:])
    trailer = rest[1].decode("latin-1") if rest and rest[1] else None
    if unsigned(chunked(found, trailer, found, "", "", b"")) != unsigned(body):
        raise NotReplayable("its signed chunks are framed in a way that cannot be signed again")
    step: Step = {"chunks": _literals(found)}
    if signed is not None:
        ends = list(accumulate(map(len, found)))
        step["signed_chunks"] = _literals(
            [signed[end - len(chunk) : end] for chunk, end in zip(found, ends, strict=True)]
        )
    return step | ({"trailer": trailer} if trailer else {})


def _literals(chunks: Sequence[bytes]) -> list[Code | bytes]:
    found: list[Code | bytes] = []
    for chunk in chunks:
        literal = body_literal(chunk)
        if literal is None:
            raise NotReplayable(f"its body of {sum(map(len, chunks))} bytes is too large to be written down")
        found.append(Code(f"{literal!r}.encode()") if isinstance(literal, str) else literal)
    return found


def _header(headers: Headers, name: str) -> str:
    return next((value for given, value in headers if given.lower() == name), "")


def _endpoint_host(exchanges: Sequence[Exchange], place: Place) -> str:
    """Return the host of virtual-hosted buckets, as the recorded requests show it."""
    for exchange in exchanges:
        host = _header(exchange.headers, "host")
        if host.startswith(place.bucket + "."):
            return host[len(place.bucket) + 1 :]
    return ""
