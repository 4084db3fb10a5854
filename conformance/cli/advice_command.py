"""``conformance advice REPORT [PROVIDER…]``: what to set for a backend, and what not to rely on there."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from bucket_conformance.conformance.cli import report_files
from bucket_conformance.conformance.cli.exit_codes import ExitCode
from bucket_conformance.conformance.endpoint_options import UsageError
from bucket_conformance.conformance.report import advice_text
from bucket_conformance.conformance.report.advice import advise
from bucket_conformance.conformance.report.untrusted import terminal

_PREAMBLE = """# Advice by backend

<!-- Written by `conformance advice --markdown`; a change here is lost. -->

What to put into the environment, and what not to rely on. Each line follows from the clauses named with it."""


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "advice",
        help="say what to set for a backend, and what not to rely on there",
        description="Turns the verdicts of a report into advice: delete batch size, signed URLs and their life, "
        "region, checksums, and what an application must not rely on. Each line names the clauses it follows from.",
    )
    parser.add_argument("report", metavar="REPORT")
    parser.add_argument("providers", nargs="*", metavar="PROVIDER", help="only these (default: all in the report)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--env", action="store_true", help="lines for an environment file")
    form.add_argument("--json", action="store_true", help="one JSON object per line and provider")
    form.add_argument("--markdown", action="store_true", help="a page")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> ExitCode:
    sections = report_files.one(args.report)
    there = {section.provider for section in sections}
    missing = [name for name in args.providers if name not in there]
    if missing:
        raise UsageError(f"{args.report} has no {', '.join(missing)}; it has {', '.join(sorted(there))}")
    chosen = [section for section in sections if not args.providers or section.provider in args.providers]
    parts = []
    for section in chosen:
        advice = advise(section)
        if args.json:
            parts.append(json.dumps(advice_text.data(section, advice)) + "\n")
        else:
            form = advice_text.environment if args.env else advice_text.markdown if args.markdown else advice_text.text
            whole = form(section, advice)
            parts.append(terminal(whole) if form is advice_text.text else whole)
    between = "" if args.json else "\n\n" if args.markdown else "\n"
    sys.stdout.write(f"{_PREAMBLE}\n\n" * args.markdown + between.join(parts) + "\n" * args.markdown)
    return ExitCode.OK
