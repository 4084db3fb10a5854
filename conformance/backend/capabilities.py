"""Probes capabilities that a provider does not declare: the backend must refuse them, not do them in part.

One capability takes a handful of requests, once per session, and only where a clause is unsupported without it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote
from weakref import WeakKeyDictionary

from bucket_conformance.conformance.backend.checks import remove_side_bucket, why_not_new
from bucket_conformance.conformance.contract import Capability
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.wire.s3 import XML_NAMESPACE, content_md5
from bucket_conformance.conformance.wire.stored_bytes import stored_in
from bucket_conformance.conformance.wire.transport import HttpResponse


class Outcome(enum.StrEnum):
    """The result of a request for a capability that is not declared."""

    REFUSED = "refused"
    SERVED = "served"
    HALF_DONE = "half done"
    """Accepted, but not carried out: the worst case, because the client believes that it worked."""
    NOT_PROBED = "not probed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A probed capability. ``reported``: the request and its response in a few words, or why there is none."""

    outcome: Outcome
    reported: str


class _NotProbed(Exception):
    """Raised where a capability cannot be probed; the message says why."""


_probed: Final[WeakKeyDictionary[Session, dict[Capability, Claim]]] = WeakKeyDictionary()


def probe_claims(session: Session, capabilities: Iterable[Capability]) -> dict[Capability, Claim]:
    """Return how the backend handles each of the capabilities that can be probed and that the session lacks.

    A probe removes what it stores. Without a wire nothing can be probed, and the result is empty.
    """
    if Capability.WIRE not in session.capabilities:
        return {}
    known = _probed.setdefault(session, {})
    wanted = [lack for lack in _PROBES if lack in set(capabilities) - session.capabilities]
    for capability in wanted:
        if capability not in known:
            known[capability] = _probe(session, capability)
    return {capability: known[capability] for capability in wanted}


def _probe(session: Session, capability: Capability) -> Claim:
    budget = session.recorder.budget
    if budget is not None and session.recorder.total >= budget:
        return Claim(outcome=Outcome.NOT_PROBED, reported=f"the run's bound of {budget} requests is used up")
    try:
        return _PROBES[capability](session)
    except _NotProbed as reason:
        return Claim(outcome=Outcome.NOT_PROBED, reported=str(reason))
    finally:
        session.recorder.clear()


_WORDS: Final = {
    Outcome.REFUSED: "refused as declared",
    Outcome.SERVED: "not declared, but the server does it",
    Outcome.HALF_DONE: "not declared, and accepted all the same without being done",
    Outcome.NOT_PROBED: "not probed",
}


def as_reason(claims: dict[Capability, Claim]) -> str:
    """Return the claims in a sentence, ``""`` for none."""
    return "; ".join(f"{capability.value} {_WORDS[c.outcome]} ({c.reported})" for capability, c in claims.items())


def _claim(what: str, response: HttpResponse, *, done: Callable[[], bool]) -> Claim:
    """Judge a response: a 4xx or a 501 refuses; otherwise ``done`` returns whether the request took effect."""
    if response.error is not None or response.status == 0:
        raise _NotProbed(f"{what}: no answer")
    summary = f"{what}: {response.summary}"
    if not response.ok:
        if response.status >= 500 and response.status != 501:
            raise _NotProbed(f"{summary}, which is neither a refusal nor a consent")
        return Claim(outcome=Outcome.REFUSED, reported=summary)
    return Claim(outcome=Outcome.SERVED if done() else Outcome.HALF_DONE, reported=summary)


@contextmanager
def _separate_bucket(session: Session) -> Iterator[str]:
    """Create an empty bucket, so that no setting of a bucket in use is changed."""
    bucket = session.fresh_id()
    made = session.wire.request("PUT", bucket=bucket)
    if not made.ok:
        raise _NotProbed(f"it is tried in a bucket of its own, which could not be made: {made.summary}")
    if trouble := why_not_new(session.wire, bucket):
        raise _NotProbed(f"it is tried in a bucket of its own, and the one that was made {trouble}")
    try:
        yield bucket
    finally:
        remove_side_bucket(session.wire, bucket)


_XMLNS: Final = f' xmlns="{XML_NAMESPACE}"'


def _switched(session: Session, bucket: str, name: str, document: str) -> HttpResponse:
    body = document.encode()
    headers = (("Content-MD5", content_md5(body)),)
    return session.wire.request("PUT", bucket=bucket, query=((name, ""),), body=body, headers=headers)


def _versioning(session: Session) -> Claim:
    with _separate_bucket(session) as bucket:
        document = f"<VersioningConfiguration{_XMLNS}><Status>Enabled</Status></VersioningConfiguration>"
        response = _switched(session, bucket, "versioning", document)

        def done() -> bool:
            root = session.wire.request("GET", bucket=bucket, query=(("versioning", ""),)).xml()
            return root is not None and root.findtext("Status") == "Enabled"

        return _claim("PUT ?versioning", response, done=done)


def _lifecycle(session: Session) -> Claim:
    with _separate_bucket(session) as bucket:
        rule = "<ID>probe</ID><Filter><Prefix>probe/</Prefix></Filter><Status>Enabled</Status>"
        rule += "<Expiration><Days>30</Days></Expiration>"
        document = f"<LifecycleConfiguration{_XMLNS}><Rule>{rule}</Rule></LifecycleConfiguration>"
        response = _switched(session, bucket, "lifecycle", document)

        def done() -> bool:
            root = session.wire.request("GET", bucket=bucket, query=(("lifecycle", ""),)).xml()
            return root is not None and root.findtext("Rule/Expiration/Days") == "30"

        return _claim("PUT ?lifecycle", response, done=done)


def _multipart(session: Session) -> Claim:
    wire, key, body = session.wire, session.fresh_prefix() + "a", b"the only part"
    begun = wire.request("POST", key, query=(("uploads", ""),))
    root = begun.xml() if begun.ok else None
    upload = "" if root is None else root.findtext("UploadId") or ""

    def done() -> bool:
        query = (("partNumber", "1"), ("uploadId", upload))
        etag = wire.request("PUT", key, query=query, body=body).header("etag") or ""
        part = f"<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>"
        document = f"<CompleteMultipartUpload{_XMLNS}>{part}</CompleteMultipartUpload>".encode()
        wire.request("POST", key, query=(("uploadId", upload),), body=document)
        got = wire.get(key)
        if not (got.ok and got.body == body):
            wire.request("DELETE", key, query=(("uploadId", upload),))
        return got.ok and got.body == body

    try:
        return _claim("POST ?uploads", begun, done=lambda: bool(upload) and done())
    finally:
        wire.delete(key)


def _copy(session: Session) -> Claim:
    wire, prefix, body = session.wire, session.fresh_prefix(), b"to be copied"
    source, target = prefix + "a", prefix + "b"
    wire.put(source, body)
    try:
        response = wire.request("PUT", target, headers=(("x-amz-copy-source", quote(f"/{wire.bucket}/{source}")),))
        return _claim("PUT with x-amz-copy-source", response, done=lambda: stored_in(wire.get(target)) == body)
    finally:
        wire.delete(source)
        wire.delete(target)


def _conditional_put(session: Session) -> Claim:
    wire, key = session.wire, session.fresh_prefix() + "a"
    wire.put(key, b"first")
    try:
        response = wire.put(key, b"second", (("If-None-Match", "*"),))
        what = "PUT with If-None-Match: * on a key that is there"
        if response.status == 412 and stored_in(wire.get(key)) == b"first":
            return Claim(outcome=Outcome.SERVED, reported=f"{what}: {response.summary}")
        # With any content: a condition that is accepted where it does not hold is ignored.
        return _claim(what, response, done=lambda: False)
    finally:
        wire.delete(key)


_PROBES: Final[dict[Capability, Callable[[Session], Claim]]] = {
    Capability.MULTIPART: _multipart,
    Capability.COPY: _copy,
    Capability.CONDITIONAL_PUT: _conditional_put,
    Capability.VERSIONING: _versioning,
    Capability.LIFECYCLE: _lifecycle,
}
"""The capabilities that a request can probe. The others are means of the suite, or promises over time."""
