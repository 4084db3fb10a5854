"""The lines under the matrix: the limits that a run found, and what its requests would cost."""

from __future__ import annotations

import io
import json
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from msgspec.structs import replace
from rich.console import Console

from bucket_conformance.conformance.catalogue import entries
from bucket_conformance.conformance.effort import EFFORTS, Mode
from bucket_conformance.conformance.engine.run import Plan, header, run
from bucket_conformance.conformance.report import footnotes
from bucket_conformance.conformance.report.document import Record, Section, line, parse
from bucket_conformance.conformance.report.merge import merge
from bucket_conformance.conformance.target import S3Endpoint
from tests.bench import EVERY_S3_CAPABILITY
from tests.conformance.report.documents import section as made_up
from tests.exemplar.server import Exemplar

DECLARED = {"batch_keys": 1000, "url_life_s": 86_400}


@pytest.fixture(scope="module")
def lines() -> list[Record]:
    """The section of a run with a search for limits, against an exemplary server."""
    emitted: list[Record] = []
    plan = Plan(
        entries=[entries()["RT-003"]], effort=EFFORTS[Mode.QUICK], seed=1, declared=DECLARED, search_limits=True
    )
    with Exemplar("AKexemplar", "exemplar-secret") as server:
        target = S3Endpoint(url=server.url, access_key="AKexemplar", secret_key="exemplar-secret", disposable=True)
        named = {"provider": "exemplar", "backend": "Exemplar", "backend_version": "1", "launch": "process"}
        emitted.append(header(**named, plan=plan, target=target))
        run(target, plan, emitted.append, provider="exemplar", capabilities=EVERY_S3_CAPABILITY, run_id="0a-1")
    return emitted


@pytest.fixture
def section(lines: list[dict[str, Any]]) -> Section:
    (found,) = parse(line(value) for value in lines)
    return found


def printed(say: Any, *sections: Section) -> str:
    out = io.StringIO()
    say(sections, Console(file=out, width=200, no_color=True))
    return out.getvalue()


def test_the_footer_with_limits_follows_the_schema(lines: list[Record]) -> None:
    schema = json.loads(
        (files("bucket_conformance.conformance") / "report" / "schema.json").read_text(encoding="utf-8")
    )
    validator = jsonschema.Draft202012Validator(schema)
    values = [record.to_json() for record in lines]
    for value in values:
        validator.validate(value)
    limits = values[-1]["limits"]
    assert limits["batch_keys"] == {"found": 1000, "open_end": False, "unit": "keys", "declared": 1000, "agrees": True}
    assert limits["url_life_s"]["agrees"] is False


def test_limits_are_shown_beside_what_is_declared(section: Section) -> None:
    text = printed(footnotes.limits, section)
    assert "✓ keys of one DeleteObjects: 1000 keys (as declared)" in text
    assert "✗ longest life of a signed URL: 604800 s (declared: 86400)" in text
    assert "  longest segment of a key: at least 1024 bytes (not declared)\n" in text


def test_nothing_is_shown_where_no_limit_was_searched() -> None:
    assert printed(footnotes.limits, made_up({})) == ""


def test_a_limit_that_was_not_found_says_why() -> None:
    limits = {"batch_keys": {"found": None, "open_end": False, "unit": "keys", "note": "no more requests"}}
    text = printed(footnotes.limits, made_up({}, limits=limits))
    assert "keys of one DeleteObjects: not found: no more requests" in text


def test_the_cost_is_that_of_the_requests_in_the_footer(section: Section) -> None:
    assert section.footer is not None
    section.footer = replace(section.footer, requests={"write": 1_000_000, "read": 0, "free": 5})
    text = printed(footnotes.costs, section)
    assert "exemplar 1000005 requests (1000000 write/list, 0 read, 5 free) would cost on AWS us-east-1 $5.0000" in text
    assert "without what is free" in text


def test_a_run_without_requests_has_no_cost() -> None:
    requests = {"write": 0, "read": 0, "free": 0}
    assert printed(footnotes.costs, made_up({}, requests=requests)) == ""


def test_merging_keeps_the_limits(section: Section) -> None:
    (merged,) = merge([("one.jsonl", [section])])
    assert merged.footer is not None
    assert section.footer is not None
    assert merged.footer.limits == section.footer.limits
