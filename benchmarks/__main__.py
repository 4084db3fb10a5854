"""``python -m benchmarks [NAME…]``: prints the figures of the named benchmarks, or of all."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

from benchmarks import listing, local, memory, migrate, overhead, pages, parallel, plugin, profiles, small, transfer

BENCHMARKS: Final[dict[str, Callable[[], None]]] = {
    "profiles": profiles.main,
    "memory": memory.main,
    "migrate": migrate.main,
    "transfer": transfer.main,
    "listing": listing.main,
    "local": local.main,
    "small": small.main,
    "overhead": overhead.main,
    "parallel": parallel.main,
    "pages": pages.main,
    "plugin": plugin.main,
}


def main() -> int:
    wanted = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in wanted if name not in BENCHMARKS]
    if unknown:
        print(f"unknown benchmark {unknown[0]!r}; known: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    for name in wanted:
        print(f"== {name}", flush=True)
        BENCHMARKS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
