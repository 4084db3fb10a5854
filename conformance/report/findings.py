"""Findings: deviations that do harm, with a page for each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bucket_conformance.conformance.contract import Harm
from bucket_conformance.conformance.report.columns import Column
from bucket_conformance.conformance.report.disclosure import harm_of, published, withheld
from bucket_conformance.conformance.report.document import Result
from bucket_conformance.conformance.report.merge import clause_position
from bucket_conformance.conformance.report.protections import protection_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One harm that one backend does, as one or more clauses observed it.

    ``slug`` is the name of its page. ``results`` are lines of the report, the one with the shortest evidence first;
    where ``withheld`` is true they are bare of evidence. ``links`` lead to the project of the backend.
    """

    slug: str
    column: Column
    harm: Harm
    results: tuple[Result, ...]
    withheld: bool

    @property
    def title(self) -> str:
        return f"{self.backend} {self.harm}"

    @property
    def backend(self) -> str:
        return self.column.section.header.backend.name

    @property
    def version(self) -> str:
        return self.column.section.header.backend.version

    @property
    def clauses(self) -> tuple[str, ...]:
        return tuple(sorted((result.clause for result in self.results), key=clause_position))

    @property
    def protection(self) -> tuple[str, ...]:
        """Return the ways to protect an application, each once."""
        return tuple(dict.fromkeys(protection_of(result, self.harm) for result in self.results))

    @property
    def links(self) -> tuple[str, ...]:
        found = (result.expectation.link for result in self.results if result.expectation is not None)
        return tuple(dict.fromkeys(link for link in found if link))

    @property
    def upstream_told(self) -> str:
        """Return the day on which the backend's project was told, ``""`` where none is recorded."""
        known = (result.expectation for result in self.results)
        return max((each.upstream_told or "" for each in known if each is not None), default="")


def collect(columns: Iterable[Column]) -> list[Finding]:
    """Return the findings of reports, by provider and clause. Deviations that name one finding are one.

    Several runs of the same version of a provider go together: a race may show in one of them only, and is listed once.
    """
    found: list[Finding] = []
    first: dict[tuple[str, str], Column] = {}
    seen: set[str] = set()
    for column in columns:
        head = column.section.header
        key = first.setdefault((head.provider, head.backend.version), column).key
        hidden, shown = withheld(column.section), published(column.section)
        groups: dict[str, list[Result]] = {}
        for result in shown.results:
            if harm_of(result) is not None:
                groups.setdefault(_name(result), []).append(result)
        for name, results in groups.items():
            slug = f"{key}-{name}".lower()
            if slug in seen:
                continue
            seen.add(slug)
            results.sort(key=_size_of_evidence)
            harm = harm_of(results[0])
            assert harm is not None
            found.append(
                Finding(
                    slug=slug,
                    column=Column(key=key, section=column.section),
                    harm=harm,
                    results=tuple(results),
                    withheld=any(result.clause in hidden for result in results),
                )
            )
    return sorted(found, key=lambda finding: (finding.column.key, clause_position(finding.clauses[0])))


def _name(result: Result) -> str:
    given = result.expectation.finding if result.expectation is not None else ""
    if not given:
        # Many clauses see a missing check of signatures; it is one finding.
        given = "authentication" if harm_of(result) is Harm.BYPASSES_AUTHENTICATION else result.clause
    return re.sub(r"[^A-Za-z0-9-]+", "-", given)[:60]


def _size_of_evidence(result: Result) -> tuple[bool, int]:
    return not result.transcript, len(result.transcript)


def listed(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    """Return the findings by column."""
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        found.setdefault(finding.column.key, []).append(finding)
    return found
