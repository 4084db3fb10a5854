"""KEY: any UTF-8 key is stored byte for byte, up to the length that S3 allows, and is never taken for another."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, unquote_plus

from hypothesis import given
from hypothesis import strategies as st

from bucket_conformance.conformance.catalogue import also, clause
from bucket_conformance.conformance.contract import Capability, Harm, Level, Profile
from bucket_conformance.conformance.session import LEADS, Session
from bucket_conformance.conformance.strategies import HOSTILE_KEYS, examples, key_tails
from bucket_conformance.conformance.testkit.foreign_names import without_foreign
from bucket_conformance.conformance.testkit.needs import refusal_of
from bucket_conformance.conformance.testkit.sources import (
    ERRORS,
    OBJECT_KEYS,
    PREFIXES,
    PUT_OBJECT,
)
from bucket_conformance.conformance.verdict import compare, require, show
from bucket_conformance.conformance.wire.stored_bytes import is_lost, stored_in
from bucket_conformance.conformance.wire.transport import HttpResponse


def listed(session: Session, prefix: str) -> list[str] | str:
    """Return the keys that the server lists below a prefix, sorted; or a text that says what it returned instead."""
    response = session.wire.request(
        "GET", query=(("encoding-type", "url"), ("list-type", "2"), ("prefix", prefix), ("max-keys", "100"))
    )
    root = response.xml()
    if not response.ok or root is None:
        return f"the listing gave {response.summary}, {'well-formed' if root is not None else 'malformed'} XML"
    encoded = root.findtext("EncodingType") == "url"
    keys = (entry.findtext("Key") or "" for entry in root.iterfind("Contents"))
    return without_foreign(session, sorted(unquote_plus(key) if encoded else key for key in keys))


def read(response: HttpResponse) -> bytes | str:
    """Return the body of a successful response, or else its status and error code."""
    return response.body if response.ok else response.summary


def stored(session: Session, key: str, body: bytes, what: str) -> None:
    """Store a body under a key; raise ``Deviation`` where the server does not accept it."""
    response = session.wire.put(key, body)
    require(response.ok, promised=f"{what}: PUT is accepted", observed=f"PUT gives {response.summary}")


def _kept_byte_for_byte(session: Session, key: str, prefix: str, what: str) -> None:
    wire, body = session.wire, key.encode()
    stored(session, key, body, what)
    compare(read(wire.get(key)), body, f"{what}: GET")
    head = wire.head(key)
    compare((head.status, head.header("content-length")), (200, str(len(body))), f"{what}: status and length of HEAD")
    compare(listed(session, prefix), [key], f"{what}: keys listed")
    wire.delete(key)
    compare(wire.get(key).status, 404, f"{what}: GET after DELETE")


@clause(
    "KEY-009",
    "Any UTF-8 key is kept byte for byte through PUT, GET, HEAD, listing, copy and DELETE.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(OBJECT_KEYS, PUT_OBJECT),
    proved_by=(
        "decodes-keys-twice",
        "plus-in-key-is-a-space",
        "trims-keys",
        "collapses-spaces",
        "normalises-keys-to-nfc",
        "copy-source-is-not-decoded",
    ),
    effort=0.5,
)
@examples("tail", HOSTILE_KEYS.values())
@given(tail=key_tails())
def test_any_key_is_kept_byte_for_byte(session: Session, tail: str) -> None:
    prefix = session.fresh_prefix()
    _kept_byte_for_byte(session, prefix + tail, prefix, f"key ending in {show(tail, limit=60)}")


@also("KEY-009", effort=0.1)
@examples("lead", LEADS)
@given(lead=st.sampled_from(LEADS))
def test_a_key_may_begin_with_anything(session: Session, lead: str) -> None:
    key = lead + session.fresh_prefix() + "a"
    try:
        _kept_byte_for_byte(session, key, key[:-1], f"key beginning with {show(lead)}")
    finally:
        # Such keys are outside of the prefixes of the run, so no other cleanup finds them.
        session.wire.delete(key)


@also("KEY-009", requires={Capability.COPY}, effort=0.3)
@examples("tail", HOSTILE_KEYS.values())
@given(tail=key_tails())
def test_any_key_can_be_copied_from_and_to(session: Session, tail: str) -> None:
    wire, what = session.wire, f"key ending in {show(tail, limit=60)}"
    source, target = session.fresh_prefix() + tail, session.fresh_prefix() + tail
    stored(session, source, source.encode(), what)
    copied = wire.request(
        "PUT", target, headers=(("x-amz-copy-source", quote(f"/{wire.bucket}/{source}", safe="/-._~")),)
    )
    require(copied.ok and copied.code == "", promised=f"{what}: is copied", observed=f"copying gives {copied.summary}")
    compare(read(wire.get(target)), source.encode(), f"{what}: GET of the copy")


LOOK_ALIKES: Final[dict[str, tuple[str, str]]] = {
    "lower and upper case": ("a", "A"),
    "composed and decomposed": ("\u00e9", "e\u0301"),
    "ligature and letters": ("\ufb01", "fi"),
    "Angstrom sign and letter": ("\u212b", "\u00c5"),
    "Kelvin sign and letter": ("\u212a", "k"),
    "sharp s and ss": ("\u00df", "ss"),
    "plus and space": ("a+b", "a b"),
    "space and %20": ("a b", "a%20b"),
    "plus and %2B": ("a+b", "a%2Bb"),
    "plus and %20": ("a+b", "a%20b"),
    "%2B and %2b": ("a%2Bb", "a%2bb"),
    "%25 and %": ("a%25b", "a%b"),
    "slash and %2F": ("a/b", "a%2Fb"),
    "slash and backslash": ("a/b", "a\\b"),
    "two slashes and one": ("a//b", "a/b"),
    "three slashes and two": ("a///b", "a//b"),
    "slash at the end and none": ("a/", "a"),
    "two slashes at the end and one": ("a//", "a/"),
    "slash at the start and none": ("/a", "a"),
    "dot segment and none": ("a/./b", "a/b"),
    "dot dot segment and what it would lead to": ("a/../b", "b"),
    "dot dot segment and none": ("a/../b", "a/b"),
    "two spaces and one": ("a  b", "a b"),
    "three spaces and two": ("a   b", "a  b"),
    "space at the end and none": ("a ", "a"),
    "space at the start and none": (" a", "a"),
    "dot at the end and none": ("a.", "a"),
    "question mark and none": ("a?b", "a"),
    "hash and none": ("a#b", "a"),
    "semicolon and none": ("a;b", "a"),
    "ampersand and its entity": ("a&b", "a&amp;b"),
    "zero width space and none": ("a\u200bb", "ab"),
    "CR LF and LF": ("a\r\nb", "a\nb"),
    "number and padded number": ("1", "01"),
}
"""Pairs of keys that some stores take for one, by how they differ."""


def _stay_apart(session: Session, keys: tuple[str, str], what: str, prefix: str | None = None) -> None:
    wire = session.wire
    for key in keys:
        stored(session, key, key.encode(), f"{what}: {key!r}")
    responses, due = [wire.get(key) for key in keys], [key.encode() for key in keys]
    seen = [read(response) for response in responses]
    # Only the first object can be lost, overwritten by the second; a second that is missing was never stored.
    compare(seen, due, f"{what}: GET of both", harm=Harm.LOSES_DATA if is_lost(responses[0], due[0]) else None)
    if prefix is not None:
        compare(listed(session, prefix), sorted(keys), f"{what}: keys listed")
    wire.delete(keys[0])
    first, second = wire.get(keys[0]), wire.get(keys[1])
    compare(
        (first.status, read(second)),
        (404, keys[1].encode()),
        f"{what}: GET of both after DELETE of the first",
        harm=Harm.LOSES_DATA if stored_in(second) is None else None,
    )


@clause(
    "KEY-010",
    "Keys that only look alike stay different objects.",
    level=Level.MUST,
    profile=Profile.S3,
    source=OBJECT_KEYS,
    proved_by=(
        "flips-a-bit-of-one-read-in-two-hundred",
        "lowercases-keys",
        "normalises-keys-to-nfc",
        "collapses-double-slashes",
        "collapses-spaces",
        "resolves-dot-segments",
        "strips-trailing-slash",
        "plus-in-key-is-a-space",
        "decodes-keys-twice",
    ),
)
@examples("pair", [pair for one, other in LOOK_ALIKES.values() for pair in ((one, other), (other, one))])
@given(pair=st.sampled_from(sorted(LOOK_ALIKES.values())))
def test_look_alikes_stay_different_objects(session: Session, pair: tuple[str, str]) -> None:
    prefix = session.fresh_prefix()
    _stay_apart(session, (prefix + pair[0], prefix + pair[1]), f"{pair[0]!r} and {pair[1]!r}", prefix)


@also("KEY-010")
@examples("slash_first", [True, False])
@given(slash_first=st.booleans())
def test_a_slash_at_the_very_start_of_a_key_counts(session: Session, slash_first: bool) -> None:
    plain = session.fresh_prefix() + "a"
    keys = (f"/{plain}", plain) if slash_first else (plain, f"/{plain}")
    try:
        _stay_apart(session, keys, "a key with a leading slash, and without")
    finally:
        session.wire.delete(f"/{plain}")


WIDE: Final = {1: "k", 2: "\u00e9", 3: "\u6587", 4: "\U0001f600"}
"""One character for each length in UTF-8, by that length in bytes."""


def _segment(size: int, width: int) -> str:
    """Return ``size`` bytes of characters that are ``width`` bytes long, with one-byte characters at the end."""
    return WIDE[width] * (size // width) + "k" * (size % width)


def _key_of(size: int, width: int, prefix: str) -> str:
    """Return a key of ``size`` bytes below ``prefix``, with ``width``-byte characters and segments up to 200 bytes."""
    key, left = prefix, size - len(prefix.encode())
    while left > 200:
        key += _segment(150, width) + "/"
        left -= 151
    return key + _segment(left, width)


@clause(
    "KEY-011",
    "A key of 1024 bytes is accepted; a longer one is refused with KeyTooLongError and leaves nothing, under no name.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(OBJECT_KEYS, ERRORS),
    proved_by=("cuts-keys-at-1024-bytes", "takes-longer-keys", "counts-key-characters", "refuses-keys-of-1000-bytes"),
)
@examples("size_and_width", [(size, width) for size in (1024, 1023) for width in WIDE])
@given(size_and_width=st.tuples(st.integers(900, 1024), st.sampled_from(sorted(WIDE))))
def test_a_key_of_1024_bytes_is_accepted(session: Session, size_and_width: tuple[int, int]) -> None:
    size, width = size_and_width
    prefix = session.fresh_prefix()
    key, what = _key_of(size, width, prefix), f"key of {size} bytes, {width} per character"
    stored(session, key, b"long", what)
    compare((read(session.wire.get(key)), listed(session, prefix)), (b"long", [key]), f"{what}: GET, keys listed")


@also("KEY-011")
@examples("size_and_width", [(size, width) for size in (1025, 1026, 2048) for width in WIDE])
@given(size_and_width=st.tuples(st.integers(1025, 1600), st.sampled_from(sorted(WIDE))))
def test_a_longer_key_is_refused_and_leaves_nothing(session: Session, size_and_width: tuple[int, int]) -> None:
    size, width = size_and_width
    prefix = session.fresh_prefix()
    response = session.wire.put(_key_of(size, width, prefix), b"too long")
    observed = (refusal_of(response, "400 KeyTooLongError"), listed(session, prefix))
    compare(observed, ("400 KeyTooLongError", []), f"PUT of a key of {size} bytes, {width} per character; keys listed")


@clause(
    "KEY-012",
    "One segment of a key may be longer than a file name: 255, 256 and 900 bytes are stored and read back.",
    level=Level.MUST,
    profile=Profile.S3,
    source=OBJECT_KEYS,
    proved_by="refuses-long-segments",
)
@examples("size_and_width", [(size, width) for size in (255, 256, 900) for width in (1, 4)])
@given(size_and_width=st.tuples(st.integers(200, 900), st.sampled_from(sorted(WIDE))))
def test_a_long_segment_is_stored_and_read_back(session: Session, size_and_width: tuple[int, int]) -> None:
    size, width = size_and_width
    prefix = session.fresh_prefix()
    key = prefix + _segment(size, width)
    stored(session, key, b"long segment", f"segment of {size} bytes, {width} per character")
    observed = (read(session.wire.get(key)), listed(session, prefix))
    compare(observed, (b"long segment", [key]), f"segment of {size} bytes: GET, keys listed")


ORDINARY: Final = (
    *("0", "007", "1e3", "-1", "1.0", "NaN", "null", "true", "undefined"),
    *("123e4567-e89b-12d3-a456-426614174000", "{123e4567-e89b-12d3-a456-426614174000}"),
    *(".hidden", ".a.swp", "..a", "...", "~", "-", "_", "__init__", "a."),
    *(".metadata", "a.metadata", ".metadata.json", "_metadata", "metadata", "a.meta", "xl.meta", ".xattr", ".info"),
    *(
        ".metadata/a",
        ".uploads/a",
        ".multipart/a",
        ".versions/a",
        ".tmp/a",
        "tmp/a",
        ".sys/a",
        ".trash/a",
        "lost+found",
    ),
    *(
        "a.part",
        "a.tmp",
        "a.lock",
        "a.bak",
        "index.html",
        ".DS_Store",
        "Thumbs.db",
        "con",
        "nul",
        "COM1",
        "favicon.ico",
    ),
    *("uploads", "versions", "acl", "policy", "list-type=2", "soap", "a.gz", "a.json"),
)
"""Names that some stores reserve, or give a meaning to."""


@clause(
    "KEY-014",
    "Names that look like numbers, UUIDs, hidden files or metadata are ordinary keys.",
    level=Level.MUST,
    profile=Profile.S3,
    source=OBJECT_KEYS,
    proved_by=(
        "hides-dot-names",
        "keeps-metadata-beside-objects",
        "reads-numbers-in-names",
        "loses-one-write-in-forty",
    ),
)
@examples("name", ORDINARY)
@given(name=st.sampled_from(ORDINARY))
def test_such_a_name_is_an_ordinary_key(session: Session, name: str) -> None:
    prefix = session.fresh_prefix()
    beside, key, wire = prefix + "a", prefix + name, session.wire
    keys = sorted({beside, key})
    for each in keys:
        stored(session, each, each.encode(), f"key {each[len(prefix) :]!r}")
    observed = ([read(wire.get(each)) for each in keys], listed(session, prefix))
    compare(observed, ([each.encode() for each in keys], keys), f"GET and listing of {name!r} beside 'a'")
    wire.delete(beside)
    compare((read(wire.get(key)), listed(session, prefix)), (key.encode(), [key]), f"{name!r} after DELETE of 'a'")


TAILS: Final = (("a", "a/b"), ("a/b", "a"), ("a", "a/b/c"), ("a/b/c", "a/b"), ("a", "ab"), ("a/b", "a/bc"))


@clause(
    "KEY-015",
    "Any key and one that lies below it, `a` and `a/b`, live side by side, and deleting one leaves the other.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(OBJECT_KEYS, PREFIXES),
    proved_by=("delete-takes-what-lies-below", "file-bars-folder", "folder-bars-file", "object-hides-what-lies-below"),
)
@examples("tails", TAILS)
@given(tails=st.sampled_from(TAILS))
def test_a_key_and_one_below_it_live_side_by_side(session: Session, tails: tuple[str, str]) -> None:
    prefix = session.fresh_prefix()
    _stay_apart(session, (prefix + tails[0], prefix + tails[1]), f"{tails[0]!r} and {tails[1]!r}", prefix)
