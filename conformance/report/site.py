"""A static site from stored runs: the newest matrix, a page per provider with its history, and badges."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bucket_conformance.conformance.report import html
from bucket_conformance.conformance.report.badge import write_badges
from bucket_conformance.conformance.report.causes import consequence_of, title_of
from bucket_conformance.conformance.report.columns import Column, keyed
from bucket_conformance.conformance.report.compare import Change, Direction
from bucket_conformance.conformance.report.disclosure import published
from bucket_conformance.conformance.report.document import Section, counts
from bucket_conformance.conformance.report.fitness import answer
from bucket_conformance.conformance.report.history import Store, StoredRun, runs_of
from bucket_conformance.conformance.report.untrusted import echo
from bucket_conformance.conformance.report.untrusted import html as escape
from bucket_conformance.conformance.report.untrusted import html_prose as prose
from bucket_conformance.conformance.verdict import Verdict, share

MOST_CHANGES: Final = 200
"""Lines on the page of changes; older ones are on the pages of the providers."""
_SIGN: Final = {Direction.WORSE: "✗", Direction.BETTER: "✓", Direction.NEW: "+", Direction.GONE: "−"}
_KIND: Final = {Direction.WORSE: "d", Direction.BETTER: "c", Direction.NEW: "u", Direction.GONE: "s"}


def build(folder: Path, sections: Sequence[Section], *, title: str = "Object storage conformance") -> list[str]:
    """Store the sections below ``folder`` and write the whole site; return the ids of all its providers.

    Writes ``index.html``, ``changes.html``, ``providers/KEY.html``, ``badges/`` and ``data/``. Runs that are stored
    already stay: calling it with each new report builds the history. A site is public: what must not be disclosed yet
    is neither shown nor stored.
    """
    store = Store(folder / "data")
    for section in sections:
        store.add(published(section))
    store.lighten()
    stored = store.sections()
    for why in store.unreadable:
        echo(f"conformance: left out of the site: {why}", file=sys.stderr)
    # Again, for runs that were stored before something in them was known to be an attack.
    runs = {name: runs_of(published(section) for section in found) for name, found in sorted(stored.items())}
    columns = keyed([found[-1].section for found in runs.values()])
    by_key = {column.key: runs[column.section.provider] for column in columns}
    (folder / "providers").mkdir(parents=True, exist_ok=True)
    nav = '<nav class="facts"><a href="changes.html">History: who changed when</a></nav>'
    histories = {column.key: f"providers/{column.key}.html" for column in columns}
    _write(folder / "index.html", html.render(columns, title=title, nav=nav, histories=histories))
    _write(folder / "changes.html", _changes_page(by_key, title))
    for column in columns:
        _write(folder / "providers" / f"{column.key}.html", _provider_page(column, by_key[column.key], title))
    write_badges(columns, folder / "badges")
    # Pages that another tool would rewrite are served as they are.
    _write(folder / ".nojekyll", "")
    return [column.key for column in columns]


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n{html.policy()}\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>\n{html.asset('html_page.css')}{html.asset('site_page.css')}</style>\n"
        f'</head>\n<body class="site">\n{body}\n</body>\n</html>\n'
    )


def _changes_page(runs: Mapping[str, Sequence[StoredRun]], title: str) -> str:
    events = sorted(
        ((run.started, key, run) for key, found in runs.items() for run in found if _moved(run)),
        key=lambda event: (event[0], event[1]),
        reverse=True,
    )
    rows = "".join(_run_block(run, key, f"providers/{key}.html") for _, key, run in events[:MOST_CHANGES])
    body = rows or "<p>No stored run differs from the one before it.</p>"
    links = " · ".join(f'<a href="providers/{key}.html">{escape(key)}</a>' for key in runs)
    top = f'<p><a href="index.html">Matrix</a></p><h1>{escape(title)}: who changed when</h1><p>{links}</p>'
    return _page(f"{title}: changes", top + body)


def _moved(run: StoredRun) -> bool:
    return run.since_before is not None and bool(run.since_before.changes)


def _provider_page(column: Column, runs: Sequence[StoredRun], title: str) -> str:
    head = column.section.header
    newest = escape(head.backend.title)
    top = (
        '<p><a href="../index.html">Matrix</a> · <a href="../changes.html">Changes</a></p>'
        f'<h1>{escape(column.key)}</h1><p><a href="../index.html#{escape(column.key)}">{newest}</a>, '
        f"{len(runs)} stored run{'s' * (len(runs) != 1)}</p>{_chart(runs)}"
    )
    return _page(f"{column.key}: {title}", top + "".join(_run_block(run, "", "") for run in reversed(runs)))


def _run_block(run: StoredRun, key: str, link: str) -> str:
    head = run.section.header
    version = escape(head.backend.title)
    name = f'<a href="{escape(link)}">{escape(key)}</a> ' if key else ""
    seen = counts(run.section.results)
    decided = seen[Verdict.CONFORMS] + seen[Verdict.DEVIATES]
    summary = f"{seen[Verdict.CONFORMS]}/{decided}" if decided else "nothing decided"
    summary = f"{answer(run.section).core.title}, {summary}"
    if run.since_before is None:
        what = "<p>the first stored run</p>"
    else:
        differing = "".join(
            f"<li>{escape(name)}: {escape(old)} → {escape(new)}</li>"
            for name, old, new in run.since_before.circumstances
            if name in ("backend", "sdk", "suite", "contract", "launch", "mode", "settings")
        )
        told_one_by_one = [change for change in run.since_before.changes if not _is_plain_news(change)]
        changes = "".join(_change(change) for change in told_one_by_one)
        if plain := len(run.since_before.changes) - len(told_one_by_one):
            changes += f'<li class="u"><span class="sign">+</span> {plain} more clauses, none deviates</li>'
        what = f'<ul class="changes">{differing}{changes}</ul>' if differing or changes else "<p>no change</p>"
    return (
        f'<section class="run"><h2>{name}<time datetime="{escape(run.started)}">{escape(run.day)}</time> '
        f"<small>{version} · {summary}</small></h2>{what}</section>"
    )


def _is_plain_news(change: Change) -> bool:
    return (
        change.old is None and change.new is not None and change.new.verdict in (Verdict.CONFORMS, Verdict.UNSUPPORTED)
    )


def _change(change: Change) -> str:
    was = change.old.verdict if change.old else "not judged"
    now = change.new.verdict if change.new else "not judged"
    shown = change.new or change.old
    title = title_of(shown) if shown is not None else ""
    seen = change.new.observation if change.new is not None else None
    meant = consequence_of(change.new) if change.new is not None and change.new.verdict is Verdict.DEVIATES else ""
    observed = f"<br><small>observed {escape(seen.observed[:300])}</small>" if seen is not None else ""
    observed = f"<br>{prose(meant)}{observed}" if meant else observed
    return (
        f'<li class="{_KIND[change.direction]}"><span class="sign">{_SIGN[change.direction]}</span> '
        f"<b>{escape(change.clause)}</b> {escape(was)} → {escape(now)} "
        f"<small>{prose(title)}</small>{observed}</li>"
    )


def _chart(runs: Sequence[StoredRun]) -> str:
    """Draw the share of conforming clauses over the runs, one step per run."""
    if len(runs) < 2:
        return ""
    width, height, left = 450, 90, 40
    points = []
    for run in runs:
        held = share(counts(run.section.results))
        points.append(held if held is not None else 0.0)
    low = max(0.0, min(points) - 0.05)
    span = max(1.0 - low, 0.01)
    step = (width - left - 10) / max(1, len(points) - 1)
    marks = []
    path = []
    for at, (value, run) in enumerate(zip(points, runs, strict=True)):
        x, y = left + at * step, 10 + (height - 30) * (1 - (value - low) / span)
        path.append(f"{'M' if not at else 'L'}{x:.1f} {y:.1f}")
        kind = "d" if run.changed(Direction.WORSE) else "c"
        version = run.section.header.backend.version
        marks.append(
            f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="2.5"><title>{escape(run.day)} '
            f"{escape(version)}: {int(100 * value)} %</title></circle>"
        )
    return (
        f'<svg class="time chart" viewBox="0 0 {width} {height}" role="img" aria-label="Share of conforming clauses">'
        f'<text x="4" y="16">100 %</text><text x="4" y="{height - 18}">{100 * low:.0f} %</text>'
        f'<path d="{"".join(path)}"/>{"".join(marks)}'
        f'<text x="{left}" y="{height - 4}">{escape(runs[0].day)}</text>'
        f'<text x="{width - 10}" y="{height - 4}" text-anchor="end">{escape(runs[-1].day)}</text></svg>'
    )
