"""``conformance install PROVIDER…``: download in advance what a provider needs at its first use, or only on request."""

from __future__ import annotations

import argparse
import functools
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from bucket_conformance.conformance.cli.exit_codes import ExitCode
from bucket_conformance.conformance.endpoint_options import UsageError
from bucket_conformance.conformance.report.untrusted import echo
from bucket_conformance.providers import discover
from bucket_conformance.providers.provider import Launch, LaunchError, LaunchKind, Provider

_NOTHING_TO_FETCH: Final = frozenset({LaunchKind.EMBEDDED, LaunchKind.REMOTE})


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "install",
        help="fetch the servers of providers ahead of their first use",
        description="Fetch or build the servers of providers, once, into a cache. Big builds (minio, garage, …) and "
        "packages of the machine's own package manager come in only by this, never by `run`.",
    )
    parser.add_argument("providers", nargs="*", metavar="PROVIDER", help="ids from `conformance list providers`")
    parser.add_argument("--all", action="store_true", help="every provider that can be installed on this machine")
    parser.add_argument(
        "--launch",
        choices=[LaunchKind.PROCESS.value, LaunchKind.CONTAINER.value],
        help="what to install (default: the native program where there is one, else the image)",
    )
    parser.add_argument(
        "--provider-file", action="append", metavar="FILE", default=[], help="your own provider, from a Python file"
    )
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> ExitCode:
    known = discover([Path(path) for path in args.provider_file])
    if args.all == bool(args.providers):
        raise UsageError("name the providers to install, or give --all" if not args.all else "--all takes no names")
    for name in args.providers:
        if name not in known:
            raise UsageError(f"unknown provider {name!r}; known: {', '.join(sorted(known))}")
    with _stopped_as_by_the_keyboard():
        failed = _install_each(args, known)
    if failed:
        echo(f"conformance: not installed: {', '.join(failed)}", file=sys.stderr)
    return ExitCode.HARNESS if failed else ExitCode.OK


@contextmanager
def _stopped_as_by_the_keyboard() -> Iterator[None]:
    """Handle SIGTERM, as CI systems send it, like Ctrl-C: end what has been started first."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _install_each(args: argparse.Namespace, known: Mapping[str, Provider]) -> list[str]:
    """Return those that could not be installed."""
    failed: list[str] = []
    for name in dict.fromkeys(args.providers or sorted(known)):
        launch = _launch_of(known[name], args.launch)
        if launch is None:
            if not args.all:
                echo(f"{name}: nothing to install")
        elif args.all and (cannot := _cannot(launch)):
            echo(f"{name}: left out: {cannot}")
        elif not _install(name, launch):
            failed.append(name)
    return failed


def _launch_of(provider: Provider, wanted: str | None) -> Launch | None:
    """Return the launch to install: as requested, else the program, else the image; ``None``: nothing to fetch."""
    kinds = [LaunchKind(wanted)] if wanted else [LaunchKind.PROCESS, LaunchKind.CONTAINER]
    found = {launch.kind: launch for launch in reversed(provider.launches) if launch.kind not in _NOTHING_TO_FETCH}
    return next((found[kind] for kind in kinds if kind in found), None)


def _cannot(launch: Launch) -> str:
    """Return what this machine lacks for the installation; '' where it is only not installed yet."""
    availability = launch.availability()
    return "" if availability.ready or availability.installable else availability.missing


def _install(name: str, launch: Launch) -> bool:
    try:
        launch.install(functools.partial(_report, name))
    except LaunchError as error:
        log = f"\n{error.log}" if error.log and error.log not in str(error) else ""
        echo(f"conformance: {name}: {error}{log}", file=sys.stderr)
        return False
    echo(f"{name}: ready", flush=True)
    return True


def _report(name: str, text: str) -> None:
    echo(f"{name}: {text}", file=sys.stderr, flush=True)
