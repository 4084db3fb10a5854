"""Trying again: the storage's own rule, the same under every release of the SDK, whose retries are switched off.

The SDK's rules differ from release to release, and the newest wait some tenths of a second in all, in which no server
restarts. Here a request is repeated with full jitter (a random wait up to a bound that doubles) until a time is over.
Every request of the storage is safe to repeat; :mod:`api` describes what a repeated one may find.
"""

from __future__ import annotations

import random
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from botocore import exceptions as sdk

from bucket_conformance.reference_impl.s3_codes import CUT_OFF, NOT_S3

FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 5.0
UNSOUND_ATTEMPTS: Final = 4
"""Tries, the first included, where a server answers but not as S3 does: that seldom passes by itself."""

_TRANSIENT_STATUS: Final = frozenset({408, 429, 500, 502, 503, 504})
_TRANSIENT_CODES: Final = frozenset(
    {
        "BandwidthLimitExceeded",
        "InternalError",
        "RequestLimitExceeded",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "SlowDownRead",
        "SlowDownWrite",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
    }
)
_SINCE: Final = "storage_failing_since"
_WAITED: Final = "storage_waited_s"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryBudget:
    """How long a request is tried again. ``time_s``: seconds from its first failure after which no try begins; the
    waits count in full. ``max_attempts``: tries, the first included; ``None`` leaves it to the time."""

    time_s: float = 30.0
    max_attempts: int | None = None
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    draw: Callable[[], float] = field(default=random.random, repr=False)
    """Gives the jitter: a number from 0 up to 1."""

    def __post_init__(self) -> None:
        if self.time_s < 0:
            raise ValueError(f"time_s is {self.time_s}; 0 or more seconds are needed")
        if self.max_attempts is not None and self.max_attempts < 1:
            raise ValueError(f"max_attempts is {self.max_attempts}; at least 1 is needed")

    def needs_retry(
        self,
        *,
        response: tuple[Any, Mapping[str, Any]] | None,
        attempts: int,
        caught_exception: Exception | None,
        request_dict: dict[str, Any],
        **_: Any,
    ) -> float | None:
        """Answer the SDK's event of this name: the seconds to wait before the next try, ``None`` for none."""
        unsound = response is not None and _code(response) in (CUT_OFF, NOT_S3)
        if not (unsound or _transient(response, caught_exception)):
            return None
        if self.max_attempts is not None and attempts >= self.max_attempts:
            return None
        if unsound and attempts >= UNSOUND_ATTEMPTS:
            return None
        context = request_dict["context"]
        now = self.clock()
        waited: float = context.get(_WAITED, 0.0)
        spent = max(now - context.setdefault(_SINCE, now), waited)
        left = self.time_s - spent
        asked = _asked_wait(response)
        if left <= 0 or asked > left:
            return None
        wait: float = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(attempts - 1, 30)) * self.draw()
        wait = min(max(wait, asked), left)
        context[_WAITED] = waited + wait
        return wait


DEFAULT_RETRIES: Final = RetryBudget()


def _code(response: tuple[Any, Mapping[str, Any]]) -> str:
    return str(response[1].get("Error", {}).get("Code") or "")


def _transient(response: tuple[Any, Mapping[str, Any]] | None, error: Exception | None) -> bool:
    if error is not None:
        # A certificate that is not trusted stays so; a handshake that is cut off is a lost connection.
        if isinstance(error, sdk.SSLError):
            cause: object = getattr(error, "kwargs", {}).get("error")
            return "CERTIFICATE_VERIFY_FAILED" not in f"{error} {cause}" and not isinstance(
                cause, ssl.SSLCertVerificationError
            )
        # The plain class is for what the HTTP client stumbles over; lost connections have classes of their own.
        return type(error) is not sdk.HTTPClientError and isinstance(
            error, sdk.HTTPClientError | sdk.ConnectionError | ConnectionError | TimeoutError
        )
    if response is None:
        return False
    status = response[1].get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status in _TRANSIENT_STATUS or _code(response) in _TRANSIENT_CODES


def _asked_wait(response: tuple[Any, Mapping[str, Any]] | None) -> float:
    """Return the seconds that the server asks to wait: ``x-amz-retry-after`` in milliseconds, or ``Retry-After``."""
    if response is None:
        return 0.0
    headers = response[1].get("ResponseMetadata", {}).get("HTTPHeaders", {})
    value = str(headers.get("x-amz-retry-after", ""))
    if value.isascii() and value.isdigit() and len(value) <= 12:
        return int(value) / 1000
    value = str(headers.get("retry-after", ""))
    if value.isascii() and value.isdigit() and len(value) <= 9:
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
