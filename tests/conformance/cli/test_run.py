"""``conformance run`` as its users see it: outcomes, mistakes, output, interrupts."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from bucket_conformance.conformance.cli.main import main
from bucket_conformance.conformance.report.disclosure import WITHHELD
from bucket_conformance.conformance.report.document import DocumentError, read
from tests.conformance.cli.running import KEYS, conformance, environment, in_a_terminal, started, until
from tests.exemplar.http import HttpFront
from tests.exemplar.raw_client import boto_client
from tests.exemplar.server import Exemplar
from tests.exemplar.types import Request, Response
from tests.faults.gateway import FaultyServer, all_faults
from tests.faults.upstreams import InProcess

FEW = ("--quick", "--clause", "KEY-001", "--clause", "URL-001", "--clause", "URL-018")


@pytest.fixture
def server() -> Iterator[Exemplar]:
    with Exemplar() as made:
        yield made


def at(server: Exemplar) -> tuple[str, str]:
    return "--endpoint", server.url


def test_local_disk_ends_in_a_matrix_and_a_report(tmp_path: Path) -> None:
    done = conformance(tmp_path, "run", "local_disk", *FEW, "--report", "r.jsonl")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^local_disk +✓1 +✓1 +100 %$", done.stdout, re.M), done.stdout
    assert "report: r.jsonl" in done.stdout
    assert "local_disk: judging Local disk" in done.stderr
    (section,) = read(tmp_path / "r.jsonl")
    assert dict(section.verdicts()) == {"KEY-001": "conforms", "URL-001": "conforms", "URL-018": "unsupported"}
    assert not list((tmp_path / "state" / "runs").iterdir())


def test_a_users_own_provider_brings_its_known_deviations(tmp_path: Path) -> None:
    text = "import dataclasses\nfrom pathlib import Path\n"
    text += "from bucket_conformance.providers.local_disk import PROVIDER as base\n"
    text += "KNOWN = Path(__file__).with_name('known.toml')\n"
    (tmp_path / "mine.py").write_text(text + "PROVIDER = dataclasses.replace(base, id='mine', expectations=KNOWN)\n")
    given = ("run", "mine", "--provider-file", "mine.py", "--quick", "--clause", "KEY-001", "--report", "r.jsonl")
    done = conformance(tmp_path, *given)
    assert done.returncode == 2
    assert "there is no file" in done.stderr
    entry = '[[expect]]\nclause = "KEY-001"\nverdict = "{}"\nreason = "R"\nsince = 2026-01-01\nreview_by = 2099-01-01\n'
    (tmp_path / "known.toml").write_text(entry.format("conforms"))
    (tmp_path / "other.toml").write_text(entry.format("deviates"))
    for more, expected in (((), True), (("--expectations", "other.toml"), False)):
        done = conformance(tmp_path, *given, *more)
        assert done.returncode == 0, done.stderr
        (section,) = read(tmp_path / "r.jsonl")
        assert [result.expected for result in section.results] == [expected]


def test_a_deviation_is_expected_under_its_settings_only(tmp_path: Path, server: Exemplar) -> None:
    entry = '[[expect]]\nclause = "URL-018"\nverdict = "deviates"\nreason = "R"\nsince = 2026-01-01\n'
    entry += "review_by = 2099-01-01\nwhen = {{ tls = {} }}\n"
    given = (
        "run",
        *at(server),
        "--quick",
        "--clause",
        "URL-018",
        "--expectations",
        "known.toml",
        "--report",
        "r.jsonl",
    )
    for tls, expected in (("true", True), ("false", False)):
        (tmp_path / "known.toml").write_text(entry.format(tls))
        done = conformance(tmp_path, *given, **KEYS)
        assert done.returncode == 0, done.stdout + done.stderr
        (section,) = read(tmp_path / "r.jsonl")
        (result,) = section.results
        assert (result.verdict, result.expected, result.expectation is not None) == ("conforms", expected, not expected)


def test_an_endpoint_is_judged_in_a_new_bucket_or_in_a_given_one(tmp_path: Path, server: Exemplar) -> None:
    done = conformance(tmp_path, "run", *at(server), *FEW, **KEYS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert server.store.buckets == {}
    variables = {
        "AP_S3_BUCKET": "theirs",
        "AP_S3_ACCESS_KEY_ID": "exemplar",
        "AP_S3_SECRET_ACCESS_KEY": "exemplar-secret",
        "AP_S3_REGION": "us-east-1",
        "AP_S3_ENDPOINT": server.url,
    }
    missing = conformance(tmp_path, "run", "--env", *FEW, **variables)
    assert missing.returncode == 3
    assert "there is no such bucket" in " ".join(missing.stdout.split())
    client = boto_client(server.url)
    client.create_bucket(Bucket="theirs")
    client.put_object(Bucket="theirs", Key="keep", Body=b"x")
    for args, keys in ((("--env",), variables), ((*at(server), "--bucket", "theirs"), KEYS)):
        done = conformance(tmp_path, "run", *args, *FEW, **keys)
        assert done.returncode == 0, done.stdout + done.stderr
    assert [item["Key"] for item in client.list_objects_v2(Bucket="theirs")["Contents"]] == ["keep"]
    client.close()


def test_json_is_the_report_and_nothing_else_and_repeats_by_its_seed(tmp_path: Path, server: Exemplar) -> None:
    seen = []
    for _ in range(2):
        done = conformance(
            tmp_path, "run", *at(server), "--quick", "--clause", "RT-003", "--json", "--seed", "7", **KEYS
        )
        lines = [json.loads(text) for text in done.stdout.splitlines()]
        assert [value["type"] for value in lines] == ["header", "result", "footer"]
        assert lines[0]["seed"] == 7
        assert "exemplar-secret" not in done.stdout + done.stderr
        seen.append(lines[1]["requests"])
    assert seen[0] == seen[1]


def test_a_bound_on_requests_skips_the_rest_and_says_so(tmp_path: Path, server: Exemplar) -> None:
    done = conformance(
        tmp_path, "run", *at(server), "--quick", "--clause", "URL", "--max-requests", "60", "--json", **KEYS
    )
    verdicts = [json.loads(text).get("verdict") for text in done.stdout.splitlines()[1:-1]]
    assert {"conforms", "skipped"} <= set(verdicts)
    assert verdicts[-1] == "skipped"
    assert "bound of 60 requests is used up" in done.stdout
    assert done.returncode == 0


def test_a_deviation_from_a_must_is_exit_code_1_and_shown_within_the_width(tmp_path: Path, server: Exemplar) -> None:
    def leaky(request: Request) -> Response:
        answer = server.handle(request)
        return Response(status=200, body=b"\x1b[31mall the content") if answer.status == 403 else answer

    with HttpFront(leaky) as front:
        args = ("run", "--endpoint", front.url, "--quick", "--clause", "URL-017")
        done = conformance(tmp_path, *args, "--reproducers", "scripts", **KEYS)
        (tmp_path / "taken").write_text("a file, and no folder")
        narrow = conformance(tmp_path, *args, COLUMNS="50", **KEYS)
        unwritten = conformance(tmp_path, *args, "--reproducers", "taken", **KEYS)
    compile((tmp_path / "scripts" / "endpoint" / "URL-017.py").read_text("utf-8"), "URL-017.py", "exec")
    assert "\n1 reproducer: scripts\n" in done.stdout
    assert unwritten.returncode == 3
    assert "conformance: --reproducers taken" in unwritten.stderr
    assert "URL-017 MUST" in unwritten.stdout
    for shown, width in ((done, 80), (narrow, 50)):
        assert shown.returncode == 1, shown.stdout
        assert "URL-017 MUST" in shown.stdout
        assert "promised" in shown.stdout
        assert "observed" in shown.stdout
        assert max(map(len, shown.stdout.splitlines())) <= width, shown.stdout
        assert all(char == "\n" or char.isprintable() for char in shown.stdout + shown.stderr)


def test_a_run_for_the_public_withholds_what_shows_an_attack_and_ends_the_same(tmp_path: Path) -> None:
    with FaultyServer(all_faults()["serves-without-a-signature"], upstream=InProcess(Exemplar())) as bad:
        args = ("run", "--endpoint", bad.url, "--quick", "--seed", "1", "--clause", "URL-017")
        done = {
            name: conformance(
                tmp_path, *args, "--report", f"{name}.jsonl", "--reproducers", f"{name}-scripts", *more, **KEYS
            )
            for name, more in (("whole", ()), ("public", ("--public",)), ("piped", ("--public", "--json")))
        }
    assert {name: run.returncode for name, run in done.items()} == dict.fromkeys(done, 1), done
    [whole], [public] = read(tmp_path / "whole.jsonl"), read(tmp_path / "public.jsonl")
    assert public.verdicts() == whole.verdicts()
    seen = whole.results[0].observed
    for name, run in done.items():
        hidden = name != "whole"
        shown, report = " ".join(run.stdout.split()), (tmp_path / f"{name}.jsonl").read_text("ascii")
        assert [WITHHELD in text for text in (shown, report)] == [hidden] * 2, name
        assert [seen in shown, '"evidence"' in report] == [not hidden] * 2, name
        assert (tmp_path / f"{name}-scripts" / "endpoint" / "URL-017.py").exists() is not hidden
    assert done["piped"].stdout == (tmp_path / "piped.jsonl").read_text("ascii")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nope"], "unknown provider 'nope'; known: aws,"),
        (["local_disk", "--clause", "NOPE-9"], "no clause matches 'NOPE-9'"),
        (["local_disk", "--clause", "URL-018", "--profile", "core"], "no clause is in every one"),
        (["local_disk", "--wrong"], "unrecognized arguments: --wrong"),
        (["local_disk", "--profile", "x"], "invalid choice: 'x'"),
        (["local_disk", "--launch", "container"], "local_disk has no launch 'container'; it has: embedded"),
        (["local_disk", "--max-requests", "0"], "--max-requests is 0"),
        (["local_disk", "--jobs", "-1"], "--jobs is -1"),
        (["local_disk", "--deep", "0"], "--deep is 0"),
        (["local_disk", "--deep", "nan"], "--deep is nan"),
        (["local_disk", "--deep", "5", "--quick"], "exclude each other"),
        (["local_disk", "--seed", "x"], "invalid int value: 'x'"),
        (["local_disk", "--report", "no/folder/r"], "--report no/folder/r: No such file or directory"),
        (["local_disk", "--expectations", "none.toml"], "there is no file none.toml"),
        (["local_disk", "--bucket", "b"], "--bucket goes with --endpoint"),
        (["local_disk", "--provider-file", "none.toml"], "none.toml"),
        (["local_disk", "--endpoint", "http://h"], "name no provider"),
        (["--endpoint", "host:9000"], "write http://HOST:PORT"),
        (["--endpoint", ""], "--endpoint is empty"),
        (["--endpoint", "http://h:port"], "write http://HOST:PORT"),
        (["--endpoint", "http://key:secret@h"], "write http://HOST:PORT"),
        (["--endpoint", "http://h", "--bucket", ""], "--bucket is ''"),
        (["--endpoint", "http://h", "--ca-file", "none.pem"], "there is no file none.pem"),
        (["--endpoint", "http://h", "--env"], "--env and --endpoint exclude each other"),
        (["--env"], "AP_S3_BUCKET"),
        (["--env", "--bucket", "b"], "--bucket goes with --endpoint"),
    ],
)
def test_a_mistake_is_one_clear_line_and_exit_code_2(tmp_path: Path, args: list[str], said: str) -> None:
    done = main_in_process(tmp_path, "run", *args)
    assert done.returncode == 2, done
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def main_in_process(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run the command in this process, which takes a tenth of the time."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        mock.patch.dict(os.environ, environment(folder, **KEYS), clear=True),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            code = main(args)
        except SystemExit as stop:
            code = int(stop.code or 0)
    return subprocess.CompletedProcess(args, code, out.getvalue(), err.getvalue())


def test_a_variable_that_env_cannot_use_or_that_looks_misspelt_is_named(tmp_path: Path, server: Exemplar) -> None:
    variables = {"AP_S3_BUCKET": "theirs", "AP_S3_REGION": "us-east-1", "AP_S3_ENDPOINT": server.url}
    done = conformance(tmp_path, "run", "--env", *FEW, **variables, AP_S3_USE_IRSA="true")
    assert (done.returncode, "unset it and give AP_S3_ACCESS_KEY_ID" in done.stderr) == (2, True)
    keys = {"AP_S3_ACCES_KEY_ID": "exemplar", "AP_S3_SECRET_ACCESS_KEY": "exemplar-secret"}
    done = conformance(tmp_path, "run", "--env", *FEW, **variables, **keys)
    assert done.returncode == 2
    assert "AP_S3_ACCES_KEY_ID is not read by this storage; is AP_S3_ACCESS_KEY_ID meant?" in done.stderr
    keys = {"AP_S3_ACCESS_KEY_ID": "exemplar", "AP_S3_SECRET_ACCESS_KEY": "exemplar-secret", "AP_S3_REGON": "eu"}
    done = conformance(tmp_path, "run", "--env", *FEW, **variables, **keys)
    assert done.stderr.startswith("conformance: --env: warning: AP_S3_REGON is not read"), done.stderr


def test_missing_credentials_are_named(tmp_path: Path) -> None:
    done = conformance(tmp_path, "run", "--endpoint", "http://127.0.0.1:1")
    assert done.returncode == 2
    assert done.stderr.startswith("conformance: --endpoint needs credentials in the environment: set AWS_ACCESS_KEY_ID")
    done = conformance(tmp_path, "run", "--endpoint", "http://127.0.0.1:1", AWS_PROFILE="my profile")
    assert done.returncode == 2
    assert "export-credentials --profile 'my profile'" in done.stderr


def test_a_bundle_of_certificates_is_read_as_in_sdks(tmp_path: Path) -> None:
    done = conformance(tmp_path, "run", "--endpoint", "https://127.0.0.1:1", AWS_CA_BUNDLE="none.pem", **KEYS)
    assert done.returncode == 2
    assert "AWS_CA_BUNDLE: there is no file none.pem" in done.stderr


@pytest.mark.parametrize(
    ("endpoint", "keys", "said"),
    [
        ("http://127.0.0.1:9", KEYS, "does not answer"),
        (None, {**KEYS, "AWS_SECRET_ACCESS_KEY": "wrong-secret"}, "the credentials are not accepted"),
    ],
)
def test_an_endpoint_that_cannot_be_used_is_reported_once(
    tmp_path: Path, server: Exemplar, endpoint: str | None, keys: dict[str, str], said: str
) -> None:
    done = conformance(tmp_path, "run", "--endpoint", endpoint or server.url, *FEW, **keys)
    assert done.returncode == 3
    assert " ".join(done.stdout.split()).count(said) == 1
    assert "Traceback" not in done.stderr
    assert "wrong-secret" not in done.stdout + done.stderr


SERVER = ["--port", "{port}", "--access-key", "{access_key}", "--secret-key", "{secret_key}"]


def test_a_server_declared_in_a_file_is_started_judged_and_ended_also_by_an_interrupt(tmp_path: Path) -> None:
    declare(tmp_path, [sys.executable, "-m", "tests.exemplar.server", *SERVER])
    here = {"PYTHONPATH": str(Path(__file__).parents[3])}
    args = ("run", "mine", "--provider-file", "mine.toml")
    done = conformance(tmp_path, *args, *FEW, **here)
    assert done.returncode == 0, done.stdout + done.stderr
    assert processes_of(tmp_path) == []
    runs = tmp_path / "state" / "runs"
    with started(tmp_path, *args, **here) as process:
        until(lambda: any(b"exemplar" in command for command in commands_of(tmp_path)), "the server")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert processes_of(tmp_path) == []
    assert list(runs.iterdir()) == []


def commands_of(folder: Path) -> list[bytes]:
    found = []
    for pid in processes_of(folder):
        with contextlib.suppress(OSError):
            found.append(Path(f"/proc/{pid}/cmdline").read_bytes())
    return found


def test_a_server_that_does_not_come_up_is_exit_code_3_with_its_log(tmp_path: Path) -> None:
    program = tmp_path / "server.py"
    program.write_text("import sys\nprint('cannot open the database', file=sys.stderr)\nsys.exit(7)\n")
    declare(tmp_path, [sys.executable, str(program)])
    done = conformance(tmp_path, "run", "mine", "--provider-file", "mine.toml", *FEW)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "cannot open the database" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_report_on_a_full_disk_loses_nothing_else(tmp_path: Path) -> None:
    done = conformance(tmp_path, "run", "local_disk", *FEW, "--report", "/dev/full")
    assert done.returncode == 3
    assert "conformance: the report is not complete: /dev/full: No space left on device" in done.stderr
    assert "100 %" in done.stdout
    assert "report:" not in done.stdout


def test_a_reader_that_closes_the_output_early_is_no_error(tmp_path: Path) -> None:
    for command in ("run local_disk --quick --clause RT --json", "list clauses"):
        done = subprocess.run(
            f"{sys.executable} -m bucket_conformance.conformance.cli.main {command} | head -c 1",
            shell=True,
            cwd=tmp_path,
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert len(done.stdout) == 1
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr
    assert not list((tmp_path / "state" / "runs").iterdir())


def test_an_encoding_without_the_symbols_is_no_error(tmp_path: Path) -> None:
    done = conformance(tmp_path, "run", "local_disk", *FEW, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "100 %" in done.stdout


def test_a_terminal_shows_live_counts(tmp_path: Path, server: Exemplar) -> None:
    seen = in_a_terminal(tmp_path, "run", *at(server), "--quick", "--clause", "URL-00*", **KEYS)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)
    assert len(set(re.findall(r"endpoint +(\d+)/9", text))) >= 2, text
    assert "100 %" in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_run_and_leaves_nothing(tmp_path: Path, server: Exemplar, number: signal.Signals) -> None:
    args = ("run", *at(server), "--report", "r.jsonl")
    with started(tmp_path, *args, **KEYS) as process:
        until(
            lambda: any("/FILE/" in key for b in list(server.store.buckets.values()) for key in list(b.versions)),
            "objects",
        )
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130, errors
    assert "interrupted; what the run created is removed" in errors
    assert "Traceback" not in errors
    # Helper processes end by themselves, and remove what is theirs, within seconds.
    until(lambda: processes_of(tmp_path) == [], "no process")
    assert server.store.buckets == {}
    with pytest.raises(DocumentError):
        read(tmp_path / "r.jsonl")


def test_an_interrupt_of_a_run_on_disk_leaves_no_folder(tmp_path: Path) -> None:
    runs = tmp_path / "state" / "runs"
    with started(tmp_path, "run", "local_disk") as process:
        until(lambda: any(runs.glob("*/data/*")), "a data folder")
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the signal goes to every process at once
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130, errors
    assert list(runs.iterdir()) == []
    assert "Traceback" not in errors


def test_only_the_leftovers_of_a_killed_run_are_found_and_removed(tmp_path: Path, server: Exemplar) -> None:
    runs = tmp_path / "state" / "runs"
    with started(tmp_path, "run", *at(server), **KEYS) as process:
        until(
            lambda: any("/FILE/" in key for b in list(server.store.buckets.values()) for key in list(b.versions)),
            "objects",
        )
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    with started(tmp_path, "run", "local_disk") as process:
        until(lambda: any(runs.glob("*/data/*")), "a data folder")
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    left = sorted(server.store.buckets)
    assert 1 <= len(left) <= 2  # each process that judges has one
    (folder,) = runs.iterdir()
    kept = conformance(tmp_path, "clean", *at(server), "--dry-run", "--older-than", "0", **KEYS)
    at_work = [bucket for bucket in left if f"kept bucket {bucket}: its run is at work" in kept.stdout]
    assert at_work
    # The kill may hit one of the processes between the creation of its bucket and of its lease.
    assert all(f"would remove bucket {bucket}" in kept.stdout for bucket in left if bucket not in at_work)
    named = [word for bucket in left for word in ("--run", bucket.removeprefix("conformance-"))]
    with_keys = ("clean", *at(server), *named)
    would = conformance(tmp_path, *with_keys, "--dry-run", **KEYS)
    assert all(f"would remove bucket {bucket}" in would.stdout for bucket in left)
    assert f"would remove {folder}" in would.stdout
    assert sorted(server.store.buckets) == left
    assert folder.exists()
    done = conformance(tmp_path, *with_keys, **KEYS)
    assert done.returncode == 0, done.stderr
    assert all(f"removed bucket {bucket}" in done.stdout for bucket in left)
    assert server.store.buckets == {}
    assert list(runs.iterdir()) == []
    again = conformance(tmp_path, *with_keys, **KEYS)
    assert again.stdout == "nothing was left behind\n"
    wrong = conformance(tmp_path, *with_keys, **{**KEYS, "AWS_SECRET_ACCESS_KEY": "wrong-secret"})
    assert (wrong.returncode, "credentials are not accepted" in wrong.stderr) == (3, True)


def holds_objects(server: Exemplar) -> bool:
    return any("/FILE/" in key for bucket in list(server.store.buckets.values()) for key in list(bucket.versions))


def processes_of(folder: Path) -> list[int]:
    """Return the processes that were started to work below this folder."""
    mark = str(folder).encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


def declare(folder: Path, command: list[str]) -> None:
    words = json.dumps(command)
    # The installed package does not hold the tests that the server is one of.
    root = json.dumps(str(Path(__file__).parents[3]))
    (folder / "mine.toml").write_text(
        f'id = "mine"\ntitle = "My server"\ncommand = {words}\nenvironment = {{ PYTHONPATH = {root} }}\n',
        encoding="utf-8",
    )
