"""What is raised where there is nothing to judge; alone here, so that the command line need not load what raises it."""

from __future__ import annotations

from bucket_conformance.conformance.contract import ConformanceError


class OpeningError(ConformanceError):
    """The backend cannot be used as it is. ``usage`` tells a mistake of the caller's from trouble of the backend's.

    ``left_behind``: what had been made by then and could not be removed, '' where nothing is left; ``remove_with``: the
    command that removes it.
    """

    def __init__(self, message: str, *, usage: bool = False) -> None:
        super().__init__(message)
        self.usage = usage
        self.left_behind = ""
        self.remove_with = ""
