"""``conformance site DIR REPORT…``: a static site with the history of all reports it was ever given."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bucket_conformance.conformance.cli import report_files
from bucket_conformance.conformance.cli.exit_codes import ExitCode
from bucket_conformance.conformance.cli.known_today import known_today
from bucket_conformance.conformance.endpoint_options import UsageError
from bucket_conformance.conformance.report.columns import columns
from bucket_conformance.conformance.report.site import build
from bucket_conformance.conformance.report.untrusted import echo


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "site",
        help="build a static site with history from reports",
        description="Adds the reports to those stored in DIR/data and writes the pages anew. Keep DIR from one time "
        "to the next (a branch, a cache): what is stored there is the history.",
    )
    parser.add_argument("folder", metavar="DIR")
    parser.add_argument("reports", nargs="*", metavar="REPORT")
    parser.add_argument("--title", default="Object storage conformance", metavar="TEXT", help="title of the pages")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> ExitCode:
    folder = Path(args.folder)
    if not args.reports and not any((folder / "data").glob("*/*.jsonl")):
        raise UsageError(f"nothing to show: give a report; {folder / 'data'} holds none yet")
    found = columns((path, known_today(report_files.one(path))) for path in args.reports)
    try:
        built = build(folder, [column.section for column in found], title=args.title)
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}") from None
    echo(f"{folder / 'index.html'}: {len(built)} provider{'s' * (len(built) != 1)}")
    return ExitCode.OK
