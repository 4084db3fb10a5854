"""One self-contained page from any number of reports: the matrix, and behind each cell its evidence.

Nothing is fetched: style, script and data are in the page, and its policy forbids the rest. The matrix of families is
there without scripts; the script replaces it by one that filters, unfolds and compares.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

from bucket_conformance.conformance.report.columns import Column
from bucket_conformance.conformance.report.html_data import matrix, packed_details
from bucket_conformance.conformance.report.untrusted import html as escape

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
    "u": "the capability is not declared",
    "i": "could not be decided",
    "e": "our launch or harness failed; says nothing about the backend",
    "s": "left out by the operator",
}
SEVERITY: Final = "EeDdIiUuSs"
"""Which cell of a family speaks for it: the first of these letters that occurs. Upper case: not expected."""
MOST_LISTED: Final = 400


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
    """Return the page.

    ``nav`` is HTML next to the title (the links of a site), ``histories`` says by key which page tells of a
    column's earlier runs.
    """
    data = matrix(columns, histories=histories or {})
    script = asset("html_panel.js") + asset("html_page.js")
    return "".join(
        (
            f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n{policy(script)}\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            '<meta name="color-scheme" content="light dark">\n',
            f"<title>{escape(title)}</title>\n<style>\n{asset('html_page.css')}</style>\n</head>\n<body>\n",
            _top(title, nav, data),
            '<main id="main"><div class="scroll" id="scroll">\n',
            _table(data),
            _legend(),
            f"<noscript>{_listed(data)}</noscript>",
            '</div><aside id="panel" hidden></aside></main>\n',
            f'<script type="application/json" id="data">{_json(data)}</script>\n',
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


def _top(title: str, nav: str, data: Mapping[str, Any]) -> str:
    columns, providers = len(data["columns"]), len({column["provider"] for column in data["columns"]})
    clauses = len(data["clauses"])
    facts = f"{providers} provider{'s' * (providers != 1)} · {clauses} clause{'s' * (clauses != 1)}"
    if columns > providers:
        facts = f"{columns} reports of {facts}"
    return (
        f'<header class="top"><div class="brand"><h1>{escape(title)}</h1><p class="facts">{facts}</p>{nav}</div>'
        '<div class="tools" id="tools"></div></header>\n'
    )


def _table(data: Mapping[str, Any]) -> str:
    size = "wide" if len(data["columns"]) <= 4 else "middle" if len(data["columns"]) <= 9 else "narrow"
    heads = "".join(_column_head(data, at) for at in range(len(data["columns"])))
    rows = "".join(_family_row(data, family, words) for family, words in data["families"])
    corner = f'<th scope="col" class="corner">{len(data["clauses"])} clauses</th>'
    return (
        f'<table id="matrix" class="{size}" style="--columns:{len(data["columns"])}">'
        f'<caption class="unseen">Clause families by provider</caption>\n'
        f"<thead><tr>{corner}{heads}</tr></thead>\n<tbody>{rows}</tbody></table>\n"
    )


def _column_head(data: Mapping[str, Any], at: int) -> str:
    column = data["columns"][at]
    every = range(len(data["clauses"]))
    return (
        f'<th scope="col"><a class="head" href="#{escape(column["key"])}" data-at="{escape(column["key"])}">'
        f"<b>{escape(column['key'])}</b><small>{escape(column['backend'])} {escape(column['version'])}</small>"
        f"{_summary(data, at, every)}</a></th>"
    )


def _family_row(data: Mapping[str, Any], family: str, words: str) -> str:
    members = [at for at, clause in enumerate(data["clauses"]) if clause[0].partition("-")[0] == family]
    family = escape(family)
    cells = "".join(
        f'<td class="{worst(data, at, members).lower() or "none"}">'
        f'<a class="cell" href="#{escape(column["key"])}/{family}" data-at="{escape(column["key"])}/{family}">'
        f"{_summary(data, at, members)}</a></td>"
        for at, column in enumerate(data["columns"])
    )
    return (
        f'<tr class="family"><th scope="row"><a class="rowhead" href="#/{family}" data-at="/{family}" '
        f'data-family="{family}"><b>{family}</b>'
        f"<small>{escape(words)}</small></a></th>{cells}</tr>\n"
    )


def worst(data: Mapping[str, Any], column: int, members: Sequence[int]) -> str:
    """Return the letter that speaks for these clauses: ``""`` where none was judged, ``"c"`` where all is well."""
    seen = {data["verdicts"][column][at] for at in members} - {" "}
    bad = next((letter for letter in SEVERITY[:6] if letter in seen), "")
    if bad or not seen:
        return bad
    return "c" if seen & {"c", "C"} else next(letter for letter in SEVERITY[6:] if letter in seen)


def _summary(data: Mapping[str, Any], column: int, members: Sequence[int]) -> str:
    """Return the summary of a section: the most important clause first, then the counts."""
    letter = worst(data, column, members)
    if not letter:
        return ""
    letters = data["verdicts"][column]
    kind = letter.lower()
    text = "as promised"
    if kind != "c":
        # A MUST speaks before a SHOULD.
        speaking = min(
            (at for at in members if letters[at] == letter), key=lambda at: (data["clauses"][at][1] != "MUST", at)
        )
        reason = data["why"][column].get(speaking, "")
        text = f"{data['clauses'][speaking][0]} {reason}".strip() if reason else data["clauses"][speaking][0]
    counts = Counter(letters[at].lower() for at in members)
    decided = counts["c"] + counts["d"]
    many = f"{counts['c']}/{decided}" if decided else ""
    others = "".join(
        f'<span class="other" title="{counts[one]} {NAMES[one]}">{SIGNS[one]} {counts[one]}</span>'
        for one in "euis"
        if counts[one]
    )
    bar = f'<i class="bar"><i style="width:{100 * counts["c"] / decided:.0f}%"></i></i>' if decided else ""
    return f'<span class="why {kind}">{_sign(kind)} {escape(text)}</span><span class="many">{many}{others}</span>{bar}'


def _sign(kind: str) -> str:
    return f'<span class="sign" role="img" aria-label="{NAMES[kind]}">{SIGNS[kind]}</span>'


def _legend() -> str:
    items = "".join(
        f'<span class="{letter}">{_sign(letter)} <b>{NAMES[letter]}</b> {MEANINGS[letter]}</span>' for letter in SIGNS
    )
    return (
        f'<p class="legend">{items}<span><i class="striped"></i> <b>expected</b> known, with its reason</span>'
        "<span>Counts are conforming of decided (conforms + deviates).</span></p>\n"
    )


def _listed(data: Mapping[str, Any]) -> str:
    rows = [
        f"<li><b>{escape(clause[0])}</b> {escape(column['key'])}: {escape(data['why'][number].get(at, ''))} "
        f"<small>{escape(clause[3])}</small></li>"
        for at, clause in enumerate(data["clauses"])
        for number, column in enumerate(data["columns"])
        if data["verdicts"][number][at] in "Dd"
    ]
    more = f"<p>{len(rows) - MOST_LISTED} more are in the report.</p>" if len(rows) > MOST_LISTED else ""
    return f'<section class="listed"><h2>Deviations</h2><ul>{"".join(rows[:MOST_LISTED])}</ul>{more}</section>'
