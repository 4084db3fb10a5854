"""``conformance accept REPORT --baseline FILE --reason "…"``: take the verdicts of a report as known."""

from __future__ import annotations

import argparse
import fnmatch
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from bucket_conformance.conformance.cli import report_files
from bucket_conformance.conformance.cli.exit_codes import ExitCode
from bucket_conformance.conformance.cli.gate_command import read
from bucket_conformance.conformance.endpoint_options import UsageError
from bucket_conformance.conformance.gate.acceptance import AcceptanceOptions, AcceptError, accept
from bucket_conformance.conformance.gate.baseline import Baseline, FlakeBudget, render_baseline
from bucket_conformance.conformance.report.untrusted import echo
from bucket_conformance.conformance.verdict import Verdict

REVIEW_AFTER: Final = timedelta(days=90)


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "accept",
        help="take the verdicts of a report into a baseline, with a reason",
        description="Deviations that are accepted already keep their reason, unless named by --clause.",
    )
    parser.add_argument("reports", nargs="+", metavar="REPORT", help="one report, or the shards of one")
    parser.add_argument(
        "--baseline", required=True, metavar="FILE", help="the baseline to write; it is created if missing"
    )
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why what is not as promised is accepted")
    parser.add_argument("--link", default="", metavar="URL", help="where that is tracked")
    parser.add_argument("--review-by", metavar="DATE", help="day to look again (default: in 90 days)")
    parser.add_argument("--at-most", metavar="'N of M'", help="flaky: inconclusive in at most N of the newest M runs")
    parser.add_argument("--clause", action="append", metavar="PATTERN", help="only these clauses; repeatable")
    parser.add_argument("--provider", action="append", metavar="ID", help="only this provider; repeatable")
    parser.add_argument("--partial", action="store_true", help="keep clauses that the report leaves out")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> ExitCode:
    reason = " ".join(args.reason.split())
    if not reason:
        raise UsageError("--reason is empty: say why this is accepted, for the next reader of the baseline")
    today = datetime.now(UTC).date()
    options = AcceptanceOptions(
        reason=reason,
        today=today,
        review_by=_review_by(args.review_by, today),
        link=args.link,
        at_most=_limit(args.at_most),
        renew=bool(args.clause),
    )
    sections = report_files.merged(args.reports)
    if args.provider:
        sections = [section for section in sections if section.provider in args.provider]
    patterns = [pattern.upper() for pattern in args.clause or ()]

    def wanted(clause: str) -> bool:
        return not patterns or any(fnmatch.fnmatchcase(clause, p) or clause.startswith(p + "-") for p in patterns)

    if not any(wanted(result.clause) for section in sections for result in section.results):
        raise UsageError("the report has no result of these clauses and providers; nothing was accepted")
    if not any(
        wanted(result.clause) and result.verdict not in (Verdict.ERROR, Verdict.SKIPPED)
        for section in sections
        for result in section.results
    ):
        raise UsageError("nothing in the report was judged, so there is nothing to accept; the report says why")
    path = Path(args.baseline)
    baseline: Baseline = read(args.baseline) if path.exists() else {}
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    try:
        changes = accept(sections, baseline, options, wanted=wanted, whole=not args.partial and not patterns)
    except AcceptError as error:
        raise UsageError(str(error)) from None
    report_files.write("--baseline", args.baseline, render_baseline(baseline, before))
    for line in [*changes.lines, *changes.refused]:
        echo(line)
    echo(
        f"{args.baseline}: {changes.added} added without deviation, {len(changes.lines)} changed, "
        f"{changes.kept} as before, {len(changes.refused)} left out"
    )
    return ExitCode.OK


def _review_by(given: str | None, today: date) -> date:
    if given is None:
        return today + REVIEW_AFTER
    try:
        day = date.fromisoformat(given)
    except ValueError:
        raise UsageError(f"--review-by {given}: write a date such as {today + REVIEW_AFTER}") from None
    if day < today:
        raise UsageError(f"--review-by {given} is past; give a day to come")
    return day


def _limit(given: str | None) -> FlakeBudget | None:
    try:
        return None if given is None else FlakeBudget.parse(given)
    except ValueError as error:
        raise UsageError(f"--at-most: {error}") from None
