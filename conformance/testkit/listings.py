"""Pages of listings: how clauses ask for them and what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_plus

from hypothesis import strategies as st

from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.testkit.model import utf8_order
from bucket_conformance.conformance.verdict import Deviation, show
from bucket_conformance.conformance.wire.transport import Answer


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


def grouped(tails: Sequence[str], delimiter: str) -> tuple[list[str], list[str]]:
    """Return the keys without the delimiter, and the common prefixes of the others, both sorted."""
    prefixes = {tail[: tail.index(delimiter) + len(delimiter)] for tail in tails if delimiter in tail}
    return sorted(tail for tail in tails if delimiter not in tail), sorted(prefixes)
