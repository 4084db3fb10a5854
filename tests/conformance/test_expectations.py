"""Expectations that depend on the client settings of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from bucket_conformance.conformance.expectations import ExpectationError, read_expectations
from docs.generator.expected import under

ENTRY = (
    '[[expect]]\nclause = "RT-001"\nverdict = "deviates"\nreason = "R"\nsince = 2026-01-01\nreview_by = 2099-01-01\n'
)
OVER_HTTPS = {"region": "us-east-1", "addressing": "path", "checksums": "when_supported", "tls": True}


@pytest.mark.parametrize(
    ("when", "settings", "holds"),
    [
        ("", OVER_HTTPS, True),
        ("when = { tls = true }", OVER_HTTPS, True),
        ("when = { tls = false }", OVER_HTTPS, False),
        ('when = { tls = true, checksums = "when_supported" }', OVER_HTTPS, True),
        ('when = { tls = true, checksums = "when_required" }', OVER_HTTPS, False),
        ('when = { checksums = "when_supported" }', {**OVER_HTTPS, "checksums": "unknown to this SDK"}, False),
        ('when = { addressing = "virtual" }', OVER_HTTPS, False),
        ("when = { tls = true }", {}, True),
    ],
)
def test_it_holds_under_the_settings_that_it_names(
    tmp_path: Path, when: str, settings: dict[str, object], holds: bool
) -> None:
    (tmp_path / "known.toml").write_text(f"{ENTRY}{when}\n")
    assert read_expectations(tmp_path / "known.toml")["RT-001"].holds_under(settings) is holds


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ("when = true", "when is True"),
        ("when = { tls = 1 }", "when has tls = 1"),
        ('when = { tls = "yes" }', "when has tls = 'yes'"),
        ('when = { checksums = "always" }', "checksums = 'always'; known are tls: True or False; checksums: when_"),
        ('when = { sdk = "boto" }', "when has sdk = 'boto'"),
    ],
)
def test_a_condition_that_no_run_meets_is_refused(tmp_path: Path, when: str, message: str) -> None:
    (tmp_path / "known.toml").write_text(f"{ENTRY}{when}\n")
    with pytest.raises(ExpectationError, match=message):
        read_expectations(tmp_path / "known.toml")


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("", ""),
        ("when = { tls = false }", "Over http: "),
        ('when = { tls = true, checksums = "when_supported" }', "Over https, with checksums `when_supported`: "),
        ('when = { addressing = "virtual" }', "With addressing `virtual`: "),
    ],
)
def test_pages_say_under_which_settings(tmp_path: Path, when: str, said: str) -> None:
    (tmp_path / "known.toml").write_text(f"{ENTRY}{when}\n")
    assert under(read_expectations(tmp_path / "known.toml")["RT-001"]) == said
