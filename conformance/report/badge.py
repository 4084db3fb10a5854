"""A badge per provider, fit or unfit: JSON for the shields endpoint, and an SVG that needs no server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from bucket_conformance.conformance.report.columns import Column
from bucket_conformance.conformance.report.document import Fit
from bucket_conformance.conformance.report.fitness import answer
from bucket_conformance.conformance.report.untrusted import html as escape

LABEL: Final = "conformance"
_COLOURS: Final = {"brightgreen": "#2c7a2f", "yellow": "#8a6100", "red": "#b3261e", "lightgrey": "#5f6872"}


def message(column: Column) -> tuple[str, str]:
    """Return what a badge says, and its colour by the name that shields knows.

    Green: fit for the storage system. Yellow: fit, but a deviation does harm. Red: unfit. Grey: not decided.
    """
    found = answer(column.section)
    core = found.core
    if core.answer is Fit.FIT:
        return f"fit, {core.kept} of {core.promises}", "yellow" if found.harms else "brightgreen"
    if core.answer is Fit.UNFIT:
        return f"unfit, {len(core.broken)} of {core.promises} broken", "red"
    return (f"not decided, {core.kept} of {core.promises} kept" if core.kept else "not judged"), "lightgrey"


def endpoint(column: Column) -> str:
    """Return the JSON that https://shields.io/badges/endpoint-badge describes."""
    text, colour = message(column)
    value = {"schemaVersion": 1, "label": LABEL, "message": text, "color": colour, "isError": colour == "lightgrey"}
    return json.dumps(value, indent=2) + "\n"


def svg(column: Column) -> str:
    """Return a badge as SVG."""
    text, colour = message(column)
    left, right = _width(LABEL), _width(text)
    width = left + right
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" '
        f'aria-label="{LABEL}: {escape(text)}"><title>{LABEL}: {escape(text)}</title>'
        f'<clipPath id="r"><rect width="{width}" height="20" rx="3"/></clipPath><g clip-path="url(#r)">'
        f'<rect width="{left}" height="20" fill="#444"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{_COLOURS[colour]}"/></g>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{left / 2}" y="14">{LABEL}</text>'
        f'<text x="{left + right / 2}" y="14">{escape(text)}</text></g></svg>\n'
    )


def _width(text: str) -> int:
    # Verdana at 11 px is about seven pixels a character; a margin of five on either side.
    return 7 * len(text) + 10


def write_badges(columns: list[Column], folder: Path) -> None:
    """Write ``KEY.json`` and ``KEY.svg`` for each column. ``OSError`` where that fails."""
    folder.mkdir(parents=True, exist_ok=True)
    for column in columns:
        (folder / f"{column.key}.json").write_text(endpoint(column), encoding="ascii", newline="\n")
        (folder / f"{column.key}.svg").write_text(svg(column), encoding="ascii", newline="\n")
