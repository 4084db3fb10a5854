"""Shards are merged; a file that is no shard of the same run is refused with its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from bucket_conformance.conformance.report.document import DocumentError, Section, parse, read
from bucket_conformance.conformance.report.merge import document, merge
from tests.conformance.report.documents import section


def _merged(*sections: Section) -> list[Section]:
    return merge([(f"part{number}.jsonl", [one]) for number, one in enumerate(sections, 1)])


def test_shards_of_one_provider_become_one_section_in_the_order_of_the_contract() -> None:
    late = section({"LIST-001": "deviates", "URL-002": "conforms"}, started="2026-11-01T12:00:00+00:00")
    early = section(
        {"KEY-001": "conforms"}, started="2026-11-01T09:00:00+00:00", machine="Linux aarch64, Python 3.13.0"
    )
    [one] = _merged(late, early)
    assert [result.clause for result in one.results] == ["KEY-001", "URL-002", "LIST-001"]
    assert one.header.started == "2026-11-01T09:00:00+00:00"
    assert one.header.machine == "Linux x86_64, Python 3.11.7 | Linux aarch64, Python 3.13.0"
    assert one.header.clauses == 3
    assert one.footer is not None
    assert one.footer.duration_s == 3.0
    assert one.footer.requests == {"read": 4}
    assert {verdict: n for verdict, n in one.footer.counts.items() if n} == {"conforms": 2, "deviates": 1}


def test_what_was_merged_is_a_document_that_can_be_read_again() -> None:
    merged = _merged(section({"KEY-001": "conforms"}), section({"KEY-002": "deviates"}), section({}, provider="b"))
    again = list(parse(document(merged).splitlines()))
    assert [(one.header, one.results, one.footer) for one in again] == [
        (one.header, one.results, one.footer) for one in merged
    ]


def test_different_providers_stand_side_by_side() -> None:
    merged = _merged(section({"KEY-001": "conforms"}, provider="b"), section({"KEY-001": "deviates"}, provider="a"))
    assert [one.provider for one in merged] == ["b", "a"]


def test_merging_leaves_the_given_sections_as_they_were() -> None:
    first, second = section({"KEY-002": "conforms"}), section({"KEY-001": "conforms"})
    before = document([first, second])
    _merged(first, second)
    assert document([first, second]) == before


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"version": "1.1"}, "backend"),
        ({"seed": 8}, "same --seed"),
        ({"mode": "deep"}, "mode"),
        ({"suite": "0.2.0"}, "suite"),
        ({"sdk": "botocore 2"}, "sdk"),
        ({"settings": {"region": "eu-west-1"}}, "settings"),
        ({"launch": "container"}, "launch"),
    ],
)
def test_parts_of_different_runs_are_refused_by_name(change: dict[str, object], named: str) -> None:
    with pytest.raises(DocumentError, match=rf"part2\.jsonl.*{named}"):
        _merged(section({"KEY-001": "conforms"}), section({"KEY-002": "conforms"}, **change))  # type: ignore[arg-type]


def test_a_clause_that_two_shards_judged_is_refused_with_both_names() -> None:
    with pytest.raises(DocumentError, match=r"part2\.jsonl: clause KEY-001 of 'acme' is also in part1\.jsonl"):
        _merged(section({"KEY-001": "conforms"}), section({"KEY-001": "conforms"}))


def test_verdicts_by_different_contracts_are_not_put_side_by_side() -> None:
    with pytest.raises(DocumentError, match=r"2025\.01"):
        _merged(section({"KEY-001": "conforms"}), section({}, provider="b", contract="2025.01"))


def test_two_sections_of_one_provider_in_a_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "both.jsonl"
    path.write_text(document([section({"KEY-001": "conforms"})]) * 2, encoding="ascii")
    with pytest.raises(DocumentError, match=r"both\.jsonl:4: a second section of 'acme'.*conformance merge"):
        read(path)


def test_a_section_with_fewer_results_than_announced_is_refused() -> None:
    with pytest.raises(DocumentError, match="announces 5 results, there are 1"):
        parse(document([section({"KEY-001": "conforms"}, clauses=5)]).splitlines())
