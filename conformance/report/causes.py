"""Groups the deviations of a backend by cause. Decided by typed data alone: clause, harm, operations and statuses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bucket_conformance.conformance.clause_words import TOPICS, WORDS, ClauseWords, Topic
from bucket_conformance.conformance.contract import Harm
from bucket_conformance.conformance.report.abridged import anonymise
from bucket_conformance.conformance.report.disclosure import harm_of
from bucket_conformance.conformance.report.document import ResponseRecord, Result
from bucket_conformance.conformance.report.fitness import harm_position, harms
from bucket_conformance.conformance.report.merge import clause_position
from bucket_conformance.conformance.verdict import Verdict

OPERATIONS: Final[Mapping[str, str]] = {
    "DeleteObjects": "Batch delete",
    "CreateMultipartUpload": "Multipart upload",
    "UploadPart": "Multipart upload",
    "CompleteMultipartUpload": "Multipart upload",
    "AbortMultipartUpload": "Multipart upload",
    "ListParts": "Listing the parts of an upload",
    "ListMultipartUploads": "Listing multipart uploads",
    "UploadPartCopy": "Multipart copy",
    "CopyObject": "Copying on the server",
    "ListObjectsV2": "Listing (ListObjectsV2)",
    "ListObjects": "Listing (ListObjects)",
    "ListObjectVersions": "Listing of versions",
    "PutBucketVersioning": "Versioning",
    "GetBucketVersioning": "Versioning",
    "PutBucketLifecycleConfiguration": "Lifecycle rules",
    "GetBucketLifecycleConfiguration": "Lifecycle rules",
    "DeleteBucketLifecycle": "Lifecycle rules",
    "HeadObject": "HEAD of an object",
    "GetObject": "GET of an object",
    "PutObject": "PUT of an object",
    "DeleteObject": "DELETE of an object",
}
"""Plain names of operations. What is not here (sub-resources) is never called missing: a refusal is right there."""
AUTHENTICATION: Final = "authentication"
"""The key of the cause that signatures are not checked."""
UNSIGNED: Final = frozenset({"URL-017", "URL-022"})
"""The clauses that send requests which nobody signed, or a stranger."""
OTHER: Final = "other"
"""The key of the deviations that stand alone, each with a cause of its own, and do no harm."""
REFUSED: Final = frozenset({405, 501})
"""Statuses by which a server says that it does not have an operation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Deviations that have one cause.

    ``key`` is unique among the causes of a section and the same in every run. ``results`` are the deviations: harm
    first, then core promises, then the rest. ``lead`` is the clearest of them, and ``response`` what the backend itself
    sent there, ``None`` where it refused nothing.
    """

    key: str
    title: str
    meaning: str
    results: tuple[Result, ...]
    lead: Result
    response: ResponseRecord | None

    @property
    def harms(self) -> tuple[Harm, ...]:
        return harms(self.results)

    @property
    def clauses(self) -> tuple[str, ...]:
        return tuple(result.clause for result in self.results)

    @property
    def core(self) -> tuple[Result, ...]:
        """Return the deviations that make the backend unfit."""
        return tuple(result for result in self.results if result.is_core)

    @property
    def expected(self) -> bool:
        """Return whether all of its deviations were expected."""
        return all(result.expected for result in self.results)


def words_of(result: Result) -> ClauseWords | None:
    """Return what the suite says of a clause for people, ``None`` for a clause that it does not know."""
    return WORDS.get(result.clause)


def title_of(result: Result) -> str:
    """Return the title of a clause: its own, else the suite's, else the statement (reports of earlier releases)."""
    known = words_of(result)
    return result.title or (known.title if known is not None else "") or result.statement or result.clause


def consequence_of(result: Result) -> str:
    """Return what a broken promise means for an application, ``""`` where nobody wrote it."""
    known = words_of(result)
    return result.consequence or (known.consequence if known is not None else "")


def rank(result: Result) -> tuple[int, bool, int, tuple[int, str]]:
    """Return the sort key of a deviation: harm first, then core promises, then by level and clause."""
    levels = ("MUST", "SHOULD", "MAY")
    return (
        harm_position(harm_of(result)),
        not result.is_core,
        levels.index(result.level),
        clause_position(result.clause),
    )


def causes(results: Iterable[Result]) -> list[Cause]:
    """Return the deviations of one backend by cause: those with harm first, then those of core promises."""
    broken = sorted((result for result in results if result.verdict is Verdict.DEVIATES), key=rank)
    missing = _missing_operations(broken)
    groups: dict[str, list[Result]] = {}
    for result in broken:
        groups.setdefault(_key(result, missing), []).append(result)
    if AUTHENTICATION in groups and (lax := groups.pop(f"topic:{Topic.SIGNATURES.value}", None)):
        # A server that checks no signatures cannot check lifetimes either; one cause is enough.
        groups[AUTHENTICATION] += lax
    single = [key for key, group in groups.items() if key.startswith("topic:") and _is_single(group)]
    if len(single) > 1:
        groups[OTHER] = [result for key in single for result in groups.pop(key)]
    found = [_cause(key, group) for key, group in groups.items()]
    return sorted(found, key=lambda cause: (*rank(cause.results[0])[:2], -len(cause.core), -len(cause.results)))


def _is_single(group: Sequence[Result]) -> bool:
    """Return whether a group is one deviation that neither does harm nor breaks a core promise."""
    return len(group) == 1 and not group[0].is_core and harm_of(group[0]) is None


def _responses(result: Result) -> tuple[ResponseRecord, ...]:
    return result.evidence.responses if result.evidence is not None else ()


def _missing_operations(results: Sequence[Result]) -> frozenset[str]:
    """Return the plain names of operations that the backend refused as such, and never carried out."""
    refused: set[str] = set()
    served: set[str] = set()
    for result in results:
        for response in _responses(result):
            name = OPERATIONS.get(response.operation, "")
            if name and response.signed:
                if response.status in REFUSED:
                    refused.add(name)
                elif 200 <= response.status < 400:
                    served.add(name)
    return frozenset(refused - served)


def _refusal(result: Result, missing: frozenset[str]) -> ResponseRecord | None:
    """Return the answer that refused a missing operation in the example of a deviation."""
    return next(
        (
            response
            for response in _responses(result)
            if response.signed and response.status in REFUSED and OPERATIONS.get(response.operation) in missing
        ),
        None,
    )


def _key(result: Result, missing: frozenset[str]) -> str:
    if harm_of(result) is Harm.BYPASSES_AUTHENTICATION:
        return AUTHENTICATION
    refusal = _refusal(result, missing)
    if refusal is not None:
        return f"missing:{OPERATIONS[refusal.operation]}"
    known = words_of(result)
    return f"topic:{known.topic.value}" if known is not None else f"clause:{result.clause}"


def _cause(key: str, results: Sequence[Result]) -> Cause:
    kind, _, name = key.partition(":")
    lead = min(results, key=lambda result: (rank(result)[:3], not result.transcript, len(result.transcript)))
    if kind == "missing":
        title, meaning = f"{name} is not offered", "Everything in the application that needs it fails."
        lead = min(results, key=lambda result: (not result.is_core, len(result.transcript)))
    elif kind == AUTHENTICATION:
        if any(result.clause in UNSIGNED for result in results):
            lead = next(result for result in results if result.clause in UNSIGNED)
            title = "Requests are served without a valid signature"
            meaning = "Anyone who reaches the server can read or change files without a key."
        else:
            title = "Some wrong signatures are accepted"
            meaning = "Somebody can read or change files that a valid signature did not allow."
    elif kind == OTHER:
        title, meaning = "Single promises of S3 are not kept", "Each is a deviation of its own, without harm."
    elif len(results) == 1 or kind == "clause":
        title, meaning = f"Not kept: {title_of(lead)}", consequence_of(lead) or lead.statement
    else:
        known = words_of(lead)
        assert known is not None
        title, meaning = TOPICS[known.topic].title, TOPICS[known.topic].meaning
    return Cause(
        key=key,
        title=title,
        meaning=meaning,
        results=tuple(results),
        lead=lead,
        response=_words_of_backend(lead, kind) if kind != OTHER else None,
    )


def _words_of_backend(result: Result, kind: str) -> ResponseRecord | None:
    """Return the answer in which the backend speaks of the cause itself: a refusal, or what it served unsigned.

    A 404 is left out: most examples end with a look at what is there.
    """
    responses = _responses(result)
    if kind == "missing":
        return next((response for response in responses if response.signed and response.status in REFUSED), None)
    if kind == AUTHENTICATION:
        return next(
            (response for response in reversed(responses) if not response.signed and 200 <= response.status < 300), None
        )
    return next(
        (
            response
            for response in reversed(responses)
            if response.signed and response.status >= 400 and response.status != 404
        ),
        None,
    )


def quoted(response: ResponseRecord) -> str:
    """Return the backend's own words in one line: request, status, code and message as recorded."""
    status = str(response.status) if response.status else "no response"
    own = (
        f"{response.code}: {response.message}"
        if response.code and response.message
        else response.code or response.message
    )
    return f"{anonymise(response.request)} → {status}{f' {anonymise(own)}' if own else ''}"
