"""Puts what is known today of deviations into reports of earlier runs: reasons, links, and when upstream was told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bucket_conformance.conformance.expectations import Expectation, read_expectations
from bucket_conformance.conformance.report.document import Section
from bucket_conformance.providers import expectations


def known_today(sections: Iterable[Section]) -> list[Section]:
    """Return the sections with the expectations of their providers as they are now, where there are any.

    Verdicts, and whether they were expected then, stay. A finding may be disclosed since its run.
    """
    return [_annotated(section) for section in sections]


def _annotated(section: Section) -> Section:
    path = expectations.path_of(section.provider)
    known = read_expectations(path) if path else {}
    settings = section.header["settings"]
    known = {clause: known[clause] for clause in known if known[clause].holds_under(settings)}
    results = [_with(result, known.get(str(result["clause"]))) for result in section.results]
    return Section(header=section.header, results=results, footer=section.footer)


def _with(result: dict[str, Any], expectation: Expectation | None) -> dict[str, Any]:
    if expectation is None or result["verdict"] not in expectation.verdicts:
        return result
    return {**result, "expectation": expectation.as_data()}
