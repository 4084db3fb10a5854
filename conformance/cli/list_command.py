"""``conformance list clauses|providers``."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bucket_conformance.conformance.catalogue import FAMILIES, select
from bucket_conformance.conformance.cli import consoles
from bucket_conformance.conformance.cli.exit_codes import ExitCode
from bucket_conformance.conformance.report.terminal import say
from bucket_conformance.providers import discover
from bucket_conformance.providers.provider import Provider


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("list", help="list clauses or providers")
    parser.add_argument("what", choices=("clauses", "providers"))
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument(
        "--provider-file", action="append", metavar="FILE", default=[], help="your own provider, from a Python file"
    )
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> ExitCode:
    if args.what == "clauses":
        _clauses(as_json=args.json)
    else:
        _providers([Path(path) for path in args.provider_file], as_json=args.json)
    return ExitCode.OK


def _clauses(*, as_json: bool) -> None:
    clauses = [entry.clause for entry in select()]
    if as_json:
        rows = [
            {
                "id": clause.id,
                "level": clause.level.value,
                "profile": clause.profile.value,
                "statement": clause.statement,
                "title": clause.title,
                "consequence": clause.consequence,
                "requires": sorted(capability.value for capability in clause.requires),
                "sources": list(clause.sources),
            }
            for clause in clauses
        ]
        print(json.dumps(rows, indent=2))
        return
    console = consoles.output()
    family = ""
    for clause in clauses:
        if clause.family != family:
            family = clause.family
            console.print(f"\n[bold]{family}[/]  {FAMILIES.get(family, '')}")
        say(console, clause.statement, start=f"  {clause.id:8}  {clause.level.value:6} {clause.profile.value:4}  ")
    console.print(f"\n{len(clauses)} clauses; `conformance show ID` shows one in full")


@dataclass(frozen=True, slots=True, kw_only=True)
class _ProviderRow:
    """A provider as ``list providers`` shows it; with ``--json`` the fields are the properties of the output."""

    id: str
    title: str
    kind: str
    launches: tuple[str, ...]
    ready: bool
    missing: str
    how: str
    note: str

    @classmethod
    def of(cls, provider: Provider) -> _ProviderRow:
        """Return the row of a provider, with what this machine lacks for it."""
        availability = provider.availability()
        return cls(
            id=provider.id,
            title=provider.title,
            kind=provider.kind.value,
            launches=tuple(launch.kind.value for launch in provider.launches),
            ready=availability.ready,
            missing=availability.missing,
            how=availability.how,
            note=availability.note,
        )


def _providers(files: list[Path], *, as_json: bool) -> None:
    providers = sorted(discover(files).values(), key=lambda provider: provider.id)
    rows = [_ProviderRow.of(provider) for provider in providers]
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return
    console = consoles.output()
    for provider, row in zip(providers, rows, strict=True):
        sign = "✓ ready  " if row.ready else "– missing"
        say(
            console,
            f"{row.title} ({row.kind}; {', '.join(row.launches)})",
            start=f"{sign} {row.id:12} ",
            sign="green" if row.ready else "yellow",
        )
        for note in [row.note] if row.ready else _ways(provider):
            if note:
                say(console, note, start=" " * 23, style="dim")


def _ways(provider: Provider) -> list[str]:
    """Return for each launch what it misses and how to get it; with several launches, each line names its launch."""
    several = len(provider.launches) > 1
    found = [(launch.kind.value, launch.availability()) for launch in provider.launches]
    return [f"{f'{kind}: ' if several else ''}{each.missing}; {each.how}" for kind, each in found]
