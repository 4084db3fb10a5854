"""What is in a page, and how large it gets."""

from __future__ import annotations

import base64
import json
import random
import re
import zlib
from typing import Any

from bucket_conformance.conformance.report import html
from bucket_conformance.conformance.report.columns import columns, keyed
from bucket_conformance.conformance.report.document import Section
from bucket_conformance.conformance.report.html_data import MAX_PACKED, packed_details
from tests.conformance.report.documents import section


def _unpacked(packed: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed)))
    return found


def _text(found: dict[str, Any], runs: list[int]) -> str:
    pairs = zip(runs[::2], runs[1::2], strict=True)
    return "\n".join(found["lines"][first + more] for first, count in pairs for more in range(count))


def test_evidence_comes_back_as_it_was() -> None:
    transcript = "> GET /a\n\n< 200\n< 200\n> GET /a\n"
    evidence = {"transcript": transcript, "reproducer": "a = 1\nb = 2\n", "example": "key='\\n'"}
    found = _unpacked(
        packed_details(
            keyed([section({"KEY-001": {"verdict": "deviates", "evidence": evidence}, "KEY-002": "deviates"})])
        )
    )
    cell = found["cells"]["acme/KEY-001"]
    assert {name: _text(found, cell[name]) for name in evidence} == evidence
    assert len(found["lines"]) == len(set(found["lines"]))


def test_sections_of_one_provider_stand_side_by_side_under_names_of_their_own() -> None:
    old, new = section({"KEY-001": "conforms"}), section({"KEY-001": "deviates"}, version="2.0 beta")
    again = section({"KEY-001": "deviates"}, version="2.0 beta")
    shard = section({"KEY-002": "conforms"})
    found = columns([("1", [old]), ("2", [new]), ("3", [shard]), ("4", [again])])
    assert [column.key for column in found] == ["acme", "acme@2.0_beta", "acme@2.0_beta.2"]
    assert [len(column.section.results) for column in found] == [2, 1, 1]


def test_a_page_asks_for_nothing_and_runs_no_script_but_its_own() -> None:
    page = html.render(keyed([section({"KEY-001": "deviates"})]))
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "script-src 'sha256-" in policy[1]
    markup = page.split('<script type="application/json"')[0]
    assert re.findall(r'href="([^#"][^"]*)"', markup) == []
    assert "src=" not in markup
    assert "url(" not in markup


def test_a_hostile_report_stays_text() -> None:
    bad = '"><script>alert(1)</script>'
    page = html.render(
        keyed(
            [
                section(
                    {
                        "KEY-001": {
                            "verdict": "deviates",
                            "statement": bad,
                            "observation": {"promised": bad, "observed": bad},
                        }
                    },
                    provider=bad,
                    version=bad,
                )
            ]
        ),
        title=bad,
    )
    assert "<script>alert" not in page


def test_the_page_says_how_many_providers_and_reports_there_are_and_what_its_stripes_mean() -> None:
    one, again = section({"KEY-001": "conforms"}), section({"KEY-001": "conforms"}, version="2.0")
    assert '<p class="facts">1 provider · 1 clause</p>' in html.render(keyed([one]))
    assert '<p class="facts">2 reports of 1 provider · 1 clause</p>' in html.render(keyed([one, again]))
    assert '<i class="striped"></i> <b>striped</b> expected' in html.render(keyed([one]))


def _large(seed: int) -> list[Section]:
    drawn = random.Random(seed)

    def evidence() -> dict[str, str]:
        # Nothing in it repeats: the worst that deflating can meet.
        return {
            "transcript": "\n".join(f"> GET /{drawn.randbytes(40).hex()}" for _ in range(60)),
            "reproducer": "\n".join(f"step('{drawn.randbytes(30).hex()}')" for _ in range(150)),
        }

    return [
        section(
            {
                f"{family}-{number:03}": {"verdict": "deviates", "evidence": evidence()}
                if drawn.random() < 0.15
                else "conforms"
                for family in ("KEY", "URL", "DEL", "RT", "LIST")
                for number in range(1, 41)
            },
            provider=f"provider-{name:02}",
        )
        for name in range(30)
    ]


def test_thirty_providers_by_two_hundred_clauses_stay_below_three_megabytes() -> None:
    found = keyed(_large(1))
    page = html.render(found)
    assert len(page.encode()) < 3_000_000
    assert len(packed_details(found)) <= MAX_PACKED
    assert "are left out here; the report has them" in json.dumps(_unpacked(packed_details(found)), ensure_ascii=False)
