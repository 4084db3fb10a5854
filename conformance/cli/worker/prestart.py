"""Starts a worker together with the helpers that may share its clauses (argument: how many helpers).

Each takes most of a second to load. Here nothing is loaded before the others have begun, so that all load at once.
"""

from __future__ import annotations

import subprocess
import sys


def start_sibling() -> subprocess.Popen[str]:
    """Start a process that loads, and waits for an order on its standard input; it leaves at the end of that."""
    return subprocess.Popen(
        [sys.executable, "-m", "bucket_conformance.conformance.cli.worker.helper"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="ascii",
    )


def main() -> None:
    started = [start_sibling() for _ in range(int(sys.argv[1]))]
    from bucket_conformance.conformance.cli.worker import main as worker

    worker.main(started)


if __name__ == "__main__":
    main()
