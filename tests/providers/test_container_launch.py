"""The container launch: what can be tested without an engine, and a real container if an engine runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bucket_conformance.conformance.report.document import read
from bucket_conformance.conformance.target import S3Endpoint
from bucket_conformance.providers import discover
from bucket_conformance.providers.launch.container import VERSION_LABEL, ContainerLaunch, Image
from bucket_conformance.providers.launch.probe import ask
from bucket_conformance.providers.launch.process import ProcessLaunch
from bucket_conformance.providers.provider import LaunchError, LaunchKind, Provider
from tests.conformance.cli.running import conformance
from tests.providers.engine import engine
from tests.providers.images import make_image, variable

pytest.importorskip("testcontainers")


def launch(reference: str | None = None) -> ContainerLaunch:
    image = Image(name=reference or "example/none", tag="1")
    return ContainerLaunch(name="none", title="None", image=image, port=9000, environment=lambda access, secret: {})


def test_an_image_is_named_by_tag_and_digest_and_a_variable_replaces_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Image(name="a/b", tag="1").reference == "a/b:1"
    image = Image(name="a/b", tag="1", digest="sha256:00", variable="CONFORMANCE_TEST_IMAGE")
    assert image.reference == "a/b:1@sha256:00"
    monkeypatch.setenv("CONFORMANCE_TEST_IMAGE", "mirror/b:2")
    assert image.reference == "mirror/b:2"


def test_without_an_engine_it_says_so_and_a_client_on_the_path_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    availability = launch().availability()
    assert not availability.ready
    assert availability.missing.startswith("no container engine answers")
    with pytest.raises(LaunchError, match="start Docker or Podman"), launch().start(lambda line: None):
        pass


class InAContainer:
    """The parts of a container that ``_version`` uses: a command in it, and its image."""

    def __init__(self, prints: bytes, *, labels: dict[str, str] | None = None, code: int = 0) -> None:
        self.image = SimpleNamespace(labels=labels, short_id="sha256:0123456789")
        self._answer = code, prints

    def exec_run(self, command: list[str]) -> tuple[int, bytes]:
        return self._answer

    def get_wrapped_container(self) -> InAContainer:
        return self


@pytest.mark.parametrize(
    ("inside", "version"),
    [
        (InAContainer(b"minio version RELEASE.2025 (x)"), "RELEASE.2025 (example/none:1)"),
        (InAContainer(b"minio version DEVELOPMENT.GOGET", labels={VERSION_LABEL: "v0.1"}), "v0.1 (example/none:1)"),
        (InAContainer(b"minio version DEVELOPMENT.GOGET"), "example/none:1 (sha256:0123456789)"),
        (InAContainer(b"no such file", code=127, labels={}), "example/none:1 (sha256:0123456789)"),
    ],
)
def test_without_a_version_of_the_server_the_version_is_that_of_its_image(inside: InAContainer, version: str) -> None:
    assert replace(launch(), version_command=("minio", "--version"))._version(inside) == version


def test_an_image_by_digest_needs_no_additional_id() -> None:
    pinned = replace(launch(), image=Image(name="example/none", tag="1", digest="sha256:ab"))
    assert pinned._version(InAContainer(b"")) == "example/none:1@sha256:ab"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch, engine(tmp_path_factory.mktemp("engine"), patch) as found:
        yield found


@pytest.fixture
def provider(client: Any, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Provider:
    """Return a provider whose image the caller names, or else one that is made here from the installed server."""
    found = discover()[request.param]
    process = found.choose(LaunchKind.PROCESS)
    assert isinstance(process, ProcessLaunch)
    assert process.environment is not None
    if variable(found) not in os.environ:
        if not process.environment.built:
            pytest.skip(f"needs {variable(found)}, or the server to make an image of: conformance install {found.id}")
        monkeypatch.setenv(variable(found), make_image(client, found))
    return found


three = pytest.mark.parametrize("provider", ["minio", "seaweedfs", "localstack"], indirect=True)


@three
def test_a_container_serves_on_the_loopback_restarts_and_is_removed(client: Any, provider: Provider) -> None:
    def containers() -> set[str]:
        # Other processes may use the engine at the same time.
        return {found.id for found in client.containers.list(all=True) if reference in found.image.tags}

    reference = os.environ[variable(provider)]
    before = containers()
    with provider.choose(LaunchKind.CONTAINER).start(lambda line: None) as running:
        assert isinstance(running.target, S3Endpoint)
        assert ask(running.target, timeout_s=30.0).status == 200
        assert running.target.url.startswith("http://127.0.0.1:")
        # A server built here contains no version; then the image's label holds it, as for the program's launch.
        version = running.version.removesuffix(f" ({reference})")
        assert version != running.version
        assert version[0].isdigit() or version.startswith(("v", "RELEASE."))
        assert len(containers() - before) == 1
        assert running.restart is not None
        running.restart()
        assert ask(running.target, timeout_s=30.0).status == 200
    assert containers() == before


@three
def test_a_container_is_judged_as_the_program_is(provider: Provider, tmp_path: Path) -> None:
    few = ("--quick", "--seed", "1", *(word for id in ("RT-003", "DEL-018", "URL-017") for word in ("--clause", id)))
    names = ("DOCKER_HOST", "TESTCONTAINERS_RYUK_DISABLED", "CONFORMANCE_CACHE", variable(provider))
    environ = {name: os.environ[name] for name in names if name in os.environ}
    for kind in ("process", "container"):
        report = ("--report", f"{kind}.jsonl")
        done = conformance(tmp_path, "run", provider.id, "--launch", kind, "--install", *few, *report, **environ)
        assert done.returncode == 0, done.stdout + done.stderr
    (program,), (container,) = (read(tmp_path / f"{kind}.jsonl") for kind in ("process", "container"))
    assert container.header.launch == "container"
    assert container.verdicts() == program.verdicts()


def test_a_container_that_ends_is_reported_with_its_log_and_removed(client: Any, state: Path) -> None:
    found = discover()["seaweedfs"].choose(LaunchKind.PROCESS)
    assert isinstance(found, ProcessLaunch)
    assert found.environment is not None
    if not found.environment.built:
        pytest.skip("needs a server to make an image of: conformance install seaweedfs")
    reference = make_image(client, discover()["seaweedfs"])
    bad = ContainerLaunch(
        name="bad",
        title="Bad",
        image=Image(name=reference.partition(":")[0], tag="installed"),
        port=1,
        environment=lambda access_key, secret_key: {},
        command=lambda access_key, secret_key: ("no-such-command",),
    )
    with pytest.raises(LaunchError, match="the container ended") as caught, bad.start(lambda line: None):
        pass
    assert "unknown subcommand" in caught.value.log
    (log,) = (state / "logs").iterdir()
    assert str(log) in str(caught.value)
    left = client.containers.list(all=True)
    assert not any("no-such-command" in " ".join(found.attrs.get("Args", [])) for found in left)
