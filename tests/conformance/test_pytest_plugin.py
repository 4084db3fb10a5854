"""The clauses as tests of pytest, run as users run them: in a separate process, outside the project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bucket_conformance.conformance import pytest_plugin
from bucket_conformance.conformance.report.disclosure import WITHHELD
from bucket_conformance.conformance.report.document import read
from tests.conformance.cli.running import KEYS
from tests.exemplar.http import HttpFront
from tests.exemplar.raw_client import boto_client
from tests.exemplar.server import Exemplar
from tests.exemplar.types import Request, Response
from tests.faults.gateway import FaultyServer, all_faults
from tests.faults.upstreams import InProcess

STORAGE = """
from bucket_conformance.reference_impl.local import LocalStorage
import pathlib, tempfile

folder = pathlib.Path(tempfile.mkdtemp(dir=pathlib.Path(__file__).parent))

class Mine(LocalStorage):
    def download(self, key):
        return super().download(key)[:70000]

def make():
    return Mine(folder)

def good():
    return LocalStorage(folder)

def broken():
    raise RuntimeError("no driver")
"""


def pytest_in(folder: Path, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "AP_", "PYTEST_"))}
    return subprocess.run(
        [str(Path(sys.executable).with_name("pytest")), "-rA", *args],
        cwd=folder,
        env={**clean, "CONFORMANCE_STATE": str(folder / "state"), **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def clauses(folder: Path, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return pytest_in(folder, "--pyargs", "bucket_conformance", "--conformance-mode", "quick", *args, **environ)


def test_clauses_run_on_a_provider_and_fill_the_reports(tmp_path: Path) -> None:
    done = clauses(
        tmp_path,
        "--conformance-provider=local_disk",
        "-k",
        "KEY-001 or URL-006",
        "-n",
        "2",
        "--junitxml=junit.xml",
        "--conformance-report=report.jsonl",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASSED" in done.stdout
    names = {case.get("name") for case in ET.parse(tmp_path / "junit.xml").iter("testcase")}
    assert names == {"KEY-001[local_disk]", "URL-006[local_disk]"}
    (section,) = read(tmp_path / "report.jsonl")
    assert set(section.verdicts()) == {"KEY-001", "URL-006"}
    assert section.header.clauses == 2


@pytest.mark.parametrize("public", [False, True])
def test_what_others_may_read_withholds_an_attack_and_nothing_else(tmp_path: Path, public: bool) -> None:
    with FaultyServer(all_faults()["serves-without-a-signature"], upstream=InProcess(Exemplar())) as bad:
        done = clauses(
            tmp_path,
            f"--conformance-endpoint={bad.url}",
            *("-k", "URL-017", "--junitxml=junit.xml", "--conformance-report=report.jsonl"),
            *(["--conformance-public"] if public else []),
            **KEYS,
        )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "URL-017 (MUST): " in done.stdout
    report, junit = ((tmp_path / name).read_text("utf-8") for name in ("report.jsonl", "junit.xml"))
    assert [WITHHELD in text for text in (done.stdout, report, junit)] == [public] * 3
    assert ["GET /" in text for text in (done.stdout, report, junit)] == [not public] * 3
    (section,) = read(tmp_path / "report.jsonl")
    assert section.verdicts() == {"URL-017": "deviates"}


def test_a_users_own_storage_fails_with_promise_example_and_source_and_again_with_lf(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(STORAGE)
    judged = ("--conformance-storage=mine:make", "-k", "RT-001 or KEY-001", "--conformance-profile=core")
    done = clauses(tmp_path, *judged)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "RT-001 (MUST): " in done.stdout
    for label in ("promised", "observed", "example", "source"):
        assert f"  {label} " in done.stdout
    assert "Traceback" not in done.stdout
    public = clauses(tmp_path, *judged, "--conformance-public")
    assert "  example " in public.stdout, "a deviation that is no attack is shown"
    again = clauses(tmp_path, *judged, "--lf")
    assert "1 failed" in again.stdout
    assert "KEY-001[mine:make]" not in again.stdout
    healed = clauses(tmp_path, *judged[1:], "--conformance-storage=mine:good")
    assert healed.returncode == 0, healed.stdout


def test_a_storage_that_cannot_be_opened_fails_in_one_line_and_is_in_the_report(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(STORAGE)
    done = clauses(tmp_path, "--conformance-storage=mine:broken", "-k", "KEY-001", "--conformance-report=report.jsonl")
    assert done.returncode == 1
    assert "making the storage failed: RuntimeError: no driver" in done.stdout
    assert "Traceback" not in done.stdout
    (section,) = read(tmp_path / "report.jsonl")
    assert section.verdicts() == {"KEY-001": "error"}


def test_an_endpoint_is_judged_with_keys_from_the_environment(tmp_path: Path) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "exemplar", "AWS_SECRET_ACCESS_KEY": "exemplar-secret"}
    with Exemplar() as server:
        done = clauses(tmp_path, f"--conformance-endpoint={server.url}", "-k", "URL-001 or DEL-017", **keys)
        assert done.returncode == 0, done.stdout
        assert "URL-001[endpoint]" in done.stdout
        assert server.store.buckets == {}
        missing = clauses(tmp_path, f"--conformance-endpoint={server.url}", "--conformance-bucket=missing", **keys)
        assert missing.returncode == 1
        assert "there is no such bucket" in missing.stdout


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--conformance-provider=nope", "--conformance-provider nope: unknown; known: aws,"),
        ("--conformance-storage=nope:make", "--conformance-storage nope:make: ModuleNotFoundError"),
        ("--conformance-storage=os:sep", "it is no callable"),
        ("--conformance-capability=fly", "'fly' is not a valid Capability; known: wire"),
        ("--conformance-capability=wire", "--conformance-capability goes with --conformance-storage"),
        ("--conformance-endpoint=host", "--conformance-endpoint: write http://HOST:PORT"),
        ("--conformance-bucket=b", "--conformance-bucket goes with --conformance-endpoint"),
        ("--conformance-endpoint=", "--conformance-endpoint is empty"),
        ("--conformance-storage=", "--conformance-storage is empty"),
        ("--conformance-provider-file=nope.toml", "nope.toml"),
        ("--conformance-report=no/such/folder", "--conformance-report no/such/folder: No such file"),
        ("--conformance-profile=x", "invalid choice: 'x'"),
    ],
)
def test_a_wrong_option_is_a_usage_error_in_one_line(tmp_path: Path, option: str, said: str) -> None:
    done = clauses(tmp_path, option, "-k", "KEY-001")
    assert done.returncode == 4, done.stdout + done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_report_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    done = clauses(tmp_path, "-k", "KEY-001", "--conformance-report=/dev/full")
    assert "--conformance-report /dev/full: No space left on device" in done.stdout
    assert done.returncode == 3


def test_a_run_that_was_cut_short_writes_a_report_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(STORAGE)
    clauses(tmp_path, "--conformance-storage=mine:make", "-x", "-k", "RT-00", "--conformance-report=report.jsonl")
    last = json.loads((tmp_path / "report.jsonl").read_text().splitlines()[-1])
    assert (last["type"], last["complete"]) == ("footer", False)


def test_a_project_that_does_not_use_it_pays_nothing(tmp_path: Path) -> None:
    # The plugins of Hypothesis and others are switched off here: only the imports of ours count.
    (tmp_path / "test_mine.py").write_text(
        "import sys\n"
        "def test_it():\n"
        "    heavy = {'hypothesis', 'boto3', 'botocore', 'starlette', 'anyio', 'uvicorn', 'rich', 'time_machine'}\n"
        "    assert 'bucket_conformance.conformance.pytest_plugin' in sys.modules\n"
        "    assert not heavy & set(sys.modules)\n"
        "    ours = {name for name in sys.modules if name.startswith('bucket_conformance.')}\n"
        "    assert ours == {'bucket_conformance.conformance', 'bucket_conformance.conformance.pytest_plugin'}\n"
    )
    done = pytest_in(tmp_path, "-q", "-p", "conformance", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "state").exists()


def test_no_option_collides_with_one_of_a_project(tmp_path: Path) -> None:
    names = ("bucket", "endpoint", "mode", "profile", "provider", "public", "region", "report", "seed", "storage")
    (tmp_path / "conftest.py").write_text(
        "def pytest_addoption(parser):\n"
        f"    for name in {names!r}:\n"
        "        parser.addoption(f'--{name}', default='mine')\n"
        "        parser.addini(name, 'of the project', default='mine')\n"
    )
    (tmp_path / "test_mine.py").write_text(
        "def test_it(request):\n"
        f"    for name in {names!r}:\n"
        "        assert request.config.getoption(f'--{name}') == ('given' if name == 'provider' else 'mine')\n"
    )
    done = pytest_in(tmp_path, "-q", "--provider=given")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_option_begins_with_the_name_of_the_plugin() -> None:
    parser = pytest.Parser(_ispytest=True)
    pytest_plugin.pytest_addoption(parser)
    options = [option for group in parser._groups for option in group.options]
    assert len(options) > 10
    assert [name for option in options for name in option.names() if not name.startswith("--conformance-")] == []
    assert [option.dest for option in options if not option.dest.startswith("conformance_")] == []
    assert [name for name in parser._inidict if not name.startswith("conformance_")] == []


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "workers"])
def test_leftovers_are_reported_with_the_command_that_removes_them(tmp_path: Path, workers: tuple[str, ...]) -> None:
    with Exemplar() as server:

        def answer(request: Request) -> Response:
            removes = request.method == "DELETE" or "delete" in request.query
            if removes and not request.key.endswith("/smoke"):
                return Response(status=403, body=b"<Error><Code>AccessDenied</Code></Error>")
            return server.handle(request)

        client = boto_client(server.url)
        client.create_bucket(Bucket="theirs")
        client.close()
        with HttpFront(answer) as front:
            given = ("--conformance-endpoint", front.url, "--conformance-bucket", "theirs", "-k", "KEY-001 or URL-001")
            done = clauses(tmp_path, *given, *workers, "--conformance-report", "r.jsonl", **KEYS)
    assert "could not be removed: what bears conformance-" in done.stdout
    assert f"conformance clean --endpoint {front.url} --region us-east-1 --bucket theirs --run " in done.stdout
    (section,) = read(tmp_path / "r.jsonl")
    assert section.footer is not None
    assert section.footer.left_behind
    commands = section.footer.remove_with.splitlines()
    assert 1 <= len(commands) <= max(1, len(workers))
    assert all(command in done.stdout for command in commands)


def test_a_bucket_whose_versions_would_stay_is_used_only_on_demand(tmp_path: Path) -> None:
    with Exemplar() as server:
        client = boto_client(server.url)
        client.create_bucket(Bucket="theirs")
        client.put_bucket_versioning(Bucket="theirs", VersioningConfiguration={"Status": "Enabled"})
        client.close()

        def answer(request: Request) -> Response:
            return Response(status=403) if "versions" in request.query else server.handle(request)

        with HttpFront(answer) as front:
            given = ("--conformance-endpoint", front.url, "--conformance-bucket", "theirs", "-k", "KEY-001")
            refused = clauses(tmp_path, *given, **KEYS)
            kept = clauses(tmp_path, *given, "--conformance-keep-versions", **KEYS)
    assert refused.returncode == 1
    assert "--conformance-keep-versions" in refused.stdout
    assert kept.returncode == 0, kept.stdout
    assert "its old versions and delete markers stay" in kept.stdout
