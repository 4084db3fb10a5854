"""``python -m bucket_conformance.reference_impl``: parsing, exit codes, and the messages when something fails."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, Final

from bucket_conformance.reference_impl import cli_files, keys
from bucket_conformance.reference_impl.api import MAX_URL_LIFE_S, Storage
from bucket_conformance.reference_impl.cli_output import Console, UsageError, plain
from bucket_conformance.reference_impl.errors import StorageError
from bucket_conformance.reference_impl.settings import SECRET, Settings, SettingsError, load, open_storage

PROGRAM: Final = "python -m bucket_conformance.reference_impl"

OK, FAILED, USAGE, UNEXPECTED, INTERRUPTED, NO_READER = 0, 1, 2, 3, 130, 141

_EXIT_CODES: Final = """\
exit codes:
  0    done
  1    the storage refused or failed, for at least one file
  2    wrong arguments, or wrong or missing AP_* variables (all of them are named)
  3    a defect of this program
  130  interrupted by Ctrl-C
  141  whoever read the output closed it

The storage is the one that the AP_* variables describe; `check` tries it. Results go to stdout, with --json as one
JSON object (`ls`: one per file and line; a failure: {"error": …}); notes, failures and progress go to stderr.
"""

_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}

Command = Callable[[Storage, argparse.Namespace, Console], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; prints only to stdout and stderr."""
    try:
        for stream in (sys.stdout, sys.stderr):
            # A terminal that cannot show a key must not end the command.
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        args = _parser().parse_args(argv, argparse.Namespace(json=False, quiet=False))
        code = _run(args, Console(as_json=args.json, quiet=args.quiet))
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The interpreter flushes stdout once more at exit and would complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_READER
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def _run(args: argparse.Namespace, console: Console) -> int:
    try:
        code: int = args.run(args, console)
        return code
    except SettingsError as error:
        problems = [{"name": one.name, "value": one.value, "allowed": one.allowed} for one in error.problems]
        document = {"code": "settings", "problems": problems, "warnings": error.warnings}
        return _fail(args, USAGE, str(error), document)
    except UsageError as error:
        return _fail(args, USAGE, str(error), {"code": "usage", "hint": str(error)})
    except StorageError as error:
        failure = {"code": error.code.value, "operation": error.operation, "key": error.key, "hint": error.hint}
        return _fail(args, FAILED, str(error), failure)
    except BrokenPipeError:
        raise
    except OSError as error:
        # Of the caller's own files: storages turn theirs into StorageError.
        said = f"{error.filename or 'stdin or stdout'}: {error.strerror}"
        return _fail(args, FAILED, said, {"code": "file", "hint": said})
    except Exception as error:
        said = f"defect: {_masked(f'{type(error).__name__}: {error}')}"
        print("".join(traceback.format_tb(error.__traceback__)), end="", file=sys.stderr)
        return _fail(args, UNEXPECTED, f"{said}; please report it with the lines above", {"code": "defect"})


def _fail(args: argparse.Namespace, code: int, said: str, document: dict[str, Any]) -> int:
    for line in f"error: {said}".splitlines():
        print(plain(line), file=sys.stderr)
    to_stdout = getattr(args, "command", "") == "get" and args.file == "-"
    if args.json and not to_stdout:
        print(json.dumps({"error": document}))
    return code


def _masked(text: str) -> str:
    for name in SECRET:
        if os.environ.get(name):
            text = text.replace(os.environ[name], "***")
    return text


def _settings(console: Console) -> Settings:
    settings = load(os.environ)
    for warning in settings.warnings:
        console.note(f"warning: {warning}")
    return settings


def _on_storage(command: Command) -> Callable[[argparse.Namespace, Console], int]:
    return lambda args, console: command(open_storage(_settings(console)), args, console)


def _upkeep(name: str, needs: str) -> Callable[[argparse.Namespace, Console], int]:
    def run(args: argparse.Namespace, console: Console) -> int:
        from bucket_conformance.reference_impl import cli_upkeep

        command = getattr(cli_upkeep, name)
        if needs == "nothing":
            return int(command(args, console))
        settings = _settings(console)
        return int(command(settings if needs == "settings" else open_storage(settings), args, console))

    return run


def _life(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,9})([smhd]?)", text)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 1 <= seconds <= MAX_URL_LIFE_S:
        raise argparse.ArgumentTypeError(f"{text!r} is not 1s to 7d; write seconds, or a number with s, m, h or d")
    return seconds


def _days(text: str) -> tuple[str, int]:
    name, sign, number = text.partition("=")
    if name not in keys.FILE_TYPES or not sign or not re.fullmatch(r"[0-9]{1,9}", number) or int(number) < 1:
        known = ", ".join(keys.FILE_TYPES)
        raise argparse.ArgumentTypeError(f"{text!r} is not TYPE=DAYS with TYPE of {known} and DAYS of 1 or more")
    return name, int(number)


def _at_least_one(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 999")
    return int(text)


def _positive(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,15}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1 to 65535")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print the result as JSON")
    common.add_argument("--quiet", action="store_true", default=argparse.SUPPRESS, help="show no progress")
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Files of the product on local disk or in an S3-compatible bucket.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[common],
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace, Console], int], about: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=about, description=about, parents=[common], allow_abbrev=False)
        made.set_defaults(run=run)
        return made

    add("check", _on_storage(cli_files.check), "write, read, list and remove one probe object")
    made = add("put", _on_storage(cli_files.put), "store a file under a key")
    made.add_argument("file", metavar="FILE", help="a file, or - for stdin")
    made.add_argument("key", metavar="KEY")
    made.add_argument("--content-type", metavar="TYPE")
    made = add("get", _on_storage(cli_files.get), "write the file at a key, whole or not at all")
    made.add_argument("key", metavar="KEY")
    made.add_argument("file", metavar="FILE", help="a file, or - for stdout")
    made = add("url", _on_storage(cli_files.url), "print a signed URL")
    made.add_argument("key", metavar="KEY")
    made.add_argument("--expires", metavar="LIFE", type=_life, help="1s to 7d, such as 90s, 15m, 12h (default: as set)")
    made.add_argument("--file-name", metavar="NAME", help="save it under this name when downloaded")
    made.add_argument("--upload", action="store_true", help="for one PUT instead of GET")
    made.add_argument("--content-type", metavar="TYPE", help="with --upload: what the PUT must send")
    made = add("ls", _on_storage(cli_files.ls), "list time, size in bytes and key of what is stored")
    made.add_argument("prefix", metavar="PREFIX", nargs="?", default="")
    made = add("rm", _on_storage(cli_files.rm), "delete keys; a missing one is no error")
    made.add_argument("keys", metavar="KEY", nargs="+", help="keys, or a single - for one key per line of stdin")
    made = add("usage", _upkeep("usage", "storage"), "count files and bytes per platform or project and type")
    made.add_argument("prefix", metavar="PREFIX", nargs="?", default="")
    _add_migrate(add("migrate", _upkeep("migrate", "nothing"), "copy every file to another storage, verified"))
    _add_retention(commands, common)
    made = add("serve", _on_storage(cli_files.serve), "serve the signed URLs of local disk until interrupted")
    made.add_argument("--host", default="127.0.0.1")
    made.add_argument("--port", type=_port, default=9400)
    for name, default, what in (
        ("--max-upload-bytes", 5 * 1024**3, "longest body of one PUT, beyond which it gets 413"),
        ("--max-connections", 200, "connections open at once; beyond it idle ones are closed"),
        ("--idle-timeout", 30, "seconds that a client may be silent"),
        ("--request-timeout", 3600, "seconds that one request may take in all"),
    ):
        made.add_argument(name, metavar="N", type=_positive, default=default, help=f"{what} (default: {default})")
    return parser


def _add_migrate(made: argparse.ArgumentParser) -> None:
    for name, dest, default in (("--from", "source", "local"), ("--to", "target", "s3")):
        made.add_argument(name, dest=dest, choices=("local", "s3"), default=default, help=f"default: {default}")
    for name in ("--from-root", "--to-root"):
        made.add_argument(name, metavar="FOLDER", help="the local folder, instead of AP_LOCAL_STORAGE_ROOT")
    made.add_argument("--prefix", default="", help="only keys that begin so")
    made.add_argument("--journal", metavar="FILE", help="remembers finished files (default: one per source and target)")
    made.add_argument("--no-journal", action="store_true", help="compare every file again instead")
    made.add_argument("--dry-run", action="store_true", help="compare and say what would be sent; write nothing")
    made.add_argument("--remove-source", action="store_true", help="delete each source once its copy is verified")
    made.add_argument("--include-outside", action="store_true", help="copy names outside the key layout too")
    made.add_argument("--overwrite", action="store_true", help="replace other bytes at the target even if newer")
    made.add_argument("--read-back", action="store_true", help="verify by reading back, never by ETag")
    made.add_argument("--no-bulk", action="store_true", help="send small files by boto3 too, even if obstore is there")
    made.add_argument("--workers", type=_at_least_one, default=8, metavar="N", help="files at once (default: 8)")


def _add_retention(commands: Any, common: argparse.ArgumentParser) -> None:
    about = "show or set how long files of a type are kept"
    made = commands.add_parser("retention", help=about, description=about, parents=[common], allow_abbrev=False)
    actions = made.add_subparsers(dest="action", required=True, metavar="show|apply|sweep")

    def add(name: str, command: str, needs: str, about: str) -> argparse.ArgumentParser:
        action: argparse.ArgumentParser = actions.add_parser(
            name, help=about, description=about, parents=[common], allow_abbrev=False
        )
        action.set_defaults(run=_upkeep(command, needs))
        return action

    show = add("show", "retention_show", "settings", "show the lifecycle rules of the bucket")
    show.add_argument("--explain", action="store_true", help="count the stored files that each rule matches")
    apply = add(
        "apply",
        "retention_apply",
        "settings",
        "set lifecycle rules, one per owner and type, in place of all that were set so before; keep foreign ones",
    )
    for scope in ("platform", "project"):
        apply.add_argument(
            f"--{scope}", action="append", default=[], metavar="ID", help="default: all that store files"
        )
    sweep = add(
        "sweep", "retention_sweep", "storage", "delete old files now; on local disk also what killed uploads left"
    )
    for action in (apply, sweep):
        action.add_argument("--days", action="append", type=_days, required=True, metavar="TYPE=DAYS")
        action.add_argument("--dry-run", action="store_true", help="say what would be done")
