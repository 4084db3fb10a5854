"""Untrusted XML: S3 responses are read; what would cost memory or time is not. All input here is harmless."""

from __future__ import annotations

import pytest

from bucket_conformance.conformance.wire.safe_xml import MOST_MARKS, SMALL_BYTES, parsed, refusal

ENTITY = b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY one "1">]><r>&one;</r>'


def test_what_s3_answers_is_read_without_namespaces() -> None:
    root = parsed(b'<?xml version="1.0" encoding="UTF-8"?>\n<R xmlns="urn:x"><K>\xc3\xa9</K><![CDATA[<!--]]></R>')
    assert root is not None
    assert (root.tag, root.findtext("K")) == ("R", "é")
    assert parsed(b"\xef\xbb\xbf<r/>") is not None
    assert parsed(b"<?xml version='1.0' encoding='iso-8859-1'?><r>\xe9</r>") is not None


@pytest.mark.parametrize(
    "body",
    [
        ENTITY,
        ENTITY.replace(b"ENTITY one '1'", b"ATTLIST r a CDATA '1'"),
        ENTITY.decode().encode("utf-16"),
        ENTITY.decode().encode("utf-16-le"),
        b" " + ENTITY.decode().encode("utf-16-be"),
        b"<?xml version='1.0' encoding='utf-16'?>" + ENTITY,
        b'<?xml version="1.0" encoding="cp037"?>' + ENTITY.decode().encode("cp037"),
    ],
)
def test_entities_are_never_expanded_in_whatever_encoding(body: bytes) -> None:
    assert refusal(body) or parsed(body) is None
    assert parsed(body) is None


def test_a_declared_entity_is_named_as_the_reason() -> None:
    assert "declares entities" in refusal(ENTITY)
    assert "'utf-7'" in refusal(b"<?xml version='1.0' encoding='utf-7'?><r/>")


def test_an_html_page_is_no_xml_and_no_danger() -> None:
    page = b"<!DOCTYPE html><html><body/></html>"
    assert refusal(page) == ""
    assert parsed(page) is None


def test_many_levels_do_no_harm() -> None:
    root = parsed(b"<a>" * 50_000 + b"</a>" * 50_000)
    assert root is not None
    assert len(list(root.iter())) == 50_000
    assert root.findtext("Code") is None


@pytest.mark.parametrize("piece", [b"<a/>", b"<a b='' c='' d='' e=''/>"])
def test_many_tags_and_attributes_are_not_read(piece: bytes) -> None:
    assert parsed(b"<r>" + piece * 1000 + b"</r>") is not None
    assert refusal(b"<r>" + piece * (SMALL_BYTES // len(piece) - 10) + b"</r>") == ""
    assert "are read" in refusal(b"<r>" + piece * (MOST_MARKS + SMALL_BYTES // len(piece)) + b"</r>")


@pytest.mark.parametrize("body", [b"", b"\0", b"<a\0/>", b"{}", b"<a>", b"\xff\xfe", b"<a>\xff</a>", b"<a b=1/>"])
def test_what_is_not_well_formed_is_none(body: bytes) -> None:
    assert parsed(body) is None
