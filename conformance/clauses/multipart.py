"""RT: multipart uploads, and copies made by the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from hypothesis import example, given
from hypothesis import strategies as st

from bucket_conformance.conformance.catalogue import also, clause
from bucket_conformance.conformance.contract import Capability, Level, Profile
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.strategies import HOSTILE_KEYS, MIB, examples, key_tails, only_if, pattern_bytes
from bucket_conformance.conformance.testkit.multipart import Upload, completed
from bucket_conformance.conformance.testkit.needs import Operation, needs, refusal_of
from bucket_conformance.conformance.testkit.sources import (
    ABORT_MULTIPART_UPLOAD,
    COMPLETE_MULTIPART_UPLOAD,
    COPY_OBJECT,
    MULTIPART_LIMITS,
    UPLOAD_PART,
)
from bucket_conformance.conformance.verdict import compare, require
from bucket_conformance.conformance.wire.exchange import Headers
from bucket_conformance.conformance.wire.transport import HttpResponse

LEAST_PART: Final = 5 * MIB
"""Minimum size of a part other than the last, in bytes."""


@clause(
    "RT-012",
    "Parts that were uploaded in any order are joined by their numbers.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(UPLOAD_PART, COMPLETE_MULTIPART_UPLOAD),
    proved_by=(
        "joins-parts-by-arrival",
        "joins-parts-by-number-as-text",
        "keeps-first-of-repeated-part",
        "wants-equal-parts",
        "joins-parts-at-equal-distances",
    ),
    requires={Capability.MULTIPART},
    effort=0.1,
)
@examples("order", [(7,), (2, 1), (10, 9), (10000, 2, 11)])
@given(order=st.lists(st.integers(1, 10_000), min_size=1, max_size=2, unique=True).map(tuple))
def test_parts_are_joined_by_number(session: Session, order: tuple[int, ...]) -> None:
    last = max(order)
    # Only the last part may be small.
    bodies = {n: pattern_bytes(1000 if n == last else LEAST_PART, salt=n % 256) for n in order}
    with Upload(session) as upload:
        for number in order:
            upload.part(number, bodies[number])
        response = upload.complete()
        stored = upload.stored()
    compare(completed(response), True, f"parts {order} are completed ({response.summary})")
    compare(stored, b"".join(bodies[n] for n in sorted(order)), f"parts sent in the order {order}, joined")


@also("RT-012", requires={Capability.MULTIPART}, effort=0.1)
@examples("sizes", [(LEAST_PART, LEAST_PART + 70_000, 1000), (LEAST_PART + 1, LEAST_PART)])
@given(sizes=st.tuples(st.integers(LEAST_PART, LEAST_PART + MIB), st.integers(0, LEAST_PART + MIB)))
def test_parts_of_unequal_size_are_joined(session: Session, sizes: tuple[int, ...]) -> None:
    bodies = [pattern_bytes(size, salt=number) for number, size in enumerate(sizes)]
    with Upload(session) as upload:
        for number, body in enumerate(bodies, 1):
            upload.part(number, body)
        response = upload.complete()
        stored = upload.stored()
    compare(
        completed(response), True, f"parts of {', '.join(map(str, sizes))} bytes are completed ({response.summary})"
    )
    compare(stored, b"".join(bodies), f"parts of {', '.join(map(str, sizes))} bytes, joined")


@also("RT-012", requires={Capability.MULTIPART}, effort=0.1)
@examples("sizes", [(1, 2), (2, 1)])
@given(sizes=st.tuples(st.integers(0, 1000), st.integers(0, 1000)))
def test_the_last_upload_of_a_part_counts(session: Session, sizes: tuple[int, int]) -> None:
    with Upload(session) as upload:
        for salt, size in enumerate(sizes):
            upload.part(1, pattern_bytes(size, salt=salt))
        response = upload.complete()
        stored = upload.stored()
    compare(completed(response), True, f"a part that was sent twice is completed ({response.summary})")
    compare(stored, pattern_bytes(sizes[1], salt=1), "stored of a part that was sent twice")


@clause(
    "RT-014",
    "An aborted upload leaves nothing behind, its id is dead, and no list of uploads names it.",
    level=Level.MUST,
    profile=Profile.S3,
    source=ABORT_MULTIPART_UPLOAD,
    proved_by=("abort-keeps-the-upload", "abort-stores-what-came", "abort-removes-the-object", "lists-aborted-uploads"),
    requires={Capability.MULTIPART},
    effort=0.2,
)
@example(parts=0, overwrites=False)
@example(parts=1, overwrites=False)
@example(parts=2, overwrites=True)
@given(parts=st.integers(0, 3), overwrites=st.booleans())
def test_an_aborted_upload_leaves_nothing(session: Session, parts: int, overwrites: bool) -> None:
    before = b"from before" if overwrites else None
    with Upload(session) as upload:
        if before is not None:
            session.wire.put(upload.key, before)
        for number in range(1, parts + 1):
            upload.part(number, pattern_bytes(100, salt=number))
        named = sorted(upload.etags.items()) or [(1, '"d41d8cd98f00b204e9800998ecf8427e"')]
        aborted = upload.abort()
        later = {"a part": upload.part(1, b"late"), "the completion": upload.complete(named)}
        stored = upload.stored()
        listed = _is_listed(session, upload)
    dead = {what: (response.status, response.code) for what, response in later.items()}
    compare(aborted.status, 204, "status of the abort")
    compare(dead, dict.fromkeys(dead, (404, "NoSuchUpload")), "status and code after the abort")
    compare(stored, before, "stored after the abort")
    compare(listed, False, "the upload is named by ListMultipartUploads after the abort")


def _is_listed(session: Session, upload: Upload) -> bool:
    """Return whether a list of uploads names this one. Whether there is such a list is no affair of RT-014."""
    response = session.wire.request("GET", query=(("prefix", upload.key), ("uploads", "")))
    root = response.xml() if response.ok else None
    return root is not None and upload.id in [found.findtext("UploadId") for found in root.iterfind("Upload")]


@clause(
    "RT-015",
    "A part under 5 MiB that is not the last is refused at completion (EntityTooSmall), and no object appears.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(COMPLETE_MULTIPART_UPLOAD, MULTIPART_LIMITS),
    proved_by=("joins-small-parts", "completes-then-refuses-small-parts"),
    requires={Capability.MULTIPART},
    effort=0.1,
)
@examples("size", [1, 1000, LEAST_PART - 1])
@given(size=st.integers(1, 64 * 1024))
def test_a_small_part_before_the_last_is_refused(session: Session, size: int) -> None:
    with Upload(session) as upload:
        upload.part(1, pattern_bytes(size))
        upload.part(2, b"the last")
        response = upload.complete()
        stored = upload.stored()
    code = _code(response, "EntityTooSmall")
    observed = (completed(response), code, None if stored is None else f"{len(stored)} bytes")
    compare(observed, (False, "EntityTooSmall", None), f"completed, code, stored with a first part of {size} bytes")


def _code(response: HttpResponse, promised: str) -> str:
    """Return the error code; ``promised`` where the server says that it does not have what was asked for."""
    return promised if response.status in (405, 501) else response.code


WRONG_COMPLETIONS: Final = {
    "wrong ETag": "InvalidPart",
    "swapped ETags": "InvalidPart",
    "missing part": "InvalidPart",
    "out of order": "InvalidPartOrder",
}


@clause(
    "RT-016",
    "A completion with a wrong ETag, a part that was never sent or parts out of order is refused, and no object "
    "appears.",
    level=Level.MUST,
    profile=Profile.S3,
    source=COMPLETE_MULTIPART_UPLOAD,
    proved_by=("complete-ignores-etags", "complete-skips-missing-parts", "complete-sorts-parts"),
    requires={Capability.MULTIPART},
    effort=0.1,
)
@examples("wrong", WRONG_COMPLETIONS)
@given(wrong=st.sampled_from(sorted(WRONG_COMPLETIONS)))
def test_a_wrong_completion_is_refused(session: Session, wrong: str) -> None:
    with Upload(session) as upload:
        upload.part(1, pattern_bytes(LEAST_PART, salt=1))
        # Where it is named as the last of all, it may be small.
        upload.part(2, pattern_bytes(1000 if wrong in ("wrong ETag", "swapped ETags") else LEAST_PART, salt=2))
        first, second = upload.etags.get(1, ""), upload.etags.get(2, "")
        response = upload.complete(
            {
                "wrong ETag": [(1, f'"{"0" * 32}"'), (2, second)],
                "swapped ETags": [(1, second), (2, first)],
                "missing part": [(1, first), (2, second), (3, second)],
                "out of order": [(2, second), (1, first)],
            }[wrong]
        )
        stored = upload.stored()
    code = _code(response, WRONG_COMPLETIONS[wrong])
    observed = (completed(response), code, None if stored is None else f"{len(stored)} bytes")
    compare(observed, (False, WRONG_COMPLETIONS[wrong], None), f"completed, code, stored ({wrong})")


def _copy(session: Session, source: str, target: str, headers: Headers = ()) -> HttpResponse:
    name = quote(f"{session.wire.bucket}/{source}".encode(), safe="/-._~")
    return session.wire.request("PUT", target, headers=[("x-amz-copy-source", f"/{name}"), *headers])


def _twisted(names: Sequence[str]) -> list[tuple[str, str]]:
    return [(name, names[(at + 7) % len(names)]) for at, name in enumerate(names)]


@clause(
    "RT-013",
    "A copy has the bytes, the content type and the metadata of its source, whatever the two keys are.",
    level=Level.MUST,
    profile=Profile.S3,
    source=COPY_OBJECT,
    proved_by=("copy-loses-metadata", "copy-decodes-source-twice", "copy-takes-plus-for-space", "copy-makes-empty"),
    requires={Capability.COPY},
    effort=0.5,
)
@examples("names", _twisted(list(HOSTILE_KEYS.values())))
@given(names=st.tuples(key_tails(), key_tails()))
def test_a_copy_is_like_its_source(session: Session, names: tuple[str, str]) -> None:
    wire, prefix = session.wire, session.fresh_prefix()
    source, target = f"{prefix}from/{names[0]}", f"{prefix}to/{names[1]}"
    body, before = pattern_bytes(300, salt=11), b"from before"
    described = [("Content-Type", "text/css"), ("x-amz-meta-colour", "blue")]
    # Another clause decides whether such keys can be stored at all.
    put = needs(wire.put(source, body, described), Operation.METADATA, "PUT with x-amz-meta-…")
    only_if(put.ok and wire.put(target, before).ok)
    copied = _copy(session, source, target)
    got, original = wire.get(target), wire.get(source)
    # RT-006 decides what of it an upload keeps.
    described_as = (original.header("content-type"), original.header("x-amz-meta-colour"))
    seen = (copied.summary, got.status, got.body, got.header("content-type"), got.header("x-amz-meta-colour"))
    if seen == ("200", 200, body, *described_as):
        return
    wire.put(target, before)
    only_if(original.body == body and wire.get(target).body == before)
    compare(seen[:2], ("200", 200), "answers of the copy and of a GET of its target")
    compare(seen[2], body, "bytes of the copy")
    compare(seen[3:], described_as, "content type and metadata of the copy, as the source has them")


@clause(
    "RT-017",
    "A copy of an object onto itself is refused unless something changes, and REPLACE replaces its metadata.",
    level=Level.MUST,
    profile=Profile.S3,
    source=COPY_OBJECT,
    proved_by=("copy-onto-itself-succeeds", "copy-onto-itself-empties", "replace-keeps-old-metadata"),
    requires={Capability.COPY},
    effort=0.2,
)
@examples("directive", ["none", "COPY", "REPLACE"])
@given(directive=st.sampled_from(["none", "COPY", "REPLACE"]))
def test_a_copy_onto_itself_needs_a_change(session: Session, directive: str) -> None:
    wire, key = session.wire, session.fresh_key()
    body = pattern_bytes(300, salt=12)
    wire.put(key, body, [("Content-Type", "text/css"), ("x-amz-meta-colour", "blue")])
    before = _description(wire.get(key))
    # RT-006 decides what an upload keeps: of a server that keeps none of it, nothing new can be seen either.
    keeps_it = before == ("text/css", "blue", None)
    promised: tuple[object, ...]
    if directive == "REPLACE":
        new = [("Content-Type", "text/plain"), ("x-amz-meta-shape", "round"), ("x-amz-metadata-directive", directive)]
        response = needs(_copy(session, key, key, new), Operation.COPY, "PUT with x-amz-copy-source")
        outcome, promised = response.summary, ("200", body, "text/plain", None, "round")
    else:
        asked = [] if directive == "none" else [("x-amz-metadata-directive", directive)]
        outcome = refusal_of(_copy(session, key, key, asked), "400 InvalidRequest")
        promised = ("400 InvalidRequest", body, *before)
    got = wire.get(key)
    observed: tuple[object, ...] = (outcome, got.body, *_description(got))
    if not keeps_it and directive == "REPLACE":
        observed, promised = (*observed[:2], None, None, None), (*promised[:2], None, None, None)
    require(
        observed == promised,
        promised=f"directive {directive}: {_described(promised)}",
        observed=_described(observed),
    )


def _description(response: HttpResponse) -> tuple[str | None, str | None, str | None]:
    """Return the content type and the two metadata of RT-017."""
    header = response.header
    return header("content-type"), header("x-amz-meta-colour"), header("x-amz-meta-shape")


def _described(seen: Sequence[object]) -> str:
    outcome, body, kind, colour, shape = seen
    size = len(body) if isinstance(body, bytes) else body
    return f"{outcome}; afterwards {size} bytes, {kind}, colour {colour}, shape {shape}"
