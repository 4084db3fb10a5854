"""The XML of the S3 protocol: reading request documents, writing answers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NoReturn
from urllib.parse import quote_plus
from xml.etree import ElementTree

from tests.exemplar.types import Response, S3Error

NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"
_PROLOGUE: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_SPECIAL: Final = re.compile("[&<>\"'\x00-\x1f\x7f]")
_NAMED: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}


def escape(text: str) -> str:
    """Return ``text`` as XML character data; control characters become references, as Amazon S3 writes them."""
    return _SPECIAL.sub(lambda found: _NAMED.get(found[0]) or f"&#x{ord(found[0]):x};", text)


def element(name: str, value: str | int | bool) -> str:
    shown = str(value).lower() if isinstance(value, bool) else escape(str(value))
    return f"<{name}>{shown}</{name}>"


def document(root: str, parts: Iterable[str], *, status: int = 200) -> Response:
    """Return the answer whose body is ``<root>`` around the ready ``parts``."""
    body = f'{_PROLOGUE}<{root} xmlns="{NAMESPACE}">{"".join(parts)}</{root}>'
    return Response(status=status, headers=(("Content-Type", "application/xml"),), body=body.encode())


def error_response(error: S3Error, resource: str, request_id: str) -> Response:
    fields = [("Code", error.code), ("Message", error.message), *error.fields]
    fields += [("Resource", resource), ("RequestId", request_id), ("HostId", "exemplar")]
    inner = "".join(element(name, value) for name, value in fields)
    return Response(
        status=error.status,
        headers=(("Content-Type", "application/xml"), *error.headers),
        body=f"{_PROLOGUE}<Error>{inner}</Error>".encode(),
    )


def url_encode(text: str) -> str:
    """Encode as ``encoding-type=url`` does: a space is ``+``, a slash stays."""
    return quote_plus(text, safe="/*").replace("~", "%7E")


def malformed() -> NoReturn:
    message = "The XML you provided was not well-formed or did not validate against our published schema"
    raise S3Error(400, "MalformedXML", message)


def local_name(node: ElementTree.Element) -> str:
    """Return the tag without the S3 namespace; any other namespace makes the document malformed."""
    tag = node.tag.removeprefix("{" + NAMESPACE + "}")
    if "{" in tag:
        malformed()
    return tag


def parse(body: bytes, root: str) -> ElementTree.Element:
    """Return the root element; raise MalformedXML unless it is a well-formed ``<root>`` without a DTD."""
    if b"<!DOCTYPE" in body:
        malformed()
    try:
        node = ElementTree.fromstring(body)
    except (ElementTree.ParseError, ValueError, LookupError):
        malformed()
    if local_name(node) != root:
        malformed()
    return node


def text(node: ElementTree.Element) -> str:
    """Return the text of a leaf; an element with children is malformed there."""
    if len(node):
        malformed()
    return node.text or ""


def children(node: ElementTree.Element, allowed: Iterable[str]) -> dict[str, list[ElementTree.Element]]:
    """Return the children by name; raise MalformedXML for a name that is not ``allowed``."""
    found: dict[str, list[ElementTree.Element]] = {}
    names = frozenset(allowed)
    for child in node:
        name = local_name(child)
        if name not in names:
            malformed()
        found.setdefault(name, []).append(child)
    return found
