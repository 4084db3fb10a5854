"""The pages that people read: the README, and the pages in docs/ that are written manually."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt

ROOT: Final = Path(__file__).parent.parent.parent
README: Final = ROOT / "README.md"
BY_HAND: Final = (README, *sorted((ROOT / "docs").glob("*.md")))

_MARK: Final = re.compile(r"<!-- example: (?:not run: (?P<why>.+?)|from (?P<path>\S+)) -->", re.DOTALL)
_NAME: Final = re.compile(r"# ([\w./-]+\.(?:toml|py|yml|yaml))\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block of a page. ``line`` counts from 1; ``file`` is the name that the block's first line gives it.

    ``not_run`` says why it is not run; ``excerpt_of`` is the file of the project that holds it.
    """

    page: Path
    line: int
    language: str
    text: str
    not_run: str = ""
    excerpt_of: str = ""

    @property
    def file(self) -> str:
        found = _NAME.match(self.text)
        return found[1] if found else ""

    @property
    def where(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page, each with the mark in the comment right before it."""
    mark: re.Match[str] | None = None
    for token in MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8")):
        if token.type == "html_block":
            mark = _MARK.fullmatch(token.content.strip())
        elif token.type == "fence":
            yield Block(
                page=page,
                line=token.map[0] + 1 if token.map else 0,
                language=token.info,
                text=token.content,
                not_run=mark["why"] or "" if mark else "",
                excerpt_of=mark["path"] or "" if mark else "",
            )
            mark = None
        else:
            mark = None
