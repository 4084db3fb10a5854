"""Advice follows from verdicts, names its clauses, and is usable without changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bucket_conformance.conformance.catalogue import entries
from bucket_conformance.conformance.cli.main import main
from bucket_conformance.conformance.report.advice import _CAUTIONS, Advice, AdviceKind, advise
from bucket_conformance.conformance.report.advice_text import environment
from bucket_conformance.conformance.report.document import Section
from bucket_conformance.reference_impl.settings import load
from tests.conformance.report.documents import section, write

GOOD = dict.fromkeys(
    (
        *("CFG-002", "RT-001", "RT-009", "RT-018", "DEL-001", "DEL-004", "DEL-010", "DEL-015"),
        *("URL-001", "URL-002", "URL-003", "URL-004", "URL-005", "URL-009", "URL-010", "URL-012", "URL-017", "URL-022"),
    ),
    "conforms",
)
BYPASS = {
    "verdict": "deviates",
    "observation": {"promised": "refused", "observed": "served", "harm": "bypasses authentication"},
}
OWN = {
    "AP_S3_ENDPOINT": "http://127.0.0.1:9000",
    "AP_S3_BUCKET": "files",
    "AP_S3_ACCESS_KEY_ID": "AKexample",
    "AP_S3_SECRET_ACCESS_KEY": "secret-of-an-example",
}


def judged(changed: dict[str, Any] | None = None, *, limits: dict[str, Any] | None = None, **header: Any) -> Section:
    return section({**GOOD, **(changed or {})}, limits=limits, **header)


def variables(one: Section) -> dict[str, str]:
    return dict(pair for advice in advise(one) for pair in advice.variables)


def cautions(one: Section) -> list[Advice]:
    return [advice for advice in advise(one) if advice.kind is not AdviceKind.SET]


def test_a_backend_without_deviations_is_used_to_the_full() -> None:
    assert variables(judged()) == {
        "AP_FILE_STORAGE_LOCATION": "s3",
        "AP_S3_REGION": "us-east-1",
        "AP_S3_DELETE_BATCH_SIZE": "1000",
        "AP_S3_USE_SIGNED_URLS": "true",
        "AP_FILE_URL_LIFE_SECONDS": "604800",
    }
    assert cautions(judged()) == []


@pytest.mark.parametrize("clause", ["URL-003", "URL-009", "URL-017", "URL-022"])
def test_advice_switches_off_urls_that_bypass_authentication(clause: str) -> None:
    found = variables(judged({clause: BYPASS}))
    assert found["AP_S3_USE_SIGNED_URLS"] == "false"
    assert "AP_FILE_URL_LIFE_SECONDS" not in found


def test_an_answer_that_merely_differs_does_not_switch_urls_off() -> None:
    assert variables(judged({"URL-009": "deviates"}))["AP_S3_USE_SIGNED_URLS"] == "true"


def largest(keys: str, **measured: int) -> dict[str, Any]:
    observation = {"promised": "largest batch taken: 1000 keys", "observed": f"largest batch taken: {keys} keys"}
    return {"verdict": "deviates", "observation": {**observation, **measured}}


@pytest.mark.parametrize(
    ("changed", "limits", "declared", "size"),
    [
        ({}, {"batch_keys": {"found": 700, "open_end": False, "unit": "keys"}}, {}, "700"),
        ({}, {"batch_keys": {"found": 1100, "open_end": True, "unit": "keys"}}, {}, "1000"),
        (
            {},
            {"batch_keys": {"found": None, "open_end": False, "unit": "keys", "note": "no time", "declared": 250}},
            {},
            "250",
        ),
        ({}, {}, {"batch_keys": 128}, "128"),
        ({"DEL-010": "deviates", "DEL-015": "deviates"}, {}, {}, "100"),
        ({"DEL-010": "deviates", "DEL-015": largest("at least 1001", measured=1001)}, {}, {}, "1000"),
        ({"DEL-010": "deviates", "DEL-015": largest("30", measured=30)}, {}, {"batch_keys": 1000}, "30"),
        # Text decides nothing: it may come from a server.
        ({"DEL-010": "deviates", "DEL-015": largest("100000")}, {}, {"batch_keys": 1000}, "100"),
        ({"DEL-001": "deviates"}, {}, {"batch_keys": 1000}, "1"),
    ],
)
def test_advice_uses_the_largest_batch_that_is_known_to_work(
    changed: dict[str, Any], limits: dict[str, Any], declared: dict[str, int], size: str
) -> None:
    assert variables(judged(changed, limits=limits, declared=declared))["AP_S3_DELETE_BATCH_SIZE"] == size


def test_tenants_are_not_called_mixed_where_an_upload_was_merely_refused() -> None:
    refused = {"promised": "the operation succeeds", "observed": "500 InternalError"}
    crossed = {"promised": "[]", "observed": "['a']", "harm": "crosses tenants"}
    for observation, warned in ((refused, False), (crossed, True)):
        advice = advise(judged({"KEY-008": {"verdict": "deviates", "observation": observation}}))
        assert any("tenants" in piece.text for piece in advice) is warned


def test_a_shorter_life_of_urls_is_kept_to() -> None:
    limits = {"url_life_s": {"found": 86_400, "open_end": False, "unit": "s"}}
    assert variables(judged(limits=limits))["AP_FILE_URL_LIFE_SECONDS"] == "86400"


def test_checksums_are_as_they_were_judged() -> None:
    settings = {"region": "auto", "addressing": "path", "checksums": "when_required"}
    found = variables(judged(settings=settings))
    assert found["AWS_REQUEST_CHECKSUM_CALCULATION"] == "when_required"
    assert found["AP_S3_REGION"] == "auto"


def test_advice_names_deviating_features_as_unreliable() -> None:
    [caution] = cautions(judged({"CON-003": "deviates"}))
    assert caution.kind is AdviceKind.NEVER
    assert caution.clauses == ("CON-003",)
    assert "If-None-Match" in caution.text


def test_what_is_not_declared_is_not_relied_on_and_half_done_is_said() -> None:
    unsupported = {
        "verdict": "unsupported",
        "reason": "not declared: conditional_put; conditional_put not declared, and accepted",
        "missing": ["conditional_put"],
        "claims": {"conditional_put": {"outcome": "half done", "said": "PUT: 200"}},
    }
    [caution] = cautions(judged({"CON-003": unsupported, "CON-004": unsupported}))
    assert caution.clauses == ("CON-003", "CON-004")
    assert "accepted and not carried out" in caution.text


def test_nothing_is_advised_on_what_was_not_judged() -> None:
    assert advise(section({"KEY-001": "error"})) == [
        advice for advice in advise(section({"KEY-001": "error"})) if advice.clauses == ("KEY-001",)
    ]


@pytest.mark.parametrize("changed", [{}, {"URL-003": BYPASS}, {"DEL-010": "deviates", "DEL-015": "deviates"}])
def test_the_lines_for_the_environment_are_settings_that_load(changed: dict[str, Any]) -> None:
    one = judged(changed)
    lines = [line for line in environment(one, advise(one)).splitlines() if not line.startswith("#")]
    settings = load({**OWN, **dict(line.split("=", 1) for line in lines)})
    assert settings.warnings == ()
    assert settings.location == "s3"
    assert settings.use_signed_urls is ("URL-003" not in changed)


def test_advice_names_only_clauses_that_exist() -> None:
    named = {clause for clauses, _, _ in _CAUTIONS for clause in clauses}
    assert named <= set(entries())


def test_the_command_gives_every_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "r.jsonl", judged({"CON-003": "deviates"}))
    assert main(["advice", path, "acme"]) == 0
    assert "Never rely on:\n  If-None-Match" in capsys.readouterr().out
    assert main(["advice", path, "--env"]) == 0
    assert "\nAP_S3_DELETE_BATCH_SIZE=1000\n" in capsys.readouterr().out
    assert main(["advice", path, "--markdown"]) == 0
    assert "## Acme 1.0" in capsys.readouterr().out
    assert main(["advice", path, "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["provider"] == "acme"
    assert all(advice["clauses"] for advice in value["advice"])


def test_a_provider_that_is_not_in_the_report_is_wrong_usage(tmp_path: Path) -> None:
    assert main(["advice", write(tmp_path / "r.jsonl", judged()), "nobody"]) == 2
