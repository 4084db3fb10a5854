"""Turns clause ids on a page into links to the clauses."""

from __future__ import annotations

import re
from typing import Final

from bucket_conformance.conformance.catalogue import entries

# What must not change comes first: code spans, links, addresses.
_NAMED: Final = re.compile(r"(?P<kept>(`+)(?:.+?)\2|\[[^\]]*\]\([^)]*\)|https?://\S+)|\b(?P<id>[A-Z]{2,5}-\d{3})\b")
_FENCE: Final = re.compile(r" {0,3}(```+|~~~+)")


def with_clause_links(markdown: str, path: str) -> str:
    """Return a page with clause ids as links, except in headings and code. ``path`` is its path in the sources."""
    to_root = "../" * path.count("/")
    lines, fence = [], ""
    for line in markdown.split("\n"):
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and line.strip() == fence:
            fence = ""
        elif not fence and not line.startswith(("#", "    ")):
            line = _NAMED.sub(lambda found: found["kept"] or _link(found["id"], to_root), line)
        lines.append(line)
    return "\n".join(lines)


def _link(id: str, to_root: str) -> str:
    entry = entries().get(id)
    return id if entry is None else f"[{id}]({to_root}contract/{entry.clause.family.lower()}.md#{id.lower()})"
