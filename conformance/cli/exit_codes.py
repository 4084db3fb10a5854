"""Exit codes, the same for every subcommand."""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """0: as expected. 1: a deviation that was not expected. 2: wrong usage. 3: a backend or we ourselves failed.

    130 and 141 are what shells say of programs that SIGINT or SIGPIPE ended.
    """

    OK = 0
    REGRESSION = 1
    USAGE = 2
    HARNESS = 3
    INTERRUPTED = 130
    BROKEN_PIPE = 141
