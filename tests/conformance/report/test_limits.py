"""Every report shows the limits that a search found, next to the declared ones."""

from __future__ import annotations

from typing import Any

from bucket_conformance.conformance.report import html, markdown
from bucket_conformance.conformance.report.columns import keyed
from bucket_conformance.conformance.report.html_data import PageLimit, matrix
from bucket_conformance.conformance.report.limits import limits_of
from tests.conformance.report.documents import section

LIMITS: dict[str, dict[str, Any]] = {
    "batch_keys": {"found": 1000, "open_end": False, "unit": "keys", "declared": 1000, "agrees": True},
    "key_bytes": {"found": 1024, "open_end": False, "unit": "bytes"},
    "segment_bytes": {"found": 254, "open_end": False, "unit": "bytes", "declared": 255, "agrees": False},
    "url_life_s": {"found": None, "open_end": False, "unit": "s", "note": "no requests left", "declared": 604_800},
}


def test_match_and_mismatch_are_told_apart_in_every_form() -> None:
    one = section({"RT-001": "conforms"}, limits=LIMITS)
    assert [(limit.sign, limit.words) for limit in limits_of(one)] == [
        ("✓", "1000 keys (as declared)"),
        (" ", "1024 bytes (not declared)"),
        ("✗", "254 bytes (declared: 255)"),
        (" ", "not found: no requests left (declared: 604800)"),
    ]
    found = keyed([one])
    shown = PageLimit(sign="✗", title="longest segment of a key", words="254 bytes (declared: 255)")
    assert shown in matrix(found).columns[0].limits
    assert "254 bytes (declared: 255)" in html.render(found)
    assert "✗ longest segment of a key: 254 bytes (declared: 255)" in markdown.render(found)


def test_a_run_that_searched_nothing_says_nothing_of_limits() -> None:
    found = keyed([section({"RT-001": "conforms"})])
    assert matrix(found).columns[0].limits == ()
    assert "limits" not in markdown.render(found)
