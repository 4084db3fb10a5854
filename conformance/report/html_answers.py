"""What stands first on a page: a card per backend, and the causes of its deviations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from bucket_conformance.conformance.report.advice import AdviceKind
from bucket_conformance.conformance.report.causes import Cause, consequence_of, quoted, rank, title_of
from bucket_conformance.conformance.report.columns import Column
from bucket_conformance.conformance.report.disclosure import harm_of
from bucket_conformance.conformance.report.document import Fit, Result
from bucket_conformance.conformance.report.fitness import answer
from bucket_conformance.conformance.report.html_data import PageColumn, PageData
from bucket_conformance.conformance.report.untrusted import html as escape
from bucket_conformance.conformance.report.untrusted import html_prose as prose

FIT_KINDS: Final = {Fit.FIT: ("c", "✓"), Fit.UNFIT: ("d", "✗"), Fit.UNDECIDED: ("i", "?")}
"""A colour (that of a verdict) and a sign for each answer."""
MOST_CAUSES: Final = 24
"""Causes that a page shows per backend; the matrix has the rest."""
MOST_LISTED: Final = 4
"""Consequences that a card names; half of it on a page of many."""
MANY: Final = 6
"""With more backends than this, cards are shorter."""
LONGEST_RAW: Final = 600
"""Characters of a raw observation next to a cause; the panel has all of it."""
OPEN_UP_TO: Final = 2
"""With so many backends or fewer, settings and causes are unfolded."""


def cards(columns: Sequence[Column], data: PageData, found: Sequence[Sequence[Cause]]) -> str:
    """Return a card per backend: fit or unfit, why, harms, what to set, version, and the date of the evidence."""
    few = len(columns) <= OPEN_UP_TO
    inner = "".join(
        _card(column, page, causes, of=len(columns))
        for column, page, causes in zip(columns, data.columns, found, strict=True)
    )
    size = " few" if few else ""
    return f'<section class="cards{size}" id="answers"><h2 class="unseen">Fit or unfit</h2>{inner}</section>\n'


def _card(column: Column, page: PageColumn, causes: Sequence[Cause], *, of: int) -> str:
    """Return the card of one backend of so many."""
    kind, sign = FIT_KINDS[page.fit]
    most = MOST_LISTED if of <= MANY else MOST_LISTED // 2
    key, found, head = escape(page.key), answer(column.section), column.section.header
    harms = "".join(f'<span class="chip harm">{escape(harm)}</span>' for harm in found.harms)
    harm_line = (
        f'<p class="harms"><b>Harm seen:</b> {harms}</p>' if harms else '<p class="harms soft">No harm seen.</p>'
    )
    total = sum(len(cause.results) for cause in causes)
    more = (
        f'<a href="#causes-{key}" class="jump">{total} deviation{"s" * (total != 1)}, '
        f"{len(causes)} cause{'s' * (len(causes) != 1)}</a>"
        if causes
        else "No deviation seen."
    )
    return (
        f'<article class="card {kind}"><header><span class="big sign" aria-hidden="true">{sign}</span>'
        f'<div><h3><a href="#{key}" data-at="{key}">{key}</a> <span class="version">{escape(head.backend.title)}'
        f'</span></h3><p class="answer">{escape(page.answer[:1].upper() + page.answer[1:])}</p>'
        f'<p class="counted">{escape(page.counted)}</p></div></header>'
        f'<div class="body"><div>{harm_line}{_consequences(page, causes, most)}<p class="soft">{more}</p></div>'
        f"{_to_set(page, few=of <= OPEN_UP_TO)}</div>"
        f'<footer><time datetime="{escape(head.started)}">Judged on {escape(head.started[:10])}</time>, '
        f"{escape(head.mode)} run, {escape(found.settings)}</footer></article>"
    )


def _consequences(page: PageColumn, causes: Iterable[Cause], most: int) -> str:
    """Return what harm and broken core promises mean for an application, each sentence once; harm comes first."""
    bad = sorted(
        (result for cause in causes for result in cause.results if result.is_core or harm_of(result) is not None),
        key=rank,
    )
    words: dict[str, str] = {}
    for result in bad:
        words.setdefault(consequence_of(result) or title_of(result), result.clause)
    items = "".join(f"<li>{_to(page, clause, prose(text))}</li>" for text, clause in [*words.items()][:most])
    left = len(words) - most
    more = f"<li>and {left} more</li>" if left > 0 else ""
    return f'<p><b>For an application:</b></p><ul class="broken">{items}{more}</ul>' if words else ""


def _to_set(page: PageColumn, *, few: bool) -> str:
    lines = [line for advice in page.advice if advice.kind is AdviceKind.SET for line in advice.variables]
    if not lines:
        return ""
    text = escape("\n".join(lines))
    return f'<details class="set"{" open" if few else ""}><summary>What to set</summary><pre>{text}</pre></details>'


def causes(data: PageData, found: Sequence[Sequence[Cause]]) -> str:
    """Return the causes of the deviations, by backend."""
    few = len(data.columns) <= OPEN_UP_TO
    blocks = "".join(
        _causes_of(page, causes, opened=few) for page, causes in zip(data.columns, found, strict=True) if causes
    )
    if not blocks:
        return ""
    return f'<section class="causes" id="causes"><h2>What is wrong, and why</h2>{blocks}</section>\n'


def _causes_of(page: PageColumn, causes: Sequence[Cause], *, opened: bool) -> str:
    kind, sign = FIT_KINDS[page.fit]
    inner = "".join(_cause(page, cause) for cause in causes[:MOST_CAUSES])
    left = len(causes) - MOST_CAUSES
    more = f'<p class="soft">{left} more are in the matrix below.</p>' if left > 0 else ""
    return (
        f'<details class="of" id="causes-{escape(page.key)}"{" open" if opened else ""}><summary>'
        f'<span class="sign {kind}" aria-hidden="true">{sign}</span> <b>{escape(page.key)}</b> '
        f"<span>{len(causes)} cause{'s' * (len(causes) != 1)}</span></summary>"
        f'<div class="list-of-causes">{inner}</div>{more}</details>'
    )


def _cause(page: PageColumn, cause: Cause) -> str:
    chips = "".join(f'<span class="chip harm">{escape(harm)}</span>' for harm in cause.harms)
    chips += '<span class="chip d">core promise</span>' if cause.core else ""
    chips += '<span class="chip">expected</span>' if cause.expected else ""
    words = f'<p class="said"><code>{escape(quoted(cause.response))}</code></p>' if cause.response is not None else ""
    lead = cause.lead
    example = consequence_of(lead) if len(cause.results) > 1 else ""
    example = f'<p class="for">{prose(example)}</p>' if example else ""
    links = "".join(_link(page, result) for result in cause.results)
    grave = " grave" if cause.core or cause.harms else ""
    return (
        f'<article class="cause{grave}"><h3>{prose(cause.title)} {chips}</h3>'
        f"<p>{prose(cause.meaning)}</p>{example}{words}"
        f"<details><summary>Seen in {len(cause.results)} clause{'s' * (len(cause.results) != 1)}</summary>"
        f'{_raw(lead)}<ul class="links">{links}</ul></details></article>'
    )


def _link(page: PageColumn, result: Result) -> str:
    return f"<li>{_to(page, result.clause, f'<b>{escape(result.clause)}</b> {prose(title_of(result))}')}</li>"


def _to(page: PageColumn, clause: str, inner: str) -> str:
    """Return a link to one cell around some HTML."""
    at = escape(f"{page.key}/{clause}")
    return f'<a href="#{at}" data-at="{at}">{inner}</a>'


def _raw(result: Result) -> str:
    seen = result.observation
    rows = [("promised", seen.promised), ("observed", seen.observed)] if seen is not None else []
    rows += [("because", result.reason)] if result.reason else []
    rows += [("known", result.known)] if result.known else []
    inner = "".join(f"<dt>{name}</dt><dd>{escape(_short(text))}</dd>" for name, text in rows)
    return f'<dl class="versus">{inner}</dl>' if inner else ""


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_RAW else f"{text[:LONGEST_RAW]} …"
