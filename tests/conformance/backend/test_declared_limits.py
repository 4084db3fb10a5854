"""The largest batch is compared with the declared limit of the backend, or with 1000 keys if none is declared."""

from __future__ import annotations

import pytest

from bucket_conformance.conformance.verdict import Verdict
from tests.bench import decide, every_fault, on_exemplar, under


@pytest.mark.parametrize(("declared", "verdict"), [(998, Verdict.CONFORMS), (997, Verdict.DEVIATES)])
def test_a_batch_limit_of_its_own_conforms_where_it_is_declared(declared: int, verdict: Verdict) -> None:
    with under(every_fault()["delete-takes-999"]) as session:
        session.declared_limits = {"batch_keys": declared}
        assert decide("DEL-015", session).verdict is verdict


@pytest.mark.parametrize(("declared", "verdict"), [(1000, Verdict.CONFORMS), (700, Verdict.DEVIATES)])
def test_a_larger_batch_than_declared_is_reported(declared: int, verdict: Verdict) -> None:
    with on_exemplar() as session:
        session.declared_limits = {"batch_keys": declared}
        judgement = decide("DEL-015", session)
    assert judgement.verdict is verdict
    if judgement.observation is not None:
        assert judgement.observation.observed == "largest batch taken: 1000 keys"
        assert judgement.observation.measured == 1000
