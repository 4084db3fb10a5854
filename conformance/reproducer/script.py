"""Writes a deviation as a standalone Python script that shows, on any machine, whether the deviation still exists."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from bucket_conformance.conformance.reproducer.literals import keys_literal, written
from bucket_conformance.conformance.reproducer.steps import NotReplayable, Place, Step, StepMaker
from bucket_conformance.conformance.reproducer.values import numbered_marks
from bucket_conformance.conformance.target import Addressing
from bucket_conformance.conformance.verdict import Moment, Observation
from bucket_conformance.conformance.wire.exchange import Auth, Exchange, Redactor

FEWEST_IN_A_GROUP: Final = 4
"""A step groups at least this many consecutive requests that are equal except for the key."""
MOST_BYTES: Final = 2 * 1024 * 1024
"""Maximum size of a script. Nobody reads a longer one, so none is written."""
_TEMPLATE: Final = Path(__file__).with_name("template.py")


def reproducer(
    exchanges: Sequence[Exchange],
    *,
    clause_id: str,
    statement: str,
    observation: Observation,
    example: str,
    endpoint_path: str,
    bucket: str,
    addressing: Addressing,
    redactor: Redactor,
    moment: Moment | None = None,
) -> str | None:
    """Return a Python 3.9 script that repeats the exchanges and compares the responses with the recorded ones.

    It needs only the standard library, takes endpoint, bucket and credentials from its environment, and contains no
    secrets.

    - ``endpoint_path``: the path of the endpoint's URL.
    - ``bucket``: the recorded bucket.
    - ``moment``: why the same requests need not show the deviation again; the script then says "cannot tell" instead
      of "gone".

    Returns ``None`` where no exchange can be repeated: for a storage without a wire, for URLs without Signature
    Version 4, and for a script that would be too long.
    """
    if not bucket:
        return None
    region = _region(exchanges)
    place = Place(endpoint_path=endpoint_path, bucket=bucket, addressing=addressing)
    maker = StepMaker(exchanges, place, redactor, region)
    made: dict[int, Step] = {}
    left_out: Counter[str] = Counter()
    for source in range(len(exchanges)):
        try:
            made[source] = maker.step(source)
        except NotReplayable as reason:
            left_out[str(reason)] += 1
        maker.values.learn(source)
    if not made:
        return None
    unkept = [f"{count} of {len(exchanges)} requests could not be kept: {reason}" for reason, count in left_out.items()]
    notes = list(unkept)
    if maker.masked:
        notes.append("parts of the recording looked like secrets and are masked")
    same, other = _undecided(moment, made, notes=notes, unkept=unkept)
    recorded: dict[str, Any] = {
        "PROMISED": redactor.text(observation.promised),
        "OBSERVED": redactor.text(observation.observed),
        "REGION": region,
        "VIRTUAL": addressing == "virtual",
        "NOTES": notes,
        "SAME_TELLS_NOTHING": same,
        "OTHER_TELLS_NOTHING": other,
        "STEPS": _numbered(made, maker.values.used),
    }
    docstring = _docstring(
        clause_id, redactor.text(statement), recorded["PROMISED"], recorded["OBSERVED"], redactor.text(example), notes
    )
    script = _filled(_TEMPLATE.read_text(encoding="utf-8"), docstring, recorded)
    return script if len(script) <= MOST_BYTES else None


def _undecided(moment: Moment | None, made: dict[int, Step], *, notes: list[str], unkept: list[str]) -> tuple[str, str]:
    """Return why answers as recorded, and why other answers, decide nothing; ``""`` where they do.

    ``unkept``: those of the ``notes`` that tell of requests that are missing in the script.
    """
    if moment is Moment.KILLED:
        return moment.value, moment.value
    if unkept:
        return "; ".join(unkept), "; ".join(unkept)
    if moment is not None:
        # A mix of two values may begin like one of them.
        contents = [step["content"] for step in made.values() if isinstance(step.get("content"), tuple)]
        part = any(size != first for size, first, _ in contents)
        return f"{moment}, and not all bytes of the answers are recorded" if part else "", moment.value
    # Masked values were different when they were sent.
    return "", "; ".join(notes)


def _region(exchanges: Sequence[Exchange]) -> str:
    found = Counter(
        match[1]
        for exchange in exchanges
        if exchange.auth is Auth.HEADER
        for name, value in exchange.headers
        if name.lower() == "authorization"
        for match in [re.search(r"Credential=[^,]*?/\d{8}/([^/,]+)/", value)]
        if match
    )
    return found.most_common(1)[0][0] if found else "us-east-1"


def _numbered(made: dict[int, Step], used: set[int]) -> list[Step]:
    """Return the steps with groups of equal ones merged, and with marks that name steps instead of exchanges."""
    steps: list[Step] = []
    number: dict[int, int] = {}
    sources = list(made)
    at = 0
    while at < len(sources):
        group = [sources[at]]
        while at + len(group) < len(sources) and _alike(made, group[0], sources[at + len(group)], used):
            group.append(sources[at + len(group)])
        if len(group) >= FEWEST_IN_A_GROUP:
            first = dict(made[group[0]])
            # They were sent in parallel, so their order means nothing; sorted, they are often a range.
            keys = sorted((made[source]["key"] for source in group), key=_natural)
            del first["key"]
            steps.append({"method": first.pop("method"), "keys": keys_literal(keys), **first})
        else:
            group = group[:1]
            steps.append(made[group[0]])
        number.update(dict.fromkeys(group, len(steps)))
        at += len(group)
    return [_renamed(step, lambda source: number.get(source, 0)) for step in steps]


def _alike(made: dict[int, Step], one: int, other: int, used: set[int]) -> bool:
    first, second = made[one], made[other]
    if one in used or other in used or first["method"] not in ("PUT", "DELETE", "HEAD") or "key" not in second:
        return False
    if first.get("query") or first.get("sign", "header") != "header":
        return False
    return {**first, "key": ""} == {**second, "key": ""} and first.get("key") != second["key"]


def _natural(key: str) -> list[tuple[bool, int, str]]:
    return [(part.isdigit(), int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", key)]


def _renamed(value: Any, number: Callable[[int], int]) -> Any:
    if isinstance(value, str):
        return numbered_marks(value, number)
    if isinstance(value, dict):
        return {name: _renamed(item, number) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_renamed(item, number) for item in value)
    return value


def _docstring(clause: str, statement: str, promised: str, observed: str, example: str, notes: list[str]) -> str:
    paragraphs = [f"{clause}: {statement}", f"Promised: {promised}", f"Observed: {observed}"]
    if example:
        paragraphs.append(f"Example: {example if len(example) <= 1500 else example[:1500] + '…'}")
    if notes:
        paragraphs.append("This script is partial: " + "; ".join(notes) + ".")
    paragraphs.append(
        "It sends the recorded requests again, one after another and newly signed, and compares each response with the "
        "recorded one: status, error code, and the stable parts of the content."
    )
    text = "\n\n".join(
        textwrap.fill(_printable(item), 110, break_long_words=False, break_on_hyphens=False) for item in paragraphs
    )
    usage = """

Run it with Python 3.9 or later and nothing else, on an existing bucket for tests:

    S3_ENDPOINT=http://127.0.0.1:9000 S3_BUCKET=trials AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=... python3 FILE

AWS_SESSION_TOKEN, AWS_REGION and S3_CA_FILE (PEM, for https) are optional. It removes what it wrote.
Exit code: 1 the deviation is still there, 0 it is gone, 2 wrong usage, 3 the endpoint cannot be reached,
4 an error in the script, 5 cannot tell: the deciding requests could not be kept, or ran in parallel.
"""
    return text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"') + usage


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in text)


def _filled(template: str, docstring: str, recorded: dict[str, Any]) -> str:
    _, _, code = template.partition('"""\n\nfrom __future__')
    head, _, rest = code.partition("# <recorded>\n")
    _, _, engine = rest.partition("# </recorded>\n")
    rows = [f"{name} = {written(value)}" for name, value in recorded.items()]
    return f'#!/usr/bin/env python3\n"""{docstring}"""\n\nfrom __future__{head}' + "\n".join(rows) + "\n" + engine
