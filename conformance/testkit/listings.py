"""Pages of listings: how clauses request and read them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_plus

from hypothesis import strategies as st

from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.testkit.foreign_names import ELSEWHERE
from bucket_conformance.conformance.testkit.model import utf8_order
from bucket_conformance.conformance.verdict import Deviation, show
from bucket_conformance.conformance.wire.transport import HttpResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a listing; names are decoded where the response says that they are encoded."""

    keys: tuple[str, ...]
    prefixes: tuple[str, ...]
    truncated: bool
    token: str | None
    next_marker: str | None
    key_count: str | None

    @property
    def items(self) -> int:
        """The number of keys and common prefixes on the page."""
        return len(self.keys) + len(self.prefixes)


def page_of(response: HttpResponse) -> Page:
    """Return the page that a response contains. Raises ``Deviation`` where the response is not a listing."""
    root = response.xml()
    if not response.ok or root is None or root.tag != "ListBucketResult":
        seen = (
            response.summary
            if not response.ok
            else f"{response.summary}, {_why_no_listing(response)}{show(response.body)}"
        )
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


_RAW_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
"""Characters that no XML document may hold, not even as a reference."""


def _why_no_listing(response: HttpResponse) -> str:
    found = _RAW_CONTROL.search(response.body)
    if found is None or response.xml() is not None:
        return ""
    return f"raw control character {found[0]!r} at byte {found.start()}, which XML cannot carry: "


def list_page(session: Session, **parameters: str | int) -> Page:
    """Return one page of ListObjectsV2. Underscores in the names of parameters stand for hyphens."""
    return page_of(ask(session, list_type=2, **parameters))


def ask(session: Session, **parameters: str | int) -> HttpResponse:
    """Send one listing request with exactly these parameters and return the response."""
    query = sorted((name.replace("_", "-"), str(value)) for name, value in parameters.items())
    return session.wire.request("GET", query=query)


def walk(session: Session, *, most: int, **parameters: str | int) -> list[Page]:
    """Return the pages of ListObjectsV2 from first to last, but at most ``most`` of them."""
    pages = [list_page(session, **parameters)]
    again = {name: value for name, value in parameters.items() if name != "start_after"}
    while pages[-1].truncated and pages[-1].token and len(pages) < most:
        pages.append(list_page(session, continuation_token=pages[-1].token, **again))
    return pages


def keys_of(pages: Sequence[Page], prefix: str) -> list[str]:
    """Return the keys of all pages in the order of the pages, without the prefix.

    Keys that do not begin with it may be other people's: ``ELSEWHERE`` stands for each of them.
    """
    return [_below(prefix, key) for page in pages for key in page.keys]


def prefixes_of(pages: Sequence[Page], prefix: str) -> list[str]:
    """Return the common prefixes of all pages as :func:`keys_of` returns keys."""
    return [_below(prefix, common) for page in pages for common in page.prefixes]


def _below(prefix: str, name: str) -> str:
    return name.removeprefix(prefix) if name.startswith(prefix) else ELSEWHERE


def ordered(tails: Sequence[str]) -> list[str]:
    """Return the distinct names in UTF-8 byte order."""
    return sorted(set(tails), key=utf8_order)


def held_of(session: Session, prefix: str, tails: Sequence[str]) -> list[str]:
    """Store an object under each key and return the names that the server accepts.

    Whether it accepts all of them is not a promise of listings.
    """
    return [tail for tail in tails if session.wire.put(prefix + tail, tail.encode()).ok]


_PLAIN: Final = "abAB019-_.~!é文\uff5e\U0001f600"
"""Characters that any XML carries unchanged. The order of the last two is reversed in UTF-16."""


def plain_tails(*, max_size: int) -> st.SearchStrategy[list[str]]:
    """Generate lists of 0 to ``max_size`` different names without slashes, to be stored below one prefix."""
    return st.lists(
        st.text(_PLAIN, min_size=1, max_size=4).filter(lambda t: t.strip(".")), max_size=max_size, unique=True
    )


ORDER: Final = ("Z", "a!", "a-", "a.b", "a/b", "a0", "aZ", "a~", "aé", "a文", "a\uff5e", "a\U0001f600", "b")
"""Names whose order differs when sorted by bytes, by UTF-16, without case, or by directories."""


def grouped(tails: Sequence[str], delimiter: str) -> tuple[list[str], list[str]]:
    """Return the keys without the delimiter, and the common prefixes of all other keys, both sorted."""
    prefixes = {tail[: tail.index(delimiter) + len(delimiter)] for tail in tails if delimiter in tail}
    return sorted(tail for tail in tails if delimiter not in tail), sorted(prefixes)
