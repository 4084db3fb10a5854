"""The outcome of a call is held in fields: a message that imitates the suite's words changes nothing."""

from __future__ import annotations

import pytest

from bucket_conformance.conformance.clauses.key_tenants import _tells
from bucket_conformance.conformance.testkit.layout import outcome
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "tells"),
    [
        (StorageError(ErrorCode.NOT_FOUND, operation="download", key="k"), True),
        (StorageError(ErrorCode.UNAVAILABLE, operation="download", key="k"), False),
        (ValueError("accepted, gave b'x'"), False),
        (ValueError(ErrorCode.NOT_FOUND.value), False),
    ],
)
def test_only_a_value_or_its_absence_tells_what_is_stored(error: Exception, tells: bool) -> None:
    assert _tells(outcome(lambda: _raise(error))) is tells


def test_a_call_that_returns_is_accepted_whatever_it_returns() -> None:
    seen = outcome(lambda: "raised ValueError")
    assert (seen.accepted, seen.code, str(seen)) == (True, None, "accepted, gave raised ValueError")
