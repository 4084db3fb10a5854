"""``conformance show CLAUSE``: everything a clause states."""

from __future__ import annotations

import argparse
import inspect
from typing import Any

from rich.markup import escape

from bucket_conformance.conformance.catalogue import UnknownClause, select
from bucket_conformance.conformance.cli import consoles
from bucket_conformance.conformance.cli.exit_codes import ExitCode
from bucket_conformance.conformance.endpoint_options import UsageError
from bucket_conformance.conformance.report.terminal import say


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("show", help="show all that a clause states")
    parser.add_argument("clause", metavar="CLAUSE", help="an id such as URL-003, or a pattern")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> ExitCode:
    try:
        found = select(patterns=[args.clause])
    except UnknownClause as error:
        raise UsageError(str(error)) from None
    console = consoles.output()
    for entry in found:
        clause = entry.clause
        say(console, f"{clause.level.value}  profile {clause.profile.value}", start=f"{clause.id}  ", sign="bold")
        say(console, clause.title, start="  ", style="bold")
        say(console, clause.statement, start="  ")
        say(console, clause.consequence, start="  if broken  ")
        for source in clause.sources:
            # An address is to be copied, so it is never broken.
            console.print(f"  source     {escape(source)}", soft_wrap=True)
        needs = ", ".join(sorted(capability.value for capability in clause.requires))
        say(console, needs or "nothing special", start="  requires   ")
        say(console, ", ".join(entry.proved_by), start="  proved by  ")
        for case in entry.cases:
            function = inspect.unwrap(case.function)
            file = inspect.getsourcefile(function) or "?"
            where = "/".join(file.split("/")[-3:])
            say(console, f"{function.__name__} ({where}:{inspect.getsourcelines(function)[1]})", start="  case       ")
        console.print()
    return ExitCode.OK
