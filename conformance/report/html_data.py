"""The data of a page: the matrix as plain JSON, and the compressed evidence with each line of text only once."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from bucket_conformance.conformance.catalogue import FAMILIES
from bucket_conformance.conformance.report.advice import advise
from bucket_conformance.conformance.report.columns import Column
from bucket_conformance.conformance.report.disclosure import harm_of
from bucket_conformance.conformance.report.document import Result
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
WHY_LENGTH: Final = 110
_TERSE: Final = 24
"""An observation as short as this ("500") explains nothing without the promise next to it."""
MAX_PACKED: Final = 2_000_000
"""Characters that the packed evidence may take in a page; longer texts are cut until it fits."""
_SCRIPT: Final = 4
"""How many times longer than another text a script may be."""
_CUTS: Final = (200_000, 24_000, 6_000, 1_500, 400, 0)


def why(result: Result) -> str:
    """Return in few words what is wrong, or ``""`` where nothing is."""
    if result.verdict is Verdict.CONFORMS:
        return ""
    seen, text = result.observation, result.reason
    if seen is not None and (not text or result.verdict is Verdict.DEVIATES):
        text = seen.observed
        if len(text) <= _TERSE:
            text += f" (promised: {seen.promised})"
    text = " ".join(text.split())
    return text if len(text) <= WHY_LENGTH else text[: WHY_LENGTH - 1] + "…"


def matrix(columns: Sequence[Column], *, histories: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """Return the matrix: clauses, columns, a letter per verdict (upper case: not expected), and why in few words.

    ``histories`` says by key which page tells of a column's earlier runs.
    """
    stated: dict[str, Result] = {}
    for column in columns:
        for result in column.section.results:
            stated.setdefault(result.clause, result)
    ids = sorted(stated, key=clause_position)
    place = {clause: at for at, clause in enumerate(ids)}
    sources: dict[str, int] = {}
    clauses = []
    for clause in ids:
        about = stated[clause]
        cited = [sources.setdefault(source, len(sources)) for source in about.sources]
        clauses.append([clause, about.level, about.profile, about.statement, cited])
    verdicts, reasons = [], []
    for column in columns:
        letters, short = [" "] * len(ids), dict[int, str]()
        for result in column.section.results:
            at = place[result.clause]
            letter = LETTERS[result.verdict]
            letters[at] = letter if result.expected else letter.upper()
            if text := why(result):
                short[at] = text
        verdicts.append("".join(letters))
        reasons.append(short)
    present = dict.fromkeys(clause.partition("-")[0] for clause in ids)
    return {
        "families": [[family, FAMILIES.get(family, "")] for family in present],
        "clauses": clauses,
        "sources": list(sources),
        "columns": [_head(column, histories.get(column.key, "")) for column in columns],
        "verdicts": verdicts,
        "why": reasons,
    }


def _head(column: Column, history: str) -> dict[str, Any]:
    head, foot = column.section.header, column.section.footer
    return {
        "key": column.key,
        "provider": head.provider,
        "backend": head.backend.name,
        "version": head.backend.version,
        "history": history,
        "facts": [
            [name, _fact(value)]
            for name, value in (
                ("launch", head.launch),
                ("judged", head.started),
                ("mode", f"{head.mode}, seed {head.seed}"),
                ("client", head.sdk),
                ("settings", head.settings.to_json()),
                ("machine", head.machine),
                ("suite", f"{head.suite}, contract {head.contract}"),
                ("took", f"{foot.duration_s if foot is not None else 0:.1f} s"),
                ("requests", column.section.requests()),
            )
            if value
        ],
        "limits": [[limit.sign.strip(), limit.title, limit.words] for limit in limits_of(column.section)],
        "advice": [
            [one.kind.value, one.text, list(one.clauses), [f"{name}={value}" for name, value in one.variables]]
            for one in advise(column.section)
        ],
    }


def _fact(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_fact(item)}" for name, item in value.items())
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def packed_details(columns: Sequence[Column]) -> str:
    """Return all that the panel shows of a cell, deflated and in base64.

    Unpacked it is ``{"lines": […], "cells": {"KEY/CLAUSE": {…}}}``; a text there is a list of runs
    ``first, count, first, count, …`` of lines.
    """
    longest = max((_longest(result) for column in columns for result in column.section.results), default=0)
    # Cuts that shorten nothing give the same as the next: packing megabytes again and again is what takes the time.
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
        f"{column.key}/{result.clause}": _cell(result, lines, most)
        for column in columns
        for result in column.section.results
    }
    text = json.dumps({"lines": list(lines), "cells": cells}, ensure_ascii=True, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode("ascii"), 6)).decode("ascii")


def _cell(result: Result, lines: dict[str, int], most: int) -> dict[str, Any]:
    value: dict[str, Any] = {"s": result.duration_s, "n": result.requests}
    if result.reason:
        value["reason"] = _cut(result.reason, max(most, 1000))
    if (seen := result.observation) is not None:
        value["promised"], value["observed"] = (_cut(text, max(most, 600)) for text in (seen.promised, seen.observed))
    if result.expectation is not None:
        value["known"] = result.expectation.to_json()
    if harm := harm_of(result):
        value["harm"] = harm.value
        value["protection"] = protection_of(result, harm)
    for name, text in (("example", result.example), ("transcript", result.transcript)):
        if text:
            value[name] = _runs(_cut(text, most), lines)
    script = result.reproducer
    if script:
        # Half a script is of no use: it is whole or it is not there.
        value["reproducer"] = _runs(script, lines) if len(script) <= max(most * _SCRIPT, 2000) else []
    if result.evidence is not None and result.evidence.history:
        value["history"] = [event.to_json() for event in result.evidence.history[:500]]
    return value


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    half = most // 2
    left_out = len(text) - 2 * half
    return f"{text[:half]}\n… {left_out} characters are left out here; the report has them …\n{text[half + left_out :]}"


def _runs(text: str, lines: dict[str, int]) -> list[int]:
    runs: list[int] = []
    for line in text.split("\n"):
        number = lines.setdefault(line, len(lines))
        if runs and runs[-2] + runs[-1] == number:
            runs[-1] += 1
        else:
            runs += [number, 1]
    return runs
