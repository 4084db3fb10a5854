"""The container launch: what can be told without an engine, and a real container where one answers."""

from __future__ import annotations

import importlib
import os

import pytest

from conformance.target import S3Endpoint
from providers.launch.container import ContainerLaunch, Image
from providers.launch.probe import ask
from providers.minio import PROVIDER
from providers.provider import LaunchError, LaunchKind

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


def test_a_container_serves_on_the_loopback_restarts_and_is_removed() -> None:
    container = PROVIDER.choose(LaunchKind.CONTAINER)
    if not container.availability().ready or "CONFORMANCE_MINIO_IMAGE" not in os.environ:
        pytest.skip("needs a container engine, and CONFORMANCE_MINIO_IMAGE naming an image that it has")
    engine = importlib.import_module("docker").from_env()
    try:
        before = {found.id for found in engine.containers.list(all=True)}
        with container.start(lambda line: None) as running:
            assert isinstance(running.target, S3Endpoint)
            assert ask(running.target).server == "MinIO"
            assert running.target.url.startswith("http://127.0.0.1:")
            assert running.version.endswith(f" ({os.environ['CONFORMANCE_MINIO_IMAGE']})")
            assert running.restart is not None
            running.restart()
            assert ask(running.target).status == 200
        assert {found.id for found in engine.containers.list(all=True)} == before
    finally:
        engine.close()
