"""One self-contained page from any number of reports: the answer for each backend, the causes, and the matrix.

Nothing is fetched: style, script and data are in the page, and its policy forbids the rest. Answers, causes and the
matrix of families are there without scripts; the script adds filters, unfolding, comparing, and the evidence.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Final

from bucket_conformance.conformance.report import html_answers
from bucket_conformance.conformance.report.columns import Column
from bucket_conformance.conformance.report.html_data import (
    PageColumn,
    PageData,
    PageFamily,
    causes_of,
    matrix,
    packed_details,
)
from bucket_conformance.conformance.report.untrusted import html as escape
from bucket_conformance.conformance.report.untrusted import html_prose as prose

SIGNS: Final = {"c": "✓", "d": "✗", "u": "–", "i": "?", "e": "!", "s": "·"}
NAMES: Final = {
    "c": "conforms",
    "d": "deviates",
    "u": "unsupported",
    "i": "inconclusive",
    "e": "error",
    "s": "skipped",
}
MEANINGS: Final = {
    "c": "holds as promised",
    "d": "was observed to do something else",
    "u": "the backend does not offer what the clause needs",
    "i": "could not be decided",
    "e": "our launch or harness failed; says nothing about the backend",
    "s": "left out by the operator",
}
SEVERITY: Final = "EeDdIiUuSs"
"""Which cell of a family speaks for it: the first of these letters that occurs. Upper case: not expected."""
INTRODUCTION: Final = (
    "Each backend was tested while it ran. It is fit for this storage if it keeps all core promises: those that the "
    "storage system relies on. The other promises are what S3 clients may expect."
)


def asset(name: str) -> str:
    """Return one of the files that pages are put together from."""
    return files("bucket_conformance.conformance.report").joinpath(name).read_text(encoding="utf-8")


def policy(script: str = "") -> str:
    """Return the policy of a page: nothing from anywhere, no script but this one."""
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    scripts = f"script-src 'sha256-{digest}'" if script else "script-src 'none'"
    content = (
        f"default-src 'none'; style-src 'unsafe-inline'; {scripts}; img-src data:; base-uri 'none'; form-action 'none'"
    )
    return f'<meta http-equiv="Content-Security-Policy" content="{content}">'


def render(
    columns: Sequence[Column],
    *,
    title: str = "Object storage conformance",
    nav: str = "",
    histories: Mapping[str, str] | None = None,
) -> str:
    """Return the page: a card per backend, then causes, then the matrix.

    ``nav`` is HTML next to the title (the links of a site), ``histories`` says by key which page tells of a
    column's earlier runs.
    """
    data = matrix(columns, histories=histories or {})
    found = [causes_of(column) for column in columns]
    script = asset("html_panel.js") + asset("html_page.js")
    return "".join(
        (
            f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n{policy(script)}\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            '<meta name="color-scheme" content="light dark">\n',
            f"<title>{escape(title)}</title>\n<style>\n{asset('html_page.css')}</style>\n</head>\n<body>\n",
            _top(title, nav, data),
            '<main id="main">\n',
            html_answers.cards(columns, data, found),
            html_answers.causes(data, found),
            '<section class="all" id="all"><h2>Every promise</h2><div class="tools" id="tools"></div>\n',
            '<div class="scroll" id="scroll">\n',
            _table(data),
            f'</div>{_legend()}</section></main><aside id="panel" hidden></aside>\n',
            f'<script type="application/json" id="data">{_json(data.to_json())}</script>\n',
            f'<script type="text/plain" id="details">{packed_details(columns)}</script>\n',
            f"<script>{script}</script>\n</body>\n</html>\n",
        )
    )


def _json(value: object) -> str:
    # "<" would let a text end the script element.
    return (
        json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        .replace("<", "\\u003c")
        .replace("\u2028", "\\u2028")
    )


def _top(title: str, nav: str, data: PageData) -> str:
    columns, providers = len(data.columns), len({column.provider for column in data.columns})
    clauses = len(data.clauses)
    facts = f"{providers} provider{'s' * (providers != 1)} · {clauses} clause{'s' * (clauses != 1)}"
    if columns > providers:
        facts = f"{columns} reports of {facts}"
    return (
        f'<header class="top"><div class="brand"><h1>{escape(title)}</h1><p class="facts">{facts}</p>{nav}</div>'
        f'<p class="intro">{INTRODUCTION}</p></header>\n'
    )


def _table(data: PageData) -> str:
    size = "wide" if len(data.columns) <= 4 else "middle" if len(data.columns) <= 9 else "narrow"
    heads = "".join(_column_head(data, column) for column in data.columns)
    rows = "".join(_family_row(data, family) for family in data.families)
    corner = f'<th scope="col" class="corner">{len(data.clauses)} clauses</th>'
    return (
        f'<table id="matrix" class="{size}" style="--columns:{len(data.columns)}">'
        f'<caption class="unseen">Clause families by provider</caption>\n'
        f"<thead><tr>{corner}{heads}</tr></thead>\n<tbody>{rows}</tbody></table>\n"
    )


def _column_head(data: PageData, column: PageColumn) -> str:
    kind, sign = html_answers.FIT_KINDS[column.fit]
    return (
        f'<th scope="col"><a class="head" href="#{escape(column.key)}" data-at="{escape(column.key)}">'
        f"<b>{escape(column.key)}</b><small>{escape(column.backend)} {escape(column.version)}</small>"
        f'<span class="why {kind}"><span class="sign">{sign}</span> {escape(column.fit.value)}</span>'
        f"{_counts(column, range(len(data.clauses)))}</a></th>"
    )


def _family_row(data: PageData, family: PageFamily) -> str:
    name = escape(family.id)
    cells = "".join(
        f'<td class="{cell_class(data, column, family.members)}">'
        f'<a class="cell" href="#{escape(column.key)}/{name}" data-at="{escape(column.key)}/{name}">'
        f"{_summary(data, column, family.members)}</a></td>"
        for column in data.columns
    )
    return (
        f'<tr class="family"><th scope="row"><a class="rowhead" href="#/{name}" data-at="/{name}" '
        f'data-family="{name}"><b>{name}</b>'
        f"<small>{escape(family.words)}</small></a></th>{cells}</tr>\n"
    )


def worst(column: PageColumn, members: Sequence[int]) -> str:
    """Return the letter that speaks for these clauses: ``""`` where none was judged, ``"c"`` where all is well."""
    seen = set(column.of(members)) - {" "}
    bad = next((letter for letter in SEVERITY[:6] if letter in seen), "")
    if bad or not seen:
        return bad
    return "c" if seen & {"c", "C"} else next(letter for letter in SEVERITY[6:] if letter in seen)


def is_grave(data: PageData, column: PageColumn, at: int) -> bool:
    """Return whether a deviation breaks a core promise or does harm; only these are red."""
    return at in column.harms or data.clauses[at].is_core


def cell_class(data: PageData, column: PageColumn, members: Sequence[int]) -> str:
    """Return the classes of a cell for these clauses."""
    kind = worst(column, members).lower() or "none"
    grave = any(column.verdicts[at] in "dD" and is_grave(data, column, at) for at in members)
    return f"{kind} mild" if kind == "d" and not grave else kind


def speaking(data: PageData, column: PageColumn, members: Sequence[int]) -> int:
    """Return the clause that speaks for others: of the worst verdict, harm first, then core, then MUST."""
    letter = worst(column, members)
    return min(
        (at for at in members if column.verdicts[at] == letter),
        key=lambda at: (at not in column.harms, not data.clauses[at].is_core, data.clauses[at].level != "MUST", at),
    )


def _summary(data: PageData, column: PageColumn, members: Sequence[int]) -> str:
    """Return the summary of some clauses: the most important one by its title, then the counts."""
    letter = worst(column, members)
    if not letter:
        return ""
    kind = letter.lower()
    text = "as promised" if kind == "c" else data.clauses[speaking(data, column, members)].title
    return f'<span class="why {kind}">{_sign(kind)} {prose(text)}</span>{_counts(column, members)}'


def _counts(column: PageColumn, members: Sequence[int]) -> str:
    counts = Counter(column.of(members).lower())
    decided = counts["c"] + counts["d"]
    many = f"{counts['c']}/{decided}" if decided else ""
    others = "".join(
        f'<span class="other" title="{counts[one]} {NAMES[one]}">{SIGNS[one]} {counts[one]}</span>'
        for one in "euis"
        if counts[one]
    )
    bar = f'<i class="bar"><i style="width:{100 * counts["c"] // decided}%"></i></i>' if decided else ""
    return f'<span class="many">{many}{others}</span>{bar}'


def _sign(kind: str) -> str:
    return f'<span class="sign" role="img" aria-label="{NAMES[kind]}">{SIGNS[kind]}</span>'


def _legend() -> str:
    items = "".join(
        f'<span class="{letter}">{_sign(letter)} <b>{NAMES[letter]}</b> {MEANINGS[letter]}</span>' for letter in SIGNS
    )
    return (
        f'<p class="legend">{items}<span><i class="red"></i> <b>red</b> breaks a core promise or does harm</span>'
        '<span><i class="striped"></i> <b>striped</b> expected: known, with its reason</span>'
        "<span>Counts are conforming of decided (conforms + deviates).</span></p>\n"
    )
