"""Searches the true limits of a backend over the wire, to compare them with those that its provider declares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bucket_conformance.conformance.contract import Capability

if TYPE_CHECKING:  # reports name the limits, and need not load what finds them
    from bucket_conformance.conformance.session import Session

MIB: Final = 1024 * 1024

SEGMENT: Final = "s" * 200
"""Keys of any length are made of segments that are short enough for a file system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The result of a search. ``value`` is ``None`` where the search was not possible; ``note`` then says why.

    ``open_end``: the search ended at its own bound, so that the true limit lies there or beyond.
    """

    value: int | None
    open_end: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A limit to search for. ``smallest``: smaller values are refused, not larger ones (the size of a part)."""

    name: str
    title: str
    unit: str
    requires: frozenset[Capability]
    search: Callable[[Session], Found]
    tolerance: int = 0
    """A difference from what is declared that the search cannot detect."""
    smallest: bool = False


def find_limits(session: Session) -> dict[str, Found]:
    """Search every limit that the session's capabilities allow. Each search removes what it stores.

    Once the run's bound on requests is used up, the limits left are ``None``, with the reason.
    """
    found: dict[str, Found] = {}
    for limit in LIMITS:
        if not limit.requires | {Capability.WIRE} <= session.capabilities:
            continue
        budget = session.recorder.budget
        if budget is not None and session.recorder.total >= budget:
            found[limit.name] = Found(value=None, note=f"the run's bound of {budget} requests is used up")
            continue
        session.recorder.clear()
        found[limit.name] = limit.search(session)
        if any(exchange.timed_out for exchange in session.recorder.kept()):
            # What was merely slow looks refused to a search.
            found[limit.name] = Found(value=None, note="time ran out: a request was not answered")
        session.recorder.clear()
    return found


def limits_as_data(found: Mapping[str, Found], declared: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Return the limits as they stand in a report's footer. ``agrees`` only where the provider declares the limit."""
    data: dict[str, dict[str, Any]] = {}
    for limit in LIMITS:
        if limit.name not in found:
            continue
        seen = found[limit.name]
        data[limit.name] = {"found": seen.value, "open_end": seen.open_end, "unit": limit.unit}
        if seen.note:
            data[limit.name]["note"] = seen.note
        if limit.name in declared:
            data[limit.name]["declared"] = declared[limit.name]
            if seen.value is not None:
                data[limit.name]["agrees"] = agrees(limit, seen, declared[limit.name])
    return data


def agrees(limit: Limit, found: Found, declared: int) -> bool:
    """Return whether the found limit is the declared one. An open end agrees with every value beyond it."""
    if found.value is None:
        return False
    beyond = declared <= found.value if limit.smallest else declared >= found.value
    return abs(found.value - declared) <= limit.tolerance or (found.open_end and beyond)


def largest(holds: Callable[[int], bool], *, most: int, likely: int) -> Found:
    """Return the largest number up to ``most`` for which ``holds``, by halving; 0 where it holds for none.

    The likely number and its neighbour are tried first: on most servers two requests are the whole search.
    """
    good, bad = 0, most + 1
    if holds(likely):
        good = likely
        if likely < most and not holds(likely + 1):
            return Found(value=likely)
    else:
        bad = likely
    if bad > most and most > good:
        if holds(most):
            return Found(value=most, open_end=True)
        bad = most
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if holds(middle) else (good, middle)
    return Found(value=good, open_end=good == most)


def _batch_keys(session: Session) -> Found:
    prefix, most = session.fresh_prefix(), 1100
    keys = [f"{prefix}{number}" for number in range(most)]

    def taken(count: int) -> bool:
        # The last one is live: a server that drops what is over its limit would still report 200.
        session.wire.put(keys[count - 1], b"x")
        done = session.wire.delete_objects(keys[:count]).ok and not session.wire.head(keys[count - 1]).ok
        if not done:
            session.wire.delete(keys[count - 1])
        return done

    return largest(taken, most=most, likely=1000)


def _stored(session: Session, key: str) -> bool:
    """Return whether the key can be written and read back under exactly this name."""
    body = str(len(key)).encode()
    taken = session.wire.put(key, body).ok
    got = session.wire.get(key)
    session.wire.delete(key)
    return taken and got.ok and got.body == body


def _key_bytes(session: Session) -> Found:
    prefix = session.fresh_prefix()

    def accepted(length: int) -> bool:
        if length <= len(prefix):
            return True  # shorter than any name that we use: nothing to try
        rest = "/".join([SEGMENT] * (length // len(SEGMENT) + 1))[: length - len(prefix)]
        # A name that ends in a slash is a folder to some servers, which is another matter.
        return _stored(session, prefix + rest.removesuffix("/").ljust(len(rest), "e"))

    return largest(accepted, most=4096, likely=1024)


def _segment_bytes(session: Session) -> Found:
    start = session.fresh_id()

    def accepted(length: int) -> bool:
        return length <= len(start) or _stored(session, start.ljust(length, "s"))

    # With no slash in it, the longest key that S3 knows is one segment.
    return largest(accepted, most=1024, likely=1024)


@contextmanager
def _one_object(session: Session) -> Iterator[str]:
    key = session.fresh_prefix() + "k"
    session.wire.put(key, b"x")
    try:
        yield key
    finally:
        session.wire.delete(key)


def _served(session: Session, key: str, *, expires: int, age_s: float) -> bool:
    return session.wire.fetch_presigned("GET", key, expires=expires, age_s=age_s).ok


def _url_life_s(session: Session) -> Found:
    with _one_object(session) as key:
        return largest(
            lambda life: life == 0 or _served(session, key, expires=life, age_s=0.0), most=2**31 - 1, likely=604_800
        )


def _url_ahead_s(session: Session) -> Found:
    with _one_object(session) as key:
        # 2 s short of the documented 15 minutes: clocks are read in whole seconds, and time passes on the way.
        return largest(lambda ahead: _served(session, key, expires=600, age_s=-float(ahead)), most=86_400, likely=898)


def _page_keys(session: Session) -> Found:
    prefix, most = session.fresh_prefix(), 1100
    keys = [f"{prefix}{number}" for number in range(most)]
    session.populate(keys)

    def listed(requested: int) -> int:
        query = (("list-type", "2"), ("prefix", prefix), ("max-keys", str(requested)))
        root = session.wire.request("GET", query=query).xml()
        return 0 if root is None else len(root.findall("Contents"))

    try:
        # Most servers cut a page down to their largest; some refuse to give more than that.
        count = listed(100_000) or (largest(lambda count: listed(count) > 0, most=most, likely=1000).value or 0)
        return Found(value=count, open_end=count >= most)
    finally:
        session.storage.delete_files(keys)


def _part_min_bytes(session: Session) -> Found:
    key, most = session.fresh_prefix() + "k", 8 * MIB

    def refused(size: int) -> bool:
        return size == 0 or not _joined(session, key, bytes(size))

    try:
        below = largest(refused, most=most, likely=5 * MIB - 1)
    finally:
        session.wire.delete(key)
    assert below.value is not None
    if below.open_end:
        return Found(value=None, note=f"not even two parts of which the first has {most} bytes were joined")
    return Found(value=below.value + 1)


def _joined(session: Session, key: str, first: bytes) -> bool:
    """Return whether an upload of this part and a last part of one byte can be completed."""
    begun = session.wire.request("POST", key, query=(("uploads", ""),)).xml()
    upload = "" if begun is None else begun.findtext("UploadId") or ""
    parts = []
    for number, body in enumerate((first, b"x"), 1):
        sent = session.wire.request("PUT", key, query=(("partNumber", str(number)), ("uploadId", upload)), body=body)
        parts.append(f"<Part><PartNumber>{number}</PartNumber><ETag>{sent.header('ETag')}</ETag></Part>")
    document = f"<CompleteMultipartUpload>{''.join(parts)}</CompleteMultipartUpload>".encode()
    done = session.wire.request("POST", key, query=(("uploadId", upload),), body=document)
    # A completion may fail with 200 and an error in the body.
    if done.ok and not done.code:
        return True
    session.wire.request("DELETE", key, query=(("uploadId", upload),))
    return False


_URLS: Final = frozenset({Capability.SIGNED_URLS})

LIMITS: Final = (
    Limit(
        name="batch_keys",
        title="keys of one DeleteObjects",
        unit="keys",
        requires=frozenset(),
        search=_batch_keys,
    ),
    Limit(name="key_bytes", title="longest key", unit="bytes", requires=frozenset(), search=_key_bytes),
    Limit(
        name="segment_bytes",
        title="longest segment of a key",
        unit="bytes",
        requires=frozenset(),
        search=_segment_bytes,
    ),
    Limit(name="url_life_s", title="longest life of a signed URL", unit="s", requires=_URLS, search=_url_life_s),
    Limit(
        name="url_ahead_s",
        title="furthest date of a URL in the future",
        unit="s",
        requires=_URLS,
        search=_url_ahead_s,
        tolerance=3,
    ),
    Limit(
        name="page_keys", title="keys of one page of a listing", unit="keys", requires=frozenset(), search=_page_keys
    ),
    Limit(
        name="part_min_bytes",
        title="smallest part that is not the last",
        unit="bytes",
        requires=frozenset({Capability.MULTIPART}),
        search=_part_min_bytes,
        smallest=True,
    ),
)
"""Every limit that is searched for, by the names that providers declare them under, in the order of a report."""
