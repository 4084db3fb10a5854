"""LIST: a listing shows every key once, in order, and only those asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_plus

from hypothesis import example, given
from hypothesis import strategies as st

from bucket_conformance.conformance.catalogue import clause
from bucket_conformance.conformance.clauses.key_layout import FILE_STORAGE, LOG
from bucket_conformance.conformance.contract import Level, Profile
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.testkit.model import Model, utf8_order
from bucket_conformance.conformance.testkit.shared_listing import CROWD_SIZE
from bucket_conformance.conformance.verdict import Deviation, compare, require, show
from bucket_conformance.conformance.wire.transport import Answer

LIST_V2: Final = "https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html"
LIST_V1: Final = "https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html"
LISTING: Final = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/ListingKeysUsingAPIs.html"
PREFIXES: Final = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-prefixes.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One answer of a listing, decoded where it says that it is encoded."""

    keys: tuple[str, ...]
    prefixes: tuple[str, ...]
    truncated: bool
    token: str | None
    next_marker: str | None
    key_count: str | None

    @property
    def items(self) -> int:
        return len(self.keys) + len(self.prefixes)


def page_of(answer: Answer) -> Page:
    """Return the page that an answer carries; anything but a listing is a deviation."""
    root = answer.xml()
    if not answer.ok or root is None or root.tag != "ListBucketResult":
        seen = answer.summary if not answer.ok else f"{answer.summary}, {show(answer.body)}"
        raise Deviation(promised="a listing is answered", observed=seen)
    encoded = root.findtext("EncodingType") == "url"

    def text(value: str | None) -> str:
        return unquote_plus(value or "") if encoded else value or ""

    marker = root.findtext("NextMarker")
    return Page(
        keys=tuple(text(entry.findtext("Key")) for entry in root.iterfind("Contents")),
        prefixes=tuple(text(entry.findtext("Prefix")) for entry in root.iterfind("CommonPrefixes")),
        truncated=root.findtext("IsTruncated") == "true",
        token=root.findtext("NextContinuationToken") or None,
        next_marker=text(marker) if marker else None,
        key_count=root.findtext("KeyCount"),
    )


def list_page(session: Session, **parameters: str | int) -> Page:
    """Ask for one page of ListObjectsV2; underscores in names stand for hyphens."""
    return page_of(ask(session, list_type=2, **parameters))


def ask(session: Session, **parameters: str | int) -> Answer:
    """Send one listing with exactly these parameters."""
    query = sorted((name.replace("_", "-"), str(value)) for name, value in parameters.items())
    return session.wire.request("GET", query=query)


def walk(session: Session, *, most: int, **parameters: str | int) -> list[Page]:
    """Return the pages of ListObjectsV2 from first to last; at most ``most``, however much more there is said to be."""
    pages = [list_page(session, **parameters)]
    again = {name: value for name, value in parameters.items() if name != "start_after"}
    while pages[-1].truncated and pages[-1].token and len(pages) < most:
        pages.append(list_page(session, continuation_token=pages[-1].token, **again))
    return pages


def keys_of(pages: Sequence[Page], prefix: str) -> list[str]:
    """Return the keys of all pages in the order given, without the prefix."""
    return [key.removeprefix(prefix) for page in pages for key in page.keys]


def ordered(tails: Sequence[str]) -> list[str]:
    return sorted(set(tails), key=utf8_order)


def held_of(session: Session, prefix: str, tails: Sequence[str]) -> list[str]:
    """Store an object under each key, and return which of them the server takes: that it takes all is no listing's
    promise."""
    return [tail for tail in tails if session.wire.put(prefix + tail, tail.encode()).ok]


_PLAIN: Final = "abAB019-_.~!é文\uff5e\U0001f600"
"""Characters that every XML carries as they are; the last two stand in another order in UTF-16."""


def plain_tails(*, max_size: int) -> st.SearchStrategy[list[str]]:
    """Distinct names without slashes, to be stored side by side."""
    return st.lists(
        st.text(_PLAIN, min_size=1, max_size=4).filter(lambda t: t.strip(".")), max_size=max_size, unique=True
    )


ORDER: Final = ("Z", "a!", "a-", "a.b", "a/b", "a0", "aZ", "a~", "aé", "a文", "a\uff5e", "a\U0001f600", "b")
"""Names whose order differs between bytes, UTF-16, case-blind and folder-wise sorting."""


@clause(
    "LIST-001",
    "Pages of every size give each live key exactly once, in UTF-8 byte order.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(LIST_V2, LISTING),
    proved_by=(
        "list-skips-last-of-full-page",
        "lists-in-utf16-order",
        "lists-in-case-blind-order",
        "lists-folder-by-folder",
    ),
    effort=0.5,
)
@example(tails=list(ORDER), size=1000)
@example(tails=list(ORDER), size=1)
@example(tails=list(ORDER), size=len(ORDER))
@example(tails=["b", "a"], size=1)
@example(tails=["\U0001f600", "\uff5e"], size=1000)
@example(tails=["a/b", "a-", "a0"], size=2)
@example(tails=["a", "B"], size=1000)
@given(tails=plain_tails(max_size=12), size=st.integers(1, 14) | st.integers(1, 1000))
def test_pages_of_any_size_give_every_key_once_in_order(session: Session, tails: list[str], size: int) -> None:
    prefix = session.fresh_prefix()
    held = held_of(session, prefix, tails)
    pages = walk(session, most=len(tails) + 3, prefix=prefix, max_keys=size)
    compare(keys_of(pages, prefix), ordered(held), f"keys listed with max-keys={size}")


@clause(
    "LIST-012",
    "A listing by the storage gives each live key exactly once, however many there are.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(FILE_STORAGE, LISTING),
    proved_by=("storage-lists-first-page-only", "storage-lists-some-twice"),
    effort=0.3,
)
@example(count=0)
@example(count=1)
@example(count=100)
@example(count=CROWD_SIZE)
@given(count=st.integers(0, 120))
def test_every_key_is_listed_once(session: Session, count: int) -> None:
    prefix, keys = _stored(session, count)
    found = sorted(stat.key for stat in session.storage.list(prefix))
    missing, extra = sorted(set(keys) - set(found)), sorted(set(found) - set(keys))
    require(
        found == sorted(keys),
        promised=f"{count} keys, each once",
        observed=f"{len(found)} entries, {len(set(found))} distinct; missing: {missing[:3]}, strange: {extra[:3]}",
    )


def _stored(session: Session, count: int) -> tuple[str, Sequence[str]]:
    """Return a prefix and the ``count`` keys that are stored below it."""
    if count == CROWD_SIZE:
        crowd = session.crowd()
        return crowd.prefix, crowd.keys
    owner = f"{session.fresh_id()}-p"
    kinds = ("FILE", "STEP_FILE", LOG, "PACKAGE_ARCHIVE")
    keys = [session.layout.build(kinds[at % 4], f"f{at * 7919 % 1009}", project_id=owner) for at in range(count)]
    session.populate(keys)
    return session.layout.build("FILE", "f", project_id=owner).partition(owner)[0] + owner, keys


@clause(
    "LIST-002",
    "A prefix lists exactly the keys that start with it, as a string and not as a folder.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(LIST_V2, PREFIXES, FILE_STORAGE),
    proved_by=("list-prefix-is-a-folder", "storage-lists-by-bare-prefix", "prefix-is-a-folder"),
    effort=0.5,
)
@example(owners=["foo", "foo1", "fo", "Foo"], asked="foo/")
@example(owners=["foo", "foo1", "fo", "Foo"], asked="foo")
@example(owners=["foo", "foo1", "fo"], asked="")
@example(owners=["a", "a-", "ab"], asked="a/FIL")
@example(owners=["a", "a-", "ab"], asked="a/FILE")
@example(owners=["a", "a-", "ab"], asked="a/FILE/f")
@example(owners=["a", "a-", "ab"], asked="a/FILE/ff")
@example(owners=["a"], asked="b")
@given(
    owners=st.lists(st.text("abA-_", min_size=1, max_size=3), min_size=1, max_size=5, unique=True),
    asked=st.text("abA-_", max_size=2) | st.sampled_from(["a/", "a/F", "a/FILE/", "ab/STEP_FILE/f", "-/", "A/"]),
)
def test_a_prefix_lists_what_starts_with_it(session: Session, owners: list[str], asked: str) -> None:
    base = f"{session.fresh_id()}-"
    build = session.layout.build
    keys = [build(kind, name, project_id=base + owner) for owner in owners for kind, name in _FILES]
    session.populate(keys)
    scope = keys[0].partition(base)[0]
    prefix = scope + base + asked
    found = [stat.key.removeprefix(scope + base) for stat in session.storage.list(prefix)]
    promised = [key.removeprefix(scope + base) for key in Model(objects=dict.fromkeys(keys, b"x")).list(prefix)]
    compare(sorted(found), sorted(promised), f"keys listed with the prefix {asked!r} of projects {owners}")


_FILES: Final = (("FILE", "f"), ("FILE", "fg"), ("STEP_FILE", "f"))

PREFIX_TAILS: Final = (
    *("foo/a", "foo/b/c", "foo1/a", "foo2", "Foo/a", "fo/a", "foo a", "foo+a", "foo%20a"),
    *("foo%2Fa", "foo&a", "foo=a", "foo?a", "foo#a", "fooé", "foo\U0001f600", "f*", "f_o/a", "f.o/a", "[f]/a", "\\foo"),
)


@clause(
    "LIST-013",
    "A prefix of any characters lists exactly the keys that start with it.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(LIST_V2, PREFIXES),
    proved_by=(
        "prefix-reads-plus-as-space",
        "prefix-folds-case",
        "prefix-is-a-folder",
        "page-of-a-key-hides-its-siblings",
    ),
    effort=0.5,
)
@example(tails=["foo/a", "foo1/a"], asked="foo/")
@example(tails=["foo/a", "foo1/a"], asked="foo")
@example(tails=["foo/a", "fo/a"], asked="fo")
@example(tails=["foo/a", "Foo/a"], asked="foo/")
@example(tails=["foo/a", "foo/b/c"], asked="foo/b")
@example(tails=["foo a", "foo+a", "foo%20a"], asked="foo ")
@example(tails=["foo a", "foo+a", "foo%20a"], asked="foo+")
@example(tails=["foo a", "foo+a", "foo%20a"], asked="foo%20")
@example(tails=["foo&a", "foo=a", "foo?a", "foo#a"], asked="foo&a")
@example(tails=["foo&a", "foo=a", "foo?a", "foo#a"], asked="foo#")
@example(tails=["fooé", "foo\U0001f600", "foo2"], asked="foo\U0001f600")
@example(tails=["f*", "foo2", "f.o/a", "f_o/a"], asked="f*")
@example(tails=["f*", "foo2", "f.o/a", "f_o/a"], asked="f.o")
@example(tails=["f*", "foo2", "f.o/a", "f_o/a"], asked="f_o/")
@example(tails=["foo", "foo1", "foo/a", "fo"], asked="foo")
@given(
    tails=st.lists(st.sampled_from(PREFIX_TAILS), max_size=6, unique=True),
    asked=st.sampled_from(sorted({tail[:cut] for tail in PREFIX_TAILS for cut in range(1, len(tail) + 1)})),
)
def test_a_prefix_is_a_plain_string_on_the_wire(session: Session, tails: list[str], asked: str) -> None:
    prefix = session.fresh_prefix()
    held_of(session, prefix, tails)
    # Under which names a server keeps odd keys is another clause's matter: what it lists of them all is held against
    # what it lists of some. Unencoded, as how names are encoded is another's too.
    whole = keys_of([list_page(session, prefix=prefix)], prefix)
    promised = sorted(key for key in whole if key.startswith(asked))
    for size in (1000, 1):
        found = keys_of(walk(session, most=len(tails) + 2, prefix=prefix + asked, max_keys=size), prefix)
        compare(sorted(found), promised, f"keys listed with the prefix {asked!r}, {size} on a page")
