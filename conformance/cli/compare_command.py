"""``conformance compare OLD NEW``: what an upgrade changed, and nothing else."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from typing import Any

from rich.console import Console

from bucket_conformance.conformance.cli import report_files
from bucket_conformance.conformance.cli.exit_codes import ExitCode
from bucket_conformance.conformance.report.compare import Change, Comparison, Direction, alone, compare_sections, pairs
from bucket_conformance.conformance.report.terminal import show
from bucket_conformance.conformance.verdict import Verdict


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "compare",
        help="show what changed between two reports",
        description="Two versions of a backend, of the SDK, or of this suite. Providers are matched by id; two reports "
        "of one provider each are compared whatever their ids. Exit code 0: no clause got worse; 1: some did.",
    )
    parser.add_argument("old", metavar="OLD")
    parser.add_argument("new", metavar="NEW")
    parser.add_argument("--json", action="store_true", help="the changes as JSON lines on standard output")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> ExitCode:
    old, new = report_files.one(args.old), report_files.one(args.new)
    comparisons = [compare_sections(*pair) for pair in pairs(old, new)]
    if args.json:
        for comparison in comparisons:
            for change in comparison.changes:
                print(json.dumps(_as_json(comparison, change)))
    else:
        console = Console(highlight=False, soft_wrap=True, markup=False)
        for number, comparison in enumerate(comparisons):
            if number:
                console.print()
            _show(comparison, console)
        if missing := alone(old, new):
            show(console, f"\nonly in one of the reports: {', '.join(missing)}")
    worse = any(change.direction is Direction.WORSE for one in comparisons for change in one.changes)
    return ExitCode.REGRESSION if worse else ExitCode.OK


def _as_json(comparison: Comparison, change: Change) -> dict[str, Any]:
    return {
        "provider": comparison.new.provider,
        "clause": change.clause,
        "direction": change.direction.value,
        "old": change.old.verdict if change.old else None,
        "new": change.new.verdict if change.new else None,
        "reason": _why(change),
    }


def _show(comparison: Comparison, console: Console) -> None:
    show(console, comparison.new.provider)
    for name, was, now in comparison.circumstances:
        show(console, f"  {name}: {was} → {now}")
    for direction in Direction:
        for change in comparison.changes:
            if change.direction is direction:
                was = change.old.verdict if change.old else "not judged"
                now = change.new.verdict if change.new else "not judged"
                show(console, f"  {direction.value:6} {change.clause}: {was} → {now}{_why(change)}")
    seen = Counter(change.direction for change in comparison.changes)
    parts = [f"{seen[direction]} {direction.value}" for direction in Direction if seen[direction]]
    show(console, f"  {', '.join([*parts, f'{comparison.unchanged} unchanged'])}")


def _why(change: Change) -> str:
    """Return what is wrong now; '' where nothing is."""
    if change.new is None or change.new.verdict is Verdict.CONFORMS:
        return ""
    seen = change.new.observation
    text = f"promised {seen.promised}, observed {seen.observed}" if seen is not None else change.new.reason
    text = " ".join(text.split())
    return f": {text if len(text) <= 240 else text[:240] + '…'}" if text else ""
