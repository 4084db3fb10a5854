"""`conformance list providers`: what is missing, and how to get it, launch by launch."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.conformance.cli.running import conformance


def test_each_launch_of_a_missing_provider_has_its_own_line(tmp_path: Path) -> None:
    nothing = {
        "PATH": str(tmp_path),
        "CONFORMANCE_CACHE": str(tmp_path / "cache"),
        "DOCKER_HOST": "unix:///nonexistent",
    }
    done = conformance(tmp_path, "list", "providers", **nothing)
    assert done.returncode == 0, done.stderr
    said = re.search(r"^– missing minio .*\n((?: +.*\n)+)", done.stdout, re.M)
    assert said is not None, done.stdout
    process, container = " ".join(said[1].split()).split(" container: ")
    assert process.startswith("process: go (needed to build github.com/minio/minio) is not on the PATH; install Go ")
    assert process.endswith("then run: conformance install minio; or put the program minio on the PATH")
    assert container
    alone = re.search(r"^– missing storj .*\n(?: +.*\n)+", done.stdout, re.M)
    assert alone is not None
    assert "remote: " not in alone[0]
    assert "CONFORMANCE_STORJ_BUCKET names one to stay in" in " ".join(alone[0].split())


def test_as_json_every_provider_says_what_is_missing_and_how_to_get_it(tmp_path: Path) -> None:
    done = conformance(tmp_path, "list", "providers", "--json")
    rows = json.loads(done.stdout)
    assert len(rows) >= 30
    assert all(bool(row["missing"]) is bool(row["how"]) is not row["ready"] for row in rows), rows
