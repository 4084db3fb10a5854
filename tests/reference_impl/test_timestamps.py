"""Times in responses are read as the SDK itself reads them, in every notation that servers use."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from botocore.utils import parse_timestamp
from hypothesis import given
from hypothesis import strategies as st

from bucket_conformance.reference_impl.s3_client import _timestamp


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1)), st.sampled_from(["us", "ms", "s"]))
def test_listed_times_and_header_times_are_read_to_the_digit(moment: datetime, precision: str) -> None:
    digits = {"us": "microseconds", "ms": "milliseconds", "s": "seconds"}[precision]
    listed = moment.isoformat(timespec=digits) + "Z"
    header = moment.strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert _timestamp(listed) == parse_timestamp(listed)
    assert _timestamp(header) == moment.replace(microsecond=0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["1764000000", "20261124T010203Z", "2026-11-24T01:02:03", "Tue, 24 Nov 2026 01:02:03 +0100"]
)
def test_other_notations_are_left_to_the_sdk(text: str) -> None:
    assert _timestamp(text) == parse_timestamp(text)


def test_what_is_no_time_is_refused_as_by_the_sdk() -> None:
    with pytest.raises(ValueError, match="Invalid timestamp"):
        _timestamp("2026-13-45T99:99:99Z")
