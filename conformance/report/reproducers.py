"""Writes the reproducers of a report out as files: ``DIR/PROVIDER/CLAUSE.py``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bucket_conformance.conformance.report.document import Section
from bucket_conformance.conformance.report.untrusted import file_name


def path_of(folder: Path, provider: str, clause: str) -> Path:
    """Return where the reproducer of one cell lies. A report's names are not trusted to be file names."""
    return folder / file_name(provider) / f"{file_name(clause)}.py"


def write_reproducers(sections: Iterable[Section], folder: Path) -> dict[tuple[str, str], Path]:
    """Write every reproducer of the sections; return the paths by provider and clause."""
    written: dict[tuple[str, str], Path] = {}
    for section in sections:
        for result in section.results:
            if result.reproducer:
                path = path_of(folder, section.provider, result.clause)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(result.reproducer, encoding="utf-8", errors="backslashreplace", newline="\n")
                written[section.provider, result.clause] = path
    return written
