"""``conformance clean``: find and remove what killed runs left behind, here and in a bucket."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from bucket_conformance.conformance.backend.ages import seconds_of
from bucket_conformance.conformance.backend.leftovers import Outcome, clean_endpoint
from bucket_conformance.conformance.backend.run_ids import begun_at
from bucket_conformance.conformance.cli.exit_codes import ExitCode
from bucket_conformance.conformance.endpoint_options import UsageError, add_endpoint_options, endpoint_of
from bucket_conformance.conformance.target import S3Endpoint
from bucket_conformance.conformance.wire.exchange import visible
from bucket_conformance.providers.launch.folders import held_folders, leftovers, remove_leftovers
from bucket_conformance.providers.provider import LaunchError


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "clean",
        help="remove what killed runs left behind",
        description="Removes data folders and servers of runs that were killed; with --endpoint or --env also buckets "
        "and objects with a run's id in their name. Nothing else is touched. A lock marks the folders of active runs. "
        "In a bucket, what is younger than --older-than is kept and named, and so is what an active run holds by a "
        "fresh lease.",
    )
    add_endpoint_options(parser)
    parser.add_argument(
        "--older-than",
        metavar="AGE",
        default="1d",
        help="in a bucket or an account, only what is at least as old: 1d, 6h, 90m or 0 (default: 1d)",
    )
    parser.add_argument(
        "--run",
        metavar="ID",
        action="append",
        default=[],
        help="in a bucket or an account, only what this run left, whatever its age; repeatable",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> ExitCode:
    try:
        older_than_s = seconds_of(args.older_than)
    except ValueError as error:
        raise UsageError(f"--older-than: {error}") from None
    given = endpoint_of(args, os.environ)
    if args.run and given is None:
        raise UsageError("--run goes with --endpoint or --env")
    try:
        for run_id in args.run:
            begun_at(run_id)
    except ValueError as error:
        raise UsageError(f"--run: {error}") from None
    found, failures = _clean_here(dry_run=args.dry_run)
    if given is not None:
        ca_file = given.pop("ca_file", None)
        target = S3Endpoint(ca_file=Path(ca_file) if ca_file else None, **given)
        for cleaned in clean_endpoint(target, dry_run=args.dry_run, older_than_s=older_than_s, only_runs=args.run):
            found += 1
            match cleaned.outcome:
                case Outcome.REMOVED:
                    print(f"{'would remove' if args.dry_run else 'removed'} {visible(cleaned.text)}")
                case Outcome.KEPT:
                    print(f"kept {visible(cleaned.text)}")
                case Outcome.NOTE:
                    print(f"note: {visible(cleaned.text)}")
                case Outcome.FAILED:
                    failures += 1
                    _complain(cleaned.text)
    if not found and not failures:
        print("nothing was left behind")
    return ExitCode.HARNESS if failures else ExitCode.OK


def _clean_here(*, dry_run: bool) -> tuple[int, int]:
    """Clean this machine; return how many things were reported, and how many could not be removed."""

    def progress(text: str) -> None:
        print(text)

    try:
        found = leftovers() if dry_run else remove_leftovers(progress)
        held = held_folders()
    except (LaunchError, OSError) as error:
        # The bucket can be cleaned nevertheless.
        _complain(str(error))
        return 0, 1
    failed = [leftover for leftover in found if leftover.failure]
    for leftover in failed:
        _complain(f"could not remove {leftover.path}: {leftover.failure}")
    if dry_run:
        for leftover in found:
            print(f"would remove {leftover.path} ({leftover.size} bytes, {len(leftover.pids)} processes)")
    for folder in held:
        print(f"kept {folder}: its run is at work; end that first")
    return len(found) + len(held), len(failed)


def _complain(text: str) -> None:
    sys.stdout.flush()
    print(f"conformance: {visible(text)}", file=sys.stderr)
