"""Finds the traces of runs in a bucket: keys, versions and uploads with a run's id, and their last change."""

from __future__ import annotations

import enum
import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote_plus

from bucket_conformance.conformance.backend.run_ids import RUN_ID
from bucket_conformance.conformance.session import LEADS, MARK
from bucket_conformance.conformance.verdict import ViewError
from bucket_conformance.conformance.wire.s3 import S3Wire
from bucket_conformance.conformance.wire.transport import HttpResponse

NOT_SERVED: Final = (404, 405, 501)
"""Statuses and codes by which servers refuse the list of uploads of an existing bucket: they have none."""

MOST_PAGES: Final = 1000
"""Most pages of one listing: a million keys, where pages have a thousand."""

LISTING_S: Final = 600.0
"""Seconds that all pages of a listing may take together."""

_ALONE: Final = re.compile(rf"{MARK}({RUN_ID.pattern})-[0-9a-f]+s{{8,}}")
"""A key with no slash in it, made longer and longer where the longest segment is searched for."""

_RUN: Final = rf"{MARK}({RUN_ID.pattern})"
_BELOW: Final = re.compile(rf"(?:{'|'.join(re.escape(lead) for lead in ('', '/', *LEADS))}){_RUN}/")
_OWNED: Final = re.compile(rf"(?:project|platform)/{_RUN}-[0-9a-f]+[-/]")


class EndlessListing(ViewError):
    """Raised for a listing that does not end. Another listing of the same server would not end either."""


def run_of(key: str) -> str | None:
    """Return the id of the run in a key, at the place where runs put it; ``None``: the key may be anybody's."""
    found = _BELOW.match(key) or _OWNED.match(key) or _ALONE.fullmatch(key)
    return found[1] if found else None


@dataclass(slots=True, kw_only=True)
class Traces:
    """The traces of one run. ``newest``: its latest change by the server's clock, in seconds since 1970."""

    objects: int = 0
    hidden: int = 0
    """Versions that are not the current one, and delete markers."""
    uploads: int = 0
    newest: float | None = None

    def note(self, changed: float | None) -> None:
        if changed is not None:
            self.newest = max(changed, self.newest or changed)

    def __str__(self) -> str:
        counts = ((self.objects, "object"), (self.hidden, "old version"), (self.uploads, "unfinished upload"))
        return ", ".join(f"{count} {what}{'s' * (count != 1)}" for count, what in counts if count) or "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One way to list a bucket. ``entries``: tag of an entry, and where its date is."""

    root: str
    query: tuple[tuple[str, str], ...]
    entries: dict[str, str]
    name: str
    next: tuple[tuple[str, str], ...]
    """Element of the response, and parameter of the next request."""


KEYS: Final = Listing(
    root="ListBucketResult",
    query=(("list-type", "2"),),
    entries={"Contents": "LastModified"},
    name="Name",
    next=(("NextContinuationToken", "continuation-token"),),
)
VERSIONS: Final = Listing(
    root="ListVersionsResult",
    query=(("versions", ""),),
    entries={"Version": "LastModified", "DeleteMarker": "LastModified"},
    name="Name",
    next=(("NextKeyMarker", "key-marker"), ("NextVersionIdMarker", "version-id-marker")),
)
UPLOADS: Final = Listing(
    root="ListMultipartUploadsResult",
    query=(("uploads", ""),),
    entries={"Upload": "Initiated"},
    name="Bucket",
    next=(("NextKeyMarker", "key-marker"), ("NextUploadIdMarker", "upload-id-marker")),
)


class Versioning(enum.Enum):
    """Whether a bucket keeps old versions, or kept them once."""

    NEVER = "never"
    """It says so, or the server knows no versions."""
    KEPT = "kept"
    UNKNOWN = "unknown"
    """The response was not well-formed."""


def versioning_of(wire: S3Wire) -> tuple[Versioning, str]:
    """Return the bucket's versioning, and the status as the server reports it, or the response without one."""
    response = wire.request("GET", query=(("versioning", ""),))
    root = response.xml()
    if response.ok and root is not None:
        # moto calls an empty one otherwise, and servers that ignore the parameter send a list of keys.
        status = root.findtext("Status") or ""
        passed_over = "" if root.tag == "VersioningConfiguration" else f"{response.summary} with <{root.tag}>"
        return (Versioning.KEPT if status else Versioning.NEVER), status or passed_over
    return (Versioning.NEVER if response.status in NOT_SERVED else Versioning.UNKNOWN), response.summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a listing. ``id``: of the version or the upload; '' where a listing has none."""

    tag: str
    key: str
    id: str
    run_id: str | None
    changed: float | None
    is_current: bool


@dataclass(slots=True, kw_only=True)
class Strays:
    """Counts keys in listings that were not requested and that no run made, also empty ones.

    Their names are other people's data: they are counted, never kept.
    """

    most: int = 0
    """The number in the listing that names most of them: the listings of other prefixes name the same ones again."""
    _here: int = 0

    def begin(self) -> None:
        """Begin a listing."""
        self._here = 0

    def note(self, key: str) -> None:
        """Count a key, unless a run made it: such a key lies below another prefix."""
        if run_of(key) is None:
            self._here += 1
            self.most = max(self.most, self._here)

    def message(self, bucket: str) -> str:
        """Return the note about them; '' where no listing named any."""
        if not self.most:
            return ""
        objects, are = ("1 object", "It is") if self.most == 1 else (f"{self.most} objects", "They are")
        return (
            f"listings of bucket {bucket} name {objects} outside the prefix that was asked for, which no run of this"
            f" suite made. {are} left as found"
        )


def scan(
    wire: S3Wire, listing: Listing, prefix: str, *, needs_name: bool = False, strays: Strays | None = None
) -> Iterator[Entry]:
    """Yield what lies below a prefix, page by page. Other names in the listing go into ``strays`` only.

    ``needs_name``: a list that does not say which bucket it is of is none. Raises ``ViewError`` where the server does
    not return a well-formed listing: then nothing in it can be trusted.
    """
    for page in _pages(wire, listing, prefix, needs_name=needs_name):
        decode = unquote_plus if page.findtext("EncodingType") == "url" else str
        for element in page:
            dated = listing.entries.get(element.tag)
            if dated is None:
                continue
            key = decode(element.findtext("Key") or "")
            if not key or not key.startswith(prefix):
                if strays is not None:
                    strays.note(key)
                continue
            yield Entry(
                tag=element.tag,
                key=key,
                id=element.findtext("VersionId") or element.findtext("UploadId") or "",
                run_id=run_of(key),
                changed=time_of(element.findtext(dated)),
                is_current=element.tag != "DeleteMarker" and element.findtext("IsLatest") != "false",
            )


def look(wire: S3Wire, listing: Listing, prefix: str, found: dict[str, Traces]) -> None:
    """Add what lies below a prefix and bears a run's id to ``found``, by run. Raises as :func:`scan` does."""
    for entry in scan(wire, listing, prefix):
        if entry.run_id is None:
            continue
        traces = found.setdefault(entry.run_id, Traces())
        traces.note(entry.changed)
        if listing is UPLOADS:
            traces.uploads += 1
        elif entry.is_current:
            traces.objects += 1
        else:
            traces.hidden += 1


def _pages(wire: S3Wire, listing: Listing, prefix: str, *, needs_name: bool) -> Iterator[ET.Element]:
    after: tuple[tuple[str, str], ...] = ()
    seen: set[tuple[tuple[str, str], ...]] = set()
    ends = time.monotonic() + LISTING_S
    for _ in range(MOST_PAGES):
        query = (*listing.query, ("encoding-type", "url"), ("prefix", prefix), *after)
        response = wire.request("GET", query=sorted(query))
        page = _page(wire, listing, prefix, response, needs_name=needs_name)
        yield page
        if page.findtext("IsTruncated") != "true":
            return
        decode = unquote_plus if page.findtext("EncodingType") == "url" else str
        after = tuple(
            (name, text if name == "continuation-token" else decode(text))
            for tag, name in listing.next
            if (text := page.findtext(tag))
        )
        if not after or after in seen:
            raise ViewError(f"listing {prefix!r}: the list is cut short, and its end cannot be had")
        seen.add(after)
        if time.monotonic() > ends:
            raise EndlessListing(f"listing {prefix!r}: no end after {LISTING_S:g} s")
    raise EndlessListing(f"listing {prefix!r}: no end after {MOST_PAGES} pages")


def _page(wire: S3Wire, listing: Listing, prefix: str, response: HttpResponse, *, needs_name: bool) -> ET.Element:
    page = response.xml()
    if not response.ok:
        raise ViewError(f"listing {prefix!r}: {response.summary}", status=response.status)
    if page is None or page.tag != listing.root:
        what = "no XML" if page is None else f"<{page.tag}>"
        raise ViewError(f"listing {prefix!r}: {response.summary} with {what} in place of <{listing.root}>")
    named = page.findtext(listing.name)
    if named != wire.bucket and (named is not None or needs_name):
        raise ViewError(f"listing {prefix!r}: the list is of bucket {named!r}, not of {wire.bucket!r}")
    return page


def time_of(text: str | None) -> float | None:
    """Return a time of a listing in seconds since 1970, ``None`` where it is none."""
    try:
        moment = datetime.fromisoformat(text or "")
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
