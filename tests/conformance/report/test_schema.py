"""The published schema describes every written report and rejects what is not a report."""

from __future__ import annotations

import copy
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bucket_conformance.conformance.report.document import Section, schema_text
from tests.conformance.report.documents import section

SCHEMA: dict[str, Any] = json.loads(
    files("bucket_conformance.conformance.report").joinpath("schema.json").read_text(encoding="utf-8")
)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def _lines(one: Section) -> list[dict[str, Any]]:
    return [record.to_json() for record in one.lines()]


EVERY_VERDICT = section(
    {
        f"KEY-00{number}": verdict
        for number, verdict in enumerate(("conforms", "deviates", "unsupported", "inconclusive", "error", "skipped"))
    }
)


def test_the_published_schema_is_the_one_that_the_records_make() -> None:
    published = files("bucket_conformance.conformance.report").joinpath("schema.json").read_text(encoding="utf-8")
    assert published == schema_text(), "write it anew: python -m bucket_conformance.conformance.report.document"


def test_the_schema_itself_is_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_every_line_of_a_real_report_is_valid(real_report: Path) -> None:
    lines = [json.loads(text) for text in real_report.read_text(encoding="ascii").splitlines()]
    assert {value["type"] for value in lines} == {"header", "result", "footer"}
    for value in lines:
        VALIDATOR.validate(value)


def test_every_property_of_a_real_report_is_described(real_report: Path) -> None:
    for text in real_report.read_text(encoding="ascii").splitlines():
        value = json.loads(text)
        assert set(value) <= set(SCHEMA["$defs"][value["type"]]["properties"])


@pytest.mark.parametrize("value", _lines(EVERY_VERDICT), ids=lambda value: f"{value['type']}-{value.get('clause', '')}")
def test_a_line_without_one_of_its_required_properties_is_invalid(value: dict[str, Any]) -> None:
    VALIDATOR.validate(value)
    for key in SCHEMA["$defs"][value["type"]]["required"]:
        without = {name: item for name, item in value.items() if name != key}
        assert not VALIDATOR.is_valid(without), key


@pytest.mark.parametrize(
    ("line", "key", "wrong"),
    [
        (1, "verdict", "passed"),
        (1, "clause", "key-1"),
        (1, "level", "must"),
        (1, "requests", -1),
        (0, "mode", "slow"),
        (0, "schema", 2),
        (7, "counts", {"passed": 1}),
    ],
)
def test_a_value_outside_its_closed_set_is_invalid(line: int, key: str, wrong: object) -> None:
    value = copy.deepcopy(_lines(EVERY_VERDICT)[line])
    value[key] = wrong
    assert not VALIDATOR.is_valid(value)
