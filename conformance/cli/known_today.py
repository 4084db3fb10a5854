"""Adds today's knowledge about deviations to earlier reports: reasons, links, and when upstream was informed."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from bucket_conformance.conformance.expectations import Expectation, read_expectations
from bucket_conformance.conformance.report.document import Result, Section, expectation_record
from bucket_conformance.providers import expectations


def known_today(sections: Iterable[Section]) -> list[Section]:
    """Return the sections with the expectations of their providers as they are now, where there are any.

    Verdicts, and whether they were expected then, stay. A finding may be disclosed since its run.
    """
    return [_annotated(section) for section in sections]


def _annotated(section: Section) -> Section:
    path = expectations.path_of(section.provider)
    known = read_expectations(path) if path else {}
    settings = section.header.settings.to_json()
    known = {clause: known[clause] for clause in known if known[clause].holds_under(settings)}
    results = [_with(result, known.get(result.clause)) for result in section.results]
    return Section(header=section.header, results=results, footer=section.footer)


def _with(result: Result, expectation: Expectation | None) -> Result:
    if expectation is None or result.verdict not in expectation.verdicts:
        return result
    return replace(result, expectation=expectation_record(expectation))
