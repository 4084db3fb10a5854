"""The release of the suite; in its own module, so that the command line loads little."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def suite_version() -> str:
    """Return the version of the installed package, or ``unknown`` where it runs from a bare source tree."""
    try:
        return version("bucket-conformance")
    except PackageNotFoundError:
        return "unknown"
