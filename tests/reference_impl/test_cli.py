"""The command line, run as a program: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from bucket_conformance.reference_impl.cli import main
from bucket_conformance.reference_impl.cli_output import ProgressLine, amount, plain
from bucket_conformance.reference_impl.local import LocalStorage
from bucket_conformance.reference_impl.safe_paths import INCOMING
from tests.reference_impl.bucket_world import SECRET, Bucket, command_line, environment, fresh_bucket, moto_server
from tests.reference_impl.bucket_world import run as run_command

KEY = "project/p/FILE/f"
LOG = "project/p/FLOW_RUN_LOG/r.log"
URL_SECRET = "s" * 40


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture
def bucket(server: str) -> Bucket:
    return fresh_bucket(server)


@pytest.fixture
def local(tmp_path: Path) -> LocalStorage:
    (tmp_path / "cache").mkdir()
    return LocalStorage(tmp_path / "cache")


def run(*arguments: str, variables: dict[str, str], home: Path, stdin: bytes = b"") -> tuple[int, str, str]:
    """Run a command; assert that its output has no traceback, no secret and no control character."""
    done = run_command(*arguments, variables=variables, home=home, stdin=stdin)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert "Traceback" not in err
    assert SECRET not in out + err
    assert URL_SECRET not in out + err
    assert "\x1b" not in err
    assert "\r" not in err
    return done.returncode, out, err


def on_disk(local: LocalStorage) -> dict[str, str]:
    return {"AP_LOCAL_STORAGE_ROOT": str(local.root)}


def test_put_get_ls_and_rm_work_on_a_bucket_through_files_and_pipes(bucket: Bucket, tmp_path: Path) -> None:
    data = os.urandom(100_000)
    assert run("put", "-", KEY, variables=bucket.environ, home=tmp_path, stdin=data)[0] == 0
    assert bucket.storage.download(KEY) == data
    code, out, _ = run("get", KEY, str(tmp_path / "got"), "--json", variables=bucket.environ, home=tmp_path)
    assert (code, json.loads(out)["size"]) == (0, len(data))
    assert (tmp_path / "got").read_bytes() == data
    assert run_command("get", KEY, "-", variables=bucket.environ, home=tmp_path).stdout == data
    code, out, _ = run("ls", "--json", variables=bucket.environ, home=tmp_path)
    assert [json.loads(line)["key"] for line in out.splitlines()] == [KEY]
    code, out, _ = run("rm", KEY, "no/such", "--json", variables=bucket.environ, home=tmp_path)
    assert (code, json.loads(out)["deleted"]) == (0, [KEY, "no/such"])
    assert not bucket.storage.exists(KEY)


def test_put_keeps_the_content_type_and_a_missing_file_is_a_usage_error(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"{}")
    put = ("put", str(tmp_path / "a"), KEY, "--content-type", "application/json")
    assert run(*put, variables=bucket.environ, home=tmp_path)[0] == 0
    assert bucket.storage.stat(KEY).content_type == "application/json"
    code, out, err = run("put", str(tmp_path / "absent"), KEY, variables=bucket.environ, home=tmp_path)
    assert (code, out) == (2, "")
    assert "absent: No such file" in err


def test_a_missing_key_is_exit_code_1_and_leaves_the_old_file_and_nothing_else(
    local: LocalStorage, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_bytes(b"old")
    get = ("get", KEY, str(tmp_path / "out" / "old"))
    code, out, err = run(*get, "--json", variables=on_disk(local), home=tmp_path)
    assert (code, json.loads(out)["error"]["code"], json.loads(out)["error"]["key"]) == (1, "not_found", KEY)
    assert err.startswith("error: open 'project/p/FILE/f': not_found")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {"old": b"old"}


def test_get_refuses_a_folder_and_a_json_result_beside_bytes(local: LocalStorage, tmp_path: Path) -> None:
    local.upload(KEY, b"1")
    assert run("get", KEY, str(tmp_path), variables=on_disk(local), home=tmp_path)[0] == 2
    assert run("get", KEY, str(tmp_path / "no" / "x"), variables=on_disk(local), home=tmp_path)[0] == 2
    assert run("get", KEY, "-", "--json", variables=on_disk(local), home=tmp_path)[:2] == (2, "")


def test_every_wrong_setting_is_named_and_exits_with_2(tmp_path: Path) -> None:
    variables = {"AP_FILE_STORAGE_LOCATION": "s3", "AP_S3_SECRET_ACCESS_KEY": SECRET, "AP_S3_REGION": "not a region"}
    code, out, err = run("check", "--json", variables=variables, home=tmp_path)
    names = {problem["name"] for problem in json.loads(out)["error"]["problems"]}
    assert (code, names) == (2, {"AP_S3_BUCKET", "AP_S3_ACCESS_KEY_ID", "AP_S3_REGION"})
    assert all(name in err for name in names)


def test_check_says_what_worked_or_what_is_wrong(bucket: Bucket, tmp_path: Path) -> None:
    code, out, _ = run("check", variables=bucket.environ, home=tmp_path)
    assert (code, out.count("s3:")) == (0, 5)
    code, out, err = run("check", variables=bucket.environ | {"AP_S3_BUCKET": "absent"}, home=tmp_path)
    assert (code, out, "bucket_not_found" in err) == (1, "", True)
    code, _, err = run("check", variables={"AP_LOCAL_STORAGE_ROOT": str(tmp_path / "no")}, home=tmp_path)
    assert (code, "bucket_not_found" in err) == (1, True)


def test_a_misspelt_variable_is_a_warning_on_stderr(local: LocalStorage, tmp_path: Path) -> None:
    code, _, err = run("ls", variables=on_disk(local) | {"AP_S3_BUCKETS": "x"}, home=tmp_path)
    assert (code, err.startswith("warning: AP_S3_BUCKETS")) == (0, True)
    variables = {"AP_FILE_STORAGE_LOCATION": "s3", "AP_S3_BUCKETS": "files", "AP_S3_REGION": "eu-west-1"}
    code, out, err = run("ls", "--json", variables=variables, home=tmp_path)
    [warning] = json.loads(out)["error"]["warnings"]
    assert (code, warning) == (2, "AP_S3_BUCKETS is not read by this storage; is AP_S3_BUCKET meant?")
    assert err.splitlines()[-1] == f"  {warning}"


def test_a_signed_url_serves_the_file_under_the_name_asked_for(bucket: Bucket, tmp_path: Path) -> None:
    bucket.storage.upload(KEY, b"content")
    arguments = ("url", KEY, "--expires", "15m", "--file-name", "a b.txt")
    code, out, _ = run(*arguments, variables=bucket.environ, home=tmp_path)
    assert (code, "X-Amz-Expires=900&" in out, "response-content-disposition=" in out) == (0, True, True)
    with urllib.request.urlopen(out.strip()) as response:
        assert response.read() == b"content"


@pytest.mark.parametrize("life", ["0", "8d", "604801", "7days", "-1", "1e3", ""])
def test_a_life_outside_seven_days_is_a_usage_error(life: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["url", KEY, f"--expires={life}"])
    assert caught.value.code == 2
    assert "1s to 7d" in capsys.readouterr().err


def test_local_disk_without_an_address_cannot_sign_or_serve(local: LocalStorage, tmp_path: Path) -> None:
    code, _, err = run("url", KEY, variables=on_disk(local), home=tmp_path)
    assert (code, "unsupported" in err) == (1, True)
    code, _, err = run("serve", variables=on_disk(local), home=tmp_path)
    assert (code, "AP_LOCAL_URL_BASE" in err, "AP_LOCAL_URL_SECRET" in err) == (2, True, True)


def test_serve_names_an_address_that_it_cannot_have_and_claims_nothing_before(
    local: LocalStorage, tmp_path: Path
) -> None:
    variables = on_disk(local) | {"AP_LOCAL_URL_BASE": "http://h/files", "AP_LOCAL_URL_SECRET": URL_SECRET}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = run("serve", "--port", str(port), variables=variables, home=tmp_path)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: cannot listen on 127.0.0.1:{port}: ")


def test_rm_names_each_key_that_could_not_be_deleted(local: LocalStorage, tmp_path: Path) -> None:
    local.upload("a", b"1")
    code, out, err = run("rm", "a", "../b", "--json", variables=on_disk(local), home=tmp_path)
    assert (code, json.loads(out)["error"]["code"], "'../b'" in err) == (1, "invalid_key", True)
    assert local.exists("a")
    code, out, _ = run("rm", "-", variables=on_disk(local), home=tmp_path, stdin=b"a\n\n")
    assert (code, out) == (0, "1 key deleted or never there\n")
    assert not local.exists("a")


def test_rm_takes_keys_from_stdin_byte_for_byte_and_refuses_what_is_no_utf_8(
    local: LocalStorage, tmp_path: Path
) -> None:
    for key in ("a\r", "a", "b\x85c"):
        local.upload(key, b"1")
    # As in a UTF-8 locale, in which Python decodes the standard streams strictly.
    variables = on_disk(local) | {"PYTHONIOENCODING": "utf-8:strict"}
    code, out, err = run("rm", "-", variables=variables, home=tmp_path, stdin=b"a\n\xff\n")
    assert (code, out, err) == (2, "", "error: stdin is not UTF-8 at byte 2; write one key per line in UTF-8\n")
    assert run("rm", "-", variables=variables, home=tmp_path, stdin="a\r\nb\x85c".encode())[0] == 0
    assert [stat.key for stat in local.list()] == ["a"]


def test_keys_cannot_steer_the_terminal(local: LocalStorage, tmp_path: Path) -> None:
    local.upload("odd\x1b[31m\nname", b"")
    _, out, _ = run("ls", variables=on_disk(local), home=tmp_path)
    assert out.endswith(" odd\\x1b[31m\\nname\n")


def test_usage_counts_by_owner_and_names_what_is_outside(local: LocalStorage, tmp_path: Path) -> None:
    local.upload(KEY, bytes(2048))
    local.upload("stray", b"1")
    code, out, _ = run("usage", variables=on_disk(local), home=tmp_path)
    assert code == 0
    assert [line.split() for line in out.splitlines()] == [
        ["project", "p", "FILE", "1", "2.0", "KiB"],
        ["outside", "the", "layout", "1", "1", "B"],
        ["stray"],
        ["total", "2", "2.0", "KiB"],
    ]


def test_migrate_goes_on_from_its_own_journal_and_fails_by_exit_code(
    local: LocalStorage, bucket: Bucket, tmp_path: Path
) -> None:
    local.upload(KEY, b"1")
    local.upload("stray", b"2")
    variables = bucket.environ | on_disk(local)
    code, out, err = run("migrate", "--dry-run", variables=variables, home=tmp_path)
    assert (code, f"  {KEY}\n" in out, "outside: stray" in out, bucket.sends()) == (0, True, True, {})
    code, out, err = run("migrate", "--json", variables=variables, home=tmp_path)
    assert (code, json.loads(out)["moved"], json.loads(out)["outside"][0]["key"]) == (1, 1, "stray")
    assert "journal: " in err
    assert "left: 1 name outside the key layout" in err
    (local.root / "stray").unlink()
    (local.root / "link").symlink_to(local.root / KEY)
    code, out, err = run("migrate", variables=variables, home=tmp_path)
    assert (code, "left 'link': a symbolic link" in err) == (1, True)
    (local.root / "link").unlink()
    code, out, err = run("migrate", "--json", variables=variables, home=tmp_path)
    assert (code, json.loads(out)["moved"], json.loads(out)["journalled"]) == (0, 0, 1)
    away = variables | {"AP_S3_BUCKET": "absent"}
    code, out, err = run("migrate", "--json", variables=away, home=tmp_path)
    assert (code, json.loads(out)["left"]) == (1, [KEY])
    assert f"failed (move) '{KEY}': bucket_not_found" in err


@pytest.mark.parametrize(
    "command", [("ls",), ("retention", "sweep", "--days", "FILE=1")], ids=["ls", "retention sweep"]
)
def test_options_of_every_command_count_before_and_after_it(
    local: LocalStorage, tmp_path: Path, command: tuple[str, ...]
) -> None:
    local.upload(KEY, b"1")
    for arguments in (
        ("--json", "--quiet", *command),
        (*command, "--json", "--quiet"),
        ("--json", *command, "--quiet"),
    ):
        code, out, _ = run(*arguments, variables=on_disk(local), home=tmp_path)
        assert (code, [type(json.loads(line)) for line in out.splitlines()]) == (0, [dict])
    code, out, _ = run(*command, variables=on_disk(local), home=tmp_path)
    assert (code, out.startswith("{")) == (0, False)


def test_migrate_between_two_folders_needs_two_folders(local: LocalStorage, tmp_path: Path) -> None:
    local.upload(KEY, b"1")
    (tmp_path / "other").mkdir()
    both = ("migrate", "--to", "local", "--from-root", str(local.root))
    assert run(*both, "--to-root", str(local.root), variables={}, home=tmp_path)[0] == 1
    assert run(*both, "--to-root", str(tmp_path / "other"), variables={}, home=tmp_path)[0] == 0
    assert LocalStorage(tmp_path / "other").download(KEY) == b"1"
    assert run("migrate", "--to-root", "/x", variables={}, home=tmp_path)[0] == 2


def test_retention_is_applied_shown_and_swept(bucket: Bucket, local: LocalStorage, tmp_path: Path) -> None:
    bucket.storage.upload(LOG, b"1")
    code, out, _ = run("retention", "apply", "--days", "FLOW_RUN_LOG=30", variables=bucket.environ, home=tmp_path)
    assert (code, out.splitlines()[0].split()) == (0, ["30", "days", "project/p/FLOW_RUN_LOG/"])
    code, out, _ = run("retention", "show", "--explain", "--json", variables=bucket.environ, home=tmp_path)
    assert [(rule["days"], rule["files"]) for rule in json.loads(out)["rules"]] == [(30, 1)]
    narrower = ("retention", "apply", "--days", "FILE=3", "--project", "q")
    for dry_run, verb in ((("--dry-run",), "would go"), ((), "gone")):
        code, out, _ = run(*narrower, *dry_run, variables=bucket.environ, home=tmp_path)
        assert (code, out.splitlines()[2]) == (0, f"{verb:>11}  project/p/FLOW_RUN_LOG/")
        assert f"1 rule set before {verb}: " in out
    _, out, _ = run("retention", "show", "--json", variables=bucket.environ, home=tmp_path)
    assert [rule["prefix"] for rule in json.loads(out)["rules"]] == ["project/q/FILE/"]
    local.upload(LOG, b"1")
    os.utime(local.root / LOG, (0, 0))
    sweep = ("retention", "sweep", "--days", "FLOW_RUN_LOG=30")
    assert run(*sweep, "--dry-run", variables=on_disk(local), home=tmp_path)[0] == 0
    assert local.exists(LOG)
    killed = local.root / INCOMING / "killed"
    killed.write_bytes(b"half")
    os.utime(killed, (0, 0))
    assert run(*sweep, "--dry-run", variables=on_disk(local), home=tmp_path)[0] == 0
    assert killed.exists()
    code, out, _ = run(*sweep, variables=on_disk(local), home=tmp_path)
    assert (code, out.splitlines()[-1]) == (0, "1 unfinished upload of killed writers removed")
    assert not local.exists(LOG)
    assert not killed.exists()
    code, _, err = run("retention", "show", variables=on_disk(local), home=tmp_path)
    assert (code, "retention sweep" in err) == (1, True)
    assert run("retention", "sweep", "--days", "LOGS=3", variables=on_disk(local), home=tmp_path)[0] == 2


def test_a_reader_that_goes_away_ends_the_listing_quietly(local: LocalStorage, tmp_path: Path) -> None:
    for number in range(3000):
        local.upload(f"project/p/FILE/{number:0100}", b"")
    process = subprocess.Popen(
        command_line("ls"),
        env=environment(on_disk(local), tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    with process:
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_ctrl_c_while_reading_ends_with_130_and_stores_nothing(local: LocalStorage, tmp_path: Path) -> None:
    with subprocess.Popen(
        command_line("put", "-", KEY),
        env=environment(on_disk(local), tmp_path),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b"half")
        process.stdin.flush()
        deadline = time.monotonic() + 20
        # The temporary file shows that the command has begun to store.
        while not list(local.root.glob("*/*")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stderr is not None
        assert process.stderr.read() == b"interrupted\n"
    assert list(local.list()) == []


def test_serve_honours_the_urls_that_url_prints_and_stops_by_ctrl_c(local: LocalStorage, tmp_path: Path) -> None:
    local.upload(KEY, b"served")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    base = f"http://127.0.0.1:{port}/files"
    variables = on_disk(local) | {"AP_LOCAL_URL_BASE": base, "AP_LOCAL_URL_SECRET": URL_SECRET}
    _, out, _ = run("url", KEY, variables=variables, home=tmp_path)
    with subprocess.Popen(
        command_line("serve", "--port", str(port)), env=environment(variables, tmp_path), stderr=subprocess.PIPE
    ) as process:
        try:
            assert fetch(out.strip()) == b"served"
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(f"{base}/{KEY}")
            with caught.value as refused:
                assert refused.code == 403
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stderr is not None
        said = process.stderr.read().decode()
    assert said.endswith("\ninterrupted\n")
    assert URL_SECRET not in said


def fetch(url: str) -> bytes:
    deadline = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(url) as response:
                return bytes(response.read())
        except urllib.error.HTTPError:
            raise
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_defect_is_exit_code_3_and_masks_the_secrets(
    local: LocalStorage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(self: LocalStorage, prefix: str = "") -> Iterator[None]:
        raise RuntimeError(f"unforeseen {URL_SECRET}")

    monkeypatch.setenv("AP_LOCAL_STORAGE_ROOT", str(local.root))
    monkeypatch.setenv("AP_LOCAL_URL_BASE", "http://h")
    monkeypatch.setenv("AP_LOCAL_URL_SECRET", URL_SECRET)
    monkeypatch.setattr(LocalStorage, "list", broken)
    assert main(["ls"]) == 3
    said = capsys.readouterr().err
    assert "RuntimeError: unforeseen ***" in said
    assert URL_SECRET not in said


def test_the_help_documents_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    assert all(f"\n  {code} " in said for code in (0, 1, 2, 3, 130, 141))


def test_progress_is_redrawn_on_a_terminal_and_comes_line_by_line_elsewhere(
    capsys: pytest.CaptureFixture[str],
) -> None:
    times = iter([0.0, 1.0, 1.0, 1.01, 6.0, 6.0, 6.0])
    line = ProgressLine(show=True, redraw=True, clock=lambda: next(times))
    for text in ("one", "too soon", "two"):
        line.update(lambda text=text: text)  # type: ignore[misc]
    line.end()
    assert capsys.readouterr().err == "\r\x1b[Kone\r\x1b[Ktwo\r\x1b[K"
    later = iter([0.0, 1.0, 6.0, 6.0])
    line = ProgressLine(show=True, redraw=False, clock=lambda: next(later))
    line.update(lambda: "too soon")
    line.update(lambda: "one")
    line.end()
    assert capsys.readouterr().err == "one\n"


def test_a_migration_on_a_terminal_shows_its_progress_there(local: LocalStorage, tmp_path: Path) -> None:
    local.upload(KEY, b"1")
    (tmp_path / "other").mkdir()
    ours, theirs = pty.openpty()
    with open(ours, "rb", buffering=0) as terminal:  # noqa: PTH123
        done = subprocess.run(
            command_line("migrate", "--to", "local", "--to-root", str(tmp_path / "other")),
            env=environment(on_disk(local), tmp_path),
            stdout=subprocess.PIPE,
            stderr=theirs,
            timeout=60,
            check=False,
        )
        shown = terminal.read(100_000)
        os.close(theirs)
    assert done.returncode == 0
    assert b"\x1b[K1 file: 1 moved" in shown
    assert b"\x1b" not in done.stdout


def test_sizes_are_shown_in_binary_units_and_text_on_one_line() -> None:
    assert [amount(n) for n in (0, 1023, 1024, 1536, 5 * 2**30, 3 * 2**40)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.5 KiB",
        "5.0 GiB",
        "3.0 TiB",
    ]
    assert plain("a\tb\x7f é😀") == "a\\tb\\x7f é😀"
