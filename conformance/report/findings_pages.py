"""Writes findings as Markdown: a short page for each, and a page that lists them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bucket_conformance.conformance.report.abridged import abridge, anonymise
from bucket_conformance.conformance.report.causes import consequence_of, title_of
from bucket_conformance.conformance.report.disclosure import WITHHELD
from bucket_conformance.conformance.report.document import Result
from bucket_conformance.conformance.report.findings import Finding, listed
from bucket_conformance.conformance.report.untrusted import markdown as plain
from bucket_conformance.conformance.report.untrusted import (
    markdown_address,
    markdown_block,
    markdown_cell,
    markdown_prose,
)
from bucket_conformance.conformance.report.untrusted import markdown_code as code

MARK: Final = "<!-- Written by `conformance findings`; a change here is lost. -->"
"""Stands below the title of every page. Only pages that hold it are ever replaced or removed."""


def write(folder: Path, findings: Sequence[Finding]) -> list[Path]:
    """Write all pages and the list (``index.md``) into a folder; return their paths.

    Pages of earlier findings that no longer exist are removed. Raises ``FileExistsError`` where a file that is not such
    a page has the name of one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pages = {folder / f"{finding.slug}.md": page(finding) for finding in findings}
    pages[folder / "index.md"] = index(findings)
    for path in [*pages, *folder.glob("*.md")]:
        if path.exists() and MARK not in path.read_text(encoding="utf-8"):
            if path in pages:
                raise FileExistsError(f"{path} was not written by this command; name another folder")
        elif path not in pages:
            path.unlink(missing_ok=True)
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
    return sorted(pages)


def index(findings: Sequence[Finding]) -> str:
    """Return the page that lists all findings, by backend."""
    parts = [
        "# Findings",
        MARK,
        "Deviations that lose data, store or serve wrong data, leak, cross tenants, break out of the bucket or let "
        "requests through that nobody signed. Each was seen in a run of this suite, on the version that its page "
        "names; later versions may have fixed it. `SECURITY.md` explains how they are disclosed.",
    ]
    for key, found in listed(findings).items():
        parts.append(f"## {plain(found[0].backend)} {plain(found[0].version)}")
        rows = ["| finding | clauses | what happens |", "|---|---|---|"]
        for finding in found:
            what = " ".join(_consequences(finding)) or _summary(finding.results[0])
            what = f"{what} (How is {WITHHELD}.)" if finding.withheld else what
            clauses = plain(", ".join(finding.clauses))
            rows.append(f"| [{plain(finding.harm.value)}]({finding.slug}.md) | {clauses} | {_cell(what)} |")
        parts.append("\n".join(rows))
        assert key
    if not findings:
        parts.append("None: no deviation in the reports does such harm.")
    return "\n\n".join(parts) + "\n"


def page(finding: Finding) -> str:
    """Return the page of one finding. For one that is withheld, it has verdict and protection only."""
    head, lead = finding.column.section.header, finding.results[0]
    rows = [
        ("backend", f"{finding.backend} {finding.version}"),
        ("provider", f"`{head.provider}`, launched as {head.launch}"),
        ("judged", f"{head.started[:10]}, suite {head.suite}, contract {head.contract}"),
        ("clauses", ", ".join(finding.clauses)),
    ]
    parts = [
        f"# {plain(finding.title)}: {plain(', '.join(finding.clauses[:3]))}{' …' if len(finding.clauses) > 3 else ''}",
        MARK,
        "\n".join(
            [
                "| | |",
                "|---|---|",
                *(f"| {name} | {_cell(text)} |" for name, text in rows),
                f"| upstream | {_upstream(finding)} |",
            ]
        ),
        "## What it means for an application",
        *([" ".join(markdown_prose(text) for text in meant)] if (meant := _consequences(finding)) else []),
        "## What happens",
        f"Promised: {plain(lead.statement)}",
    ]
    if finding.withheld:
        parts.append(f"The backend deviates from it. How is {WITHHELD.replace('SECURITY.md', '`SECURITY.md`')}.")
    else:
        parts += [_observed(result) for result in finding.results]
    parts += ["## How to protect an application", "\n\n".join(markdown_prose(text) for text in finding.protection)]
    if not finding.withheld:
        parts += _reproduction(finding, lead)
    return "\n\n".join(part for part in parts if part) + "\n"


def _upstream(finding: Finding) -> str:
    reported = f"reported on {finding.upstream_told}" if finding.upstream_told else ""
    links = [markdown_cell(markdown_address(link)) for link in finding.links]
    return ", ".join([*links, *([plain(reported)] if reported else [])]) or "no report of it is known to us"


def _consequences(finding: Finding) -> list[str]:
    """Return what the broken promises mean for an application, each sentence once."""
    found = (consequence_of(result) for result in finding.results)
    return list(dict.fromkeys(sentence for sentence in found if sentence))


def _summary(result: Result) -> str:
    return result.known or anonymise(result.observed)


def _observed(result: Result) -> str:
    seen, known = result.observation, result.known
    lead = f"**{plain(result.clause)}** {markdown_prose(title_of(result))}"
    lines = [f"{lead}: {markdown_prose(known)}" if known else lead]
    lines += (
        [f"- promised: {code(anonymise(seen.promised))}", f"- observed: {code(anonymise(seen.observed))}"]
        if seen is not None
        else []
    )
    return f"{lines[0]}\n\n" + "\n".join(lines[1:])


def _reproduction(finding: Finding, lead: Result) -> list[str]:
    if not lead.transcript:
        return []
    exchange = abridge(lead.transcript)
    parts = [
        "## Over plain HTTP",
        "Requests (`>`) and responses (`<`), without the headers that every signed request has. Each is signed by "
        "Signature Version 4 unless its URL says otherwise.",
        markdown_block(exchange, "http"),
    ]
    if lead.reproducer:
        parts.append(
            "As a script that needs only Python and signs by itself: judge it again and take the script from the "
            f"report.\n\n```sh\nconformance run {finding.column.section.provider} --clause {lead.clause} "
            "--report report.jsonl\nconformance report report.jsonl --reproducers scripts\n```"
        )
    return parts


def _cell(text: str) -> str:
    """Return text for a cell of a table; what is code in it stays code."""
    return markdown_cell(markdown_prose(text))
