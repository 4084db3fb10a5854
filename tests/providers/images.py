"""Makes container images of servers that are installed here, for engines that reach no registry.

``python -m tests.providers.images [PROVIDER…]`` makes them on the engine that answers (``DOCKER_HOST``) and prints a
line ``export CONFORMANCE_…_IMAGE=…`` for each, which the providers read. An image holds the program as ``conformance
install`` made it and the shared libraries it is linked with, and a shell where it calls one; no distribution.
"""

from __future__ import annotations

import importlib
import io
import json
import re
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bucket_conformance.providers import discover
from bucket_conformance.providers.launch.container import VERSION_LABEL, ContainerLaunch
from bucket_conformance.providers.launch.environment import Environment
from bucket_conformance.providers.launch.probe import ProbeResponse
from bucket_conformance.providers.launch.process import ProcessLaunch
from bucket_conformance.providers.provider import Provider

REPOSITORY: Final = "conformance-local"
_LIBRARY: Final = re.compile(r"(?:=>)?\s(/\S+) \(0x")


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What an image holds: files by their place in it, whole folders at their own place, and the command's start."""

    entry: Sequence[str]
    files: dict[str, Path]
    folders: Sequence[Path] = ()


def content(provider: str, environment: Environment) -> Content:
    """Return what the image of an installed server holds. Raises ``LaunchError`` where it is not installed."""
    if provider == "localstack":
        python = environment.program("python")
        # The Python of the environment has the same path in the image.
        folders = (environment.prefix, *_python_folders(python.resolve().parents[1]))
        # It calls a shell and reads the time zone GMT.
        shell, zone = Path("/bin/sh"), Path("/usr/share/zoneinfo/GMT")
        linked = _libraries([shell, python.resolve(), *(path for folder in folders for path in folder.rglob("*.so*"))])
        return Content(
            entry=(str(python), "-m", "localstack.runtime.main"),
            files={
                str(path): path
                for path in (shell, zone, *linked)
                if not any(path.is_relative_to(folder) for folder in folders)
            },
            folders=folders,
        )
    program = {"minio": "minio", "seaweedfs": "weed"}[provider]
    return Content(entry=(f"/usr/bin/{program}",), files={f"/usr/bin/{program}": environment.program(program)})


def make_image(client: Any, provider: Provider) -> str:
    """Make the image of an installed server on the engine, and return its reference."""
    launch = next(launch for launch in provider.launches if isinstance(launch, ProcessLaunch))
    assert launch.environment is not None
    holds = content(provider.id, launch.environment)
    with tempfile.NamedTemporaryFile(suffix=".tar") as packed:
        with tarfile.open(fileobj=packed, mode="w") as tar:
            _frame(tar)
            for place, file in holds.files.items():
                tar.add(file.resolve(), arcname=place.lstrip("/"))
            for folder in holds.folders:
                tar.add(folder, filter=_without_caches)
        packed.flush()
        client.api.import_image_from_file(
            packed.name,
            repository=f"{REPOSITORY}/{provider.id}",
            tag="installed",
            changes=[
                f"ENTRYPOINT {json.dumps(list(holds.entry))}",
                "ENV PATH=/usr/bin:/bin HOME=/tmp",
                "WORKDIR /tmp",
                # None of the three sends a request to the server, so it need not respond.
                f"LABEL {VERSION_LABEL}={launch.version(ProbeResponse(status=0, server=''))}",
            ],
        )
    return f"{REPOSITORY}/{provider.id}:installed"


def variable(provider: Provider) -> str:
    """Return the name of the environment variable that names another image for the provider."""
    launch = next(launch for launch in provider.launches if isinstance(launch, ContainerLaunch))
    assert launch.image.variable is not None
    return launch.image.variable


def _frame(tar: tarfile.TarFile) -> None:
    for name, mode in (("tmp", 0o1777), ("data", 0o755), ("etc", 0o755)):
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode = tarfile.DIRTYPE, mode
        tar.addfile(entry)
    passwd = b"root:x:0:0:root:/tmp:/bin/false\n"
    entry = tarfile.TarInfo("etc/passwd")
    entry.size = len(passwd)
    tar.addfile(entry, io.BytesIO(passwd))


def _without_caches(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if entry.name.endswith("/__pycache__") else entry


def _python_folders(base: Path) -> list[Path]:
    """Return the interpreter and its standard library, without the packages that are installed next to it."""
    version = sysconfig.get_python_version()
    library = base / "lib" / f"python{version}"
    needless = {"__pycache__", "ensurepip", "idlelib", "site-packages", "test", "tkinter"}
    parts = [path for path in library.iterdir() if path.name not in needless and not path.name.startswith("config-")]
    return [base / "bin" / f"python{version}", *base.glob(f"lib/libpython{version}*"), *sorted(parts)]


def _libraries(programs: Iterable[Path]) -> list[Path]:
    """Return the paths of the shared libraries, the loader included, that the programs are linked with."""
    said = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False).stdout
    return sorted(map(Path, set(_LIBRARY.findall(said))))


def main() -> None:
    known = discover()
    client = importlib.import_module("docker").from_env()
    try:
        for name in sys.argv[1:] or ("minio", "seaweedfs", "localstack"):
            print(f"export {variable(known[name])}={make_image(client, known[name])}", flush=True)
    finally:
        client.close()


if __name__ == "__main__":
    main()
