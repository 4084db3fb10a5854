"""Edits of a signed URL change its meaning, never only its notation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucket_conformance.conformance.clauses import signed_url_bounds
from bucket_conformance.conformance.testkit.url_tampering import (
    How,
    SignedUrl,
    edit_at,
    named_edits,
    other_character,
    reviving_edits,
)
from bucket_conformance.conformance.verdict import Verdict
from tests.bench import decide, on_disk, on_exemplar

KEY = "project/p-1/FILE/report"
SIGNED = (
    "http://127.0.0.1:9000/bucket-1/project/p-1/FILE/report?response-content-disposition=attachment"
    "&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKEY%2F20261122%2Fus-east-1%2Fs3%2Faws4_request"
    "&X-Amz-Date=20261122T101500Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host"
    "&X-Amz-Signature=" + "0123456789abcdef" * 4
)


def meaning(url: str) -> tuple[str, str, list[tuple[str, str]]]:
    """Return what a server reads: host, decoded path, decoded query in the order of names."""
    parts = urlsplit(url)
    return parts.netloc, unquote(parts.path), sorted(parse_qsl(parts.query, keep_blank_values=True))


def test_a_url_taken_apart_means_the_same_put_together() -> None:
    signed = SignedUrl.of(SIGNED, KEY)
    assert (signed.place, signed.key) == ("http://127.0.0.1:9000/bucket-1/", KEY)
    assert signed.signature == "0123456789abcdef" * 4
    assert meaning(signed.text()) == meaning(SIGNED)


def test_every_named_edit_means_something_else_and_has_a_name_of_its_own() -> None:
    edits = list(named_edits(SIGNED, KEY, "project/p-2/FILE/other"))
    assert len({edit.name for edit in edits}) == len(edits)
    assert [edit.name for edit in edits if meaning(edit.url) == meaning(SIGNED)] == []


@pytest.mark.parametrize(
    "part",
    ["key: another", "bucket", "X-Amz-Expires: one more", "X-Amz-Date: a second", "scope date", "scope region",
     "scope service", "scope end", "access key", "SignedHeaders: one header more", "Signature: second half"],
)  # fmt: skip
def test_the_named_edits_reach_every_part(part: str) -> None:
    assert any(part in edit.name for edit in named_edits(SIGNED, KEY, "project/p-2/FILE/other"))


def test_a_dead_url_is_revived_by_its_life_and_by_its_date_alone_and_doubled() -> None:
    edits = [edit.name for edit in reviving_edits(SIGNED, KEY, datetime(2026, 11, 30, tzinfo=UTC))]
    assert edits == [
        f"{name}: renewed{where}" for name in ("X-Amz-Date", "X-Amz-Expires") for where in ("", " behind", " before")
    ]


@given(
    position=st.integers(0, 999),
    how=st.sampled_from(("changed", "inserted", "dropped")),
    character=st.sampled_from("0123456789abcdef"),
)
def test_an_edit_of_one_character_means_something_else(position: int, how: How, character: str) -> None:
    assert meaning(edit_at(SIGNED, KEY, position, how, character).url) != meaning(SIGNED)


@given(character=st.sampled_from("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_/%."))
def test_another_character_is_another_one_also_without_regard_to_case(character: str) -> None:
    assert other_character(character).lower() != character.lower()


def test_what_is_added_changes_nothing_and_every_other_edit_does() -> None:
    edits = list(named_edits(SIGNED, KEY, "project/p-2/FILE/other"))
    assert [edit.name for edit in edits if edit.changes_nothing] == ["a parameter added", "a security token added"]


@pytest.mark.parametrize(("open_backend", "sent"), [(on_disk, False), (on_exemplar, True)], ids=["disk", "server"])
def test_a_storage_without_wire_may_ignore_what_changes_nothing(open_backend: Any, sent: bool) -> None:
    """Its own URL scheme need not sign parameters that nobody reads: no URL with one is tried there."""
    with open_backend() as session:
        assert decide("URL-009", session).verdict is Verdict.CONFORMS
        session.recorder.clear()
        signed_url_bounds.test_a_changed_url_is_refused(session)
        targets = [exchange.target for exchange in session.recorder.kept()]
    assert any("added=1" in target for target in targets) is sent
    assert any("X-Amz-Security-Token" in target for target in targets) is sent
