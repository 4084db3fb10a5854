"""Stored runs of one provider over time: which verdicts changed, when, and with which version."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from bucket_conformance.conformance.report.compare import Comparison, Direction, compare_sections
from bucket_conformance.conformance.report.document import DocumentError, Section, line, read
from bucket_conformance.conformance.report.merge import document, merge
from bucket_conformance.conformance.report.untrusted import file_name


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """One stored run, and what it changed against the run before; ``None`` for the first."""

    section: Section
    since_before: Comparison | None

    @property
    def started(self) -> str:
        return self.section.header.started

    @property
    def day(self) -> str:
        return self.started[:10]

    def changed(self, direction: Direction) -> int:
        return sum(c.direction is direction for c in self.since_before.changes) if self.since_before else 0


def runs_of(sections: Iterable[Section]) -> list[StoredRun]:
    """Return the runs of one provider, the oldest first."""
    ordered = sorted(sections, key=lambda section: _moment(section))
    return [
        StoredRun(section=section, since_before=compare_sections(ordered[at - 1], section) if at else None)
        for at, section in enumerate(ordered)
    ]


def _moment(section: Section) -> datetime:
    text = section.header.started
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise DocumentError(f"{section.provider}: started is {text!r}; expected a moment as in ISO 8601") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Store:
    """A directory of stored sections: ``PROVIDER/MOMENT-DIGEST.jsonl``, a document each.

    Only the newest section of a provider keeps its evidence; of older ones the verdicts and observations stay.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.unreadable: list[str] = []

    def add(self, section: Section) -> bool:
        """Store a section; return whether it was new."""
        folder = self._folder / file_name(section.provider)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{_moment(section).astimezone(UTC):%Y%m%dT%H%M%SZ}-{_digest(section)}.jsonl"
        if path.exists():
            return False
        path.write_text(document([section]), encoding="ascii", newline="\n")
        return True

    def sections(self) -> dict[str, list[Section]]:
        """Return what is stored, by provider. A file that cannot be trusted is left out; ``unreadable`` names it."""
        found: dict[str, list[Section]] = {}
        self.unreadable = []
        for path in sorted(self._folder.glob("*/*.jsonl")):
            try:
                sections = merge([(str(path), read(path))])
                if len(sections) != 1:
                    raise DocumentError(f"{path}: {len(sections)} sections; a stored run has one")
            except DocumentError as error:
                self.unreadable.append(str(error))
                continue
            found.setdefault(sections[0].provider, []).append(sections[0])
        return found

    def lighten(self) -> None:
        """Remove the evidence from all sections except the newest of each provider."""
        for folder in sorted(path for path in self._folder.glob("*") if path.is_dir()):
            for path in sorted(folder.glob("*.jsonl"))[:-1]:
                try:
                    [section] = read(path)
                except (DocumentError, ValueError):
                    continue  # named where the stored runs are read
                if any(result.evidence is not None for result in section.results):
                    light = [replace(result, evidence=None) for result in section.results]
                    text = document([Section(header=section.header, results=light, footer=section.footer)])
                    path.write_text(text, encoding="ascii", newline="\n")


def _digest(section: Section) -> str:
    verdicts = "".join(line({"c": result.clause, "v": result.verdict}) for result in section.results)
    return hashlib.sha256((line(section.header) + verdicts).encode("ascii")).hexdigest()[:10]
