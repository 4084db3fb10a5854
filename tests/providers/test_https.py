"""Servers over https: certificates of a new authority, and the messages for servers that cannot serve https."""

from __future__ import annotations

import ssl
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12

from bucket_conformance.conformance.target import S3Endpoint
from bucket_conformance.providers import discover
from bucket_conformance.providers.launch.certificates import PASSWORD, make_certificates
from bucket_conformance.providers.launch.probe import ask
from bucket_conformance.providers.launch.process import Command, LaunchContext, ProcessLaunch
from bucket_conformance.providers.provider import LaunchError, LaunchKind
from tests.conformance.cli.running import conformance
from tests.providers.launching import SERVER, tiny


def secure(context: LaunchContext) -> Command:
    assert context.tls is not None
    files = (str(context.tls.certificate), str(context.tls.key))
    return Command(argv=(sys.executable, "-S", str(SERVER), "good", str(context.ports[0]), str(context.data), *files))


LAUNCH = ProcessLaunch(
    name="tiny", title="Tiny", command=secure, version=lambda answer: answer.server, deadline_s=60.0, https=True
)


def test_the_keystore_holds_the_certificate_and_the_key_and_only_we_may_read_the_key(tmp_path: Path) -> None:
    made = make_certificates(tmp_path / "tls")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    key, certificate, _ = pkcs12.load_key_and_certificates(made.keystore.read_bytes(), PASSWORD.encode())
    assert key is not None
    assert certificate is not None
    assert key.public_key() == certificate.public_key()
    assert made.key.stat().st_mode & 0o77 == 0
    assert make_certificates(tmp_path / "other").authority.read_bytes() != made.authority.read_bytes()


def test_a_server_over_https_is_believed_by_its_own_authority_alone(state: Path) -> None:
    with LAUNCH.over_https().start(lambda line: None) as running:
        assert isinstance(running.target, S3Endpoint)
        assert running.target.url.startswith("https://127.0.0.1:")
        assert ask(running.target, timeout_s=30.0).status == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(replace(running.target, ca_file=None), timeout_s=30.0)
        with pytest.raises(OSError, match=r".+"):
            ask(replace(running.target, url=running.target.url.replace("https", "http")), timeout_s=30.0)
    assert list((state / "runs").iterdir()) == []


def test_a_launch_that_cannot_says_why_and_a_provider_keeps_those_that_can() -> None:
    with pytest.raises(
        LaunchError, match="Tiny is not started over https: the suite does not know how to start it over https"
    ):
        tiny("good").over_https()
    found = discover()
    assert [launch.kind for launch in found["minio"].over_https().launches] == [LaunchKind.PROCESS]
    for provider, says in (("local_disk", "not reached over a network"), ("garage", "a proxy in front of it")):
        with pytest.raises(LaunchError, match=says):
            found[provider].over_https()


def test_a_program_declared_in_toml_serves_https_where_its_file_says_how(tmp_path: Path, state: Path) -> None:
    words = [sys.executable, str(SERVER), "good", "{port}", "{data}"]
    plain = f'id = "mine"\ntitle = "Mine"\ncommand = {words}\n'
    path = tmp_path / "mine.toml"
    path.write_text(f'{plain}[https]\narguments = ["{{certificate}}", "{{certificate_key}}"]\n', encoding="utf-8")
    mine = discover([path])["mine"]
    for provider, scheme in ((mine, "http"), (mine.over_https(), "https")):
        with provider.choose().start(lambda line: None) as running:
            assert isinstance(running.target, S3Endpoint)
            assert running.target.url.partition(":")[0] == scheme
            assert ask(running.target, timeout_s=30.0).status == 200
    path.write_text(plain, encoding="utf-8")
    with pytest.raises(LaunchError, match=r"Mine is not started over https: its file has no table \[https\]"):
        discover([path])["mine"].over_https()


def test_a_machine_that_cannot_make_certificates_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bucket_conformance.providers.launch.certificates.importlib.util.find_spec", lambda name: None)
    assert LAUNCH.availability().ready
    availability = LAUNCH.over_https().availability()
    assert not availability.ready
    assert availability.how == 'pip install "bucket-conformance[tls]"'


def test_a_run_over_https_refuses_what_cannot(tmp_path: Path) -> None:
    done = conformance(tmp_path, "run", "local_disk", "--tls", "--quick", "--clause", "KEY-001")
    assert done.returncode == 2
    assert done.stderr == "conformance: Local disk is not reached over a network\n"
