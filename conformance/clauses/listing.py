"""LIST: a listing shows every key once, in order, and only the requested ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hypothesis import example, given
from hypothesis import strategies as st

from bucket_conformance.conformance.catalogue import clause
from bucket_conformance.conformance.contract import Level, Profile
from bucket_conformance.conformance.session import SHARED_LISTING_SIZE, Session
from bucket_conformance.conformance.testkit.foreign_names import ELSEWHERE, foreign_count, told, without_foreign
from bucket_conformance.conformance.testkit.layout import LOG
from bucket_conformance.conformance.testkit.listings import (
    ORDER,
    held_of,
    keys_of,
    list_page,
    ordered,
    plain_tails,
    walk,
)
from bucket_conformance.conformance.testkit.model import Model
from bucket_conformance.conformance.testkit.sources import FILE_STORAGE, LIST_V2, LISTING_KEYS, PREFIXES
from bucket_conformance.conformance.verdict import Deviation, compare, require
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError


@clause(
    "LIST-001",
    "Pages of every size give each live key exactly once, in UTF-8 byte order.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(LIST_V2, LISTING_KEYS),
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
    source=(FILE_STORAGE, LISTING_KEYS),
    proved_by=("storage-lists-first-page-only", "storage-lists-some-twice"),
    effort=0.3,
)
@example(count=0)
@example(count=1)
@example(count=100)
@example(count=SHARED_LISTING_SIZE)
@given(count=st.integers(0, 120))
def test_every_key_is_listed_once(session: Session, count: int) -> None:
    prefix, keys = _stored(session, count)
    found = _listed(session, prefix)
    missing, extra = sorted(set(keys) - set(found)), sorted(set(found) - set(keys))
    named = [key for key in extra if session.run_id in key][:3]
    foreign = foreign_count(session, extra)
    require(
        found == sorted(keys),
        promised=f"{count} keys, each once",
        observed=f"{len(found)} entries, {len(set(found))} distinct; missing: {missing[:3]}, strange: {named}"
        + (f" {told(foreign)}" if foreign else ""),
    )


def _listed(session: Session, prefix: str) -> list[str]:
    """Return the keys that the storage lists, sorted. Raises ``Deviation`` where it refuses what the server lists."""
    try:
        return sorted(stat.key for stat in session.storage.list(prefix))
    except StorageError as error:
        if error.code is not ErrorCode.INTEGRITY:
            raise
        # Its hint may quote a name of somebody else.
        raise Deviation(
            promised="the storage lists the keys below a prefix",
            observed=f"the storage refuses what the server lists ({error.code.value})",
        ) from None


def _stored(session: Session, count: int) -> tuple[str, Sequence[str]]:
    """Return a prefix and the ``count`` keys that are stored below it."""
    if count == SHARED_LISTING_SIZE:
        shared = session.shared_listing()
        return shared.prefix, shared.keys
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
    found = [key.removeprefix(scope + base) for key in without_foreign(session, _listed(session, prefix))]
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
    # Another clause decides under which names a server stores unusual keys, so this one compares a listing of all keys
    # with a listing of some. It is unencoded, because another clause decides how names are encoded.
    whole = keys_of([list_page(session, prefix=prefix)], prefix)
    promised = sorted(key for key in whole if key.startswith(asked))
    for size in (1000, 1):
        found = keys_of(walk(session, most=len(tails) + 2, prefix=prefix + asked, max_keys=size), prefix)
        foreign = found.count(ELSEWHERE)
        what = f"keys listed with the prefix {asked!r}, {size} on a page" + (f" {told(foreign)}" if foreign else "")
        compare(sorted(found), promised, what)
