"""Selects what may be published: an attack that the backend's project does not know yet is withheld (SECURITY.md)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from bucket_conformance.conformance.contract import Harm
from bucket_conformance.conformance.expectations import NO_HARM
from bucket_conformance.conformance.report.columns import Column
from bucket_conformance.conformance.report.document import ObservationRecord, Result, Section
from bucket_conformance.conformance.report.protections import protection_of
from bucket_conformance.conformance.verdict import Verdict

WITHHELD: Final = "withheld until the project of the backend has been told; see SECURITY.md"


def harm_of(result: Result) -> Harm | None:
    """Return the harm of a deviation: from the expectation if it names one, otherwise as the clause observed it."""
    if result.verdict is not Verdict.DEVIATES:
        return None
    if result.expectation is not None and (manual := result.expectation.harm):
        return None if manual == NO_HARM else Harm(manual)
    return result.observation.harm if result.observation is not None else None


def is_disclosed(result: Result) -> bool:
    """Return whether the backend's project knows of it: it was told, or documents it at the link of the expectation."""
    known = result.expectation
    return known is not None and bool(known.upstream_told or known.link)


def withheld(section: Section) -> set[str]:
    """Return the clauses of which only verdict and protection may be published.

    With an attack, everything in its family is withheld that deviates and is not disclosed itself: the transcript of a
    neighbour (which code an unsigned request got) may show the same attack.
    """
    attacks = {
        result.clause
        for result in section.results
        if (harm := harm_of(result)) is not None and harm.is_attack and not is_disclosed(result)
    }
    families = {clause.partition("-")[0] for clause in attacks}
    near = {
        result.clause
        for result in section.results
        if result.family in families and _tells(result) and not is_disclosed(result)
    }
    return attacks | near


def is_withheld(result: Result) -> bool:
    """Return whether something was left out of a published result."""
    return result.withheld


def _tells(result: Result) -> bool:
    return result.verdict in (Verdict.DEVIATES, Verdict.INCONCLUSIVE)


def published(section: Section) -> Section:
    """Return the section as it may be published; the given one stays as it is."""
    hidden = withheld(section)
    if not hidden:
        return section
    results = [_bare(result) if result.clause in hidden else result for result in section.results]
    return Section(header=section.header, results=results, footer=section.footer)


ATTACKED: Final = frozenset({"SEC", "URL"})
"""The families whose clauses can find an attack."""


def published_alone(result: Result) -> Result:
    """Return a result as it may be published while those of its neighbours are not known: in doubt, withhold it."""
    harm = harm_of(result)
    near = (harm is not None and harm.is_attack) or result.family in ATTACKED
    return _bare(result) if near and _tells(result) and not is_disclosed(result) else result


def published_columns(columns: Iterable[Column]) -> list[Column]:
    """Return the columns with all of their sections as they may be published."""
    return [Column(key=column.key, section=published(column.section)) for column in columns]


def _bare(result: Result) -> Result:
    """Return what may be known of a withheld result, property by property: what is added to the records stays out."""
    harm, seen, known = harm_of(result), result.observation, result.expectation
    return Result(
        provider=result.provider,
        clause=result.clause,
        level=result.level,
        profile=result.profile,
        statement=result.statement,
        title=result.title,
        consequence=result.consequence,
        sources=result.sources,
        verdict=result.verdict,
        expected=result.expected,
        duration_s=result.duration_s,
        requests=result.requests,
        reason=f"{WITHHELD}. {protection_of(result, harm)}".strip(),
        withheld=True,
        observation=None
        if seen is None
        else ObservationRecord(promised=result.statement, observed=WITHHELD, harm=harm),
        expectation=None if known is None else replace(known, reason=WITHHELD, link="", upstream_told=None),
    )
