"""The data of a page: typed records of the matrix, and the compressed evidence with each line of text only once."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import msgspec

from bucket_conformance.conformance.catalogue import FAMILIES
from bucket_conformance.conformance.report.advice import AdviceKind, advise
from bucket_conformance.conformance.report.causes import Cause, causes, consequence_of, title_of
from bucket_conformance.conformance.report.columns import Column
from bucket_conformance.conformance.report.disclosure import harm_of
from bucket_conformance.conformance.report.document import ExpectationRecord, Fit, HistoryEvent, Result
from bucket_conformance.conformance.report.fitness import answer
from bucket_conformance.conformance.report.limits import limits_of
from bucket_conformance.conformance.report.merge import clause_position
from bucket_conformance.conformance.report.protections import protection_of
from bucket_conformance.conformance.verdict import Verdict

LETTERS: Final = {
    Verdict.CONFORMS: "c",
    Verdict.DEVIATES: "d",
    Verdict.UNSUPPORTED: "u",
    Verdict.INCONCLUSIVE: "i",
    Verdict.ERROR: "e",
    Verdict.SKIPPED: "s",
}
WHY_LENGTH: Final = 160
"""Characters that a cell gives to the reason of an undecided clause; the panel has all of it."""
MAX_PACKED: Final = 2_000_000
"""Characters that the packed evidence may take in a page; longer texts are cut until it fits."""
_SCRIPT: Final = 4
"""How many times longer than another text a script may be."""
_CUTS: Final = (200_000, 24_000, 6_000, 1_500, 400, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageClause:
    """A row of the matrix. ``sources`` are numbers of :attr:`PageData.sources`."""

    id: str
    level: str
    profile: str
    title: str
    consequence: str
    statement: str
    sources: tuple[int, ...]

    @property
    def family(self) -> str:
        return self.id.partition("-")[0]

    @property
    def is_core(self) -> bool:
        return self.level == "MUST" and self.profile == "core"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageAdvice:
    """One piece of advice; ``variables`` are lines of an environment file."""

    kind: AdviceKind
    text: str
    clauses: tuple[str, ...]
    variables: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLimit:
    """One limit that was found by search; ``sign`` is empty where it is open whether it agrees."""

    sign: str
    title: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFact:
    """A line of the header of a report, in words."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageColumn:
    """A column of the matrix.

    ``verdicts`` has a letter per clause of the page: that of :data:`LETTERS`, in upper case where nobody expected
    it, and a space where the clause was not judged. ``why`` and ``harms`` have a text by place of the clause.
    """

    key: str
    provider: str
    backend: str
    version: str
    history: str
    fit: Fit
    answer: str
    counted: str
    facts: tuple[PageFact, ...]
    limits: tuple[PageLimit, ...]
    advice: tuple[PageAdvice, ...]
    verdicts: str
    why: Mapping[int, str]
    harms: Mapping[int, str]

    def of(self, members: Sequence[int]) -> str:
        """Return the letters of some clauses."""
        return "".join(self.verdicts[at] for at in members)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFamily:
    """A family of clauses; ``members`` are the places of its clauses."""

    id: str
    words: str
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageData:
    """All that the script of a page reads, except for the evidence."""

    families: tuple[PageFamily, ...]
    clauses: tuple[PageClause, ...]
    sources: tuple[str, ...]
    columns: tuple[PageColumn, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the records as JSON-like data."""
        found: dict[str, Any] = msgspec.to_builtins(self, str_keys=True)
        return found


def why(result: Result) -> str:
    """Return in words for anybody what is wrong, or ``""`` where nothing is."""
    if result.verdict is Verdict.CONFORMS:
        return ""
    if result.verdict is Verdict.DEVIATES:
        return consequence_of(result) or result.observed or title_of(result)
    text = " ".join((result.reason or result.observed).split())
    if len(text) <= WHY_LENGTH:
        return text
    return f"{text[:WHY_LENGTH].rpartition(' ')[0] or text[:WHY_LENGTH]} …"


def matrix(columns: Sequence[Column], *, histories: Mapping[str, str] = MappingProxyType({})) -> PageData:
    """Return the data of a page. ``histories`` says by key which page tells of a column's earlier runs."""
    stated: dict[str, Result] = {}
    for column in columns:
        for result in column.section.results:
            stated.setdefault(result.clause, result)
    ids = sorted(stated, key=clause_position)
    place = {clause: at for at, clause in enumerate(ids)}
    sources: dict[str, int] = {}
    clauses = tuple(
        PageClause(
            id=clause,
            level=stated[clause].level.value,
            profile=stated[clause].profile.value,
            title=title_of(stated[clause]),
            consequence=consequence_of(stated[clause]),
            statement=stated[clause].statement,
            sources=tuple(sources.setdefault(source, len(sources)) for source in stated[clause].sources),
        )
        for clause in ids
    )
    present: dict[str, list[int]] = {}
    for at, clause in enumerate(clauses):
        present.setdefault(clause.family, []).append(at)
    return PageData(
        families=tuple(
            PageFamily(id=family, words=FAMILIES.get(family, ""), members=tuple(members))
            for family, members in present.items()
        ),
        clauses=clauses,
        sources=tuple(sources),
        columns=tuple(_column(column, histories.get(column.key, ""), place) for column in columns),
    )


def _column(column: Column, history: str, place: Mapping[str, int]) -> PageColumn:
    head, foot, found = column.section.header, column.section.footer, answer(column.section)
    letters = [" "] * len(place)
    reasons: dict[int, str] = {}
    harmful: dict[int, str] = {}
    for result in column.section.results:
        at, letter = place[result.clause], LETTERS[result.verdict]
        letters[at] = letter if result.expected else letter.upper()
        if text := why(result):
            reasons[at] = text
        if (harm := harm_of(result)) is not None:
            harmful[at] = harm.value
    facts = (
        ("launch", head.launch),
        ("judged", head.started),
        ("mode", f"{head.mode}, seed {head.seed}"),
        ("client", head.sdk),
        ("settings", found.settings),
        ("machine", head.machine),
        ("suite", f"{head.suite}, contract {head.contract}"),
        ("took", f"{foot.duration_s if foot is not None else 0:.1f} s"),
        ("requests", ", ".join(f"{name} {number}" for name, number in column.section.requests().items())),
    )
    return PageColumn(
        key=column.key,
        provider=head.provider,
        backend=head.backend.name,
        version=head.backend.version,
        history=history,
        fit=found.core.answer,
        answer=found.core.title,
        counted=found.core.counted,
        facts=tuple(PageFact(name=name, text=text) for name, text in facts if text),
        limits=tuple(
            PageLimit(sign=limit.sign.strip(), title=limit.title, words=limit.words)
            for limit in limits_of(column.section)
        ),
        advice=tuple(
            PageAdvice(
                kind=one.kind,
                text=one.text,
                clauses=one.clauses,
                variables=tuple(f"{name}={value}" for name, value in one.variables),
            )
            for one in advise(column.section)
        ),
        verdicts="".join(letters),
        why=reasons,
        harms=harmful,
    )


def causes_of(column: Column) -> list[Cause]:
    """Return the causes of all deviations of a column, expected ones too."""
    return causes(column.section.results)


def packed_details(columns: Sequence[Column]) -> str:
    """Return all that the panel shows of a cell, deflated and in base64.

    Unpacked it is ``{"lines": […], "cells": {"KEY/CLAUSE": {…}}}``; a text there is a list of runs
    ``first, count, first, count, …`` of lines.
    """
    longest = max((_longest(result) for column in columns for result in column.section.results), default=0)
    # Cuts that shorten nothing give the same result, and packing megabytes several times is slow.
    shortening = (most for most in _CUTS if most < longest)
    packed = ""
    for most in dict.fromkeys((min(longest, _CUTS[0]), *shortening)):
        packed = _packed(columns, most)
        if len(packed) <= MAX_PACKED:
            break
    return packed


def _longest(result: Result) -> int:
    """Return the smallest cut that leaves a result whole."""
    promised = result.observation.promised if result.observation is not None else ""
    texts = (result.reason, promised, result.observed, result.example, result.transcript)
    script = -(-len(result.reproducer) // _SCRIPT)
    return max(script, *map(len, texts))


def _packed(columns: Sequence[Column], most: int) -> str:
    lines: dict[str, int] = {}
    cells = {
        f"{column.key}/{result.clause}": msgspec.to_builtins(_evidence(result, lines, most))
        for column in columns
        for result in column.section.results
    }
    text = json.dumps({"lines": list(lines), "cells": cells}, ensure_ascii=True, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode("ascii"), 6)).decode("ascii")


class PageEvidence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the panel shows of one cell. ``example``, ``transcript`` and ``reproducer`` are runs of lines."""

    duration_s: float
    requests: int
    reason: str = ""
    promised: str = ""
    observed: str = ""
    known: ExpectationRecord | None = None
    harm: str = ""
    protection: str = ""
    example: tuple[int, ...] = ()
    transcript: tuple[int, ...] = ()
    reproducer: tuple[int, ...] | None = None
    """Empty where it is too long for a page."""
    history: tuple[HistoryEvent, ...] = ()


def _evidence(result: Result, lines: dict[str, int], most: int) -> PageEvidence:
    seen, harm, script = result.observation, harm_of(result), result.reproducer
    # Half a script is of no use: it is whole or it is not there.
    fits = len(script) <= max(most * _SCRIPT, 2000)
    return PageEvidence(
        duration_s=result.duration_s,
        requests=result.requests,
        reason=_cut(result.reason, max(most, 1000)),
        promised=_cut(seen.promised, max(most, 600)) if seen is not None else "",
        observed=_cut(seen.observed, max(most, 600)) if seen is not None else "",
        known=result.expectation,
        harm=harm.value if harm is not None else "",
        protection=protection_of(result, harm) if harm is not None else "",
        example=_runs(_cut(result.example, most), lines) if result.example else (),
        transcript=_runs(_cut(result.transcript, most), lines) if result.transcript else (),
        reproducer=(_runs(script, lines) if fits else ()) if script else None,
        history=result.evidence.history[:500] if result.evidence is not None else (),
    )


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    half = most // 2
    left_out = len(text) - 2 * half
    return f"{text[:half]}\n… {left_out} characters are left out here; the report has them …\n{text[half + left_out :]}"


def _runs(text: str, lines: dict[str, int]) -> tuple[int, ...]:
    runs: list[int] = []
    for line in text.split("\n"):
        number = lines.setdefault(line, len(lines))
        if runs and runs[-2] + runs[-1] == number:
            runs[-1] += 1
        else:
            runs += [number, 1]
    return tuple(runs)
