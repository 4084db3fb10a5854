"""The columns of a page: one per section, shards joined where they fit, each with its own name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bucket_conformance.conformance.report.document import DocumentError, Section
from bucket_conformance.conformance.report.merge import merge


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """``key`` names the column in links: the provider, with version or number where several are of one provider."""

    key: str
    section: Section


def columns(documents: Iterable[tuple[str, Sequence[Section]]]) -> list[Column]:
    """Return the columns of reports. Sections of one provider that are no shards of one run stand side by side."""
    found: list[tuple[str, Section]] = []
    for name, sections in documents:
        for section in sections:
            for at, (other, earlier) in enumerate(found):
                if earlier.provider == section.provider:
                    try:
                        [joined] = merge([(other, [earlier]), (name, [section])])
                    except DocumentError:
                        continue
                    found[at] = (other, joined)
                    break
            else:
                found.append((name, section))
    return keyed([section for _, section in found])


def keyed(sections: Sequence[Section]) -> list[Column]:
    """Return one column per section, each with a key of its own."""
    out: list[Column] = []
    taken: set[str] = set()
    for section in sections:
        name = re.sub(r"[^A-Za-z0-9._-]", "_", section.provider)
        version = re.sub(r"[^A-Za-z0-9._-]", "_", section.header.backend.version)[:40]
        candidates = [
            name,
            f"{name}@{version}",
            *(f"{name}@{version}.{number}" for number in range(2, len(sections) + 2)),
        ]
        key = next(candidate for candidate in candidates if candidate not in taken)
        taken.add(key)
        out.append(Column(key=key, section=section))
    return out
