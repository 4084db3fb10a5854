"""``conformance run``: judge providers, or any endpoint, and end in a matrix and an exit code."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import random
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from msgspec.structs import replace

from bucket_conformance.conformance.backend.run_ids import new_run_id
from bucket_conformance.conformance.catalogue import UnknownClause
from bucket_conformance.conformance.cli import consoles
from bucket_conformance.conformance.cli.exit_codes import ExitCode
from bucket_conformance.conformance.cli.progress import Progress
from bucket_conformance.conformance.cli.selection import add_selection_options, wanted
from bucket_conformance.conformance.cli.worker.job_record import EndpointRecord, Job
from bucket_conformance.conformance.cli.worker.pool import (
    STOPPED,
    Event,
    Idle,
    Interrupted,
    run_workers,
    start_idle,
)
from bucket_conformance.conformance.contract import Profile
from bucket_conformance.conformance.effort import Mode
from bucket_conformance.conformance.endpoint_options import UsageError, add_endpoint_options, endpoint_of
from bucket_conformance.conformance.expectations import ExpectationError, fails, is_undecided_core, read_expectations
from bucket_conformance.conformance.report import footnotes, terminal
from bucket_conformance.conformance.report.disclosure import published
from bucket_conformance.conformance.report.document import Footer, Header, Message, Opening, Result, Section, line
from bucket_conformance.conformance.report.reproducers import write_reproducers
from bucket_conformance.conformance.report.untrusted import echo
from bucket_conformance.conformance.verdict import Verdict
from bucket_conformance.providers import discover, expectations


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "run",
        help="judge providers (default: local_disk, seaweedfs, moto) or any endpoint",
        description="Judge backends by the contract. Exit code 0: no unexpected deviation from a MUST; 1: some; "
        "2: wrong usage; 3: a backend could not be judged.",
    )
    parser.add_argument("providers", nargs="*", metavar="PROVIDER", help="ids from `conformance list providers`")
    add_selection_options(parser)
    add_endpoint_options(parser)
    what = parser.add_argument_group("what to judge")
    what.add_argument(
        "--profile", action="append", choices=[p.value for p in Profile], help="core or s3 (default: both)"
    )
    what.add_argument("--clause", action="append", metavar="PATTERN", help="an id, a family or a pattern; repeatable")
    how = parser.add_argument_group("how hard")
    how.add_argument("--quick", action="store_true", help="every clause and boundary, few generated examples")
    how.add_argument("--deep", type=float, metavar="SECONDS", help="spend about so much time per provider")
    how.add_argument("--seed", type=int, metavar="N", help="repeat the generated data of an earlier run")
    how.add_argument("--max-requests", type=int, metavar="N", help="send at most about N requests per provider")
    how.add_argument(
        "--limits", action="store_true", help="also search the true limits (batch, key, URL life, …) and show them"
    )
    how.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="processes that judge at once (default: one per core, and one more for more providers than cores); "
        "those left over share a provider's clauses",
    )
    how.add_argument(
        "--keep-versions",
        action="store_true",
        help="run in a bucket that keeps old versions even where those of the run cannot be removed; they stay",
    )
    out = parser.add_argument_group("output")
    out.add_argument("--report", metavar="FILE", help="write the report document (JSON Lines)")
    out.add_argument(
        "--json", action="store_true", help="the report document on standard output, and nothing else there"
    )
    out.add_argument("--reproducers", metavar="DIR", help="write the reproducers of all deviations there")
    out.add_argument(
        "--public",
        action="store_true",
        help="leave the evidence of attacks that are not disclosed out of all that is written (SECURITY.md)",
    )
    out.add_argument("--expectations", metavar="FILE", help="known deviations (TOML) instead of the provider's own")
    out.add_argument("-v", "--verbose", action="store_true", help="show expected deviations too")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> ExitCode:
    jobs = _jobs(args, os.environ)
    at_once = args.jobs or _at_once(len(jobs))
    helpers = _helpers(args, at_once, backends=len(jobs))
    sections: dict[str, Section] = {}
    broken: dict[str, str] = {}
    remedies: dict[str, str] = {}
    crashed: list[str] = []
    with ExitStack() as stack:
        report = stack.enter_context(ReportFile(args.report))
        names = [job.provider for job in jobs]
        # Of few clauses none are shared, and a pattern may choose few.
        worker = stack.enter_context(start_idle(helpers=0 if args.clause else helpers))
        clauses = _clauses(worker, args)
        jobs = [replace(job, clauses=tuple(clauses), helpers=helpers) for job in jobs]
        slow_first = sorted(jobs, key=lambda job: not job.slow)
        progress = stack.enter_context(Progress(names, len(clauses), consoles.errors()))
        try:
            for event in run_workers(slow_first, at_once=at_once, first=worker):
                if event.line is None:
                    # A section is written in one piece when it is whole: workers run side by side.
                    _write(report, args, sections, event.provider)
                    _note_end(event, sections, broken)
                    if event.exit_code not in (0, STOPPED):
                        crashed.append(event.provider)
                    continue
                if isinstance(event.line, Opening):
                    remedies[event.provider] = event.line.remove_with
                    continue
                progress.tell(event.provider, event.line)
                _collect(sections, event.provider, event.line)
        except Interrupted as interrupt:
            # Without a footer: readers of the report see that it is cut off.
            for name in interrupt.killed:
                _write(report, args, sections, name)
            lost = {name: remedies[name] for name in (*crashed, *interrupt.killed) if name in remedies}
            interrupt.leaves = _say_left_behind(sections, lost)
            raise
    for provider, why in broken.items():
        echo(f"conformance: {provider}: the worker ended without a report: {why}", file=sys.stderr)
    _say_left_behind(sections, {name: remedies[name] for name in crashed if name in remedies})
    shown = [_shown(sections[name], args) for name in names if name in sections]
    written, unwritten = _reproducers(shown, args.reproducers)
    if shown and not args.json:
        console = consoles.output()
        console.print()
        terminal.answers(shown, console)
        terminal.deviations(shown, console, verbose=args.verbose)
        console.print()
        terminal.matrix(shown, console)
        footnotes.limits(shown, console)
        footnotes.costs(shown, console)
        if args.report and not report.failure:
            console.print(f"\nreport: {args.report}", markup=False, soft_wrap=True)
        if args.reproducers and not unwritten:
            console.print(
                f"\n{written} reproducer{'s' * (written != 1)}: {args.reproducers}", markup=False, soft_wrap=True
            )
    if report.failure:
        echo(f"conformance: the report is not complete: {report.failure}", file=sys.stderr)
    if unwritten:
        echo(f"conformance: --reproducers {unwritten}", file=sys.stderr)
    if report.failure or unwritten:
        return ExitCode.HARNESS
    return _exit_code(shown, broken)


def _reproducers(sections: list[Section], folder: str | None) -> tuple[int, str]:
    """Write the reproducers; return their number, and what went wrong: the run is over and must keep its results."""
    if folder is None:
        return 0, ""
    try:
        return len(write_reproducers(sections, Path(folder))), ""
    except OSError as error:
        return 0, f"{error.filename or folder}: {error.strerror}"


def _say_left_behind(sections: Mapping[str, Section], lost: Mapping[str, str]) -> bool:
    """Say what is left, and the command that removes it; return whether anything is, or may be.

    ``lost``: by provider, the command for what a worker may have left that did not end in order.
    """
    reported = False
    for section in sections.values():
        footer = section.footer
        if footer is None:
            continue
        if footer.note:
            echo(f"conformance: {section.provider}: note: {footer.note}", file=sys.stderr)
        if footer.left_behind:
            reported = True
            echo(f"conformance: {section.provider}: could not be removed: {footer.left_behind}", file=sys.stderr)
            _say_command(footer.remove_with)
    for provider, command in lost.items():
        closed = sections[provider].footer if provider in sections else None
        if closed is not None and closed.remove_with:
            continue
        reported = True
        echo(f"conformance: {provider}: what its run made may be left, as it did not end in order", file=sys.stderr)
        echo("    helper processes of this run end within seconds; wait for that", file=sys.stderr)
        _say_command(command)
    return reported


def _say_command(command: str) -> None:
    if command:
        echo("    this removes it, with credentials in the environment as for the run:", file=sys.stderr)
        for each in command.splitlines():
            echo(f"    {each}", file=sys.stderr)


def _jobs(args: argparse.Namespace, environ: Mapping[str, str]) -> list[Job]:
    """Return what each provider's worker is to do, all but the clauses and who shares them."""
    for option, value in (("--max-requests", args.max_requests), ("--jobs", args.jobs)):
        if value is not None and value < 1:
            raise UsageError(f"{option} is {value}; at least 1 is needed")
    if args.deep is not None and not 1 <= args.deep < math.inf:
        raise UsageError(f"--deep is {args.deep:g}; give seconds, at least 1")
    if args.quick and args.deep is not None:
        raise UsageError("--quick and --deep exclude each other")
    if args.seed is not None and not 0 <= args.seed < 2**63:
        raise UsageError(f"--seed is {args.seed}; give a number from 0 to {2**63 - 1}")
    seed = args.seed if args.seed is not None else random.SystemRandom().randrange(2**31)
    mode = Mode.QUICK if args.quick else Mode.DEEP if args.deep else Mode.DEFAULT
    if args.expectations:
        _check_expectations(Path(args.expectations), must_exist=True)
    common = Job(
        provider="endpoint",
        seed=seed,
        mode=mode,
        budget_s=args.deep,
        max_requests=args.max_requests,
        limits=args.limits,
        provider_files=tuple(args.provider_file),
        launch=args.launch,
        tls=args.tls,
        checksums=args.checksums,
        keep_versions=args.keep_versions,
        install=args.install,
        skip_missing=args.skip_missing or args.all,
        expectations=args.expectations,
    )
    endpoint = endpoint_of(args, environ)
    if endpoint is not None:
        if args.providers or args.launch or args.all or args.tls:
            raise UsageError(
                "--endpoint and --env judge one endpoint; name no provider and no launch together with them"
            )
        return [replace(common, endpoint=EndpointRecord(**endpoint), launch=None, run_id=new_run_id())]
    known = discover([Path(path) for path in args.provider_file])
    jobs = []
    for name in wanted(args, known):
        path = expectations.of(known[name])
        if path is not None:
            _check_expectations(path, must_exist=known[name].expectations is not None)
        chosen_file = args.expectations or (str(path) if path else None)
        own = {"expectations": chosen_file, "slow": known[name].slow}
        jobs.append(replace(common, provider=name, run_id=new_run_id(), **own))
    return jobs


def _at_once(backends: int) -> int:
    """Return how many to judge at once: of many some wait at any time, for a server that does not answer or starts."""
    cores = os.cpu_count() or 1
    return cores if backends <= cores else cores + 1


def _helpers(args: argparse.Namespace, at_once: int, *, backends: int) -> int:
    """Return how many further processes share a backend's clauses; none where its requests are rationed."""
    return at_once // backends - 1 if at_once >= backends and args.max_requests is None else 0


def _clauses(worker: Idle, args: argparse.Namespace) -> list[str]:
    """Return the ids that ``--clause`` and ``--profile`` choose, as the worker says, which has the clauses loaded."""
    try:
        chosen = worker.select(args.clause or (), args.profile or ())
    except UnknownClause as error:
        raise UsageError(str(error)) from None
    if not chosen:
        raise UsageError("no clause is in every one of the given profiles and patterns")
    return chosen


def _check_expectations(path: Path, *, must_exist: bool) -> None:
    if must_exist and not path.exists():
        raise UsageError(f"expectations: there is no file {path}")
    try:
        read_expectations(path)
    except ExpectationError as error:
        raise UsageError(str(error)) from None


class ReportFile:
    """The file of ``--report``, or nothing. A disk that is full must not cost the run its other results."""

    def __init__(self, path: str | None) -> None:
        self.failure = ""
        self._path = path
        self._file: IO[str] | None = None
        if path is not None:
            try:
                self._file = Path(path).open("w", encoding="ascii")  # noqa: SIM115 - closed with the context
            except OSError as error:
                raise UsageError(f"--report {path}: {error.strerror}") from None

    def __enter__(self) -> ReportFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._try(lambda file: file.close())

    def write(self, lines: list[str]) -> None:
        self._try(lambda file: (file.writelines(lines), file.flush()))

    def _try(self, do: Callable[[IO[str]], object]) -> None:
        if self._file is None or self.failure:
            return
        try:
            do(self._file)
        except OSError as error:
            self.failure = f"{self._path}: {error.strerror}"
            with contextlib.suppress(OSError):
                self._file.close()


def _shown(section: Section, args: argparse.Namespace) -> Section:
    return published(section) if args.public else section


def _write(report: ReportFile, args: argparse.Namespace, sections: Mapping[str, Section], provider: str) -> None:
    """Write what there is of a provider's section; its footer is missing where the run was interrupted."""
    if provider not in sections:
        return
    section = _shown(sections[provider], args)
    lines = [line(record) for record in section.lines()]
    report.write(lines)
    if args.json:
        sys.stdout.writelines(lines)
        sys.stdout.flush()


def _collect(sections: dict[str, Section], provider: str, reported: Message) -> None:
    if isinstance(reported, Header):
        sections[provider] = Section(header=reported)
    elif isinstance(reported, Result):
        sections[provider].results.append(reported)
    elif isinstance(reported, Footer):
        sections[provider].footer = reported


def _note_end(event: Event, sections: dict[str, Section], broken: dict[str, str]) -> None:
    if event.exit_code != 0:
        tail = event.log.strip().splitlines()[-12:]
        broken[event.provider] = f"exit code {event.exit_code}" + "".join(f"\n    {text}" for text in tail)


def _exit_code(sections: list[Section], broken: dict[str, str]) -> ExitCode:
    results = [result for section in sections for result in section.results]
    if broken or any(result.verdict is Verdict.ERROR for result in results):
        mistaken = sections and all(section.footer is not None and section.footer.usage_error for section in sections)
        return ExitCode.USAGE if mistaken and not broken else ExitCode.HARNESS
    undecided = _undecided(sections)
    if any(fails(verdict=r.verdict, level=r.level, expected=r.expected) for r in results):
        return ExitCode.REGRESSION
    return ExitCode.HARNESS if undecided else ExitCode.OK


def _undecided(sections: list[Section]) -> bool:
    """Report the clauses of the core that could not be decided; return whether there are any."""
    found = False
    for section in sections:
        clauses = [
            result.clause
            for result in section.results
            if is_undecided_core(
                verdict=result.verdict, level=result.level, profile=result.profile, expected=result.expected
            )
        ]
        if clauses:
            found = True
            echo(
                f"conformance: {section.provider}: could not decide {', '.join(clauses)} of the core; the reasons are"
                " in the report. Run again, or find out what disturbs the backend",
                file=sys.stderr,
            )
    return found
