"""Describes how a signed URL was changed before its use, as changes that apply to a newly signed URL."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import quote, unquote

Change = tuple[object, ...]
Pair = tuple[str, str | None]

SIGNER = frozenset(
    f"X-Amz-{name}"
    for name in ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Security-Token", "Signature")
)
"""Query parameters that signing adds, and that a reproducer makes again."""


def pairs(query: str) -> list[Pair]:
    """Return the name and the raw value of each parameter; the value is ``None`` where there is no ``=``."""
    return [
        (item.partition("=")[0], item.partition("=")[2] if "=" in item else None) for item in query.split("&") if item
    ]


def value_of(query: Sequence[Pair], name: str) -> str | None:
    """Return the raw value of a parameter, or ``None`` where it is missing or has no value."""
    return next((value for given, value in query if given == name), None)


def changes(signed: Sequence[Pair], sent: Sequence[Pair]) -> list[Change]:
    """Return what was removed, changed and added between the signed query and the sent one."""
    found: list[Change] = []
    used: set[int] = set()
    for name, value in signed:
        places = [i for i, (given, _) in enumerate(sent) if given == name and i not in used]
        if not places:
            found.append(("remove", name))
            continue
        same = [i for i in places if sent[i][1] == value]
        place = (same or places)[0]
        used.add(place)
        if not same:
            found.append(_changed(name, value or "", sent[place][1] or "", signed))
    first_kept = min(used, default=0)
    for i, (name, value) in enumerate(sent):
        if i not in used:
            duplicate = any(given == name and j in used and j > i for j, (given, _) in enumerate(sent))
            how = "put first" if i < first_kept or duplicate else "add"
            found.append((how, name, _again(name, value, signed)))
    return found


def _again(name: str, value: str | None, signed: Sequence[Pair]) -> str | None:
    """Return a value in which the parts that the signer made are marked, so that the script makes them again."""
    before = value_of(signed, name)
    if value is None or before is None:
        return value
    change = _changed(name, before, value, signed)
    return str(change[2]) if change[0] == "change" else value


def _changed(name: str, before: str, after: str, signed: Sequence[Pair]) -> Change:
    if name == "X-Amz-Signature":
        return _changed_signature(name, before, after)
    if name == "X-Amz-Credential":
        return ("change", name, _credential(before, after))
    if name == "X-Amz-Date":
        shift = _seconds_between(before, after)
        return ("change", name, after if shift is None else f"⟦time{shift:+d}⟧")
    return ("change", name, after)


def _changed_signature(name: str, before: str, after: str) -> Change:
    if after == before:
        return ("change", name, "⟦signature⟧")
    if after == before.upper():
        return ("change", name, "⟦SIGNATURE⟧")
    if before.startswith(after):
        return ("change", name, f"⟦signature:{len(after)}⟧")
    if after.startswith(before):
        return ("change", name, "⟦signature⟧" + after[len(before) :])
    other = [i for i in range(len(before)) if after[i : i + 1] != before[i]]
    if len(after) == len(before) and len(other) <= 8 and re.fullmatch("[0-9a-f]+", after):
        return ("other digit", name, other)
    # The signature of another request. Any wrong one of the same form serves as well, and this one proves nothing.
    wrong = hashlib.sha256(after.encode()).hexdigest() if len(set(after)) > 4 else after
    return ("change", name, wrong[: len(after)])


def _credential(before: str, after: str) -> str:
    old, new = unquote(before).rsplit("/", 4), unquote(after).rsplit("/", 4)
    if len(old) != 5 or len(new) != 5:
        return quote(unquote(after).replace(old[0], "⟦key id⟧"), safe="⟦⟧ %")
    parts = [quote(part, safe="") for part in new]
    if new[0] == old[0]:
        parts[0] = "⟦key id⟧"
    elif old[0] in new[0]:
        parts[0] = "⟦key id⟧".join(quote(part, safe="") for part in new[0].split(old[0]))
    days = _seconds_between(f"{old[1]}T000000Z", f"{new[1]}T000000Z")
    if days is not None:
        parts[1] = f"⟦day{days // 86400:+d}⟧"
    return "%2F".join(parts)


def _seconds_between(before: str, after: str) -> int | None:
    try:
        first, second = (datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) for text in (before, after))
    except ValueError:
        return None
    return round((second - first).total_seconds())
