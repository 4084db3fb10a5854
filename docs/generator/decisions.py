"""The list of decision records."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent.parent / "decisions"


def records() -> list[Path]:
    return sorted(FOLDER.glob("[0-9]*.md"))


def pages() -> dict[str, str]:
    lines = ["# Decisions", "", "Why the project is as it is, with the rejected alternatives.", ""]
    lines += [f"{number_of(record)}. [{title_of(record)}]({record.name})" for record in records()]
    return {"decisions/index.md": "\n".join(lines) + "\n"}


def number_of(record: Path) -> int:
    return int(record.name[:4])


def title_of(page: Path) -> str:
    """Return a page's heading, without the number of a record."""
    heading = page.read_text(encoding="utf-8").partition("\n")[0]
    return re.sub(r"^# (\d+\. )?", "", heading).strip()
