"""Selects the providers that a run judges: the named ones, the embedded ones, or all that start here."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any, Final

from bucket_conformance.conformance.endpoint_options import UsageError
from bucket_conformance.conformance.report.untrusted import echo
from bucket_conformance.providers.provider import LaunchError, LaunchKind, Provider

EMBEDDED: Final = ("local_disk", "seaweedfs", "moto")
"""What is judged where nothing is named: no account and no container engine is needed for any of them."""


def add_selection_options(parser: Any) -> None:
    which = parser.add_argument_group("which providers, and how to bring them up")
    which.add_argument("--all", action="store_true", help="every provider that starts by itself on this machine")
    which.add_argument(
        "--install", action="store_true", help="first install what is missing, big builds and system packages too"
    )
    which.add_argument(
        "--skip-missing", action="store_true", help="skip providers that cannot run on this machine, with the reason"
    )
    which.add_argument(
        "--provider-file", action="append", metavar="FILE", default=[], help="your own provider, from a Python file"
    )
    which.add_argument("--tls", action="store_true", help="start them over https, with certificates made for the run")
    which.add_argument(
        "--checksums",
        choices=("when_required", "when_supported"),
        help="when the SDK adds checksums (default: what suits the provider)",
    )
    which.add_argument("--launch", choices=[kind.value for kind in LaunchKind], help="how to bring the backend up")


def wanted(args: argparse.Namespace, known: Mapping[str, Provider]) -> list[str]:
    """Return the ids to judge, each once. Raises ``UsageError`` for what is unknown, lacks the launch, or is none.

    With ``--all``, providers that cannot start are left out, and the reason is printed.
    """
    if args.all and args.providers:
        raise UsageError("--all takes no names")
    names = list(dict.fromkeys(args.providers or EMBEDDED))
    for name in names:
        if name not in known:
            raise UsageError(f"unknown provider {name!r}; known: {', '.join(sorted(known))}")
    launch = LaunchKind(args.launch) if args.launch else None
    if args.all:
        names = [name for name in known if _starts(known[name], launch, installing=args.install, tls=args.tls)]
        if not names:
            raise UsageError("no provider starts on this machine in that way; `conformance list providers` shows why")
    else:
        for name in names:
            try:
                provider = known[name].over_https() if args.tls else known[name]
                if launch:
                    provider.choose(launch)
            except LaunchError as error:
                raise UsageError(str(error)) from None
    return names


def _starts(provider: Provider, wanted: LaunchKind | None, *, installing: bool, tls: bool) -> bool:
    """Return whether the provider has such a launch that can be used. Remote services count only if requested."""
    try:
        provider = provider.over_https() if tls else provider
    except LaunchError as error:
        echo(f"{provider.id}: left out: {error}", file=sys.stderr)
        return False
    candidates = [
        candidate
        for candidate in provider.launches
        if candidate.kind is wanted or (wanted is None and candidate.kind is not LaunchKind.REMOTE)
    ]
    missing = []
    for candidate in candidates:
        found = candidate.availability()
        if found.ready or (installing and found.installable):
            return True
        missing.append(found.missing)
    if missing:
        echo(f"{provider.id}: left out: {' | '.join(missing)}", file=sys.stderr)
    return False
