"""An object that marks a running run: written when it opens, renewed while it judges, removed when it ends.

``conformance clean`` leaves a run alone whose lease is fresh, however old the run is. How fresh it is follows from the
server's own clock (``Last-Modified`` against ``Date``), so that our clock does not matter. A run that
cannot write one is still known by its age.
"""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Final

from bucket_conformance.conformance.session import MARK
from bucket_conformance.conformance.wire.s3 import S3Wire

LEASE_S: Final = 900.0
"""Seconds that a lease is valid after it was written: longer than an example of a clause may take."""
RENEW_S: Final = 240.0
"""Seconds between two writes. Each write costs one request."""


def lease_key(run_id: str) -> str:
    """Return the key of a run's lease: below the prefix that holds the run's other keys, so that it goes with them."""
    return f"{MARK}{run_id}/lease"


class Lease:
    """The lease of one running run. The cleanup of the run removes it last."""

    def __init__(self, wire: S3Wire, run_id: str) -> None:
        self._wire = wire
        self.key = lease_key(run_id)
        self.is_written = False
        """Whether the server said so: then a listing without it does not show all that is there."""
        self._renew_at = 0.0

    def renew(self) -> None:
        """Write the lease if that is due. A failure to write it does not fail the run."""
        now = time.monotonic()
        if now >= self._renew_at:
            self._renew_at = now + RENEW_S
            done = self._wire.put(self.key, b"A run of conformance is at work; this object goes when it ends.\n")
            self.is_written = self.is_written or done.ok


def lease_age_s(wire: S3Wire, run_id: str) -> float | None:
    """Return how many seconds ago a run's lease was written, by the server's clock; ``None`` where there is none.

    A lease whose age is unknown, or that cannot be read, counts as 0 seconds old: nothing is removed
    that may be in use.
    """
    response = wire.head(lease_key(run_id))
    if response.status == 404:
        return None
    if not response.ok:
        return 0.0
    try:
        written = parsedate_to_datetime(response.header("last-modified") or "")
        return max(0.0, (parsedate_to_datetime(response.header("date") or "") - written).total_seconds())
    except (TypeError, ValueError):
        return 0.0
