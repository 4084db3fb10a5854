"""Buckets in the host name, as Amazon S3 requires, on a real server that checks signatures over that host."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bucket_conformance.conformance.backend.opening import open_session
from bucket_conformance.conformance.catalogue import entries
from bucket_conformance.conformance.effort import EFFORTS, Mode
from bucket_conformance.conformance.engine.judge import judge
from bucket_conformance.conformance.target import S3Endpoint
from bucket_conformance.conformance.verdict import Verdict
from bucket_conformance.providers import seaweedfs
from bucket_conformance.providers.launch.process import Command, LaunchContext, ProcessLaunch

DOMAIN = "s3.conformance.test"
CLAUSES = ("KEY-007", "URL-001", "URL-010", "URL-016", "URL-026", "DEL-005", "RT-003", "RT-013", "LIST-003", "CON-003")


@pytest.fixture
def names_below_the_domain_are_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    known = socket.getaddrinfo

    def resolve(host: str | bytes | None, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        here = name is not None and (name == DOMAIN or name.endswith(f".{DOMAIN}"))
        return known("127.0.0.1" if here else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@contextmanager
def served_below_the_domain() -> Iterator[S3Endpoint]:
    (launch,) = (launch for launch in seaweedfs.PROVIDER.launches if isinstance(launch, ProcessLaunch))
    assert launch.environment is not None
    if not launch.environment.built:
        pytest.skip("SeaweedFS is not installed here; conformance install seaweedfs")

    def command(context: LaunchContext) -> Command:
        own = launch.command(context)
        return dataclasses.replace(own, argv=(*own.argv, f"-s3.domainName={DOMAIN}"))

    with dataclasses.replace(launch, command=command).start(lambda line: None) as running:
        assert isinstance(running.target, S3Endpoint)
        url = running.target.url.replace("127.0.0.1", DOMAIN)
        yield dataclasses.replace(running.target, url=url, addressing="virtual")


@pytest.mark.usefixtures("names_below_the_domain_are_this_machine")
def test_clauses_are_judged_with_the_bucket_in_the_host(state: Path) -> None:
    known = entries()
    with (
        served_below_the_domain() as endpoint,
        open_session(endpoint, capabilities=seaweedfs.PROVIDER.capabilities) as session,
    ):
        own = f"http://{session.wire.bucket}.{DOMAIN}:"
        assert session.wire.url("k").startswith(own)
        assert session.storage.signed_url("project/p/FILE/k").startswith(own)
        verdicts = {clause: judge(known[clause], session, EFFORTS[Mode.QUICK], seed=1).verdict for clause in CLAUSES}
    assert verdicts == dict.fromkeys(CLAUSES, Verdict.CONFORMS)
