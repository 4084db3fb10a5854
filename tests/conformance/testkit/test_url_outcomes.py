"""The outcome of a URL: served and refused are exact terms, and a leak is never called a refusal."""

from __future__ import annotations

import pytest

from bucket_conformance.conformance.testkit.url_outcomes import REFUSED, SERVED, outcome, require_each
from bucket_conformance.conformance.verdict import Deviation
from bucket_conformance.conformance.wire.transport import HttpResponse

CONTENT = b"0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (HttpResponse(status=200, body=CONTENT), SERVED),
        (
            HttpResponse(status=200, body=CONTENT, error="body cut off"),
            "200 with 64 bytes, among them the content in part",
        ),
        (HttpResponse(status=200, body=b""), "200 with 0 bytes, none of the content"),
        (HttpResponse(status=206, body=CONTENT[:20]), "206, showing the content in part"),
        (HttpResponse(status=403, body=b"<Error><Code>AccessDenied</Code></Error>"), REFUSED),
        (HttpResponse(status=403, body=b"<Error>" + CONTENT[16:40] + b"</Error>"), "403, showing the content in part"),
        (HttpResponse(status=403, headers=(("X-Debug", CONTENT.decode()),)), "403, showing the content in part"),
        (HttpResponse(status=403, body=b"expected: TRUTH"), "403, showing the true signature"),
        (HttpResponse(status=500), "500"),
        (HttpResponse(status=302), "302"),
        (HttpResponse(status=0, error="ConnectionResetError"), "no answer (ConnectionResetError)"),
    ],
)
def test_a_response_is_described_in_a_few_words(answer: HttpResponse, seen: str) -> None:
    assert outcome(answer, CONTENT, words=["TRUTH"]) == seen


def test_another_objects_content_is_a_leak() -> None:
    assert outcome(HttpResponse(status=403, body=CONTENT), b"", hidden=[CONTENT]) != REFUSED


def test_unexpected_outcomes_are_named_and_the_rest_is_counted() -> None:
    seen = {f"change {number}": SERVED for number in range(10)} | {"good": REFUSED}
    with pytest.raises(Deviation) as caught:
        require_each(seen, REFUSED, "every change")
    assert caught.value.observation.promised == "every change: refused"
    assert caught.value.observation.observed.startswith("10 of 11 otherwise: change 0 → served; ")
    assert caught.value.observation.observed.endswith("; and 2 more")


def test_each_url_may_have_its_own_promise() -> None:
    require_each({"a": 1, "b": (2, "x")}, {"a": 1, "b": (2, "x")}, "values")
    with pytest.raises(Deviation, match="values: 3; observed: 1 of 2 otherwise: b → 2, x"):
        require_each({"a": 1, "b": (2, "x")}, {"a": 1, "b": 3}, "values")
