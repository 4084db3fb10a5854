"""Writes recorded values of a reproducer (bodies, lists of keys and others) as Python that people can read."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from bucket_conformance.conformance.reproducer.template import each, numbered
from bucket_conformance.conformance.strategies import pattern_bytes

LITERAL_BYTES: Final = 600
"""Bodies up to this size are written in full."""
PACKED_BYTES: Final = 64 * 1024
"""Maximum number of base64 characters of a body in a script."""
_OBJECT: Final = re.compile(r"(<Object>\s*<Key>)([^<]*)(</Key>\s*</Object>)")


@dataclass(frozen=True, slots=True)
class Code:
    """An expression that stands in the script as code, not as a string."""

    text: str


def body_literal(body: bytes) -> Code | bytes | str | None:
    """Return how the script writes a body: as text (XML), as bytes, or as an expression that makes it.

    Returns ``None`` where the script would need more than :data:`PACKED_BYTES` for it.
    """
    text = _text(body)
    if text is not None and text.startswith("<"):
        return _batch(text) or (text if len(body) <= 4 * LITERAL_BYTES else None) or _packed(body)
    if len(body) <= 48:
        return body
    return _pattern(body) or _repeated(body) or (body if len(body) <= LITERAL_BYTES else None) or _packed(body)


def keys_literal(keys: Sequence[str]) -> Code | list[str]:
    """Return a list of keys; as a range where the keys differ only in a consecutive number."""
    found = [(match.start(), match.group()) for match in re.finditer(r"\d+", keys[0])]
    for start, digits in reversed(found if len(keys) > 2 else []):
        form = keys[0][:start] + "⟦n⟧" + keys[0][start + len(digits) :]
        for spec in ("%d", f"%0{len(digits)}d"):
            numbers = range(int(digits), int(digits) + len(keys))
            if numbered(form, numbers, spec) == list(keys):
                rest = "" if spec == "%d" else f", {spec!r}"
                return Code(f"numbered({form!r}, {numbers!r}{rest})")
    return list(keys)


def _text(body: bytes) -> str | None:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _batch(text: str) -> Code | None:
    """Return the XML of a large DeleteObjects request as a list of keys between its start and its end."""
    matches = list(_OBJECT.finditer(text))
    if len(matches) < 8:
        return None
    first, last = matches[0], matches[-1]
    form = (first[1] + "%s" + first[3]) if "%" not in first[1] + first[3] else ""
    keys = [_unescaped(match[2]) for match in matches]
    if not form or text[first.start() : last.end()] != each(form, keys):
        return None
    listed = keys_literal(keys)
    if isinstance(listed, list) and len(text) > PACKED_BYTES:
        return None
    head, tail = text[: first.start()], text[last.end() :]
    inner = listed.text if isinstance(listed, Code) else repr(listed)
    return Code(f"{head!r} + each({form!r}, {inner}) + {tail!r}")


def _unescaped(text: str) -> str:
    names = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}

    def character(match: re.Match[str]) -> str:
        name = match[1]
        if not name.startswith("#"):
            return names.get(name, match[0])
        return chr(int(name[2:], 16) if name[1] in "xX" else int(name[1:]))

    return re.sub(r"&(#[xX][0-9a-fA-F]+|#[0-9]+|[a-z]+);", character, text)


def _pattern(body: bytes) -> Code | None:
    wrap = next((i for i in range(min(len(body) - 1, 252)) if (body[i + 1] - body[i]) % 256 != 7), None)
    offset = 0 if wrap is None else (250 - wrap) % 251
    salt = body[0] if wrap is None else body[wrap + 1]
    if pattern_bytes(offset + len(body), salt)[offset:] != body:
        return None
    more = f", {salt}, {offset}" if offset else f", {salt}" if salt else ""
    return Code(f"pattern({len(body)}{more})")


def _repeated(body: bytes) -> Code | None:
    for period in (*range(1, 65), 128, 251, 256, 512, 1024):
        if period * 2 <= len(body) and body[period:] == body[:-period]:
            times, rest = divmod(len(body), period)
            tail = f" + {body[:rest]!r}" if rest else ""
            unit = body[:period]
            return Code(f"{unit!r} * {times}{tail}") if period <= 64 else None
    return None


def _packed(body: bytes) -> Code | None:
    text = base64.b64encode(zlib.compress(body, 9)).decode("ascii")
    return Code(f"unpack({text!r})") if len(text) <= PACKED_BYTES else None


def written(value: Any, indent: int = 0) -> str:
    """Return Python source for nested lists, tuples, dicts and plain values, one item per line where they are long."""
    if isinstance(value, Code):
        return value.text
    pad = " " * (indent + 4)
    if isinstance(value, dict):
        rows = "".join(f"{pad}{key!r}: {written(item, indent + 4)},\n" for key, item in value.items())
        return "{\n" + rows + " " * indent + "}"
    if isinstance(value, list | tuple):
        items = [written(item, indent + 4) for item in value]
        opening, closing = "[]" if isinstance(value, list) else "()"
        line = opening + ", ".join(items) + ("," if isinstance(value, tuple) and len(items) == 1 else "") + closing
        if len(line) + indent <= 100 and "\n" not in line:
            return line
        return opening + "\n" + "".join(f"{pad}{item},\n" for item in items) + " " * indent + closing
    return repr(value)
