"""Mutated files for every command that reads one, from a fixed seed: no command ends with a traceback."""

from __future__ import annotations

import json
import random
import re
from typing import Any, Final

TRICKY: Final[tuple[object, ...]] = (
    None,
    True,
    False,
    0,
    -1,
    2**63,
    10**30,
    0.5,
    -0.0,
    1e308,
    "",
    " ",
    "x",
    "KEY-001",
    "deviates",
    "a\nb",
    "\x1b[31mred",
    "\u202e",
    "\ud800",
    "\x00",
    "::notice::text",
    "<b>text</b>",
    "| ` * _ [text](address)",
    "$(name) `name`",
    "../up",
    "2026-13-40",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    [],
    [None],
    {},
    {"x": 1},
    [[[]]],
    "long " * 400,
)
_CHARACTERS: Final = "\"'\\{}[]=:,\n\t #.0-Ax\x00é\u202e"


def mutated_report(text: str, random: random.Random) -> str:
    """Return a report with one to three values changed."""
    lines = text.splitlines()
    for _ in range(random.randint(1, 3)):
        if random.random() < 0.15:
            lines = mutated_text("\n".join(lines), random).splitlines() or [""]
            continue
        number = random.randrange(len(lines))
        try:
            value = json.loads(lines[number])
        except ValueError:
            continue
        lines[number] = json.dumps(_changed(value, random))
        if random.random() < 0.05:
            lines.insert(random.randrange(len(lines) + 1), random.choice(lines))
    return "\n".join(lines) + "\n"


def mutated_text(text: str, random: random.Random) -> str:
    """Return a text with pieces removed, doubled, moved or replaced."""
    for _ in range(random.randint(1, 3)):
        start = random.randrange(len(text) + 1)
        end = min(len(text), start + random.choice((0, 1, 2, 8, 40)))
        kind = random.randrange(4)
        piece = {0: "", 1: text[start:end] * 2, 2: random.choice(_CHARACTERS), 3: str(random.choice(TRICKY))}[kind]
        text = text[:start] + piece + text[end:]
    return text


def mutated_toml(text: str, random: random.Random) -> str:
    """Return TOML with a value replaced, a key renamed or a line doubled; sometimes with broken text."""
    if random.random() < 0.3:
        return mutated_text(text, random)
    lines = text.splitlines()
    keyed = [number for number, line in enumerate(lines) if " = " in line]
    for _ in range(random.randint(1, 2)):
        number = random.choice(keyed)
        name, _, value = lines[number].partition(" = ")
        lines[number] = random.choice(
            (
                f"{name} = {_toml(random.choice(TRICKY))}",
                f"{name}x = {value}",
                f"{lines[number]}\n{lines[number]}",
                "",
                f"[{name.strip()}]",
                f"[[{name.strip()}]]\nx = 1",
            )
        )
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(re.sub("[\ud800-\udfff]", "", value))
    if isinstance(value, dict):
        return "{x = 1}" if value else "{}"
    return {None: "2026-11-01"}.get(value) or json.dumps(value) if not isinstance(value, list) else "[[1]]"  # type: ignore[call-overload]


def _changed(value: Any, random: random.Random) -> Any:
    """Return JSON-like data with one value replaced, removed or added, at any depth."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        name = random.choice(list(value))
        kind = random.random()
        if kind < 0.1:
            return {key: item for key, item in value.items() if key != name}
        if kind < 0.2:
            return {**value, str(random.choice(TRICKY)): random.choice(TRICKY)}
        return {**value, name: _changed(value[name], random)}
    if isinstance(value, list) and value and random.random() < 0.7:
        at = random.randrange(len(value))
        return [*value[:at], _changed(value[at], random), *value[at + 1 :]]
    return random.choice(TRICKY)
