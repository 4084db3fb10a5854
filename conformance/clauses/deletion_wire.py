"""DEL on the wire: how an S3 endpoint handles single DeleteObjects requests."""

from __future__ import annotations

import base64
import hashlib
import html
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final
from urllib.parse import quote

from hypothesis import example, given
from hypothesis import strategies as st

from bucket_conformance.conformance.backend.checks import remove_side_bucket, why_not_new
from bucket_conformance.conformance.backend.run_traces import run_of
from bucket_conformance.conformance.catalogue import clause
from bucket_conformance.conformance.contract import Capability, Harm, Level, Profile
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.strategies import (
    HOSTILE_KEYS,
    XML_HOSTILE_CHARACTERS,
    examples,
    key_tails,
    only_if,
)
from bucket_conformance.conformance.testkit.needs import Operation, needs, needs_taken, refusal_of
from bucket_conformance.conformance.testkit.sources import (
    DELETE_OBJECT,
    DELETE_OBJECTS,
    ERRORS,
    OBJECT_INTEGRITY,
    OBJECT_KEYS,
    VERSIONING_SUSPENDED,
    XML_LINE_ENDS,
)
from bucket_conformance.conformance.verdict import Deviation, Inconclusive, compare, require
from bucket_conformance.conformance.wire.s3 import XML_NAMESPACE, content_md5, delete_body
from bucket_conformance.conformance.wire.stored_bytes import is_lost
from bucket_conformance.conformance.wire.transport import HttpResponse

LARGEST_BATCH: Final = 1000


def _hold(session: Session, keys: Sequence[str]) -> list[str]:
    """Store each key with itself as the body; return the keys that the server then distinguishes from all others."""
    for key in keys:
        session.wire.put(key, key.encode())
    return [key for key in keys if _has(session, key)]


def _has(session: Session, key: str) -> bool:
    response = session.wire.get(key)
    return response.ok and response.body == key.encode()


def _harm_to(session: Session, missing: Iterable[str]) -> Harm | None:
    """Return the harm to keys that are not as they were stored: a loss where a response shows one."""
    return Harm.LOSES_DATA if any(is_lost(session.wire.get(key), key.encode()) for key in missing) else None


TWINS: Final[dict[str, tuple[str, ...]]] = {
    "spaces": ("a b", "a+b", "a%20b", "a%2Bb", "a b ", " a b", "a  b", "a   b"),
    "slashes": ("a", "a/", "a//", "a/b", "a%2Fb", "/a"),
    "case and form": ("a\u00e9", "a\u00c9", "ae\u0301", "A\u00e9", "a\u00e9\u00e9", "a%C3%A9"),
    "entities": ("a&b", "a&amp;b", "a&amp;amp;b", "a&#38;b", "a", "a<b"),
    "wildcards": ("a*", "ab", "a?", "a[b]", "*", "a."),
}
"""Names that incorrect code takes for one another, by the kind of mistake."""


def _twins_of(tail: str) -> tuple[str, ...]:
    twins = (tail, f"{tail} ", f" {tail}", quote(tail, safe=""), tail.swapcase(), f"{tail}/", f"{tail}a")
    return tuple(dict.fromkeys(twins))


@clause(
    "DEL-019",
    "The neighbours of any deleted key survive: what only looks like it, lies below it or reads like it when decoded.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(DELETE_OBJECTS, OBJECT_KEYS),
    proved_by=("delete-decodes-percent", "delete-strips-leading-slash", "delete-collapses-spaces"),
    effort=0.4,
)
@examples("twins", list(TWINS.values()))
@given(twins=key_tails(max_size=8).map(_twins_of))
def test_twins_of_any_key_survive(session: Session, twins: tuple[str, ...]) -> None:
    prefix = session.fresh_prefix()
    live = _hold(session, [prefix + twin for twin in twins])
    lost: list[str] = []
    harm: Harm | None = None
    for asked in [prefix + twin for twin in twins]:
        # A server may take two names for one object; then the second is an alias and not a twin.
        if asked not in live and session.wire.get(asked).ok:
            continue
        needs(session.wire.delete_objects([asked]), Operation.BATCH_DELETE, "POST ?delete")
        missing = [key for key in live if key != asked and not _has(session, key)]
        lost += [f"{key!r} with {asked!r}" for key in missing]
        if lost:
            harm = _harm_to(session, missing)
            break
        if asked in live:
            session.wire.put(asked, asked.encode())
    compare(lost, [], "keys that went with another", promise="none", harm=harm)


@clause(
    "DEL-007",
    "Characters that XML_LINE_ENDS treats specially, in a key, delete that key and no other.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(DELETE_OBJECTS, XML_LINE_ENDS),
    proved_by=("delete-does-not-unescape", "delete-normalises-line-ends"),
    effort=0.5,
)
@examples(
    "tail", [f"a{character}b" for character in XML_HOSTILE_CHARACTERS] + ["a\r\nb", "a&amp;b", "a]]>b", "<!--a-->"]
)
@given(tail=st.text(XML_HOSTILE_CHARACTERS + "ab;#", min_size=1, max_size=6))
def test_special_characters_name_the_very_key(session: Session, tail: str) -> None:
    prefix = session.fresh_prefix()
    key, decoys = prefix + tail, [prefix + other for other in _misreadings(tail)]
    live = _hold(session, [*decoys, key])
    if key not in live:
        return  # whether a server stores and distinguishes such a key is decided by KEY-009 and KEY-010
    response = session.wire.delete_objects([key])
    left = [decoy for decoy in live if decoy != key and _has(session, decoy)]
    observed = ("there" if session.wire.get(key).ok else "gone", left)
    promised = ("gone", [decoy for decoy in live if decoy != key])
    harm = _harm_to(session, [decoy for decoy in promised[1] if decoy not in left])
    compare(observed, promised, f"the key, and the decoys left ({response.summary})", harm=harm)


def _misreadings(tail: str) -> list[str]:
    """Return the keys that a reader gets who unescapes too little or too much, or normalises line ends."""
    folded = tail.replace("\r\n", "\n").replace("\r", "\n")
    flat = tail.replace("\r", " ").replace("\n", " ").replace("\t", " ")
    bare = "".join(character for character in tail if character not in "&<>'\"\r\n\t")
    found = (html.escape(tail), html.unescape(tail), folded, flat, bare or "bare")
    return [other for other in dict.fromkeys(found) if other != tail]


def _told(session: Session, live: Sequence[str], said: str) -> str:
    """Return what was answered, and how many of the ``live`` keys are gone."""
    return f"{said}, {_gone(session, live)} of {len(live)} deleted"


def _gone(session: Session, live: Sequence[str]) -> int:
    """Return how many of the ``live`` keys are gone."""
    heads = {key: session.wire.head(key) for key in live}
    if unclear := next((response for response in heads.values() if not response.ok and response.status != 404), None):
        raise Inconclusive(f"whether keys are gone could not be seen: HEAD gave {unclear.summary}")
    return sum(response.status == 404 for response in heads.values())


@clause(
    "DEL-010",
    "A batch of 1000 keys is accepted; one of 1001 is refused as MalformedXML and deletes nothing.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(DELETE_OBJECTS, ERRORS),
    proved_by=("delete-takes-1001", "delete-takes-999"),
)
def test_a_batch_holds_a_thousand_keys_and_no_more(session: Session) -> None:
    prefix = session.fresh_prefix()
    keys = [f"{prefix}{number}" for number in range(LARGEST_BATCH + 1)]
    live = [keys[0], keys[500], keys[-1]]
    session.populate(live)
    too_many = refusal_of(session.wire.delete_objects(keys), "400 MalformedXML")
    compare(_told(session, live, too_many), "400 MalformedXML, 0 of 3 deleted", "a batch of 1001")
    full = _told(session, live[:2], session.wire.delete_objects(keys[:LARGEST_BATCH], quiet=True).summary)
    compare(full, "200, 2 of 2 deleted", "a batch of 1000")


@clause(
    "DEL-011",
    "A verbose answer names each key verbatim and once; a quiet one names errors only.",
    level=Level.MUST,
    profile=Profile.S3,
    source=DELETE_OBJECTS,
    proved_by=("delete-ignores-quiet", "delete-answers-quietly", "delete-answer-is-not-escaped"),
    effort=0.5,
)
@example(tails=["a"], quiet=False)
@example(tails=["a"], quiet=True)
@example(tails=sorted(set(HOSTILE_KEYS.values())), quiet=False)
@example(tails=sorted(set(HOSTILE_KEYS.values())), quiet=True)
@given(tails=st.lists(key_tails(max_size=8), min_size=1, max_size=6, unique=True), quiet=st.booleans())
def test_the_answer_names_each_key_unless_quiet(session: Session, tails: list[str], quiet: bool) -> None:
    prefix = session.fresh_prefix()
    keys = sorted(prefix + tail for tail in tails)
    # The keys need not exist: a missing one counts as deleted, and is named like the others.
    response = session.wire.delete_objects(keys, quiet=quiet)
    root = response.xml()
    compare(response.status if root is not None else "no XML", 200, "answer", promise="200 with an XML_LINE_ENDS body")
    assert root is not None
    deleted = [element.text or "" for element in root.iterfind("Deleted/Key")]
    errors = [element.findtext("Key") or "" for element in root.iterfind("Error")]
    if quiet:
        compare(deleted, [], "keys named as deleted in a quiet answer", promise="none")
        nameless = sum(error not in keys for error in errors)
        compare(nameless, 0, "errors in a quiet answer that name none of the keys", promise="none")
    # A server may reject a key, but must still name it.
    elif sorted(deleted + errors) != keys:
        wrong = [key for key in (*deleted, *errors) if key not in keys]
        missing = [key for key in keys if key not in deleted + errors]
        require(
            False,
            promised=f"each of {len(keys)} keys is named once, as sent",
            observed=f"{len(deleted + errors)} named; not named: {missing[:3]!r}; named instead: {wrong[:3]!r}",
        )


def _crc32(body: bytes) -> str:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def _sha256(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


OTHER: Final = b"another body"
DIGESTS: Final[dict[str, Callable[[bytes], str]]] = {
    "Content-MD5": content_md5,
    "x-amz-checksum-crc32": _crc32,
    "x-amz-checksum-sha256": _sha256,
}
WRONG_DIGESTS: Final[dict[str, tuple[str, str, str]]] = {
    "Content-MD5 of another body": ("Content-MD5", content_md5(OTHER), "400 BadDigest"),
    "Content-MD5 that is none": ("Content-MD5", "bm90IGFuIG1kNQ==", "400 InvalidDigest"),
    "CRC32 of another body": ("x-amz-checksum-crc32", _crc32(OTHER), "400 BadDigest"),
    "SHA-256 of another body": ("x-amz-checksum-sha256", _sha256(OTHER), "400 BadDigest"),
}


def _twin_is_deleted(session: Session, header: str = "Content-MD5") -> HttpResponse:
    """Return the response to a good batch of one key with this digest, after which the key must be gone.

    A refusal says something of a digest only where the same batch with the right one is carried out.
    """
    key = f"{session.fresh_prefix()}twin"
    session.populate([key])
    body = delete_body([key])
    response = session.wire.delete_objects([key], headers=((header, DIGESTS[header](body)),))
    if header == "Content-MD5":
        needs_taken(response, Operation.BATCH_DELETE, "POST ?delete")
        compare(_told(session, [key], response.summary), "200, 1 of 1 deleted", "a good batch with its Content-MD5")
    return response


@clause(
    "DEL-012",
    "A batch whose Content-MD5 or checksum does not fit its body is refused and deletes nothing.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(DELETE_OBJECTS, ERRORS),
    proved_by=("delete-ignores-content-md5", "delete-ignores-checksums"),
    effort=0.2,
)
@examples("wrong", list(WRONG_DIGESTS))
@given(wrong=st.sampled_from(list(WRONG_DIGESTS)))
def test_a_wrong_digest_deletes_nothing(session: Session, wrong: str) -> None:
    header, value, code = WRONG_DIGESTS[wrong]
    taken = _twin_is_deleted(session, header)
    # DEL-025 decides whether a batch with a checksum alone is carried out.
    only_if(taken.ok, f"a batch with a right {header} gives {taken.summary}")
    prefix = session.fresh_prefix()
    live = [f"{prefix}a", f"{prefix}b"]
    session.populate(live)
    response = session.wire.delete_objects(live, headers=((header, value),))
    gone = _gone(session, live)
    observed, harm = f"{refusal_of(response, code)}, {gone} of 2 deleted", Harm.LOSES_DATA if gone else None
    compare(observed, f"{code}, 0 of 2 deleted", f"a batch with the {wrong}", harm=harm)


_NAMESPACE: Final = f' xmlns="{XML_NAMESPACE}"'
MALFORMED: Final[dict[str, Callable[[str], str]]] = {
    "its end cut off": lambda key: f"<Delete{_NAMESPACE}><Object><Key>{key}</Key></Object>",
    "crossed tags": lambda key: f"<Delete{_NAMESPACE}><Object><Key>{key}</Object></Key></Delete>",
    "no XML_LINE_ENDS in it": lambda key: key,
    "no objects": lambda key: f"<Delete{_NAMESPACE}/>",
    "no objects, quiet": lambda key: f"<Delete{_NAMESPACE}><Quiet>true</Quiet></Delete>",
    "an unknown root": lambda key: f"<Remove{_NAMESPACE}><Object><Key>{key}</Key></Object></Remove>",
}


@clause(
    "DEL-013",
    "A batch that is malformed, names nothing or has another root is refused as MalformedXML and deletes nothing.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(DELETE_OBJECTS, ERRORS),
    proved_by=("delete-reads-xml-by-pattern", "delete-empty-batch-is-fine"),
    effort=0.2,
)
@examples("defect", list(MALFORMED))
@given(defect=st.sampled_from(list(MALFORMED)))
def test_a_malformed_batch_deletes_nothing(session: Session, defect: str) -> None:
    _twin_is_deleted(session)
    key = f"{session.fresh_prefix()}a"
    session.populate([key])
    body = MALFORMED[defect](key).encode()
    response = session.wire.request(
        "POST", query=(("delete", ""),), headers=(("Content-MD5", content_md5(body)),), body=body
    )
    said = refusal_of(response, "400 MalformedXML")
    compare(_told(session, [key], said), "400 MalformedXML, 0 of 1 deleted", f"a batch with {defect}")


@clause(
    "DEL-015",
    "The largest batch that is taken is the one declared for the backend, or 1000 keys where none is.",
    level=Level.SHOULD,
    profile=Profile.S3,
    source=DELETE_OBJECTS,
    proved_by=("delete-takes-1001", "delete-takes-999"),
)
def test_the_largest_batch_is_the_one_declared(session: Session) -> None:
    prefix = session.fresh_prefix()
    declared = session.declared_limits.get("batch_keys", LARGEST_BATCH)
    keys = [f"{prefix}{number}" for number in range(max(declared, LARGEST_BATCH) + 1)]

    def taken(count: int) -> bool:
        """Return whether a batch of ``count`` keys is carried out up to its last key."""
        session.wire.put(keys[count - 1], b"x")
        return session.wire.delete_objects(keys[:count]).ok and not session.wire.head(keys[count - 1]).ok

    largest = largest_batch(taken, len(keys), likely=declared)
    shown = f"at least {largest} keys" if largest == len(keys) else f"{largest} keys"
    if shown != f"{declared} keys":
        what = "largest batch taken"
        raise Deviation(promised=f"{what}: {declared} keys", observed=f"{what}: {shown}", measured=largest)


def largest_batch(taken: Callable[[int], bool], most: int, *, likely: int) -> int:
    """Return the largest number of keys, up to ``most``, for which ``taken(count)`` holds; 0 where none does.

    It is a binary search that begins with ``most``, and with ``likely`` and the number after it.
    """
    if taken(most):
        return most
    good, bad = 0, most
    if taken(likely):
        good = likely
        if likely + 1 < most and not taken(likely + 1):
            return likely
    else:
        bad = likely
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if taken(middle) else (good, middle)
    return good


@contextmanager
def versioned_bucket(session: Session) -> Iterator[str]:
    """Make a bucket with versioning, and remove it with all its versions at the end. Yields its name."""
    wire, bucket = session.wire, session.fresh_id()
    region = wire.endpoint.region
    place = f"<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
    made = wire.request("PUT", bucket=bucket)
    if not made.ok:
        made = wire.request("PUT", bucket=bucket, body=place.encode())
    if not made.ok:
        raise Inconclusive(f"versions are tried in a bucket of its own, which could not be made: {made.summary}")
    if trouble := why_not_new(wire, bucket):
        raise Inconclusive(f"versions are tried in a bucket of its own, and the one that was made {trouble}")
    try:
        enabled = "<Status>Enabled</Status>"
        body = f"<VersioningConfiguration{_NAMESPACE}>{enabled}</VersioningConfiguration>".encode()
        switched = wire.request(
            "PUT", bucket=bucket, query=(("versioning", ""),), body=body, headers=(("Content-MD5", content_md5(body)),)
        )
        needs_taken(switched, Operation.VERSIONING, "PUT ?versioning")
        if not switched.ok:
            raise Inconclusive(f"versioning could not be switched on: {switched.summary}")
        yield bucket
    finally:
        root = wire.request("GET", bucket=bucket, query=(("versions", ""),)).xml()
        for entry in root.iter() if root is not None else ():
            key = entry.findtext("Key") or ""
            if entry.tag in ("Version", "DeleteMarker") and run_of(key) == session.run_id:
                query = (("versionId", entry.findtext("VersionId") or "null"),)
                wire.request("DELETE", key, bucket=bucket, query=query)
        remove_side_bucket(wire, bucket)


@clause(
    "DEL-016",
    "With versioning on, a batch delete hides objects behind markers, and removing the marker brings them back.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(DELETE_OBJECTS, VERSIONING_SUSPENDED),
    proved_by=("delete-batch-removes-versions", "delete-batch-tells-no-marker"),
    requires={Capability.VERSIONING},
)
def test_a_batch_delete_in_a_versioned_bucket_can_be_undone(session: Session) -> None:
    wire, key, content = session.wire, session.fresh_prefix() + "b", b"first version"
    with versioned_bucket(session) as bucket:
        version = wire.request("PUT", key, bucket=bucket, body=content).header("x-amz-version-id") or ""
        body = delete_body([key])
        response = wire.request(
            "POST", bucket=bucket, query=(("delete", ""),), headers=(("Content-MD5", content_md5(body)),), body=body
        )
        root = response.xml()
        row = root.find("Deleted") if root is not None else None
        marker = (row.findtext("DeleteMarkerVersionId") or "") if row is not None else ""
        observed = {
            "marker made": bool(marker) and row is not None and row.findtext("DeleteMarker") == "true",
            "read after the delete": wire.request("GET", key, bucket=bucket).status,
            "read of the older version": wire.request("GET", key, bucket=bucket, query=(("versionId", version),)).body,
        }
        wire.request("DELETE", key, bucket=bucket, query=(("versionId", marker),))
        observed["read without the marker"] = wire.request("GET", key, bucket=bucket).body
    promised = {
        "marker made": True,
        "read after the delete": 404,
        "read of the older version": content,
        "read without the marker": content,
    }
    for what, due in promised.items():
        compare(observed[what], due, what)


@clause(
    "DEL-020",
    "DELETE of a missing key is answered 204.",
    level=Level.MUST,
    profile=Profile.S3,
    source=DELETE_OBJECT,
    proved_by="delete-missing-gives-404",
)
@examples("tail", ["a", "a/b", "a b", "a/"])
@given(tail=st.text("ab/ +", min_size=1, max_size=6).filter(lambda tail: "//" not in tail and not tail.startswith("/")))
def test_deleting_a_missing_object_is_204(session: Session, tail: str) -> None:
    compare(session.wire.delete(session.fresh_prefix() + tail).status, 204, "DELETE of a missing key")


@clause(
    "DEL-018",
    "A batch with neither Content-MD5 nor a checksum is refused and deletes nothing.",
    level=Level.MUST,
    profile=Profile.S3,
    source=DELETE_OBJECTS,
    proved_by="delete-needs-no-digest",
)
def test_a_batch_without_a_digest_deletes_nothing(session: Session) -> None:
    _twin_is_deleted(session)
    prefix = session.fresh_prefix()
    live = [f"{prefix}a", f"{prefix}b"]
    session.populate(live)
    response = session.wire.delete_objects(live, headers=())
    status = "400" if response.status in (405, 501) else str(response.status)
    compare(_told(session, live, status), "400, 0 of 2 deleted", "a batch without a digest")


CHECKSUMS: Final = tuple(header for header in DIGESTS if header.startswith("x-amz-"))


@clause(
    "DEL-025",
    "A batch with a right CRC32 or SHA-256 of its body, and no Content-MD5, is carried out.",
    level=Level.SHOULD,
    profile=Profile.S3,
    source=(DELETE_OBJECTS, OBJECT_INTEGRITY),
    proved_by=("delete-wants-content-md5", "delete-with-a-checksum-does-nothing"),
)
@examples("header", CHECKSUMS)
@given(header=st.sampled_from(CHECKSUMS))
def test_a_batch_with_a_checksum_alone_is_carried_out(session: Session, header: str) -> None:
    prefix = session.fresh_prefix()
    live, beside = [f"{prefix}a", f"{prefix}b c"], f"{prefix}d"
    session.populate([*live, beside])
    body = delete_body(live)
    response = session.wire.delete_objects(live, headers=((header, DIGESTS[header](body)),))
    left = "there" if session.wire.head(beside).ok else "gone"
    observed = f"{_told(session, live, response.summary)}, the key beside them {left}"
    compare(observed, "200, 2 of 2 deleted, the key beside them there", f"a batch with a right {header}")
