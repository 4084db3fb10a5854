"""Which release of the suite this is; alone here, so that the command line need not load what judges."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def suite_version() -> str:
    """Return the version of the installed package, or ``unknown`` where it runs from a bare source tree."""
    try:
        return version("bucket-conformance")
    except PackageNotFoundError:
        return "unknown"
