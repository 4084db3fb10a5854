"""``conformance gate REPORT --baseline FILE``: is anything worse than what is accepted?"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace
from rich.console import Console

from bucket_conformance.conformance.cli import gate_markdown, report_files
from bucket_conformance.conformance.cli.exit_codes import ExitCode
from bucket_conformance.conformance.endpoint_options import UsageError
from bucket_conformance.conformance.gate.baseline import Baseline, BaselineError, read_baseline
from bucket_conformance.conformance.gate.comparison import BaselineStatus, GateResult, compare_with_baseline, tally
from bucket_conformance.conformance.report.disclosure import published
from bucket_conformance.conformance.report.document import Section, expectation_record
from bucket_conformance.conformance.report.reproducers import write_reproducers
from bucket_conformance.conformance.report.terminal import show

LONGEST_LINE: Final = 300


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "gate",
        help="compare a report with a baseline",
        description="Exit code 0: nothing is worse than accepted; 1: a regression, a vanished clause, or a new clause "
        "that deviates from a MUST; 2: wrong usage; 3: a backend could not be judged, or the report cannot be trusted.",
    )
    parser.add_argument("reports", nargs="+", metavar="REPORT", help="one report, or the shards of one")
    parser.add_argument("--baseline", required=True, metavar="FILE", help="written by `conformance accept`")
    parser.add_argument("--strict", action="store_true", help="fail on stale and past-review expectations too")
    parser.add_argument(
        "--provider", action="append", metavar="ID", help="gate only this provider of report and baseline; repeatable"
    )
    parser.add_argument("--partial", action="store_true", help="do not miss what the report leaves out")
    parser.add_argument(
        "--history",
        action="append",
        default=[],
        metavar="REPORT",
        help="an earlier report, for the limits of flaky clauses; repeatable",
    )
    parser.add_argument("--reproducers", metavar="DIR", help="write the reproducers of all deviations there")
    parser.add_argument(
        "--markdown",
        metavar="FILE",
        help="a job summary, at most 1 MiB, without the evidence of attacks that are not disclosed (SECURITY.md); - is "
        "standard output",
    )
    parser.add_argument("--public", action="store_true", help="leave that evidence out of all else that is written too")
    parser.add_argument("--json", action="store_true", help="the findings as JSON lines on standard output")
    parser.add_argument("-v", "--verbose", action="store_true", help="show what is as expected, too")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> ExitCode:
    sections = _only(report_files.merged(args.reports), args.provider)
    baseline = read(args.baseline)
    if args.provider:
        baseline = {name: accepted for name, accepted in baseline.items() if name in args.provider}
    history = [report_files.one(path) for path in args.history]
    history.sort(key=lambda report: max(section.header.started for section in report), reverse=True)
    compare = partial(
        compare_with_baseline,
        baseline=baseline,
        history=history,
        today=datetime.now(UTC).date(),
        strict=args.strict,
        partial=args.partial,
    )
    public = [published(section) for section in _with_links(sections, baseline)]
    if args.public:
        sections = public
    findings = compare(sections)
    written: dict[tuple[str, str], Path] = {}
    if args.reproducers:
        try:
            written = write_reproducers(sections, Path(args.reproducers))
        except OSError as error:
            raise UsageError(f"--reproducers {args.reproducers}: {error.strerror}") from None
    code = exit_code(findings)
    if args.markdown:
        text = gate_markdown.render(
            compare(public), passed=code is ExitCode.OK, notes=_notes(sections, baseline), reports=args.reports
        )
        if args.markdown != "-":
            report_files.write("--markdown", args.markdown, text)
    if args.json:
        for finding in findings:
            print(json.dumps(_as_json(finding, written)))
    elif args.markdown == "-":
        sys.stdout.write(text)
    else:
        _show(findings, written, _notes(sections, baseline), code, verbose=args.verbose)
    return code


def read(path: str) -> Baseline:
    """Return a baseline that must exist and be usable. ``UsageError`` otherwise."""
    try:
        return read_baseline(Path(path))
    except FileNotFoundError:
        raise UsageError(
            f"there is no baseline {path}; `conformance accept REPORT --baseline {path} --reason …` writes one"
        ) from None
    except OSError as error:
        raise UsageError(f"--baseline {path}: {error.strerror}") from None
    except BaselineError as error:
        raise UsageError(str(error)) from None


def exit_code(findings: list[GateResult]) -> ExitCode:
    """Return the exit code. Errors of the harness come first: what was not judged may hide anything."""
    if any(finding.status is BaselineStatus.ERROR for finding in findings):
        return ExitCode.HARNESS
    return ExitCode.REGRESSION if any(finding.fails for finding in findings) else ExitCode.OK


def _only(sections: list[Section], providers: list[str] | None) -> list[Section]:
    if not providers:
        return sections
    there = {section.provider for section in sections}
    for name in providers:
        if name not in there:
            raise UsageError(f"--provider {name}: the report has only {', '.join(sorted(there))}")
    return [section for section in sections if section.provider in providers]


def _as_json(finding: GateResult, written: dict[tuple[str, str], Path]) -> dict[str, Any]:
    path = written.get((finding.provider, finding.clause))
    return {
        "provider": finding.provider,
        "clause": finding.clause,
        "standing": finding.status.value,
        "verdict": finding.verdict,
        "fails": finding.fails,
        "overdue": finding.overdue,
        "reason": finding.reason,
        "reproducer": str(path) if path else None,
    }


def _with_links(sections: list[Section], baseline: Baseline) -> list[Section]:
    """Return the sections with what the baseline knows of deviations that no provider's file does: a link discloses."""
    out = []
    for section in sections:
        entries = baseline[section.provider].entries if section.provider in baseline else {}
        results = [
            replace(result, expectation=expectation_record(entry.expectation))
            if result.expectation is None
            and (entry := entries.get(result.clause)) is not None
            and result.verdict in entry.expectation.verdicts
            else result
            for result in section.results
        ]
        out.append(Section(header=section.header, results=results, footer=section.footer))
    return out


def _notes(sections: list[Section], baseline: Baseline) -> list[str]:
    """Return what differs between report and baseline apart from the verdicts: the backend, the contract."""
    notes = []
    for section in sections:
        accepted = baseline.get(section.provider)
        backend = section.header.backend.title
        if accepted is not None and accepted.backend and accepted.backend != backend:
            notes.append(f"{section.provider}: {backend}; the baseline was accepted with {accepted.backend}")
        if accepted is not None and accepted.contract and accepted.contract != section.header.contract:
            notes.append(f"{section.provider}: contract {section.header.contract}; accepted under {accepted.contract}")
    return notes


def _show(
    findings: list[GateResult],
    written: dict[tuple[str, str], Path],
    notes: list[str],
    code: ExitCode,
    *,
    verbose: bool,
) -> None:
    console = Console(highlight=False, soft_wrap=True, markup=False)
    for note in notes:
        show(console, note)
    for finding in findings:
        if finding.quiet and not verbose:
            continue
        show(console, _line(finding, written))
    show(console, tally(findings))
    overdue = sum(finding.overdue for finding in findings)
    if overdue:
        show(console, f"{overdue} of the expected are past their review")
    show(console, "gate: passed" if code is ExitCode.OK else f"gate: failed (exit code {code.value})")


def _line(finding: GateResult, written: dict[tuple[str, str], Path]) -> str:
    where = f"{finding.provider} {finding.clause}".strip()
    reason = " ".join(finding.reason.split())
    if len(reason) > LONGEST_LINE:
        reason = reason[:LONGEST_LINE] + "…"
    tail = ""
    path = written.get((finding.provider, finding.clause))
    if path is not None:
        tail = f" [{path}]"
    elif finding.fails and finding.result is not None and finding.result.reproducer:
        tail = " [reproducer in the report; --reproducers DIR writes it]"
    return f"{'✗' if finding.fails else ' '} {finding.status.value:17} {where}: {reason}{tail}"
