"""Reads XML from a server under test: no entities, and no more elements than any S3 response has.

The depth of nesting does not matter: neither the parser nor this code recurses.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Final

SMALL_BYTES: Final = 1024 * 1024
"""A body up to this size takes at most about 30 MiB of memory, whatever it contains."""

MOST_MARKS: Final = 200_000
"""Maximum number of tags, and of attributes, of a body. A page of a thousand versions has 20 thousand tags."""

_ENCODING: Final = re.compile(rb"""\s*<\?xml[^>]*?\sencoding\s*=\s*["']([^"'>]*)""")
_ENCODINGS: Final = frozenset({b"utf-8", b"utf8", b"us-ascii", b"ascii", b"iso-8859-1"})


_USUAL: Final = b'<?xml version="1.0" encoding="UTF-8"?>'


def refusal(body: bytes) -> str:
    """Return why a body is not passed to an XML parser; '' where it may be, which does not mean that it is XML."""
    if b"<!DOCTYPE" in body and (b"<!ENTITY" in body or b"<!ATTLIST" in body):
        return "it declares entities or attributes, which a parser would expand"
    if b"\0" in body[:2] or body[:2] in (b"\xfe\xff", b"\xff\xfe"):
        return "it is in UTF-16 instead of UTF-8"
    declared = None if body.startswith(_USUAL) else _ENCODING.match(body[:200].removeprefix(b"\xef\xbb\xbf"))
    if declared is not None and declared[1].lower() not in _ENCODINGS:
        return f"its encoding is declared as {declared[1].decode('latin-1')!r} instead of UTF-8"
    if len(body) > SMALL_BYTES:
        for mark, what in ((b"<", "tags"), (b"=", "attributes")):
            if (found := body.count(mark)) > MOST_MARKS:
                return f"it has {found} {what}, and at most {MOST_MARKS} are read"
    return ""


def parsed(body: bytes) -> ET.Element | None:
    """Return the root element of a body without namespaces, or ``None`` where it is not XML that is safe to read.

    A document with a document type (an HTML page) also gives ``None``.
    """
    if refusal(body) or b"<!DOCTYPE" in body:
        return None
    try:
        root = ET.fromstring(body)
    except (ET.ParseError, LookupError, ValueError):
        return None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root
