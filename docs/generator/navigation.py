"""The navigation: manually written pages in reading order, then the generated ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from bucket_conformance.conformance.catalogue import FAMILIES, entries
from bucket_conformance.providers import discover
from docs.generator import contract, decisions, findings, power, providers

PAGES: Final = Path(__file__).parent.parent

Nav = list[Any]
"""The structure that MkDocs expects: paths, and mappings of one title to a path or to another list."""


def navigation() -> Nav:
    reference: Nav = [
        {"Command line": "command-line.md"},
        {"Report document": "report-format.md"},
    ]
    return [
        {"Home": "index.md"},
        {
            "Use": [
                {"Start": "start.md"},
                {"How to read a verdict": "verdicts.md"},
                {"Gate and baselines": "gate.md"},
                {"With pytest": "pytest.md"},
                {"Settings of the storage": "settings.md"},
                {"Deploy the storage": "deploy.md"},
                {"Performance of the storage": "performance.md"},
                *reference,
            ]
        },
        {"Contract": _contract()},
        {"Providers": _providers()},
        # Publishing replaces it by the pages of stored reports.
        {"Matrix": "matrix/index.md"},
        *_findings(),
        *_folder("Advice", "advice"),
        {
            "Develop": [
                {"Write a clause": "write-a-clause.md"},
                {"Write a provider": "write-a-provider.md"},
                {"Architecture": "architecture.md"},
                {
                    "Decisions": [
                        "decisions/index.md",
                        *(f"decisions/{record.name}" for record in decisions.records()),
                    ]
                },
            ]
        },
    ]


def _contract() -> Nav:
    families = dict.fromkeys(entry.clause.family for entry in entries().values())
    listed: Nav = [contract.INDEX]
    listed += [{f"{family}: {FAMILIES.get(family, '')}": contract.page_of(family)} for family in families]
    listed.append({"Recorded answers": "anchors.md"})
    listed += [{"What the suite catches": power.PAGE.name}] if power.is_there() else []
    return listed


def _providers() -> Nav:
    listed: Nav = [providers.INDEX]
    for title, members in providers.by_kind(discover()).items():
        listed.append({title: [{member.title: providers.page_of(member.id)} for member in members]})
    return listed


def _findings() -> Nav:
    disclosure = {"How they are disclosed": findings.DISCLOSURE}
    if not (PAGES / findings.INDEX).exists():
        return [disclosure]
    found = findings.by_backend()
    return [
        {
            "Findings": [
                findings.INDEX,
                *({name: [{page.title: page.path} for page in pages]} for name, pages in found.items()),
                disclosure,
            ]
        }
    ]


def _folder(title: str, name: str) -> Nav:
    """Return a section with all pages of a directory, its index first; nothing where the directory does not exist."""
    pages = sorted(path.relative_to(PAGES).as_posix() for path in (PAGES / name).rglob("*.md"))
    pages.sort(key=lambda path: path != f"{name}/index.md")
    return [{title: pages}] if pages else []
