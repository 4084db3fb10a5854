"""The baseline file of a gate: what each provider's clauses are accepted to be, and why. TOML, made to be reviewed.

Verdicts that need no excuse stand in plain lists; every other one is an entry with a reason and a day to look again.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

from conformance.baseline import Expectation
from conformance.report.merge import clause_position
from conformance.verdict import MERGE_ORDER, Verdict

SCHEMA: Final = 1
PLAIN: Final = (Verdict.CONFORMS, Verdict.UNSUPPORTED, Verdict.SKIPPED)
_CLAUSE: Final = re.compile(r"[A-Z]{2,5}-\d{3}")


class BaselineError(Exception):
    """A baseline that cannot be used; names the file and the entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most ``times`` of the newest ``of`` runs may be inconclusive."""

    times: int
    of: int

    def __str__(self) -> str:
        return f"{self.times} of {self.of}"

    @classmethod
    def parse(cls, text: str) -> Limit:
        """Read ``"1 of 10"``. ``ValueError`` says what is allowed."""
        match = re.fullmatch(r"\s*(\d{1,4})\s+of\s+(\d{1,4})\s*", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise ValueError(f"{text!r} is no limit; write TIMES of RUNS, such as '1 of 10'")
        return cls(times=int(match[1]), of=int(match[2]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """An entry with a reason. ``at_most`` bounds how often a flaky clause may be inconclusive."""

    expectation: Expectation
    at_most: Limit | None = None


@dataclass(slots=True, kw_only=True)
class ProviderBaseline:
    """What is accepted of one provider. ``backend`` and ``contract`` say which versions that was seen with."""

    backend: str
    contract: str
    plain: dict[str, Verdict] = field(default_factory=dict)
    entries: dict[str, Accepted] = field(default_factory=dict)

    def clauses(self) -> set[str]:
        return {*self.plain, *self.entries}


Baseline = dict[str, ProviderBaseline]
"""What is accepted, by provider id."""


def read_baseline(path: Path) -> Baseline:
    """Return a baseline file. Raises :class:`BaselineError`; ``OSError`` where the file cannot be read."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BaselineError(f"{path}: {error}") from None
    if data.get("schema") != SCHEMA:
        raise BaselineError(f"{path}: schema is {data.get('schema')!r}; this version reads schema {SCHEMA}")
    _known(data, {"schema", "provider"}, str(path))
    found: Baseline = {}
    for table in _tables(data.get("provider", []), f"{path}: provider"):
        name = table.get("id")
        if not isinstance(name, str) or not name:
            raise BaselineError(f"{path}: a provider has no id")
        if name in found:
            raise BaselineError(f"{path}: provider {name!r} is there twice")
        found[name] = _provider(table, f"{path}: provider {name!r}")
    return found


def _provider(table: Mapping[str, Any], where: str) -> ProviderBaseline:
    _known(table, {"id", "backend", "contract", "expect", *(verdict.value for verdict in PLAIN)}, where)
    found = ProviderBaseline(backend=str(table.get("backend", "")), contract=str(table.get("contract", "")))
    for verdict in PLAIN:
        clauses = table.get(verdict.value, [])
        if not isinstance(clauses, list):
            raise BaselineError(f"{where}: {verdict.value} is {clauses!r}; expected a list of clause ids")
        for clause in clauses:
            _add(found, clause, where)
            found.plain[clause] = verdict
    for entry in _tables(table.get("expect", []), f"{where}: expect"):
        accepted = _entry(entry, where)
        _add(found, accepted.expectation.clause, where)
        found.entries[accepted.expectation.clause] = accepted
    return found


def _add(found: ProviderBaseline, clause: object, where: str) -> None:
    if not isinstance(clause, str) or not _CLAUSE.fullmatch(clause):
        raise BaselineError(f"{where}: {clause!r} is no clause id, such as URL-003")
    if clause in found.plain or clause in found.entries:
        raise BaselineError(f"{where}: clause {clause} is there twice")


def _entry(entry: Mapping[str, Any], outer: str) -> Accepted:
    where = f"{outer}: {entry.get('clause')}"
    _known(entry, {"clause", "verdict", "at_most", "reason", "link", "since", "review_by"}, where)
    for key in ("clause", "verdict", "reason", "since", "review_by"):
        if key not in entry:
            raise BaselineError(f"{where}: {key} is missing")
    since, review_by = entry["since"], entry["review_by"]
    if type(since) is not date or type(review_by) is not date:
        raise BaselineError(f"{where}: since and review_by are dates, such as 2026-11-22 (without quotes)")
    if not str(entry["reason"]).strip():
        raise BaselineError(f"{where}: a reason must be given")
    try:
        verdicts = frozenset(Verdict(part.strip()) for part in str(entry["verdict"]).split("|"))
    except ValueError as error:
        raise BaselineError(f"{where}: {error}; known: {', '.join(Verdict)}") from None
    if Verdict.ERROR in verdicts:
        raise BaselineError(f"{where}: error cannot be accepted: it says nothing about the backend")
    at_most = None
    if "at_most" in entry:
        try:
            at_most = Limit.parse(str(entry["at_most"]))
        except ValueError as error:
            raise BaselineError(f"{where}: at_most: {error}") from None
    if Verdict.INCONCLUSIVE in verdicts and at_most is None:
        raise BaselineError(f"{where}: inconclusive needs a limit: at_most = '1 of 10'")
    if Verdict.INCONCLUSIVE not in verdicts and at_most is not None:
        raise BaselineError(f"{where}: at_most limits inconclusive, which is not among its verdicts")
    return Accepted(
        expectation=Expectation(
            clause=str(entry["clause"]),
            verdicts=verdicts,
            reason=str(entry["reason"]).strip(),
            since=since,
            review_by=review_by,
            link=str(entry.get("link", "")),
        ),
        at_most=at_most,
    )


def _known(table: Mapping[str, Any], keys: set[str], where: str) -> None:
    if unknown := set(table) - keys:
        raise BaselineError(f"{where}: unknown {', '.join(sorted(unknown))}; known: {', '.join(sorted(keys))}")


def _tables(value: object, where: str) -> Iterable[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise BaselineError(f"{where}: expected tables in double brackets")
    return value


def render_baseline(baseline: Baseline) -> str:
    """Return the text of a baseline file: sorted, one clause a line, so that changes read well in a review."""
    lines = [
        "# What is accepted of each provider. Written by `conformance accept`, read by `conformance gate`.",
        f"schema = {SCHEMA}",
    ]
    for name, provider in sorted(baseline.items()):
        lines += ["", "[[provider]]", f"id = {_quoted(name)}", f"backend = {_quoted(provider.backend)}"]
        lines.append(f"contract = {_quoted(provider.contract)}")
        for verdict in PLAIN:
            clauses = sorted((c for c, v in provider.plain.items() if v is verdict), key=clause_position)
            if clauses:
                lines += [f"{verdict.value} = [", *(f"  {_quoted(clause)}," for clause in clauses), "]"]
        for _, accepted in sorted(provider.entries.items(), key=lambda item: clause_position(item[0])):
            lines += ["", "[[provider.expect]]", *_entry_lines(accepted)]
    return "\n".join(lines) + "\n"


def verdict_text(verdicts: Iterable[Verdict]) -> str:
    """Return verdicts as a baseline writes them, the mildest first: ``conforms | inconclusive``."""
    return " | ".join(verdict.value for verdict in sorted(verdicts, key=MERGE_ORDER.index, reverse=True))


def _entry_lines(accepted: Accepted) -> list[str]:
    expectation = accepted.expectation
    lines = [f"clause = {_quoted(expectation.clause)}", f"verdict = {_quoted(verdict_text(expectation.verdicts))}"]
    if accepted.at_most is not None:
        lines.append(f"at_most = {_quoted(str(accepted.at_most))}")
    lines.append(f"reason = {_quoted(expectation.reason)}")
    if expectation.link:
        lines.append(f"link = {_quoted(expectation.link)}")
    return [*lines, f"since = {expectation.since.isoformat()}", f"review_by = {expectation.review_by.isoformat()}"]


def _quoted(text: str) -> str:
    # JSON's strings are TOML's basic strings, save DEL and surrogates, which TOML cannot carry.
    clean = "".join("\ufffd" if "\ud800" <= sign <= "\udfff" else sign for sign in text)
    return json.dumps(clean, ensure_ascii=False).replace("\x7f", "\\u007f")
