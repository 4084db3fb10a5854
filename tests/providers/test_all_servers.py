"""Every backend that is installed on this machine is started, answers, and leaves nothing. Nothing is fetched."""

from __future__ import annotations

import ssl
import tempfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bucket_conformance.conformance.target import S3Endpoint
from bucket_conformance.providers import discover
from bucket_conformance.providers.launch.probe import ask
from bucket_conformance.providers.launch.process import ProcessLaunch
from bucket_conformance.providers.provider import LaunchError

SERVERS = {
    provider.id: launch
    for provider in discover().values()
    for launch in provider.launches
    if isinstance(launch, ProcessLaunch) and launch.environment is not None
}


def test_twenty_backends_start_without_an_account_or_an_image() -> None:
    # Local disk is one more: it runs inside this process.
    assert len(SERVERS) >= 20


@pytest.mark.parametrize("provider_id", SERVERS)
def test_an_installed_server_starts_and_reports_its_version(state: Path, provider_id: str) -> None:
    launch = SERVERS[provider_id]
    assert launch.environment is not None
    if not launch.environment.built:
        pytest.skip(f"not installed here; conformance install {provider_id}")
    with launch.start(lambda line: None) as running:
        assert isinstance(running.target, S3Endpoint)
        assert running.target.disposable
        assert launch.ready(ask(running.target, timeout_s=10.0).status)
        assert any(sign.isdigit() for sign in running.version)
    assert list((state / "runs").iterdir()) == []
    # The names of files that a server makes there in spite of TMPDIR contain its port, if anything of the run.
    assert not list(Path(tempfile.gettempdir()).glob(f"*[!0-9]{urlsplit(running.target.url).port}[!0-9]*"))


@pytest.mark.parametrize("provider_id", [id for id, launch in SERVERS.items() if launch.https])
def test_an_installed_server_that_can_is_started_over_https_and_over_nothing_else(
    state: Path, provider_id: str
) -> None:
    launch = SERVERS[provider_id].over_https()
    assert launch.environment is not None
    if not launch.environment.built:
        pytest.skip(f"not installed here; conformance install {provider_id}")
    with launch.start(lambda line: None) as running:
        assert isinstance(running.target, S3Endpoint)
        assert running.target.url.startswith("https://127.0.0.1:")
        assert launch.ready(ask(running.target, timeout_s=30.0).status)
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(replace(running.target, ca_file=None), timeout_s=30.0)


def test_a_server_that_cannot_serve_https_says_why() -> None:
    for launch in SERVERS.values():
        if not launch.https:
            with pytest.raises(LaunchError, match=r"is not started over https: .{10}"):
                launch.over_https()


def test_servers_that_check_signatures_refuse_foreign_credentials(state: Path) -> None:
    launch = SERVERS["versitygw"]
    assert launch.environment is not None
    if not launch.environment.built:
        pytest.skip("not installed here; conformance install versitygw")
    with launch.start(lambda line: None) as running:
        assert isinstance(running.target, S3Endpoint)
        stranger = S3Endpoint(url=running.target.url, access_key="A" * 20, secret_key="B" * 40)
        assert ask(stranger).status in (403, 404)
