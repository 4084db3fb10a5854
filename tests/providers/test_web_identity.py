"""Amazon S3 without credentials: a pod's web identity is used, as on EKS, and only if no credentials are given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bucket_conformance.conformance.target import S3Endpoint
from bucket_conformance.conformance.testkit.web_identity import (
    TEMPORARY_KEY,
    TEMPORARY_TOKEN,
    IdentityService,
    identity_service,
)
from bucket_conformance.providers.aws import PROVIDER
from bucket_conformance.providers.launch.process import ProcessLaunch
from bucket_conformance.providers.launch.remote import RemoteLaunch, Variables
from bucket_conformance.providers.provider import LaunchError
from tests.providers.launching import tiny


@pytest.fixture
def pod(monkeypatch: pytest.MonkeyPatch) -> Iterator[IdentityService]:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "ENDPOINT"):
        monkeypatch.delenv(f"CONFORMANCE_AWS_{name}", raising=False)
    with identity_service() as service:
        monkeypatch.setenv("CONFORMANCE_AWS_REGION", "eu-central-1")
        yield service


def test_a_role_takes_the_place_of_keys(state: Path, pod: IdentityService, monkeypatch: pytest.MonkeyPatch) -> None:
    server: ProcessLaunch = tiny("good")
    with server.start(lambda line: None) as own:
        assert isinstance(own.target, S3Endpoint)
        monkeypatch.setenv("CONFORMANCE_AWS_ENDPOINT", own.target.url)
        with PROVIDER.choose().start(lambda line: None) as running:
            target = running.target
    assert isinstance(target, S3Endpoint)
    assert (target.access_key, target.session_token) == (TEMPORARY_KEY, TEMPORARY_TOKEN)
    assert (target.region, target.addressing) == ("eu-central-1", "virtual")
    assert pod.asked == [pod.expected]


def test_keys_that_are_given_win_over_the_role(pod: IdentityService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFORMANCE_AWS_ACCESS_KEY_ID", "the-key")
    availability = PROVIDER.availability()
    assert not availability.ready
    assert availability.missing.endswith("environment variable CONFORMANCE_AWS_SECRET_ACCESS_KEY")
    assert "AWS_WEB_IDENTITY_TOKEN_FILE" in availability.how


def test_other_services_do_not_take_a_role_of_amazon(pod: IdentityService) -> None:
    launch = RemoteLaunch(title="Acme", variables=Variables.of("acme"), endpoint="https://s3.example.com", region="r")
    assert not launch.availability().ready


def test_a_role_that_cannot_be_assumed_is_an_error_that_says_what_to_check(
    pod: IdentityService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "no-such-file"))
    with pytest.raises(LaunchError, match="AWS_ROLE_ARN cannot be assumed"), PROVIDER.choose().start(lambda line: None):
        pass
    assert pod.asked == []
