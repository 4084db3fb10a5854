"""The error for a backend that cannot be opened; in its own module, so that the command line loads little."""

from __future__ import annotations

from bucket_conformance.conformance.contract import ConformanceError


class OpeningError(ConformanceError):
    """Raised for a backend that cannot be used. ``usage``: a mistake of the caller, not a failing backend.

    ``left_behind``: what had been made by then and could not be removed, '' where nothing is left; ``remove_with``: the
    command that removes it.
    """

    def __init__(self, message: str, *, usage: bool = False) -> None:
        super().__init__(message)
        self.usage = usage
        self.left_behind = ""
        self.remove_with = ""
