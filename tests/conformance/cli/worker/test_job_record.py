"""A job arrives as it was sent, is checked on arrival, and never shows the credentials that it carries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bucket_conformance.conformance.cli.worker.job_record import EndpointRecord, Job, found_at
from bucket_conformance.conformance.contract import Capability
from bucket_conformance.conformance.effort import Mode
from bucket_conformance.conformance.report.document import DocumentError
from bucket_conformance.conformance.target import DiskRoot, S3Endpoint

ENDPOINT = S3Endpoint(
    url="https://127.0.0.1:1",
    access_key="AKexample",
    secret_key="secret-of-an-example",
    session_token="token-of-an-example",
    region="eu-1",
    addressing="virtual",
    checksums="when_supported",
    bucket="files",
    ca_file=Path("/ca.pem"),
    disposable=True,
)
JOB = Job(provider="p", run_id="1-2", clauses=("KEY-001",), seed=7, mode=Mode.DEEP, budget_s=60.0)


@pytest.mark.parametrize("target", [ENDPOINT, DiskRoot(root=Path("/storage"))])
def test_a_helper_finds_the_backend_that_it_was_sent_to(target: S3Endpoint | DiskRoot) -> None:
    sent = Job(
        provider="p", seed=1, mode=Mode.QUICK, capabilities=(Capability.COPY, Capability.WIRE), **found_at(target)
    )
    arrived = Job.from_line(json.dumps(sent.to_json()))
    assert arrived == sent
    assert arrived.target() == target


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"seed": "7"}, "seed"),
        ({"mode": "thorough"}, "mode"),
        ({"clauses": "KEY-001"}, "clauses"),
        ({"capabilities": ["flying"]}, "capabilities"),
        ({"endpoint": {"url": "http://127.0.0.1:1", "access_key": "AKexample", "secret_key": 5}}, "secret_key"),
        ({"budget_s": 0}, "budget_s"),
    ],
)
def test_an_invalid_job_is_refused_with_the_name_of_the_property(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(DocumentError, match=named) as caught:
        Job.from_line(json.dumps({**JOB.to_json(), **wrong}))
    assert "AKexample" not in str(caught.value)


def test_the_credentials_of_a_job_do_not_show() -> None:
    job = Job(provider="p", seed=1, mode=Mode.QUICK, endpoint=EndpointRecord.of(ENDPOINT))
    for hidden in ("AKexample", "secret-of", "token-of"):
        assert hidden not in repr(job)
        assert hidden in json.dumps(job.to_json())
