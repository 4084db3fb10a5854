"""``conformance findings REPORT… --out DIR``: a page for each deviation that does harm."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bucket_conformance.conformance.cli import report_files
from bucket_conformance.conformance.cli.exit_codes import ExitCode
from bucket_conformance.conformance.cli.known_today import known_today
from bucket_conformance.conformance.endpoint_options import UsageError
from bucket_conformance.conformance.report import findings_pages
from bucket_conformance.conformance.report.columns import columns
from bucket_conformance.conformance.report.findings import collect
from bucket_conformance.conformance.report.untrusted import echo


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "findings",
        help="write a page for each deviation that loses data, leaks or lets the unauthorised in",
        description="Lists the findings of reports, and with --out writes a Markdown page for each. Pages are meant "
        "for publication: of an attack that the backend's project does not know yet they hold only the verdict and the "
        "protection.",
    )
    parser.add_argument("reports", nargs="+", metavar="REPORT")
    parser.add_argument("--out", metavar="DIR", help="write the pages there, in place of those written there before")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> ExitCode:
    found = collect(columns((path, known_today(report_files.one(path))) for path in args.reports))
    for finding in found:
        note = " (withheld)" if finding.withheld else ""
        echo(f"{finding.column.key}: {finding.harm} ({', '.join(finding.clauses)}){note}")
    if args.out:
        try:
            findings_pages.write(Path(args.out), found)
        except FileExistsError as error:
            raise UsageError(f"--out: {error}") from None
        except OSError as error:
            raise UsageError(f"--out {args.out}: {error.strerror}") from None
    echo(f"{len(found)} finding{'s' * (len(found) != 1)}" + (f" in {args.out}" if args.out else ""))
    return ExitCode.OK
