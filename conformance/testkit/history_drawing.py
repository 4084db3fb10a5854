"""Draws a concurrent history: time runs to the right, and each client has a row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from bucket_conformance.conformance.history import Event

CELL_W: Final = 8
ROW_H: Final = 34
MARGIN: Final = 16


@dataclass(frozen=True, slots=True)
class _Box:
    event: Event
    left: int
    right: int
    open_end: bool


def _boxes(history: Sequence[Event]) -> list[_Box]:
    """Place the events on a line of character cells, in the order of their times and as close as the labels allow."""
    ends = [(event.called, 0, at) for at, event in enumerate(history)]
    ends += [(event.answered, 1, at) for at, event in enumerate(history)]
    left, right, cell = [0] * len(history), [0] * len(history), -1
    for _, is_answer, at in sorted(ends):
        if is_answer:
            cell = max(cell + 1, left[at] + len(str(history[at])) + 1)
            right[at] = cell
        else:
            cell += 2
            left[at] = cell
    return [_Box(event, left[at], right[at], open_end=math.isinf(event.answered)) for at, event in enumerate(history)]


def draw_text(history: Sequence[Event]) -> str:
    """Return the history as lines of text: ``[`` is a request, ``]`` its response, ``…`` where none came."""
    boxes = _boxes(history)
    lines = []
    for client in sorted({event.client for event in history}):
        line = ""
        for box in sorted((box for box in boxes if box.event.client == client), key=lambda box: box.left):
            inner = str(box.event).ljust(box.right - box.left - 1, "·")
            line = line.ljust(box.left) + "[" + inner + ("…" if box.open_end else "]")
        lines.append(f"client {client} |{line}")
    return "\n".join(lines)


def draw_svg(history: Sequence[Event]) -> str:
    """Return the history as an SVG image that needs no style sheet and is readable on light and dark pages."""
    boxes = _boxes(history)
    clients = sorted({event.client for event in history})
    gutter = MARGIN + 9 * CELL_W
    width = gutter + (max((box.right for box in boxes), default=0) + 2) * CELL_W + MARGIN
    height = 2 * MARGIN + len(clients) * ROW_H
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'role="img" font-family="monospace" font-size="12" fill="currentColor" stroke="none">',
        "<title>A history of concurrent operations that no order explains</title>",
    ]
    for row, client in enumerate(clients):
        middle = MARGIN + row * ROW_H + ROW_H // 2
        parts.append(f'<text x="{MARGIN}" y="{middle + 4}">client {client}</text>')
        parts.append(f'<path d="M{gutter} {middle}H{width - MARGIN}" stroke="currentColor" opacity="0.25"/>')
    for box in boxes:
        x, y = gutter + box.left * CELL_W, MARGIN + clients.index(box.event.client) * ROW_H + 5
        wide = (box.right - box.left + 1) * CELL_W
        dashes = ' stroke-dasharray="4 3"' if box.open_end else ""
        parts.append(
            f'<rect x="{x}" y="{y}" width="{wide}" height="{ROW_H - 10}" rx="3" fill="Canvas" '
            f'stroke="currentColor"{dashes}/>'
        )
        parts.append(f'<text x="{x + CELL_W}" y="{y + 16}">{escape(str(box.event))}</text>')
    return "\n".join([*parts, "</svg>\n"])
