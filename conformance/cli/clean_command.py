"""``conformance clean``: find and remove what killed runs left behind, here and in a bucket."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from conformance.cli.exit_codes import ExitCode
from conformance.endpoint_options import add_endpoint_options, endpoint_of
from conformance.leftovers import clean_endpoint
from conformance.target import S3Endpoint
from providers.launch.folders import leftovers, remove_leftovers


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "clean",
        help="remove what killed runs left behind",
        description="Removes data folders and servers of runs that were killed; with --endpoint or --env also buckets "
        "and objects that bear a run's mark. Nothing else is touched.",
    )
    add_endpoint_options(parser)
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> ExitCode:
    def progress(text: str) -> None:
        print(text)

    endpoint = endpoint_of(args, os.environ)
    found = leftovers() if args.dry_run else remove_leftovers(progress)
    if args.dry_run:
        for leftover in found:
            print(f"would remove {leftover.path} ({leftover.size} bytes, {len(leftover.pids)} processes)")
    count = len(found)
    if endpoint is not None:
        ca_file = endpoint.pop("ca_file", None)
        target = S3Endpoint(ca_file=Path(ca_file) if ca_file else None, **endpoint)
        for name in clean_endpoint(target, dry_run=args.dry_run):
            count += 1
            print(f"{'would remove' if args.dry_run else 'removed'} {name}")
    if not count:
        print("nothing was left behind")
    return ExitCode.OK
