"""Lifecycle configuration: validated, stored, returned. Nothing ever expires here."""

from __future__ import annotations

import re
import secrets
from typing import Final
from xml.etree import ElementTree

from tests.exemplar import xml
from tests.exemplar.delete import require_digest
from tests.exemplar.store import Store
from tests.exemplar.types import Request, Response, S3Error

_ACTIONS: Final = (
    "Expiration",
    "Transition",
    "NoncurrentVersionExpiration",
    "NoncurrentVersionTransition",
    "AbortIncompleteMultipartUpload",
)
_PREDICATES: Final = ("Prefix", "Tag", "ObjectSizeGreaterThan", "ObjectSizeLessThan")
_FIELDS: Final = {
    "Expiration": ("Days", "Date", "ExpiredObjectDeleteMarker"),
    "Transition": ("Days", "Date", "StorageClass"),
    "NoncurrentVersionExpiration": ("NoncurrentDays", "NewerNoncurrentVersions"),
    "NoncurrentVersionTransition": ("NoncurrentDays", "NewerNoncurrentVersions", "StorageClass"),
    "AbortIncompleteMultipartUpload": ("DaysAfterInitiation",),
}
_LEAF: Final = {
    "Days",
    "Date",
    "ExpiredObjectDeleteMarker",
    "StorageClass",
    "NoncurrentDays",
    "NewerNoncurrentVersions",
    "DaysAfterInitiation",
}


def _invalid(message: str) -> S3Error:
    return S3Error(400, "InvalidArgument", message)


def _check_action(name: str, node: ElementTree.Element) -> None:
    found = xml.children(node, _FIELDS[name])
    if any(len(nodes) > 1 for nodes in found.values()) or not found:
        xml.malformed()
    if name == "Expiration" and len(found) != 1:
        xml.malformed()
    if name.endswith("Transition") and "StorageClass" not in found:
        xml.malformed()
    for field, (leaf, *_) in found.items():
        value = xml.text(leaf).strip()
        if field in ("Days", "NoncurrentDays", "DaysAfterInitiation", "NewerNoncurrentVersions"):
            if not re.fullmatch("-?[0-9]{1,10}", value):
                xml.malformed()
            least = 0 if field == "Days" and name == "Transition" else 1
            if int(value) < least:
                raise _invalid(f"'{field}' for {name} action must be a positive integer")
        elif field == "Date" and not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}T00:00:00(\\.0+)?(Z|\\+00:00)", value):
            raise _invalid("'Date' must be at midnight GMT")
        elif field == "ExpiredObjectDeleteMarker" and value not in ("true", "false"):
            xml.malformed()


def _check_filter(node: ElementTree.Element) -> None:
    found = xml.children(node, (*_PREDICATES, "And"))
    if sum(len(nodes) for nodes in found.values()) > 1:
        xml.malformed()
    for name, nodes in (xml.children(found["And"][0], _PREDICATES) if "And" in found else found).items():
        for leaf in nodes:
            if name == "Tag":
                if xml.children(leaf, ("Key", "Value")).keys() != {"Key", "Value"}:
                    xml.malformed()
            elif len(nodes) > 1 or (name != "Prefix" and not xml.text(leaf).strip().isdecimal()):
                xml.malformed()


def _check_rule(rule: ElementTree.Element) -> str:
    """Return the rule's id, made up where it has none; raise for every rule Amazon S3 refuses."""
    found = xml.children(rule, ("ID", "Status", "Prefix", "Filter", *_ACTIONS))
    single = ("ID", "Status", "Prefix", "Filter", "Expiration", "NoncurrentVersionExpiration", _ACTIONS[-1])
    if any(len(found.get(name, [])) > 1 for name in single):
        xml.malformed()
    if "Status" not in found or xml.text(found["Status"][0]) not in ("Enabled", "Disabled"):
        xml.malformed()
    if ("Prefix" in found) == ("Filter" in found):
        xml.malformed()
    if "Filter" in found:
        _check_filter(found["Filter"][0])
    actions = [(name, node) for name in _ACTIONS for node in found.get(name, [])]
    if not actions:
        raise S3Error(400, "InvalidRequest", "At least one action needs to be specified in a rule.")
    for name, node in actions:
        _check_action(name, node)
    given = xml.text(found["ID"][0]) if "ID" in found else ""
    if len(given) > 255:
        raise _invalid("ID length should not exceed allowed limit of 255")
    return given or secrets.token_hex(24)


def _write(node: ElementTree.Element) -> str:
    name = xml.local_name(node)
    inner = "".join(_write(child) for child in node)
    value = (node.text or "").strip() if name in _LEAF else node.text or ""
    return f"<{name}>{inner or xml.escape(value if not len(node) else '')}</{name}>"


def put(store: Store, request: Request) -> Response:
    with store.lock:
        bucket = store.bucket(request.bucket)
        require_digest(request)
        rules = xml.children(xml.parse(request.body, "LifecycleConfiguration"), ("Rule",)).get("Rule", [])
        if not 1 <= len(rules) <= 1000:
            xml.malformed()
        ids = [_check_rule(rule) for rule in rules]
        if len(set(ids)) < len(ids):
            raise _invalid("Rule ID must be unique. Found same ID for more than one rule")
        written = ""
        for rule_id, rule in zip(ids, rules, strict=True):
            rest = "".join(_write(child) for child in rule if xml.local_name(child) != "ID")
            written += f"<Rule>{xml.element('ID', rule_id)}{rest}</Rule>"
        bucket.lifecycle = written
    return Response(status=200)


def get(store: Store, request: Request) -> Response:
    with store.lock:
        written = store.bucket(request.bucket).lifecycle
    if written is None:
        message = "The lifecycle configuration does not exist"
        fields = (("BucketName", request.bucket),)
        raise S3Error(404, "NoSuchLifecycleConfiguration", message, fields=fields)
    return xml.document("LifecycleConfiguration", [written])


def delete(store: Store, request: Request) -> Response:
    with store.lock:
        store.bucket(request.bucket).lifecycle = None
    return Response(status=204)
