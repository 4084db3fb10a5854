"""The command that removes what a run left, to be printed with it. It holds no credentials."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from bucket_conformance.conformance.session import MARK
from bucket_conformance.conformance.target import DiskRoot, S3Endpoint, Target


def removal_command(target: Target, run_ids: Sequence[str]) -> str:
    """Return the command that removes what these runs left in a target, whatever their age and their leases.

    '' where there is none: a disposable server ends with its data, and a user's own storage has no such command.
    """
    if isinstance(target, DiskRoot):
        roots = [f"{shlex.quote(str(target.root / f'{MARK}{run_id}-'))}*" for run_id in run_ids]
        return f"rm -r -- {' '.join(roots)}"
    if not isinstance(target, S3Endpoint) or target.disposable:
        return ""
    words = ["conformance", "clean", "--endpoint", target.url, "--region", target.region]
    if target.bucket is not None:
        words += ["--bucket", target.bucket]
    if target.addressing == "virtual":
        words.append("--virtual")
    if target.ca_file is not None:
        words += ["--ca-file", str(target.ca_file)]
    for run_id in run_ids:
        words += ["--run", run_id]
    return shlex.join(words)


def joined(texts: Sequence[str], separator: str) -> str:
    """Return those texts that say something, each once."""
    return separator.join(dict.fromkeys(filter(None, texts)))
