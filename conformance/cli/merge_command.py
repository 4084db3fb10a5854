"""``conformance merge REPORT… -o FILE``: one document from many."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from bucket_conformance.conformance.cli import report_files
from bucket_conformance.conformance.cli.exit_codes import ExitCode
from bucket_conformance.conformance.report.disclosure import published
from bucket_conformance.conformance.report.merge import document


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "merge",
        help="join reports: shards of one provider, or different providers",
        description="Shards of one provider agree in version, settings, seed and mode, and share no clause. Reports "
        "that do not go together are refused (exit code 3).",
    )
    parser.add_argument("reports", nargs="+", metavar="REPORT")
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write (default: standard output)")
    parser.add_argument(
        "--public", action="store_true", help="leave out the evidence of attacks that are not disclosed (SECURITY.md)"
    )
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> ExitCode:
    sections = report_files.merged(args.reports)
    text = document(published(section) for section in sections) if args.public else document(sections)
    if args.output:
        report_files.write("--output", args.output, text)
    else:
        sys.stdout.write(text)
    return ExitCode.OK
