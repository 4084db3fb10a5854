"""``conformance report REPORT… --html FILE …``: renders reports for people and for machines."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from bucket_conformance.conformance.cli import report_files
from bucket_conformance.conformance.cli.exit_codes import ExitCode
from bucket_conformance.conformance.cli.gate_command import read
from bucket_conformance.conformance.endpoint_options import UsageError
from bucket_conformance.conformance.gate.comparison import annotated
from bucket_conformance.conformance.report import html, junit, markdown
from bucket_conformance.conformance.report.badge import write_badges
from bucket_conformance.conformance.report.columns import Column, columns
from bucket_conformance.conformance.report.disclosure import published_columns
from bucket_conformance.conformance.report.reproducers import write_reproducers


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "report",
        help="render reports: HTML, Markdown, JUnit, badges",
        description="Shards of one run are joined; other reports of one provider stand side by side.",
    )
    parser.add_argument("reports", nargs="+", metavar="REPORT")
    parser.add_argument("--html", metavar="FILE", help="one self-contained page")
    parser.add_argument("--markdown", metavar="FILE", help="a job summary, at most 1 MiB; - is standard output")
    parser.add_argument("--junit", metavar="FILE", help="JUnit XML")
    parser.add_argument("--badge", metavar="DIR", help="a badge per provider there: shields JSON and SVG")
    parser.add_argument("--reproducers", metavar="DIR", help="the reproducers of all deviations there")
    parser.add_argument("--baseline", metavar="FILE", help="take from it what is expected, instead of from the report")
    parser.add_argument(
        "--public", action="store_true", help="leave out the evidence of attacks that are not disclosed (SECURITY.md)"
    )
    parser.add_argument("--title", default="Object storage conformance", metavar="TEXT", help="title of the page")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> ExitCode:
    if not any((args.html, args.markdown, args.junit, args.badge, args.reproducers)):
        raise UsageError("nothing to write: give --html FILE, --markdown FILE, --junit FILE or --badge DIR")
    documents = [(str(Path(path)), report_files.one(path)) for path in args.reports]
    found = columns(documents)
    if args.public:
        # Before the baseline is looked at: it has no harms and no days of disclosure, and may have links of its owner.
        found = published_columns(found)
    if args.baseline:
        baseline = read(args.baseline)
        found = [Column(key=one.key, section=annotated([one.section], baseline)[0]) for one in found]
    if args.html:
        report_files.write("--html", args.html, html.render(found, title=args.title))
    if args.markdown == "-":
        sys.stdout.write(markdown.render(found, title=args.title))
    elif args.markdown:
        report_files.write("--markdown", args.markdown, markdown.render(found, title=args.title))
    if args.junit:
        report_files.write("--junit", args.junit, junit.render(found))
    try:
        if args.badge:
            write_badges(found, Path(args.badge))
        if args.reproducers:
            write_reproducers((column.section for column in found), Path(args.reproducers))
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}") from None
    return ExitCode.OK
