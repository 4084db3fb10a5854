"""The container image: built by a real engine from a root file system of Debian packages, and run as the docs say.

Needs root, an engine (see tests/providers/engine.py) and ``mmdebstrap``; no registry of images is asked.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.exemplar.server import Exemplar
from tests.exemplar.types import Request
from tests.providers.engine import engine

ROOT: Final = Path(__file__).parents[2]
BASE: Final = "conformance-local/debian-python:1"
IMAGE: Final = "conformance-local/suite:1"
FROM_HERE: Final = ("/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")
"""Settings of this machine that an installation from the package index may need; never part of the final stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """The image on an engine, and how a container of it ends."""

    client: Any

    def run(self, *arguments: str, entrypoint: str | None = None, **variables: str) -> tuple[int, str]:
        """Run to its end, with a read-only root file system; return the exit code and both outputs."""
        container = self.client.containers.create(
            IMAGE,
            list(arguments),
            entrypoint=entrypoint,
            environment=variables,
            network_mode="host",
            read_only=True,
            tmpfs={"/tmp": ""},
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
        )
        try:
            container.start()
            code = container.wait(timeout=300)["StatusCode"]
            return code, container.logs().decode()
        finally:
            container.remove(force=True)


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    if os.geteuid() != 0 or shutil.which("mmdebstrap") is None:
        pytest.skip("needs root and mmdebstrap, which makes the root file system that the image is built on")
    folder = tmp_path_factory.mktemp("engine")
    with pytest.MonkeyPatch.context() as patch, engine(folder, patch) as client:
        _import_base(client, folder / "base.tar")
        docker = importlib.import_module("docker")
        try:
            client.images.build(
                path=str(ROOT), dockerfile="Containerfile", tag=IMAGE, buildargs={"BASE": BASE}, network_mode="host"
            )
        except docker.errors.BuildError as error:
            pytest.fail("".join(line.get("stream", "") for line in error.build_log)[-4000:])
        yield Suite(client=client)


def _import_base(client: Any, path: Path) -> None:
    packages = "python3,python3-venv,ca-certificates"
    here = platform.freedesktop_os_release()
    release = here["VERSION_CODENAME"] if here["ID"] == "debian" else "stable"
    uploads = [f"--customize-hook=upload {name} {name}" for name in FROM_HERE if Path(name).exists()]
    made = subprocess.run(
        ["mmdebstrap", "--variant=minbase", f"--include={packages}", *uploads, release, path],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.skip(f"Debian's packages cannot be had here: {made.stderr[-400:]}")
    repository, _, tag = BASE.rpartition(":")
    client.api.import_image_from_file(str(path), repository=repository, tag=tag)


def test_the_image_runs_as_nobody_and_holds_no_tools(suite: Suite) -> None:
    image = suite.client.images.get(IMAGE)
    assert image.attrs["Config"]["User"] == "65532:65532"
    code, output = suite.run("-c", "import os; print(os.getuid(), os.access('/opt', os.W_OK))", entrypoint="python3")
    assert (code, output.split()) == (0, ["65532", "False"])
    code, _ = suite.run("-m", "pip", "--version", entrypoint="python3")
    assert code != 0


def test_a_container_judges_an_endpoint_without_a_shell(suite: Suite) -> None:
    with Exemplar("AKimage", "image-secret") as server:
        code, output = suite.run(
            *(
                "run",
                "--endpoint",
                server.url,
                "--quick",
                "--seed",
                "1",
                "--clause",
                "RT-00*",
                "--report",
                "/tmp/r.jsonl",
            ),
            AWS_ACCESS_KEY_ID="AKimage",
            AWS_SECRET_ACCESS_KEY="image-secret",
        )
    assert code == 0, output
    assert "RT-001" in output or "conforms" in output
    assert "Traceback" not in output
    assert "image-secret" not in output


def test_a_container_judges_local_disk(suite: Suite) -> None:
    code, output = suite.run("run", "--quick", "--seed", "1", "--clause", "RT-001", "--json", "local_disk")
    assert code == 0, output
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    assert {"header", "footer"} <= {line["type"] for line in lines}


def test_the_storage_checks_its_settings_in_a_container(suite: Suite) -> None:
    code, output = suite.run("-m", "bucket_conformance.reference_impl", "check", entrypoint="python3")
    assert code != 0  # the default directory is not there
    code, output = suite.run(
        *("-m", "bucket_conformance.reference_impl", "check"),
        entrypoint="python3",
        AP_FILE_STORAGE_LOCATION="local",
        AP_LOCAL_STORAGE_ROOT="/tmp",
    )
    assert code == 0, output


@pytest.mark.parametrize("kind", ["Job", "CronJob"])
def test_a_container_judges_with_the_arguments_of_the_manifest(suite: Suite, kind: str) -> None:
    manifest = ROOT / "examples" / "deployment" / "kubernetes" / "judge-bucket.yaml"
    (document,) = [each for each in yaml.safe_load_all(manifest.read_text("utf-8")) if each["kind"] == kind]
    job = document["spec"].get("jobTemplate", document)["spec"]
    (container,) = job["template"]["spec"]["containers"]
    with Exemplar("AKimage", "image-secret") as server:
        assert server.handle(Request(method="PUT", target="/trials"), trusted=True).status == 200
        arguments = [each.replace("https://s3.example.com", server.url) for each in container["args"]]
        assert arguments != container["args"]
        code, output = suite.run(
            *(*arguments, "--clause", "RT-001"),
            AWS_ACCESS_KEY_ID="AKimage",
            AWS_SECRET_ACCESS_KEY="image-secret",
        )
    assert code == 0, output
