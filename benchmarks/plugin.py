"""What the pytest plugin costs a project that does not use it: collecting nothing, with and without the plugin."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile

ROUNDS = 20
BOUND = 1.03
"""The largest ratio that chance explains: the run with the plugin may take this much longer."""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        ratios = []
        for turn in range(ROUNDS + 1):
            pair = {}
            # Alternate the two, and which one runs first, so that a slow moment of the machine affects both.
            for without in (True, False) if turn % 2 else (False, True):
                pair[without] = _collect_s(folder, ["-p", "no:conformance"] if without else [])
            if turn:  # the first writes byte code
                ratios.append(pair[False] / pair[True])
    ratio = statistics.median(ratios)
    verdict = "within" if ratio <= BOUND else "above"
    print(
        f"pytest --collect-only of an empty project, with the plugin by without: median {ratio:.3f} of {ROUNDS} pairs "
        f"({verdict} {BOUND}), middle half {_quarter(ratios, 1):.3f} to {_quarter(ratios, 3):.3f}",
        flush=True,
    )


def _quarter(ratios: list[float], number: int) -> float:
    return statistics.quantiles(ratios, n=4)[number - 1]


def _collect_s(folder: str, more: list[str]) -> float:
    """Return the seconds of processor time that one run takes."""
    command = [sys.executable, "-P", "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *more]
    before = _of_children_s()
    subprocess.run(command, cwd=folder, capture_output=True, check=False)
    return _of_children_s() - before


def _of_children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
