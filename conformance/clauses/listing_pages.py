"""LIST: the parameters of a listing, and what its pages say about themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from hypothesis import example, given
from hypothesis import strategies as st

from bucket_conformance.conformance.catalogue import also, clause
from bucket_conformance.conformance.contract import Level, Profile
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.strategies import HOSTILE_KEYS, examples, key_tails, only_if, pattern_bytes
from bucket_conformance.conformance.testkit.listings import (
    ORDER,
    Page,
    ask,
    grouped,
    held_of,
    keys_of,
    list_page,
    ordered,
    page_of,
    plain_tails,
    prefixes_of,
    walk,
)
from bucket_conformance.conformance.testkit.model import utf8_order
from bucket_conformance.conformance.testkit.needs import is_refusal
from bucket_conformance.conformance.testkit.sources import (
    HEAD_OBJECT,
    LIST_V1,
    LIST_V2,
    LISTING_KEYS,
    OBJECT_KEYS,
    PREFIXES,
)
from bucket_conformance.conformance.verdict import compare, require, show


@clause(
    "LIST-003",
    "A listing with start-after begins behind that key, whether the key exists or not.",
    level=Level.MUST,
    profile=Profile.S3,
    source=LIST_V2,
    proved_by=("start-after-is-inclusive", "start-after-wants-a-key-that-exists"),
)
@example(tails=["a", "b", "c"], after="b")
@example(tails=["a", "b", "c"], after="c")
@example(tails=["a", "b", "c"], after="bb")
@example(tails=["a", "b", "c"], after="0")
@example(tails=["a", "b", "c"], after="d")
@example(tails=["a", "a-", "ab"], after="a")
@example(tails=["B", "a", "b"], after="C")
@example(tails=["a", "\uff5e", "\U0001f600"], after="\uff5e")
@given(tails=plain_tails(max_size=7), after=st.text("abAB0~é", min_size=1, max_size=3))
def test_start_after_is_exclusive(session: Session, tails: list[str], after: str) -> None:
    prefix = session.fresh_prefix()
    held = held_of(session, prefix, tails)
    page = list_page(session, prefix=prefix, start_after=prefix + after)
    promised = [tail for tail in ordered(held) if utf8_order(tail) > utf8_order(after)]
    compare(sorted(keys_of([page], prefix)), sorted(promised), f"keys listed after {after!r} of {tails}")


def _no_key_below_another(tails: Sequence[str]) -> bool:
    # Another clause decides whether `a` and `a/b` can exist at the same time.
    return not any(other.startswith(f"{tail}/") for tail in tails for other in tails)


TREE: Final = ("a/1", "a/2", "a/3/4", "a-", "b", "b1/1", "c/1", "c/2", "c0", "d")


@clause(
    "LIST-004",
    "With a delimiter each common prefix is listed once over all pages, counts as one key of a page, and none is lost.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(LIST_V2, PREFIXES),
    proved_by=("common-prefixes-come-again", "common-prefixes-do-not-count", "delimiter-hides-files"),
)
@examples("tree", [(list(TREE), "/", size) for size in (1000, 1, 2, 3, 7)])
@example(tree=(["a/1", "a/2", "b"], "/", 1))
@example(tree=(["a/1", "b/1"], "/", 1))
@example(tree=(["a-1", "a-2", "b", "c-1"], "-", 2))
@given(
    tree=st.tuples(
        st.lists(st.from_regex(r"[ab-]{1,2}(/[ab]{1,2}){0,2}", fullmatch=True), max_size=8, unique=True).filter(
            _no_key_below_another
        ),
        st.just("/"),
        st.integers(1, 6),
    )
)
def test_common_prefixes_are_listed_once(session: Session, tree: tuple[list[str], str, int]) -> None:
    tails, delimiter, size = tree
    prefix = session.fresh_prefix()
    held = held_of(session, prefix, tails)
    pages = walk(session, most=len(tails) + 3, prefix=prefix, delimiter=delimiter, max_keys=size)
    observed = (sorted(keys_of(pages, prefix)), sorted(prefixes_of(pages, prefix)))
    compare(observed, grouped(held, delimiter), f"keys and common prefixes over all pages of {size}")
    largest = max(page.items for page in pages)
    require(largest <= size, promised=f"at most max-keys={size} entries on a page", observed=f"{largest} entries")


@clause(
    "LIST-005",
    "With encoding-type=url the names of a listing are percent-encoded, and decode to the very keys.",
    level=Level.MUST,
    profile=Profile.S3,
    source=LIST_V2,
    proved_by=("encoded-listing-leaves-plus", "encodes-listing-twice", "ignores-encoding-type"),
)
@examples("tail", HOSTILE_KEYS.values())
@given(tail=key_tails())
def test_encoded_names_decode_to_the_keys(session: Session, tail: str) -> None:
    prefix = session.fresh_prefix()
    held = held_of(session, prefix, [tail])
    response = ask(session, list_type=2, encoding_type="url", prefix=prefix)
    compare(keys_of([page_of(response)], prefix), held, "keys listed with encoding-type=url")
    root = response.xml()
    seen = root.findtext("EncodingType") if root is not None else None
    compare(seen, "url", "EncodingType in the answer to encoding-type=url")


def _seconds(text: str | None, *, header: bool) -> datetime | str:
    """Return a date of a listing or a header in whole seconds, UTC; or the text itself where it is not a date."""
    try:
        moment = parsedate_to_datetime(text or "") if header else datetime.fromisoformat(text or "")
        return moment.astimezone(UTC).replace(microsecond=0)
    except ValueError:
        return f"no date: {text!r}"


@clause(
    "LIST-006",
    "Size, ETag and last-modified in a listing are those that HEAD gives.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(LIST_V2, HEAD_OBJECT),
    proved_by=("listing-gives-sizes-in-kib", "listing-gives-another-etag", "listing-gives-local-time"),
)
@examples("sizes", [[0], [1], [1024], [5000, 0, 1025]])
@given(sizes=st.lists(st.integers(0, 20_000), min_size=1, max_size=3))
def test_a_listing_agrees_with_head(session: Session, sizes: list[int]) -> None:
    prefix, wire = session.fresh_prefix(), session.wire
    for number, size in enumerate(sizes):
        wire.put(f"{prefix}{number}", pattern_bytes(size, salt=number))
    root = ask(session, list_type=2, prefix=prefix).xml()
    entries = [] if root is None else root.findall("Contents")
    compare(len(entries), len(sizes), "objects listed")
    for entry in entries:
        head = wire.head(entry.findtext("Key") or "")
        listed = (
            entry.findtext("Size"),
            entry.findtext("ETag"),
            _seconds(entry.findtext("LastModified"), header=False),
        )
        promised = (
            head.header("content-length"),
            head.header("etag"),
            _seconds(head.header("last-modified"), header=True),
        )
        for what, seen, due in zip(("size", "ETag", "last-modified"), listed, promised, strict=True):
            compare(str(seen), str(due), f"{what} in the listing, held against HEAD")


def _contradictions(pages: Sequence[Page], size: int, most: int) -> list[str]:
    wrongs = []
    for number, page in enumerate(pages, 1):
        if page.items > size:
            wrongs.append(f"page {number} has {page.items} entries with max-keys={size}")
        if page.key_count != str(page.items):
            wrongs.append(f"page {number} has KeyCount {page.key_count} and {page.items} entries")
        if page.truncated and page.token is None:
            wrongs.append(f"page {number} says IsTruncated without a NextContinuationToken")
        if not page.truncated and page.token is not None:
            wrongs.append(f"page {number} gives a NextContinuationToken and is not truncated")
    if len(pages) >= most:
        wrongs.append(f"paging does not end after {len(pages)} pages")
    elif len(pages) > 1 and not pages[-1].items:
        wrongs.append(f"page {len(pages) - 1} says there is more, and page {len(pages)} is empty")
    return wrongs


@clause(
    "LIST-007",
    "IsTruncated, KeyCount and NextContinuationToken say what is true of each page, and paging ends.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(LIST_V2, LISTING_KEYS),
    proved_by=(
        "full-page-says-truncated",
        "key-count-is-max-keys",
        "paging-never-ends",
        "truncated-without-token",
        "page-of-a-key-hides-its-siblings",
        "names-beyond-the-prefix-are-more",
    ),
    effort=0.5,
)
@examples(
    "shape",
    [
        (0, 1, ""),
        (1, 1, ""),
        (2, 1, ""),
        (3, 1, ""),
        (3, 3, ""),
        (3, 2, ""),
        (4, 2, ""),
        (5, 1000, ""),
        (3, 3, "/"),
        (4, 1, "/"),
    ],
)
@given(shape=st.tuples(st.integers(0, 8), st.integers(1, 9), st.sampled_from(["", "/"])))
def test_pages_say_what_is_true_of_them(session: Session, shape: tuple[int, int, str]) -> None:
    count, size, delimiter = shape
    prefix = session.fresh_prefix()
    held_of(session, prefix, [f"{number // 2}/{number}" if number % 3 else f"k{number}" for number in range(count)])
    more = {"delimiter": delimiter} if delimiter else {}
    most = count + 2
    pages = walk(session, most=most, prefix=prefix, max_keys=size, **more)
    wrongs = _contradictions(pages, size, most)
    require(
        not wrongs,
        promised=f"pages of {count} keys with max-keys={size} agree with themselves",
        observed="; ".join(wrongs[:3]),
    )


@also("LIST-007", effort=0.3)
@examples("tails", [["foo", "foo1"], ["foo", "foo/a", "foo1"], ["foo", "fop"]])
@given(tails=st.lists(st.sampled_from(["foo", "foo-", "foo/a", "foo/b", "foo1", "fop"]), max_size=5, unique=True))
def test_a_page_of_the_key_that_a_prefix_names_says_what_follows(session: Session, tails: list[str]) -> None:
    prefix = session.fresh_prefix()
    held = [tail for tail in held_of(session, prefix, tails) if tail.startswith("foo")]
    most = len(held) + 2
    pages = walk(session, most=most, prefix=prefix + "foo", max_keys=1)
    listed_count = len(keys_of(pages, prefix))
    wrongs = _contradictions(pages, 1, most)
    if listed_count != len(held):
        wrongs.append(f"{listed_count} keys on {len(pages)} pages, though {len(held)} are there")
    require(
        not wrongs,
        promised=f"pages of one key with the prefix 'foo' agree with themselves and the {held} that are there",
        observed="; ".join(wrongs[:3]),
    )


@clause(
    "LIST-008",
    "The markers of ListObjects (version 1) page to the same keys and common prefixes.",
    level=Level.SHOULD,
    profile=Profile.S3,
    source=LIST_V1,
    proved_by=("v1-marker-is-inclusive", "v1-knows-no-marker"),
    effort=0.5,
)
@examples("tree", [(list(ORDER), "", 3), (list(ORDER), "", 1), (list(TREE), "/", 1), (list(TREE), "/", 4), ([], "", 1)])
@given(tree=st.tuples(plain_tails(max_size=7), st.just(""), st.integers(1, 8)))
def test_markers_page_to_the_same_set(session: Session, tree: tuple[list[str], str, int]) -> None:
    tails, delimiter, size = tree
    prefix = session.fresh_prefix()
    held = held_of(session, prefix, tails)
    parameters: dict[str, str | int] = {"prefix": prefix, "max_keys": size}
    if delimiter:
        parameters["delimiter"] = delimiter
    pages = [page_of(ask(session, **parameters))]
    while pages[-1].truncated and pages[-1].items and len(pages) < len(tails) + 3:
        last = pages[-1].next_marker or max((*pages[-1].keys, *pages[-1].prefixes), key=utf8_order)
        pages.append(page_of(ask(session, marker=last, **parameters)))
    prefixes = sorted(prefixes_of(pages, prefix))
    promised = grouped(held, delimiter) if delimiter else (sorted(held), [])
    compare((sorted(keys_of(pages, prefix)), prefixes), promised, f"keys and common prefixes over pages of {size}")


@clause(
    "LIST-009",
    "max-keys=0 lists nothing, over 1000 at most 1000, and what is no number of keys is refused.",
    level=Level.MUST,
    profile=Profile.S3,
    source=LIST_V2,
    proved_by=("bad-max-keys-means-default", "max-keys-0-means-default", "max-keys-over-1000-is-honoured"),
)
@examples("text", ["abc", "-1", "1.5", "1x", "0x10", "-1000", "1e2"])
@given(text=st.integers(-5000, -1).map(str) | st.text("abcxyz", min_size=1, max_size=4))
def test_max_keys_that_is_no_number_is_refused(session: Session, text: str) -> None:
    response = ask(session, list_type=2, prefix=session.fresh_prefix(), max_keys=text)
    refused = is_refusal(response.status)
    require(refused, promised=f"max-keys={text} is refused (4xx, 501)", observed=response.summary)


@also("LIST-009")
@examples("count", [1, 0])
@given(count=st.integers(0, 3))
def test_max_keys_0_lists_nothing(session: Session, count: int) -> None:
    prefix = session.fresh_prefix()
    held_of(session, prefix, [str(number) for number in range(count)])
    page = list_page(session, prefix=prefix, max_keys=0)
    compare((page.items, page.truncated), (0, False), f"entries, and IsTruncated, with max-keys=0 of {count} keys")


@also("LIST-009")
def test_no_page_has_more_than_1000_keys(session: Session) -> None:
    prefix = session.shared_listing().prefix
    pages = [list_page(session, prefix=prefix, max_keys=size) for size in (1001, 5000, 1000)]
    counts = [page.items for page in pages]
    require(
        all(0 < count <= 1000 for count in counts),
        promised="1 to 1000 keys on a page, 1001 being there, with max-keys of 1001, 5000 and 1000",
        observed=f"{counts} keys",
    )


UNCARRIED: Final = ("a\x01b", "a\x08b", "a\x0bb", "a\x0cb", "a\x1bb", "a\x1fb", "\x02", "a\ufffeb", "a\uffffb")
"""Names with characters that XML 1.0 cannot contain, not even as references."""


@clause(
    "LIST-010",
    "Keys that XML cannot carry are listed when encoding-type=url is asked for.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(LIST_V2, OBJECT_KEYS),
    proved_by=("listing-drops-keys-xml-cannot-carry", "encoded-listing-leaves-controls"),
)
@examples("tail", UNCARRIED)
@given(tail=st.sampled_from(UNCARRIED) | st.text("a\x01\x02\x03\x0e\x1d\x1f", min_size=1, max_size=4))
def test_keys_xml_cannot_carry_are_listed(session: Session, tail: str) -> None:
    prefix = session.fresh_prefix()
    response = session.wire.put(prefix + tail, b"x")
    try:
        # Listings do not promise that the server accepts such a key.
        only_if(response.ok, f"a key with {tail!r} is not taken: PUT gives {response.summary}")
        page = list_page(session, prefix=prefix, encoding_type="url")
        compare(keys_of([page], prefix), [tail], f"keys listed with encoding-type=url, {tail!r} being stored")
    finally:
        # Such a key may break every later listing.
        session.wire.delete(prefix + tail)


TOKENS: Final = ("made-up", "not a token", "0", "AAAA", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=", "../..", "é", "x" * 500)


@clause(
    "LIST-011",
    "A made-up continuation token is refused.",
    level=Level.SHOULD,
    profile=Profile.S3,
    source=LIST_V2,
    proved_by="made-up-token-starts-anew",
)
@examples("token", TOKENS)
@given(token=st.text("abcXYZ012=/+", min_size=1, max_size=40))
def test_a_made_up_token_is_refused(session: Session, token: str) -> None:
    response = ask(session, list_type=2, prefix=session.fresh_prefix(), continuation_token=token)
    require(
        is_refusal(response.status),
        promised=f"continuation-token={show(token, limit=40)} is refused (4xx, 501)",
        observed=response.summary,
    )
