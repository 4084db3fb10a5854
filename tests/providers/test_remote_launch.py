"""Endpoints somewhere else: exactly the missing variables are named, and no secret is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from bucket_conformance.conformance.target import S3Endpoint
from bucket_conformance.providers.launch.ports import reserved_ports
from bucket_conformance.providers.launch.process import ProcessLaunch
from bucket_conformance.providers.launch.remote import RemoteLaunch, Variables
from bucket_conformance.providers.provider import LaunchError
from tests.providers.launching import tiny

LAUNCH = RemoteLaunch(title="Acme", variables=Variables.of("acme"), region="us-east-1")


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("CONFORMANCE_ACME_ACCESS_KEY_ID", "the-key")
    monkeypatch.setenv("CONFORMANCE_ACME_SECRET_ACCESS_KEY", "the-secret")
    return monkeypatch


def test_exactly_the_missing_variables_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LAUNCH.availability().missing == (
        "environment variables CONFORMANCE_ACME_ENDPOINT, CONFORMANCE_ACME_ACCESS_KEY_ID, "
        "CONFORMANCE_ACME_SECRET_ACCESS_KEY"
    )
    monkeypatch.setenv("CONFORMANCE_ACME_ENDPOINT", "https://s3.example.com")
    monkeypatch.setenv("CONFORMANCE_ACME_ACCESS_KEY_ID", "k")
    assert LAUNCH.availability().missing == "environment variable CONFORMANCE_ACME_SECRET_ACCESS_KEY"
    with pytest.raises(LaunchError, match="CONFORMANCE_ACME_SECRET_ACCESS_KEY"), LAUNCH.start(lambda line: None):
        pass


def test_a_server_elsewhere_is_described_by_the_variables(state: Path, credentials: pytest.MonkeyPatch) -> None:
    server: ProcessLaunch = tiny("good")
    with server.start(lambda line: None) as own:
        assert isinstance(own.target, S3Endpoint)
        credentials.setenv("CONFORMANCE_ACME_ENDPOINT", own.target.url + "/")
        credentials.setenv("CONFORMANCE_ACME_REGION", "eu-9")
        credentials.setenv("CONFORMANCE_ACME_BUCKET", "given")
        credentials.setenv("CONFORMANCE_ACME_SESSION_TOKEN", "the-token")
        lines: list[str] = []
        with LAUNCH.start(lines.append) as running:
            assert running.target == S3Endpoint(
                url=own.target.url,
                access_key="the-key",
                secret_key="the-secret",
                session_token="the-token",
                region="eu-9",
                bucket="given",
            )
            assert running.version.startswith("BaseHTTP")
            assert not any(secret in repr(running) + "".join(lines) for secret in ("the-secret", "the-token"))


def test_a_server_that_is_down_is_named_without_secrets(credentials: pytest.MonkeyPatch) -> None:
    with reserved_ports(1) as (port,):
        credentials.setenv("CONFORMANCE_ACME_ENDPOINT", f"http://127.0.0.1:{port}")
        with pytest.raises(LaunchError, match="cannot be reached") as caught, LAUNCH.start(lambda line: None):
            pass
    assert f"127.0.0.1:{port}" in str(caught.value)
    assert "the-secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["s3.example.com", "ftp://x", "https://", "https://x/?a=b", "https://x/#y"])
def test_an_endpoint_that_is_no_address_is_refused(credentials: pytest.MonkeyPatch, url: str) -> None:
    credentials.setenv("CONFORMANCE_ACME_ENDPOINT", url)
    with pytest.raises(LaunchError, match="CONFORMANCE_ACME_ENDPOINT is"), LAUNCH.start(lambda line: None):
        pass


def test_a_login_in_the_address_is_refused_and_not_repeated(credentials: pytest.MonkeyPatch) -> None:
    credentials.setenv("CONFORMANCE_ACME_ENDPOINT", "https://me:pass@s3.example.com")
    with pytest.raises(LaunchError, match="contains a login") as caught, LAUNCH.start(lambda line: None):
        pass
    assert "pass" not in str(caught.value).replace("password", "")
