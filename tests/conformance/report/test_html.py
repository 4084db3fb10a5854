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
from bucket_conformance.conformance.report.document import Section, line, parse
from bucket_conformance.conformance.report.html_data import MAX_PACKED, packed_details
from bucket_conformance.conformance.report.untrusted import html_prose
from tests.conformance.report.documents import result, section


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
    response = {
        "operation": "DeleteObjects",
        "request": bad,
        "signed": True,
        "status": 501,
        "code": bad,
        "message": bad,
    }
    page = html.render(
        keyed(
            [
                section(
                    {
                        "KEY-001": {
                            "verdict": "deviates",
                            "statement": bad,
                            "title": bad,
                            "consequence": f"`{bad}`",
                            "observation": {"promised": bad, "observed": bad},
                            "evidence": {"responses": [response]},
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


def test_spans_between_backticks_become_code_and_a_lone_backtick_stays() -> None:
    assert html_prose("`a//b` replaces `a/b`") == "<code>a//b</code> replaces <code>a/b</code>"
    assert html_prose("5 ` < 6") == "5 ` &lt; 6"


def test_a_page_names_what_a_broken_promise_means_and_what_to_set() -> None:
    harmful = {"promised": "a", "observed": "b", "harm": "loses data"}
    many = [
        section({"KEY-010": {"verdict": "deviates", "profile": "s3", "observation": harmful}, "CFG-002": "conforms"})
    ]
    page = html.render(keyed(many))
    assert "A file named <code>a//b</code> replaces the file <code>a/b</code>." in page
    assert '<span class="chip harm">loses data</span>' in page
    assert "AP_FILE_STORAGE_LOCATION=s3" in page


def test_an_old_report_without_titles_is_rendered_by_the_titles_of_today() -> None:
    [old] = parse(
        [
            line({**section({"KEY-010": "deviates"}).header.to_json(), "contract": "2020.1"}),
            line(
                {k: v for k, v in result("KEY-010", "deviates").to_json().items() if k not in ("title", "consequence")}
            ),
            line({"type": "footer", "counts": {"deviates": 1}, "duration_s": 1.0, "requests": {}, "complete": True}),
        ]
    )
    assert old.footer is not None
    assert old.footer.core is None
    assert "Look-alike keys stay different" in html.render(keyed([old]))


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
