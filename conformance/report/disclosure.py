"""What may be shown to everybody: an attack that the backend's project does not know yet is withheld (SECURITY.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from bucket_conformance.conformance.contract import Harm
from bucket_conformance.conformance.report.columns import Column
from bucket_conformance.conformance.report.document import Section
from bucket_conformance.conformance.report.protections import protection_of
from bucket_conformance.conformance.verdict import Verdict

WITHHELD: Final = "withheld until the project of the backend has been told; see SECURITY.md"


def harm_of(result: Mapping[str, Any]) -> Harm | None:
    """Return the harm of a deviation: as found by hand where the expectation says so, else as the clause saw it."""
    if result["verdict"] != Verdict.DEVIATES:
        return None
    by_hand = (result.get("expectation") or {}).get("harm")
    text = by_hand or (result.get("observation") or {}).get("harm")
    return Harm(text) if text in set(Harm) else None


def is_disclosed(result: Mapping[str, Any]) -> bool:
    """Whether the backend's project knows of it: it was told, or has it written down at the expectation's link."""
    known = result.get("expectation") or {}
    return bool(known.get("upstream_told") or known.get("link"))


def withheld(section: Section) -> set[str]:
    """Return the clauses of which only verdict and protection may be published.

    With an attack goes all that deviates in its family and is not disclosed itself: the transcript of a neighbour
    (which code an unsigned request got) may show the same attack.
    """
    attacks = {
        str(result["clause"])
        for result in section.results
        if (harm := harm_of(result)) is not None and harm.is_attack and not is_disclosed(result)
    }
    families = {clause.partition("-")[0] for clause in attacks}
    near = {
        str(result["clause"])
        for result in section.results
        if str(result["clause"]).partition("-")[0] in families and _tells(result) and not is_disclosed(result)
    }
    return attacks | near


def is_withheld(result: Mapping[str, Any]) -> bool:
    """Whether a result, as published, had something left out."""
    return bool(result.get("withheld"))


def _tells(result: Mapping[str, Any]) -> bool:
    return result["verdict"] in (Verdict.DEVIATES, Verdict.INCONCLUSIVE)


def published(section: Section) -> Section:
    """Return the section as it may be published; the given one stays as it is."""
    hidden = withheld(section)
    if not hidden:
        return section
    results = [_bare(result) if result["clause"] in hidden else result for result in section.results]
    return Section(header=section.header, results=results, footer=section.footer)


ATTACKED: Final = frozenset({"SEC", "URL"})
"""The families whose clauses can find an attack."""


def published_alone(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return a result as it may be published while those of its neighbours are not known: rather too little."""
    harm = harm_of(result)
    near = (harm is not None and harm.is_attack) or str(result["clause"]).partition("-")[0] in ATTACKED
    return _bare(result) if near and _tells(result) and not is_disclosed(result) else dict(result)


def published_columns(columns: Iterable[Column]) -> list[Column]:
    """Return the columns with all of their sections as they may be published."""
    return [Column(key=column.key, section=published(column.section)) for column in columns]


_KEPT: Final = (
    *("type", "provider", "clause", "level", "profile", "statement", "sources"),
    *("verdict", "expected", "duration_s", "requests"),
)


def _bare(result: Mapping[str, Any]) -> dict[str, Any]:
    bare = {name: result[name] for name in _KEPT if name in result}
    protection = protection_of(result, harm_of(result))
    bare["reason"] = f"{WITHHELD}. {protection}".strip()
    bare["withheld"] = True
    if result.get("observation"):
        bare["observation"] = {"promised": str(result.get("statement", "")), "observed": WITHHELD}
        if harm := harm_of(result):
            bare["observation"]["harm"] = harm.value
    if known := result.get("expectation"):
        kept = {name: known[name] for name in ("since", "review_by", "harm", "protection", "finding") if name in known}
        bare["expectation"] = {"reason": WITHHELD, "link": "", **kept}
    return bare
