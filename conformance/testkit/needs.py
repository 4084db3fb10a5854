"""What a clause needs of a backend and does not judge: an operation that is refused makes it ``unsupported``.

The clause that judges the operation deviates, once; the others have nothing to say where the backend does not have it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl, quote
from weakref import WeakKeyDictionary

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.verdict import NeedsRefused, Observation
from bucket_conformance.conformance.wire.exchange import Exchange
from bucket_conformance.conformance.wire.s3 import content_md5
from bucket_conformance.conformance.wire.safe_xml import parsed
from bucket_conformance.conformance.wire.transport import CONDITIONS, HttpResponse


class Operation(enum.StrEnum):
    """An operation, or a part of one, that a server may not have at all."""

    BATCH_DELETE = "batch delete"
    MULTIPART = "multipart upload"
    COPY = "copy"
    CONDITIONAL_WRITE = "conditional writes"
    CONDITIONAL_READ = "conditional reads"
    METADATA = "user metadata"
    VERSIONING = "versioning"
    LIFECYCLE = "lifecycle rules"
    TAGGING = "tagging"


_SUBRESOURCES: Final = frozenset({"RT-020"})
"""Clauses that send requests on sub-resources and check the object afterwards: they expect a refusal."""

JUDGED_BY: Final[Mapping[Operation, frozenset[str]]] = {
    Operation.BATCH_DELETE: frozenset({"DEL-001", "DEL-010"}),
    Operation.MULTIPART: frozenset({"RT-012"}),
    Operation.COPY: frozenset({"RT-013"}),
    Operation.CONDITIONAL_WRITE: frozenset({"CON-003", "CON-004"}),
    Operation.CONDITIONAL_READ: frozenset({"CON-009"}),
    Operation.METADATA: frozenset({"RT-006"}),
    Operation.VERSIONING: _SUBRESOURCES | {"LIFE-003"},
    Operation.LIFECYCLE: _SUBRESOURCES | {"LIFE-001"},
    Operation.TAGGING: _SUBRESOURCES,
}
"""The clauses that deviate where an operation is refused. For all others it is something that they need."""


def is_refusal(status: int) -> bool:
    """Return whether a status refuses a request: a 4xx, or 501 for what the server does not have.

    The caller must see for itself that nothing was done.
    """
    return 400 <= status < 500 or status == 501


def refusal_of(response: HttpResponse, promised: str) -> str:
    """Return status and code of a response as observations show them; ``promised`` for one that says 405 or 501.

    Where a refusal with a code is promised, a server that lacks the operation refuses as well.
    """
    return promised if response.status in (405, 501) and response.error is None else response.summary


def needs(response: HttpResponse, operation: Operation, request: str) -> HttpResponse:
    """Return the response to a plain request of an operation that a clause needs, where the server has it.

    ``request`` names the request for the reader (``"POST ?delete"``). Raises ``NeedsRefused`` where the server says
    that it has no such operation (405, 501).
    """
    if _says_it_has_none(response.status, response.code):
        raise NeedsRefused(operation.value, f"{request} → {response.summary}")
    return response


def needs_taken(response: HttpResponse, operation: Operation, request: str) -> HttpResponse:
    """Return the response to a request that every server with the operation takes: here any refusal counts.

    For the living twin of a request that must be refused. Raises ``NeedsRefused`` for a 4xx or 501.
    """
    if is_refusal(response.status):
        raise NeedsRefused(operation.value, f"{request} → {response.summary}")
    return response


def _says_it_has_none(status: int | None, code: str) -> bool:
    return status in (405, 501) or code in ("NotImplemented", "MethodNotAllowed")


def refused_need(session: Session, clause_id: str, seen: Observation) -> NeedsRefused | None:
    """Return what an example needed and the server refused; ``None`` where its failure is the clause's own affair.

    The recorder holds the exchanges of the example. A failure with a harm is always the clause's own. One refusal may
    be due to the key or the size: only an operation that is also refused as a plain request counts.
    """
    if seen.harm is not None or Capability.WIRE not in session.capabilities:
        return None
    recorder = session.recorder
    kept = tuple(recorder.kept())
    refused = {
        operation: exchange
        for exchange in kept
        if (operation := operation_of(exchange)) is not None
        and clause_id not in JUDGED_BY[operation]
        and exchange.signer == "own"
        and _says_it_has_none(exchange.status, _code(exchange))
    }
    for operation in refused:
        if answer := _refusal_of(session, operation, refused[operation]):
            return NeedsRefused(operation.value, answer)
        # Requests of this check are not part of the example.
        recorder.clear()
        recorder.recall(kept)
    return None


def operation_of(exchange: Exchange) -> Operation | None:
    """Return which of the operations a request is, or ``None``."""
    names = {name for name, _ in parse_qsl(exchange.target.partition("?")[2], keep_blank_values=True)}
    headers = {name.lower() for name, _ in exchange.headers}
    if exchange.method == "POST" and "delete" in names:
        return Operation.BATCH_DELETE
    for name, operation in _BY_PARAMETER.items():
        if name in names:
            return operation
    if exchange.method == "PUT" and "x-amz-copy-source" in headers:
        return Operation.COPY
    if headers & CONDITIONS:
        return Operation.CONDITIONAL_READ if exchange.method in ("GET", "HEAD") else Operation.CONDITIONAL_WRITE
    return Operation.METADATA if any(name.startswith("x-amz-meta-") for name in headers) else None


_BY_PARAMETER: Final = {
    "uploads": Operation.MULTIPART,
    "uploadId": Operation.MULTIPART,
    "versioning": Operation.VERSIONING,
    "versions": Operation.VERSIONING,
    "lifecycle": Operation.LIFECYCLE,
    "tagging": Operation.TAGGING,
}


def _code(exchange: Exchange) -> str:
    root = parsed(exchange.response_body)
    return "" if root is None or root.tag != "Error" else root.findtext("Code") or ""


_asked: Final[WeakKeyDictionary[Session, dict[Operation, str]]] = WeakKeyDictionary()


def _refusal_of(session: Session, operation: Operation, exchange: Exchange) -> str:
    """Return how a plain request of the operation is refused, '' where it is served. Asked once per session."""
    known = _asked.setdefault(session, {})
    if operation not in known:
        if (plain := _PLAIN.get(operation)) is None:
            # It could be repeated only in a bucket of its own, where the clause has just done so.
            name = next((each for each in _BY_PARAMETER if _BY_PARAMETER[each] is operation), operation.value)
            answer_line = f"{exchange.status} {_code(exchange)}".rstrip()
            known[operation] = f"{exchange.method} ?{name} → {answer_line}"
        else:
            request, response = plain(session)
            refused = _says_it_has_none(response.status, response.code)
            known[operation] = f"{request} → {response.summary}" if refused else ""
    return known[operation]


_Asked = tuple[str, HttpResponse]


def _batch_delete(session: Session) -> _Asked:
    return "POST ?delete", session.wire.delete_objects([session.fresh_prefix() + "none"])


def _multipart(session: Session) -> _Asked:
    wire, key = session.wire, session.fresh_key()
    begun = wire.request("POST", key, query=(("uploads", ""),))
    root = begun.xml() if begun.ok else None
    if root is not None and (upload := root.findtext("UploadId")):
        wire.request("DELETE", key, query=(("uploadId", upload),))
    return "POST ?uploads", begun


def _stored(session: Session) -> str:
    key = session.fresh_key()
    session.wire.put(key, b"plain")
    return key


def _copy(session: Session) -> _Asked:
    source = quote(f"/{session.wire.bucket}/{_stored(session)}", safe="/-._~")
    response = session.wire.request("PUT", session.fresh_key(), headers=(("x-amz-copy-source", source),))
    return "PUT with x-amz-copy-source", response


def _conditional_write(session: Session) -> _Asked:
    return "PUT with If-None-Match: *", session.wire.put(session.fresh_key(), b"new", (("If-None-Match", "*"),))


def _conditional_read(session: Session) -> _Asked:
    response = session.wire.get(_stored(session), (("If-None-Match", '"another"'),))
    return "GET with If-None-Match", response


def _metadata(session: Session) -> _Asked:
    return "PUT with x-amz-meta-…", session.wire.put(session.fresh_key(), b"plain", (("x-amz-meta-colour", "blue"),))


def _tagging(session: Session) -> _Asked:
    body = b"<Tagging><TagSet><Tag><Key>colour</Key><Value>blue</Value></Tag></TagSet></Tagging>"
    headers = (("Content-MD5", content_md5(body)),)
    response = session.wire.request("PUT", _stored(session), query=(("tagging", ""),), body=body, headers=headers)
    return "PUT ?tagging", response


_PLAIN: Final[Mapping[Operation, Callable[[Session], _Asked]]] = {
    Operation.BATCH_DELETE: _batch_delete,
    Operation.MULTIPART: _multipart,
    Operation.COPY: _copy,
    Operation.CONDITIONAL_WRITE: _conditional_write,
    Operation.CONDITIONAL_READ: _conditional_read,
    Operation.METADATA: _metadata,
    Operation.TAGGING: _tagging,
}
"""A request that a server with the operation serves. Versions and rules take a bucket of their own."""
