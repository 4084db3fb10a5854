"""The reader of Content-Disposition is strict: what a browser might guess is an error here."""

from __future__ import annotations

import pytest
from hypothesis import given

from bucket_conformance.conformance.strategies import file_names
from bucket_conformance.conformance.testkit import content_disposition
from bucket_conformance.conformance.testkit.content_disposition import HeaderError
from bucket_conformance.reference_impl.disposition import MAX_NAME_CHARS, attachment


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("attachment", None),
        ("attachment; filename=plain.txt", "plain.txt"),
        ('Attachment ; FileName="a b.txt" ', "a b.txt"),
        (r'attachment; filename="a\"b\\c"', 'a"b\\c'),
        ("attachment; filename*=UTF-8''%E2%82%AC.txt", "\u20ac.txt"),
        ("attachment; filename=\"_.txt\"; filename*=utf-8'en'%C3%BC.txt", "\u00fc.txt"),
        ('attachment; filename=""', ""),
    ],
)
def test_the_file_name_is_read(header: str, name: str | None) -> None:
    assert content_disposition.file_name(header) == name


@pytest.mark.parametrize(
    "header",
    [
        "",
        "; filename=a",
        'attachment; filename="a"b"',
        'attachment; filename="a',
        "attachment; filename=a b",
        "attachment; filename=\u00fc",
        'attachment; filename="a\r\nX: y"',
        "attachment; filename=a; filename=b",
        "attachment; filename*=%41",
        "attachment; filename*=ISO-8859-1''%FC",
        "attachment; filename*=UTF-8''%FC",
        "attachment; filename*=UTF-8''a%4",
        "attachment; filename*=UTF-8''a/b",
        "attachment;",
        "attachment filename=a",
    ],
)
def test_what_is_not_in_the_grammar_is_an_error(header: str) -> None:
    with pytest.raises(HeaderError):
        content_disposition.file_name(header)


@given(name=file_names())
def test_what_the_storage_writes_is_read_back(name: str) -> None:
    kind, _ = content_disposition.parse(attachment(name))
    came = content_disposition.file_name(attachment(name))
    assert kind == "attachment"
    assert came is not None
    assert len(came) == min(len(name), MAX_NAME_CHARS)
    if len(name) <= MAX_NAME_CHARS:
        assert all(a == b or not b.isprintable() for a, b in zip(came, name, strict=True))
