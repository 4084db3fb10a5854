"""Commands of backends that consist of several programs; :mod:`process_group` runs them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bucket_conformance.providers.launch import process_group
from bucket_conformance.providers.launch.process import Command, LaunchContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """A program that runs to its end before the next step: at the first start only, not when the server is restarted.

    ``once`` is a name that no other step uses.
    """

    argv: Sequence[str]
    once: str
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """A program that stays in the foreground. ``port``: the next step waits until it accepts connections; 0: none."""

    argv: Sequence[str]
    port: int = 0
    env: Mapping[str, str] = field(default_factory=dict)
    daemon: bool = True


def several(context: LaunchContext, steps: Sequence[Once | Daemon]) -> Command:
    """Return one command that runs the steps in order and ends when any daemon ends."""
    plan = context.work / "plan.json"
    plan.write_text(json.dumps([asdict(step) for step in steps]), encoding="utf-8")
    plan.chmod(0o600)
    return Command(argv=(sys.executable, "-I", "-S", str(Path(process_group.__file__)), str(plan)))
