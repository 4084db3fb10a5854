"""The baseline file of a gate: what each provider's clauses are accepted to be, and why. TOML, made to be reviewed.

Verdicts that need no excuse stand in plain lists; every other one is an entry with a reason and a day to look again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Array, Table

from bucket_conformance.conformance.contract import ConformanceError
from bucket_conformance.conformance.expectations import Expectation
from bucket_conformance.conformance.report.merge import clause_position
from bucket_conformance.conformance.report.untrusted import toml
from bucket_conformance.conformance.verdict import MERGE_ORDER, Verdict
from bucket_conformance.conformance.wire.safe_toml import TomlError, parse_toml, read_toml

SCHEMA: Final = 1
PLAIN: Final = (Verdict.CONFORMS, Verdict.UNSUPPORTED, Verdict.SKIPPED)
_CLAUSE: Final = re.compile(r"[A-Z]{2,5}-\d{3}")


class BaselineError(ConformanceError):
    """Raised for a baseline that cannot be used; names the file and the entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlakeBudget:
    """At most ``times`` of the newest ``of`` runs may be inconclusive."""

    times: int
    of: int

    def __str__(self) -> str:
        return f"{self.times} of {self.of}"

    @classmethod
    def parse(cls, text: str) -> FlakeBudget:
        """Read ``"1 of 10"``. ``ValueError`` says what is allowed."""
        match = re.fullmatch(r"\s*(\d{1,4})\s+of\s+(\d{1,4})\s*", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise ValueError(f"{text!r} is no limit; write TIMES of RUNS, such as '1 of 10'")
        return cls(times=int(match[1]), of=int(match[2]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """An entry with a reason. ``at_most`` bounds how often a flaky clause may be inconclusive."""

    expectation: Expectation
    at_most: FlakeBudget | None = None


@dataclass(slots=True, kw_only=True)
class ProviderBaseline:
    """What is accepted of one provider. ``backend`` and ``contract`` are the versions at that time."""

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
        return _baseline(read_toml(path), str(path))
    except TomlError as error:
        raise BaselineError(str(error)) from None


def _baseline(data: Mapping[str, Any], path: str) -> Baseline:
    if data.get("schema") != SCHEMA:
        raise BaselineError(f"{path}: schema is {data.get('schema')!r}; this version reads schema {SCHEMA}")
    _known(data, {"schema", "provider"}, path)
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
    _texts(table, ("backend", "contract"), where)
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
    _texts(entry, ("clause", "verdict", "at_most", "reason", "link"), where)
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
            at_most = FlakeBudget.parse(str(entry["at_most"]))
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


def _texts(table: Mapping[str, Any], keys: Iterable[str], where: str) -> None:
    for key in keys:
        if not isinstance(table.get(key, ""), str):
            raise BaselineError(f"{where}: {key} is {table[key]!r}; expected text in quotes")


def _tables(value: object, where: str) -> Iterable[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise BaselineError(f"{where}: expected tables in double brackets")
    return value


def render_baseline(baseline: Baseline, before: str = "") -> str:
    """Return the text of a baseline file, one clause a line, so that changes read well in a review.

    ``before``: the text that it replaces. Its comments and its order stay; only what changed is another.
    """
    if before:
        try:
            text = _changed(baseline, before)
            if _baseline(parse_toml(text, name="baseline"), "baseline") == _as_text(baseline):
                return text
        except (TOMLKitError, TomlError, BaselineError):
            pass  # its form cannot be changed in place: written as new
    document = tomlkit.document()
    document.add(tomlkit.comment(_FIRST_LINE))
    document.add("schema", tomlkit.item(SCHEMA))
    return _changed(baseline, tomlkit.dumps(document))


_FIRST_LINE: Final = "What is accepted of each provider. Written by `conformance accept`, read by `conformance gate`."


_SPACED: Final = re.compile(r"^([^#\n][^\n]*\n)(\[\[)", re.MULTILINE)


def _as_text(baseline: Baseline) -> Baseline:
    """Return the baseline as TOML can carry its texts."""
    return {
        toml(name): replace(
            one,
            backend=toml(one.backend),
            contract=toml(one.contract),
            entries={
                clause: replace(
                    entry,
                    expectation=replace(
                        entry.expectation,
                        reason=toml(entry.expectation.reason).strip(),
                        link=toml(entry.expectation.link),
                    ),
                )
                for clause, entry in one.entries.items()
            },
        )
        for name, one in baseline.items()
    }


def _changed(baseline: Baseline, before: str) -> str:
    document = tomlkit.parse(before)
    tables = document.get("provider")
    if tables is None:
        tables = tomlkit.aot()
        document.add("provider", tables)
    there = {table["id"]: table for table in tables}
    for number in reversed(range(len(tables))):
        if str(tables[number]["id"]) not in baseline:
            del tables[number]
    for name, provider in sorted(_as_text(baseline).items()):
        table = there.get(name)
        if table is None:
            table = tomlkit.table()
            table.add("id", name)
            _change_provider(table, provider)
            tables.append(table)
        else:
            _change_provider(table, provider)
    return _SPACED.sub(r"\1\n\2", tomlkit.dumps(document).rstrip("\n") + "\n")


def _change_provider(table: Table, provider: ProviderBaseline) -> None:
    _set(table, "backend", provider.backend)
    _set(table, "contract", provider.contract)
    for verdict in PLAIN:
        wanted = sorted((c for c, v in provider.plain.items() if v is verdict), key=clause_position)
        _change_list(table, verdict.value, wanted)
    entries = table.get("expect")
    if entries is None and provider.entries:
        entries = tomlkit.aot()
        table.add("expect", entries)
    if entries is not None:
        _change_entries(entries, provider.entries)
        if not entries:
            table.remove("expect")


def _change_list(table: Table, name: str, wanted: list[str]) -> None:
    clauses: Array | None = table.get(name)
    if not wanted:
        if clauses is not None:
            table.remove(name)
        return
    if clauses is None:
        clauses = tomlkit.array()
        table.add(name, clauses)
    if [str(clause) for clause in clauses] == wanted:
        return
    for clause in [clause for clause in clauses if clause not in wanted]:
        clauses.remove(clause)
    known = set(map(str, clauses))
    for number, clause in enumerate(wanted):
        if clause not in known:
            clauses.insert(number, clause)
    # A clause a line; an array that holds comments has its lines already.
    if "#" not in clauses.as_string():
        clauses.multiline(True)
        clauses.clear()
        clauses.extend(wanted)


def _change_entries(entries: AoT, wanted: Mapping[str, Accepted]) -> None:
    for number in reversed(range(len(entries))):
        if str(entries[number]["clause"]) not in wanted:
            del entries[number]
    there = {str(entry["clause"]): entry for entry in entries}
    for clause, accepted in sorted(wanted.items(), key=lambda item: clause_position(item[0])):
        entry = there.get(clause)
        if entry is None:
            entry = tomlkit.table()
            entries.append(entry)
            entry = entries[-1]
        for name, value in _entry_values(accepted).items():
            _set(entry, name, value)


def _set(table: Any, name: str, value: str | date | None) -> None:
    """Set what has changed; what stays keeps its form and its comments."""
    if value is None:
        if name in table:
            table.remove(name)
    elif table.get(name) != value:
        table[name] = value


def _entry_values(accepted: Accepted) -> dict[str, str | date | None]:
    expectation = accepted.expectation
    return {
        "clause": expectation.clause,
        "verdict": verdict_text(expectation.verdicts),
        "at_most": None if accepted.at_most is None else str(accepted.at_most),
        "reason": expectation.reason,
        "link": expectation.link or None,
        "since": expectation.since,
        "review_by": expectation.review_by,
    }


def verdict_text(verdicts: Iterable[Verdict]) -> str:
    """Return verdicts as a baseline writes them, the mildest first: ``conforms | inconclusive``."""
    return " | ".join(verdict.value for verdict in sorted(verdicts, key=MERGE_ORDER.index, reverse=True))
