"""The Content-Disposition header that makes a browser save an object under a given name."""

from __future__ import annotations

import unicodedata
from typing import Final
from urllib.parse import quote

MAX_NAME_CHARS: Final = 255
"""Longest file name put in the header, in characters; what the common file systems take in one name."""

_KEPT_SUFFIX_CHARS: Final = 20
_ATTR_CHARS: Final = "!#$&+-.^_`|~"
"""The characters besides letters and digits that RFC 8187 section 3.2.1 (attr-char) leaves unencoded."""


def attachment(file_name: str) -> str:
    """Return ``attachment`` with ``file_name``, as one header value of printable ASCII (RFC 6266, RFC 8187).

    A plain name goes in ``filename="…"`` alone. Any other gets an ASCII stand-in there and its true form in
    ``filename*=UTF-8''…``. Control characters and lone surrogates become ``_`` in both, so no name can start a new
    header. Names over 255 characters are cut before their suffix. An empty name gives a bare ``attachment``.
    """
    name = _cut("".join("_" if unicodedata.category(char) in ("Cc", "Cs") else char for char in file_name))
    if not name:
        return "attachment"
    # Quotes and backslashes are legal when escaped, but browsers disagree on undoing it; some also decode %XX here
    # (RFC 6266 appendix D). The exact name travels in filename* instead.
    fallback = "".join(char if " " <= char <= "~" and char not in '"\\/%' else "_" for char in name)
    if fallback == name:
        return f'attachment; filename="{name}"'
    return f"attachment; filename=\"{fallback}\"; filename*=UTF-8''{quote(name, safe=_ATTR_CHARS)}"


def _cut(name: str) -> str:
    if len(name) <= MAX_NAME_CHARS:
        return name
    stem, dot, suffix = name.rpartition(".")
    ending = dot + suffix if stem and len(suffix) < _KEPT_SUFFIX_CHARS else ""
    return name[: MAX_NAME_CHARS - len(ending)] + ending
