"""One real report, made once by the command line: local disk, and a server that another process runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bucket_conformance.conformance.cli.main import main


@pytest.fixture(scope="session")
def real_report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("real")
    path = folder / "report.jsonl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONFORMANCE_STATE", str(folder / "state"))
        arguments = ["run", "local_disk", "moto", "--quick", "--seed", "1", "--clause", "DEL-00*", "--clause", "RT-001"]
        main([*arguments, "--report", str(path)])
        yield path
