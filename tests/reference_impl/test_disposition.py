"""The Content-Disposition header, read back the way a browser does."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bucket_conformance.reference_impl.disposition import MAX_NAME_CHARS, attachment

GRAMMAR = re.compile(
    r"attachment(?:; filename=\"([ !#-\[\]-~]*)\"(?:; filename\*=UTF-8''([0-9A-Za-z!#$&+.^_`|~%-]+))?)?"
)


def read_back(header: str) -> tuple[str | None, str | None]:
    matched = GRAMMAR.fullmatch(header)
    assert matched, header
    return matched[1], unquote(matched[2], errors="strict") if matched[2] else None


@settings(deadline=None)
@given(name=st.text(max_size=300))
@example(name='a"; filename="b.exe')
@example(name="x\r\nSet-Cookie: a=b\r\n\r\nbody")
@example(name="\\\\host\\share\0.txt")
@example(name="100%41.txt")
@example(name="\ud800.txt")
@example(name="\U0001f600" * 300 + ".pdf")
def test_any_name_gives_one_well_formed_value_with_that_name(name: str) -> None:
    fallback, exact = read_back(attachment(name))
    decoded = exact if exact is not None else fallback
    harmless = "".join("_" if re.match("[\x00-\x1f\x7f-\x9f\ud800-\udfff]", char) else char for char in name)
    if not name:
        assert decoded is None
    elif len(name) <= MAX_NAME_CHARS:
        assert decoded == harmless
        assert len(fallback or "") == len(name)
    else:
        assert decoded is not None
        assert len(decoded) == MAX_NAME_CHARS
        assert decoded[:200] == harmless[:200]


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("report 1.pdf", 'attachment; filename="report 1.pdf"'),
        ("na\u00efve.txt", "attachment; filename=\"na_ve.txt\"; filename*=UTF-8''na%C3%AFve.txt"),
        ('a"b\\c.txt', "attachment; filename=\"a_b_c.txt\"; filename*=UTF-8''a%22b%5Cc.txt"),
        ("\u20ac;,.txt", "attachment; filename=\"_;,.txt\"; filename*=UTF-8''%E2%82%AC%3B%2C.txt"),
        ("", "attachment"),
    ],
)
def test_names_are_written_as_the_rfcs_say(name: str, header: str) -> None:
    assert attachment(name) == header


def test_a_long_name_keeps_its_suffix() -> None:
    fallback, _ = read_back(attachment("x" * 400 + ".tar"))
    assert fallback == "x" * (MAX_NAME_CHARS - 4) + ".tar"
