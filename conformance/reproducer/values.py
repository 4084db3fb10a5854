"""Values that a server made and that later requests send back: where they come from and where they are used."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import unquote
from xml.sax.saxutils import escape, unescape

from bucket_conformance.conformance.wire.exchange import Exchange

_ELEMENTS: Final = (
    "UploadId|NextContinuationToken|NextMarker|NextKeyMarker|NextUploadIdMarker|NextVersionIdMarker|VersionId|ETag"
)
_HEADERS: Final = frozenset({"etag", "x-amz-version-id", "last-modified"})
_QUERY: Final = frozenset(
    {"uploadId", "continuation-token", "versionId", "version-id-marker", "upload-id-marker", "marker", "key-marker"}
)
_DATES: Final = re.compile(r"(?i)(x-amz-copy-source-)?if-(un)?modified-since$")
_SHORTEST: Final = 8
"""Shorter values ("null", "1") are not replaced, because that would also change unrelated text."""
_ANSWERED_AS: Final = {
    "uploadId": ("UploadId",),
    "continuation-token": ("NextContinuationToken",),
    "marker": ("NextMarker",),
    "key-marker": ("NextKeyMarker",),
    "upload-id-marker": ("NextUploadIdMarker", "UploadId"),
}
"""Parameters that take a value with this name from a response. Here even a short value (upload 17) is the server's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A value in the response of exchange ``source`` (its index in the recording)."""

    text: str
    name: str
    source: int
    index: int
    target: str

    def mark(self, form: str, number: Callable[[int], int]) -> str:
        """Return the mark that stands for the value in a script; ``form`` says how to write it there."""
        return f"⟦{form} {self.name} {number(self.source)} {self.index}⟧"


def seen_in(exchange: Exchange, source: int) -> list[Seen]:
    """Return the values in a response, the most recent meaning first."""
    path = exchange.target.partition("?")[0]
    found = [
        Seen(text=value, name=name, source=source, index=0, target=path)
        for name, value in exchange.response_headers
        if name.lower() in _HEADERS and value
    ]
    counts: dict[str, int] = {}
    text = exchange.response_body.decode("utf-8", "replace")
    for match in re.finditer(rf"<({_ELEMENTS})>([^<]*)</\1>", text):
        name, value = match[1], unescape(match[2], {"&quot;": '"', "&#34;": '"', "&apos;": "'"})
        index = counts[name] = counts.get(name, -1) + 1
        if value:
            found.append(Seen(text=value, name=name, source=source, index=index, target=path))
    return found


class Values:
    """The values seen so far, while the exchanges are read in order. ``used`` collects the exchanges referred to."""

    def __init__(self, exchanges: Sequence[Exchange]) -> None:
        self._exchanges = exchanges
        self._seen: list[Seen] = []
        self.used: set[int] = set()

    def learn(self, source: int) -> None:
        """Add the values in the response of this exchange."""
        self._seen = seen_in(self._exchanges[source], source) + self._seen

    def _known(self, target: str, *, short: bool = False) -> list[Seen]:
        path = target.partition("?")[0]
        found = [seen for seen in self._seen if short or len(seen.text) >= _SHORTEST]
        return sorted(found, key=lambda seen: seen.target != path)

    def _mark(self, seen: Seen, form: str) -> str:
        self.used.add(seen.source)
        # An index in the recording; replaced by the number of the step once steps are numbered.
        return seen.mark(form, lambda source: source)

    def query(self, source: int) -> str:
        """Return the query of an exchange, with values from earlier responses marked."""
        target = self._exchanges[source].target
        query = target.partition("?")[2]
        return "&".join(self._parameter(item, target, source) for item in query.split("&")) if query else ""

    def _parameter(self, item: str, target: str, source: int) -> str:
        name, equals, value = item.partition("=")
        if name not in _QUERY or not value:
            return item
        for seen in self._known(target, short=True):
            fits = seen.name in _ANSWERED_AS.get(name, ()) or len(seen.text) >= _SHORTEST
            if seen.text == unquote(value) and fits and seen.name.lower() != "last-modified":
                return f"{name}{equals}{self._mark(seen, 'raw')}"
        if name == "continuation-token":
            token = self._token_cut_off(target, source)
            if token is not None:
                return f"{name}{equals}{self._mark(token, 'raw')}"
        return item

    def _token_cut_off(self, target: str, source: int) -> Seen | None:
        """Return the page whose token was not kept because its response was too long: the same list, just before."""
        wanted = _list_of(target)
        for earlier in range(source - 1, -1, -1):
            exchange = self._exchanges[earlier]
            if exchange.method != "GET" or _list_of(exchange.target) != wanted:
                continue
            cut = (exchange.response_size or 0) > len(exchange.response_body)
            if cut and b"<NextContinuationToken>" not in exchange.response_body:
                return Seen(text="", name="NextContinuationToken", source=earlier, index=0, target=target)
            return None
        return None

    def header(self, name: str, value: str, exchange: Exchange) -> str:
        """Return the value of a header, with what came from the server or from the clock marked."""
        low = name.lower()
        for seen in self._known(exchange.target):
            if seen.text in value and (seen.name.lower() != "last-modified" or _DATES.match(low)):
                return value.replace(seen.text, self._mark(seen, "raw"))
            bare = seen.text.strip('"')
            if low.endswith(("match", "if-range")) and bare in value:
                return value.replace(bare, self._mark(seen, "bare"))
        if low == "x-amz-copy-source" and "?versionId=" in value:
            version = unquote(value.rpartition("?versionId=")[2])
            for seen in self._known(exchange.target):
                if seen.text == version:
                    return value.rpartition("=")[0] + "=" + self._mark(seen, "url")
        if _DATES.match(low):
            return self._relative(value, exchange)
        return value

    @staticmethod
    def _relative(value: str, exchange: Exchange) -> str:
        answered = next((text for name, text in exchange.response_headers if name.lower() == "date"), "")
        try:
            distance = parsedate_to_datetime(value) - parsedate_to_datetime(answered)
        except (TypeError, ValueError):
            return value
        return f"⟦date{round(distance.total_seconds()):+d}⟧"

    def body(self, body: bytes, exchange: Exchange) -> str | None:
        """Return the text of an XML body with values from earlier responses marked; ``None`` where there are none."""
        if not body.lstrip().startswith(b"<") or len(body) > 64 * 1024:
            return None
        text = original = body.decode("utf-8", "replace")
        if "⟦" in text or "\ufffd" in text:
            return None
        for seen in self._known(exchange.target):
            if seen.name.lower() == "last-modified":
                continue
            quoted, bare = escape(seen.text, {'"': "&quot;"}), seen.text.strip('"')
            for plain, form in ((quoted, "xml"), (seen.text, "raw"), (escape(bare), "xmlbare")):
                if plain in text:
                    text = text.replace(plain, self._mark(seen, form))
        return text if text != original else None


def _list_of(target: str) -> tuple[str, tuple[str, ...]]:
    path, _, query = target.partition("?")
    moving = ("continuation-token", "start-after")
    return path, tuple(sorted(item for item in query.split("&") if item.partition("=")[0] not in moving))


def numbered_marks(text: str, number: Callable[[int], int]) -> str:
    """Return ``text`` in which marks name steps instead of exchanges."""
    return re.sub(r"⟦(\w+ [\w-]+) (\d+) (\d+)⟧", lambda hit: f"⟦{hit[1]} {number(int(hit[2]))} {hit[3]}⟧", text)


def is_md5_of(value: str, body: bytes) -> bool:
    """Return whether a Content-MD5 value is the right one for a body."""
    return value == base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode("ascii")
