"""Small pieces of Markdown with correct escaping."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import urlsplit

_ADDRESS: Final = re.compile(r"https?://[^\s<>()\[\]]*[^\s<>()\[\].,;:!?]")
_PLAIN_SPECIAL: Final = re.compile(r"([\\*_<>\[\]|#~{}])")
_CODE: Final = re.compile(r"(`+)(.+?)\1")


def text(value: str) -> str:
    """Return prose as Markdown: code spans stay, addresses become links, all other characters are literal."""
    pieces: list[str] = []
    end = 0
    for found in _CODE.finditer(value):
        pieces += [_linked(value[end : found.start()]), found[0].replace("|", "\\|")]
        end = found.end()
    return "".join([*pieces, _linked(value[end:])])


def _linked(value: str) -> str:
    pieces: list[str] = []
    end = 0
    for found in _ADDRESS.finditer(value):
        # A host with capitals is a placeholder for the reader's own name, so it gets no link.
        is_real = urlsplit(found[0]).netloc.islower()
        pieces += [_escaped(value[end : found.start()]), link(found[0]) if is_real else code(found[0])]
        end = found.end()
    return "".join([*pieces, _escaped(value[end:])])


def _escaped(value: str) -> str:
    return _PLAIN_SPECIAL.sub(r"\\\1", value)


def link(address: str, title: str = "") -> str:
    """Return a link. Without a title it shows the address, shortened in the middle if it is long."""
    shown = title or shortened(address)
    return f"[{_escaped(shown)}](<{address}>)"


def shortened(address: str) -> str:
    """Return an address without its scheme, shortened in the middle to at most 60 characters."""
    bare = address.removeprefix("https://").removeprefix("http://").rstrip("/")
    return bare if len(bare) <= 60 else f"{bare[:28]}…{bare[-31:]}"


def anchor(heading: str) -> str:
    """Return the anchor that Python-Markdown makes for a heading of plain text."""
    plain = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode("ascii")
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())


def code(value: str) -> str:
    """Return a code span with any text, on one line."""
    longest = max((len(run) for run in re.findall("`+", value)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if value.startswith("`") or value.endswith("`") else ""
    return f"{fence}{pad}{value}{pad}{fence}".replace("|", "\\|")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the cells are already Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(" ".join(cell.split()) for cell in line) + " |" for line in lines) + "\n"


def folded(title: str, body: str) -> str:
    """Return a box that opens on a click."""
    inside = "\n".join(f"    {line}".rstrip() for line in body.splitlines())
    return f'??? note "{title}"\n\n{inside}\n'
