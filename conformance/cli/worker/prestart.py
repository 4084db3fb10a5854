"""Starts a worker together with the helpers that may share its clauses (argument: how many helpers).

Each takes most of a second to load. Here nothing is loaded before the others have begun, so that all load at once.
"""

from __future__ import annotations

import sys

from bucket_conformance.conformance.cli.worker.spawn import start_helper


def main() -> None:
    started = [start_helper() for _ in range(int(sys.argv[1]))]
    from bucket_conformance.conformance.cli.worker import main as worker

    worker.main(started)


if __name__ == "__main__":
    main()
