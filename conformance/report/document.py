"""The report document: JSON Lines, a header, a line per clause, a footer. Written as a run goes.

A file holds one section per provider, one after another. What a killed run left has no footer, and is named as such.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from conformance.contract import Level
from conformance.verdict import Verdict

SCHEMA: Final = 1
MAX_BYTES: Final = 256 * 1024 * 1024
"""A report larger than this is refused: no run writes one."""

_REQUIRED: Final[dict[str, dict[str, type | tuple[type, ...]]]] = {
    "header": {"schema": int, "suite": str, "contract": str, "provider": str, "backend": dict, "launch": str,
               "sdk": str, "settings": dict, "seed": int, "mode": str, "started": str},
    "result": {"provider": str, "clause": str, "level": str, "profile": str, "verdict": str, "expected": bool,
               "duration_s": (int, float), "requests": int},
    "footer": {"counts": dict, "duration_s": (int, float), "complete": bool},
}  # fmt: skip


class DocumentError(Exception):
    """A report that cannot be trusted: cut off, mixed, inconsistent, or no report at all. Names file and line."""


@dataclass(slots=True)
class Section:
    """The part of a document that one provider's run wrote; the three kinds of line as they are in the file."""

    header: dict[str, Any]
    results: list[dict[str, Any]] = field(default_factory=list)
    footer: dict[str, Any] | None = None

    @property
    def provider(self) -> str:
        return str(self.header["provider"])

    def verdicts(self) -> dict[str, Verdict]:
        """Return the verdict by clause."""
        return {result["clause"]: Verdict(result["verdict"]) for result in self.results}


def line(value: Mapping[str, Any]) -> str:
    """Return one line of a document, newline included. ASCII only, so that no encoding can spoil it."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n"


def common_errors(results: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return the reasons that made more than one clause an error, each with the number of these clauses."""
    reasons = Counter(str(result.get("reason", "")) for result in results if result["verdict"] == Verdict.ERROR)
    return {reason: clauses for reason, clauses in reasons.items() if clauses > 1}


def counts(results: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return how often each verdict occurs, every verdict named."""
    seen = Counter(result["verdict"] for result in results)
    return {verdict.value: seen.get(verdict.value, 0) for verdict in Verdict}


def read(path: Path) -> list[Section]:
    """Return the sections of a document. Raises :class:`DocumentError`, ``OSError`` where the file cannot be read."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise DocumentError(f"{path}: {size} bytes; a report has at most {MAX_BYTES}")
    with path.open(encoding="utf-8", errors="strict") as lines:
        try:
            return parse(lines, name=str(path))
        except UnicodeDecodeError as error:
            raise DocumentError(f"{path}: not a report: {error}") from None


def parse(lines: Iterable[str], *, name: str = "report") -> list[Section]:
    """Return the sections of the lines of a document, checked as :func:`read` does."""
    sections: list[Section] = []
    for number, kind, value in _values(lines, name):
        where = f"{name}:{number}"
        open_section = sections[-1] if sections and sections[-1].footer is None else None
        if kind == "header":
            if open_section is not None:
                raise DocumentError(
                    f"{where}: a header before the footer of {open_section.provider!r}: cut off or mixed"
                )
            if value["schema"] != SCHEMA:
                raise DocumentError(f"{where}: schema {value['schema']!r}; this version reads schema {SCHEMA}")
            if any(section.provider == value["provider"] for section in sections):
                raise DocumentError(
                    f"{where}: a second section of {value['provider']!r}: mixed; `conformance merge` joins shards"
                )
            sections.append(Section(header=value))
        elif open_section is None:
            raise DocumentError(f"{where}: a {kind} without a header before it")
        elif kind == "result":
            _add_result(open_section, value, where)
        else:
            _close(open_section, value, where)
    if not sections:
        raise DocumentError(f"{name}: no report: it has no header")
    if sections[-1].footer is None:
        raise DocumentError(
            f"{name}: cut off: no footer for {sections[-1].provider!r} after {len(sections[-1].results)} results"
        )
    return sections


def _values(lines: Iterable[str], name: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            raise DocumentError(f"{name}:{number}: cut off or not JSON: {error.msg}") from None
        except (RecursionError, ValueError) as error:  # nested without end, or a number of endless digits
            raise DocumentError(f"{name}:{number}: no line of a report: {error}") from None
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(kind, str) or kind not in _REQUIRED:
            raise DocumentError(f"{name}:{number}: type is {kind!r}; expected header, result or footer")
        for key, expected in _REQUIRED[kind].items():
            found = value.get(key)
            if not isinstance(found, expected) or (isinstance(found, bool) and expected is not bool):
                raise DocumentError(f"{name}:{number}: {kind} has no usable {key!r} (it is {found!r})")
        yield number, kind, value


def _add_result(section: Section, value: dict[str, Any], where: str) -> None:
    if value["provider"] != section.provider:
        raise DocumentError(f"{where}: a result of {value['provider']!r} in the section of {section.provider!r}: mixed")
    if value["verdict"] not in set(Verdict):
        raise DocumentError(f"{where}: unknown verdict {value['verdict']!r}; known: {', '.join(Verdict)}")
    if value["level"] not in set(Level):
        raise DocumentError(f"{where}: unknown level {value['level']!r}; known: {', '.join(Level)}")
    if any(result["clause"] == value["clause"] for result in section.results):
        raise DocumentError(f"{where}: clause {value['clause']} twice for {section.provider!r}: mixed")
    section.results.append(value)


def _close(section: Section, value: dict[str, Any], where: str) -> None:
    if not value["complete"]:
        raise DocumentError(f"{where}: the run of {section.provider!r} was interrupted; its report is not complete")
    announced = section.header.get("clauses", len(section.results))
    if announced != len(section.results):
        raise DocumentError(
            f"{where}: the header of {section.provider!r} announces {announced} results, there are "
            f"{len(section.results)}: inconsistent"
        )
    found = {verdict: n for verdict, n in counts(section.results).items() if n}
    claimed = {verdict: n for verdict, n in value["counts"].items() if n}
    if found != claimed:
        raise DocumentError(f"{where}: the footer counts {claimed}, the results are {found}: inconsistent")
    section.footer = value
