"""The command ``conformance``."""

from __future__ import annotations

import argparse
import atexit
import contextlib
import gc
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final

from bucket_conformance.conformance.backend.errors import OpeningError
from bucket_conformance.conformance.cli import consoles
from bucket_conformance.conformance.cli.exit_codes import ExitCode
from bucket_conformance.conformance.cli.worker.pool import Interrupted
from bucket_conformance.conformance.endpoint_options import UsageError
from bucket_conformance.conformance.engine.release import suite_version
from bucket_conformance.conformance.report.document import DocumentError
from bucket_conformance.conformance.report.untrusted import echo
from bucket_conformance.providers.provider import LaunchError, ProviderError

COMMANDS: Final = (
    "run",
    "list",
    "show",
    "install",
    "merge",
    "gate",
    "accept",
    "compare",
    "report",
    "site",
    "findings",
    "advice",
    "clean",
)
"""Each is a module ``<name>_command`` in this package."""


def parser(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Return the parser for a command line; of its commands only the one that ``words`` begin with, if they do."""
    top = argparse.ArgumentParser(
        prog="conformance",
        description="Judge object storage by a contract: run it before you trust a bucket.",
        epilog="Exit codes: 0 as expected, 1 an unexpected deviation, 2 wrong usage, 3 a backend could not be judged.",
    )
    top.add_argument("--version", action="version", version=f"bucket-conformance {suite_version()}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    # Each brings libraries along that the others do not need, and a command should start at once.
    for name in words[:1] if words and words[0] in COMMANDS else COMMANDS:
        importlib.import_module(f"bucket_conformance.conformance.cli.{name}_command").add_parser(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. Expected errors end in one line, never in a traceback."""
    consoles.tolerate_narrow_encodings()
    # Nothing is left to collect when we end, and looking for it takes longer than many a command.
    atexit.register(gc.freeze)
    words = sys.argv[1:] if argv is None else argv
    try:
        args = parser(words).parse_args(words)
        code = int(args.command(args))
        sys.stdout.flush()
        return code
    except (UsageError, ProviderError) as error:
        echo(f"conformance: {error}", file=sys.stderr)
        return int(ExitCode.USAGE)
    except OpeningError as error:
        echo(f"conformance: {error}", file=sys.stderr)
        return int(ExitCode.USAGE if error.usage else ExitCode.HARNESS)
    except DocumentError as error:
        echo(f"conformance: {error}", file=sys.stderr)
        return int(ExitCode.HARNESS)
    except LaunchError as error:
        echo(f"conformance: {error}" + (f"\n{error.log}" if error.log else ""), file=sys.stderr)
        return int(ExitCode.HARNESS)
    except Interrupted as interrupt:
        if interrupt.killed:
            names = ", ".join(interrupt.killed)
            echo(f"\nconformance: interrupted; {names} did not end in time: run `conformance clean`", file=sys.stderr)
        elif interrupt.leaves:
            echo("\nconformance: interrupted; what is named above is left, the rest is removed", file=sys.stderr)
        else:
            echo("\nconformance: interrupted; what the run created is removed", file=sys.stderr)
        return int(ExitCode.INTERRUPTED)
    except KeyboardInterrupt:
        echo("\nconformance: interrupted", file=sys.stderr)
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        _discard_output()
        return int(ExitCode.BROKEN_PIPE)
    except OSError as error:
        what = ": ".join(str(part) for part in (error.filename, error.strerror or error) if part)
        echo(f"conformance: {what}", file=sys.stderr)
        _discard_output()
        return int(ExitCode.HARNESS)


def _discard_output() -> None:
    # The reader of our output has ended (`| head`), or its disk is full; Python must not try once more at exit.
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
