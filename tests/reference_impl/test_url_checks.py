"""The clauses on signed URLs notice when local disk itself leaves out a check: no fault of a server can test that."""

from __future__ import annotations

import time

import pytest

from bucket_conformance.conformance.verdict import Verdict
from tests.bench import decide, on_disk


@pytest.mark.parametrize("clause", ["URL-009", "URL-010", "URL-012", "URL-017"])
def test_local_disk_without_a_check_of_signatures_deviates(clause: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bucket_conformance.reference_impl.url_signing.hmac.compare_digest", lambda *_: True)
    with on_disk() as session:
        assert decide(clause, session).verdict is Verdict.DEVIATES


@pytest.mark.parametrize("clause", ["URL-003", "URL-004"])
def test_local_disk_without_a_check_of_the_period_deviates(clause: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bucket_conformance.reference_impl.url_signing._period", lambda _: (time.time(), 60))
    with on_disk() as session:
        assert decide(clause, session).verdict is Verdict.DEVIATES
