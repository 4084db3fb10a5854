"""Changed signed URLs: every edit that the holder of a URL may try, for any signature scheme."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from urllib.parse import quote, unquote

from bucket_conformance.reference_impl.api import MAX_URL_LIFE_S

_DATE_FORMAT: Final = "%Y%m%dT%H%M%SZ"
_DATE: Final = re.compile(r"\d{8}T\d{6}Z")
_HEX: Final = re.compile(r"[0-9a-fA-F]{32,}")

How = Literal["changed", "inserted", "dropped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One edit: what was changed, and the URL after it."""

    name: str
    url: str
    changes_nothing: bool = False
    """Whether the URL requests the same with the same signature, and only adds a parameter without meaning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedUrl:
    """A signed URL in parts: ``place`` up to the key, ``key`` percent-encoded, ``pairs`` of the query, decoded."""

    place: str
    key: str
    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, url: str, key: str) -> SignedUrl:
        """Return the parts of ``url``. Where its path does not end in ``key``, its last segment counts as the key."""
        path, _, query = url.partition("?")
        encoded = quote(key, safe="/-._~")
        if not path.endswith(encoded):
            encoded = path.rpartition("/")[2]
        pairs = tuple(
            (unquote(name), unquote(value)) for name, _, value in (p.partition("=") for p in query.split("&"))
        )
        return cls(place=path[: len(path) - len(encoded)], key=encoded, pairs=pairs)

    def text(self) -> str:
        """Return the URL."""
        return self.build(self.pairs)

    def build(self, pairs: tuple[tuple[str, str], ...], *, place: str | None = None, key: str | None = None) -> str:
        """Return the URL with these parameters, and with another place or key where given."""
        query = "&".join(f"{quote(name, safe='-._~')}={quote(value, safe='-._~')}" for name, value in pairs)
        return (self.place if place is None else place) + (self.key if key is None else key) + "?" + query

    @property
    def signature(self) -> str:
        """The value of the parameter whose name ends in ``signature``; '' where there is none."""
        return next((value for name, value in self.pairs if name.lower().endswith("signature")), "")

    def with_value(self, at: int, value: str) -> str:
        """Return the URL with another value of the parameter with index ``at``."""
        pairs = list(self.pairs)
        pairs[at] = (pairs[at][0], value)
        return self.build(tuple(pairs))


def unsigned(url: str) -> str:
    """Return the URL without its query, and thus without a signature."""
    return url.partition("?")[0]


def other_character(character: str) -> str:
    """Return another character of the same kind; different also for a reader that ignores case."""
    if character.isdigit():
        return str((int(character) + 1) % 10)
    return {"a": "b", "A": "B"}.get(character, "a" if character.islower() else "A")


def named_edits(url: str, key: str, other_key: str) -> Iterator[Edit]:
    """Yield URLs with one edit each of a valid URL: of the key, of the place, and of every value in the query.

    ``other_key``: an existing object that the URL does not grant.
    """
    signed = SignedUrl.of(url, key)
    yield Edit(name="key: another object's", url=signed.build(signed.pairs, key=quote(other_key, safe="/-._~")))
    yield Edit(name="key: last character changed", url=signed.build(signed.pairs, key=_last_changed(signed.key)))
    yield Edit(name="key: one character more", url=signed.build(signed.pairs, key=signed.key + "a"))
    yield Edit(name="key: one character less", url=signed.build(signed.pairs, key=signed.key[:-1]))
    yield from _place_edits(signed)
    for at, (name, value) in enumerate(signed.pairs):
        for what, changed in _value_edits(name, value):
            yield Edit(name=f"{name}: {what}", url=signed.with_value(at, changed))
        yield Edit(name=f"{name}: left out", url=signed.build(signed.pairs[:at] + signed.pairs[at + 1 :]))
    for what, pair in (("a parameter", ("added", "1")), ("a security token", ("X-Amz-Security-Token", "bm8gdG9rZW4="))):
        yield Edit(name=f"{what} added", url=signed.build((*signed.pairs, pair)), changes_nothing=True)


def reviving_edits(url: str, key: str, now: datetime) -> Iterator[Edit]:
    """Yield edits that make an expired URL valid again where its period is not signed, or is read twice."""
    signed = SignedUrl.of(url, key)
    for at, (name, value) in enumerate(signed.pairs):
        fresh = str(MAX_URL_LIFE_S) if value.isdigit() else now.strftime(_DATE_FORMAT) if _DATE.fullmatch(value) else ""
        if fresh:
            yield Edit(name=f"{name}: renewed", url=signed.with_value(at, fresh))
            yield Edit(name=f"{name}: renewed behind", url=signed.build((*signed.pairs, (name, fresh))))
            yield Edit(name=f"{name}: renewed before", url=signed.build(((name, fresh), *signed.pairs)))


def edit_at(url: str, key: str, position: int, how: How, character: str) -> Edit:
    """Return the URL with one character changed, dropped, or inserted before it, in its key or in a query value.

    ``position`` counts through the key and the values, and wraps around.
    """
    signed = SignedUrl.of(url, key)
    fields = [("key", unquote(signed.key)), *signed.pairs]
    position %= sum(len(value) for _, value in fields)
    number = 0
    while position >= len(fields[number][1]):
        position -= len(fields[number][1])
        number += 1
    name, value = fields[number]
    put = character if character.lower() != value[position].lower() else other_character(character)
    middle = {"changed": put, "inserted": put + value[position], "dropped": ""}[how]
    changed = value[:position] + middle + value[position + 1 :]
    edited = (
        signed.build(signed.pairs, key=quote(changed, safe="/-._~"))
        if number == 0
        else signed.with_value(number - 1, changed)
    )
    return Edit(name=f"{name}: character {position} {how}", url=edited)


def _last_changed(text: str) -> str:
    return text[:-1] + other_character(text[-1]) if text else "a"


def _place_edits(signed: SignedUrl) -> Iterator[Edit]:
    scheme, _, rest = signed.place.partition("://")
    segments = rest.split("/")
    for at in range(1, len(segments)):
        if segments[at]:
            changed = [*segments[:at], _last_changed(segments[at]), *segments[at + 1 :]]
            name = "bucket" if at == len(segments) - 2 else "mount"
            place = f"{scheme}://{'/'.join(changed)}"
            yield Edit(name=f"{name}: last character changed", url=signed.build(signed.pairs, place=place))


def _value_edits(name: str, value: str) -> Iterator[tuple[str, str]]:
    yield "last character changed", _last_changed(value)
    if value:
        yield "emptied", ""
    if value.isdigit():
        yield "one more", str(int(value) + 1)
        yield "as long as can be", str(MAX_URL_LIFE_S)
    elif _DATE.fullmatch(value):
        date = datetime.strptime(value, _DATE_FORMAT)
        for what, seconds in (("a second later", 1), ("a second earlier", -1)):
            yield what, (date + timedelta(seconds=seconds)).strftime(_DATE_FORMAT)
        yield "no date", _last_changed(value[:8]) + "Tnoon"
    elif _HEX.fullmatch(value):
        yield "first character changed", other_character(value[0]) + value[1:]
        yield "character in the middle changed", _middle_changed(value)
        yield "second half left out", value[: len(value) // 2]
        yield "all zeros", "0" * len(value)
        yield "said twice", value + value
    elif name.lower().endswith("signedheaders"):
        yield "one header more", value + ";x-amz-date"
        yield "another header", "x-amz-date"
    elif value.count("/") == 4:
        parts = value.split("/")
        for at, what in enumerate(("access key", "scope date", "scope region", "scope service", "scope end")):
            yield f"{what} changed", "/".join([*parts[:at], _last_changed(parts[at]), *parts[at + 1 :]])
        # One server was observed to fail at an invalid scope date, instead of rejecting it.
        yield "scope date that is none", "/".join([parts[0], "2026112a", *parts[2:]])


def _middle_changed(value: str) -> str:
    at = len(value) // 2
    return value[:at] + other_character(value[at]) + value[at + 1 :]
