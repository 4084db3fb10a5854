"""A session makes what it needs, removes it, changes nothing of others, and says why it cannot open."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bucket_conformance.conformance.backend.cleanup import run_of_bucket
from bucket_conformance.conformance.backend.errors import OpeningError
from bucket_conformance.conformance.backend.leftovers import Outcome, clean_endpoint
from bucket_conformance.conformance.backend.opening import open_session
from bucket_conformance.conformance.backend.remedies import removal_command
from bucket_conformance.conformance.backend.run_ids import new_run_id
from bucket_conformance.conformance.backend.run_traces import run_of
from bucket_conformance.conformance.catalogue import select
from bucket_conformance.conformance.effort import EFFORTS, Mode
from bucket_conformance.conformance.engine.judge import judge
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.target import DiskRoot, S3Endpoint, StorageFactory
from bucket_conformance.conformance.wire.exchange import Recorder
from bucket_conformance.reference_impl.api import DeleteResult, ObjectStat
from bucket_conformance.reference_impl.local import LocalStorage
from tests.bench import EVERY_S3_CAPABILITY
from tests.exemplar.http import HttpFront
from tests.exemplar.raw_client import boto_client
from tests.exemplar.server import Exemplar
from tests.exemplar.types import Request, Response

STRANGER = [
    "notes.txt",
    "conformance-notes/mine",
    "conformance-reports",
    "project/conformance-2026/FILE/f",
    "project/p/FILE/f",
    "platform/conformance-x/FILE/f",
]


@pytest.fixture
def server() -> Iterator[Exemplar]:
    with Exemplar() as made:
        yield made


def target(url: str, **more: Any) -> S3Endpoint:
    return S3Endpoint(url=url, access_key="exemplar", secret_key="exemplar-secret", **more)


def keys_of(client: Any, bucket: str) -> list[str]:
    return [item["Key"] for item in client.list_objects_v2(Bucket=bucket).get("Contents", [])]


def litter(session: Session) -> None:
    """Leave behind what runs leave: hostile keys, uploads that were begun, many objects."""
    prefix = session.fresh_prefix()
    for name in ("a b", "&<>'\"", "tab\tcr\r\n", "\x01", "é😀", "a//b/../c", " pad "):
        assert session.wire.put(prefix + name, b"x").ok
    session.populate([session.fresh_key() for _ in range(120)])
    for name in ("upload", "hostile & <upload>"):
        assert session.wire.request("POST", prefix + name, query=(("uploads", ""),)).ok


def uploads(client: Any, bucket: str) -> int:
    return len(client.list_multipart_uploads(Bucket=bucket).get("Uploads", []))


def test_the_sessions_own_bucket_is_made_and_removed_with_its_content(server: Exemplar) -> None:
    with open_session(target(server.url)) as session:
        assert run_of_bucket(session.wire.bucket) == session.run_id
        litter(session)
        assert list(server.store.buckets) == [session.wire.bucket]
    assert server.store.buckets == {}
    assert session.recorder.left_behind == ""


def test_versions_are_removed_with_the_bucket(server: Exemplar) -> None:
    with open_session(target(server.url)) as session:
        versioning = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
        assert session.wire.request("PUT", query=(("versioning", ""),), body=versioning).ok
        key = session.fresh_prefix() + "k"
        for body in (b"1", b"2"):
            session.wire.put(key, body)
        session.wire.delete(key)
    assert server.store.buckets == {}


@pytest.mark.parametrize("how", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_session_removes_everything_too(server: Exemplar, how: type[BaseException]) -> None:
    with pytest.raises(how), open_session(target(server.url)) as session:  # noqa: PT012 - leaving it is the point
        litter(session)
        raise how
    assert server.store.buckets == {}


def test_in_a_given_bucket_only_keys_of_the_run_are_removed(server: Exemplar) -> None:
    client = boto_client(server.url)
    client.create_bucket(Bucket="theirs")
    for key in STRANGER:
        client.put_object(Bucket="theirs", Key=key, Body=b"keep")
    client.create_multipart_upload(Bucket="theirs", Key="conformance-notes/upload")
    with open_session(target(server.url, bucket="theirs")) as session:
        litter(session)
        assert len(keys_of(client, "theirs")) > 120
    assert sorted(keys_of(client, "theirs")) == sorted(STRANGER)
    assert uploads(client, "theirs") == 1
    client.close()


def test_judging_in_a_given_bucket_leaves_it_unchanged(server: Exemplar) -> None:
    client = boto_client(server.url)
    client.create_bucket(Bucket="theirs")
    for key in STRANGER:
        client.put_object(Bucket="theirs", Key=key, Body=b"keep")
    with open_session(target(server.url, bucket="theirs"), capabilities=EVERY_S3_CAPABILITY) as session:
        # Clauses that write under unusual names: twins, tenants, uploads that break off, batches of many.
        for entry in select(patterns=["KEY-00[789]", "KEY-01*", "URL-009", "DEL-006"]):
            judge(entry, session, replace(EFFORTS[Mode.QUICK], examples=1, case_s=0.1), seed=1)
    assert session.recorder.left_behind == ""
    assert sorted(keys_of(client, "theirs")) == sorted(STRANGER)
    assert list(server.store.buckets) == ["theirs"]
    assert uploads(client, "theirs") == 0
    client.close()


def test_what_cannot_be_removed_is_reported(server: Exemplar) -> None:
    def refusing(request: Request) -> Response:
        return denied() if request.method == "DELETE" and request.bucket in gone_wrong else server.handle(request)

    gone_wrong: set[str] = set()
    with HttpFront(refusing) as front:
        recorder = Recorder()
        with open_session(target(front.url), recorder=recorder) as session:
            gone_wrong.add(session.wire.bucket)
        lease = f"'conformance-{session.run_id}/lease' could not be removed"
        assert recorder.left_behind.startswith(f"bucket {session.wire.bucket} (")
        assert lease in recorder.left_behind


def denied() -> Response:
    return Response(status=403, body=b"<Error><Code>AccessDenied</Code></Error>")


def refusing_server(server: Exemplar, refuse: Callable[[Request], bool]) -> HttpFront:
    return HttpFront(lambda request: denied() if refuse(request) else server.handle(request))


def test_a_dead_endpoint_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    with pytest.raises(OpeningError, match=f"http://127.0.0.1:{port} does not answer: .*Check the address") as caught:
        open_session(target(f"http://127.0.0.1:{port}")).__enter__()
    assert not caught.value.usage


@pytest.mark.parametrize("keys", [{"secret_key": "wrong-secret"}, {"access_key": "nobody"}])
@pytest.mark.parametrize("bucket", [None, "theirs"])
def test_wrong_keys_are_named_and_never_shown(server: Exemplar, keys: dict[str, str], bucket: str | None) -> None:
    with pytest.raises(OpeningError, match=r"the credentials are not accepted. Check the access key") as caught:
        open_session(replace(target(server.url, bucket=bucket), **keys)).__enter__()  # type: ignore[arg-type]
    assert not caught.value.usage
    assert "wrong-secret" not in str(caught.value)
    assert server.store.buckets == {}


def test_a_path_in_the_address_is_named_where_the_server_finds_no_bucket() -> None:
    def answer(request: Request) -> Response:
        return Response(status=404, body=b"<Error><Code>NoSuchBucket</Code></Error>")

    with (
        HttpFront(answer) as front,
        pytest.raises(OpeningError, match="name a bucket already") as caught,
        open_session(target(f"{front.url}/some-bucket")),
    ):
        pass
    assert caught.value.usage


def test_a_missing_bucket_is_named(server: Exemplar) -> None:
    with pytest.raises(OpeningError, match=r"listing the bucket 'missing'.*there is no such bucket") as caught:
        open_session(target(server.url, bucket="missing")).__enter__()
    assert not caught.value.usage


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        ("PUT bucket", "making the bucket"),
        ("PUT key", "writing a probe object"),
        ("GET key", "reading the probe object back"),
        ("DELETE key", "removing the probe object"),
    ],
)
def test_a_missing_permission_is_named_by_what_it_stopped(server: Exemplar, refused: str, said: str) -> None:
    method, what = refused.split()

    def refuse(request: Request) -> bool:
        return request.method == method and bool(request.key) is (what == "key")

    with refusing_server(server, refuse) as front:
        with pytest.raises(OpeningError, match=f"{said}.*403 AccessDenied: permission is missing") as caught:
            open_session(target(front.url)).__enter__()
        assert not caught.value.usage


def test_a_read_only_bucket_is_refused_and_left_unchanged(server: Exemplar) -> None:
    client = boto_client(server.url)
    client.create_bucket(Bucket="theirs")
    with (
        refusing_server(server, lambda request: request.method not in ("GET", "HEAD")) as front,
        pytest.raises(OpeningError, match=r"writing a probe object.*permission is missing"),
    ):
        open_session(target(front.url, bucket="theirs")).__enter__()
    assert list(server.store.buckets) == ["theirs"]
    client.close()


def test_a_server_that_stores_nothing_is_refused() -> None:
    with (
        HttpFront(lambda request: Response(status=200, body=b"<html>Welcome</html>")) as front,
        pytest.raises(OpeningError, match=r"came back as b'<html>Welcome</html>'"),
    ):
        open_session(target(front.url, bucket="theirs")).__enter__()


@pytest.mark.parametrize("hours", [-30, 5])
def test_a_clock_that_is_hours_off_is_measured_and_used_for_signing(hours: int) -> None:
    ahead = timedelta(hours=hours)
    with wrong_clock(ahead) as url, open_session(target(url)) as session:
        assert session.clock_offset_s == pytest.approx(ahead.total_seconds(), abs=5)
        session.wire.put("k", b"x")
        assert session.wire.get("k").body == b"x"
        assert session.wire.fetch_presigned("GET", "k", expires=60, age_s=30).status == 200
        assert session.wire.fetch_presigned("GET", "k", expires=60, age_s=90).status == 403
        assert session.fetch(session.signed_url("k", expires_in=60, age_s=30)).body == b"x"


@contextlib.contextmanager
def wrong_clock(ahead: timedelta) -> Iterator[str]:
    """Run an exemplary server with a wrong clock in a separate process."""
    code = (
        "import sys, time, time_machine\n"
        f"time_machine.travel(time.time() + {ahead.total_seconds()}, tick=True).start()\n"
        "import tests.exemplar.sigv4 as sigv4, tests.exemplar.http as http\n"
        "sigv4.real_now = http.real_now = time.time\n"
        "from tests.exemplar.server import main\n"
        "sys.argv = ['exemplar']\n"
        "main()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_names_of_runs_are_distinguished_from_similar_names() -> None:
    run_id = new_run_id()
    run = f"conformance-{run_id}"
    assert run_of_bucket(run) == run_of_bucket(f"{run}-1f") == run_id
    assert not any(map(run_of_bucket, ("conformance-reports", f"{run}-x", f"x{run}", f"{run}0", run.upper())))
    keys = (f"{run}/0/a", f" {run}/0/a", f"/{run}/0/a", f"project/{run}-1/FILE/f", f"platform/{run}-a-P/FILE/f")
    assert {run_of(key) for key in keys} == {run_id}
    near = (
        f"x/{run}/a",
        f"project/x/{run}",
        f"{run}0/a",
        f"{run}x/a",
        f"project/{run}beef/f",
        f"project/{run}-notes/f",
    )
    assert not any(map(run_of, (*STRANGER, *near)))


def removed(endpoint: S3Endpoint, *, dry_run: bool = False) -> list[str]:
    """Return what cleaning removes if even a run that has just begun counts as old; it may report nothing else."""
    found = list(clean_endpoint(endpoint, dry_run=dry_run, older_than_s=0))
    assert [each.outcome for each in found] == [Outcome.REMOVED] * len(found)
    return [each.text.rpartition(" (")[0] for each in found]  # without the age


def test_cleaning_an_account_removes_the_buckets_of_killed_runs_and_no_other(server: Exemplar) -> None:
    client = boto_client(server.url)
    killed = f"conformance-{new_run_id()}"
    for bucket in (killed, "conformance-reports", "theirs"):
        client.create_bucket(Bucket=bucket)
        client.put_object(Bucket=bucket, Key=f"{killed}/some & thing", Body=b"x")
    assert removed(target(server.url), dry_run=True) == [f"bucket {killed}"]
    assert killed in server.store.buckets
    assert removed(target(server.url)) == [f"bucket {killed}"]
    assert sorted(server.store.buckets) == ["conformance-reports", "theirs"]
    assert removed(target(server.url)) == []
    client.close()


def test_a_bucket_of_a_run_that_holds_what_is_not_of_the_run_stays(server: Exemplar) -> None:
    client = boto_client(server.url)
    killed = f"conformance-{new_run_id()}"
    client.create_bucket(Bucket=killed)
    for key in ("notes.txt", f"{killed}/0/a"):
        client.put_object(Bucket=killed, Key=key, Body=b"x")
    [found] = clean_endpoint(target(server.url), dry_run=False, older_than_s=0)
    assert found.outcome is Outcome.FAILED
    assert "it holds what is not of this run, such as 'notes.txt'" in found.text
    assert keys_of(client, killed) == ["notes.txt"]
    client.close()


def test_an_address_that_names_a_bucket_is_noticed_before_anything_is_written(server: Exemplar) -> None:
    client = boto_client(server.url)
    client.create_bucket(Bucket="theirs")
    for key in STRANGER:
        client.put_object(Bucket="theirs", Key=key, Body=b"x")

    with (
        pytest.raises(OpeningError, match=r"looked for an object. Does the address name a bucket already") as caught,
        open_session(target(f"{server.url}/theirs")),
    ):
        pass
    assert caught.value.usage
    assert sorted(keys_of(client, "theirs")) == sorted(STRANGER)
    client.close()


def test_cleaning_a_bucket_removes_what_killed_runs_left_and_nothing_else(server: Exemplar) -> None:
    client = boto_client(server.url)
    client.create_bucket(Bucket="theirs")
    run = f"conformance-{new_run_id()}"
    left = [f"{run}/0/&<x>", f"project/{run}-1/FILE/f", f"platform/{run}-2/FILE/f"]
    for key in [*STRANGER, *left]:
        client.put_object(Bucket="theirs", Key=key, Body=b"x")
    client.create_multipart_upload(Bucket="theirs", Key=f"{run}/upload")
    client.create_multipart_upload(Bucket="theirs", Key="conformance-notes/upload")
    said = removed(target(server.url, bucket="theirs"), dry_run=True)
    assert said == [f"3 objects, 1 unfinished upload of run {run.removeprefix('conformance-')} in bucket theirs"]
    assert len(keys_of(client, "theirs")) == len(STRANGER) + 3
    assert removed(target(server.url, bucket="theirs")) == said
    assert sorted(keys_of(client, "theirs")) == sorted(STRANGER)
    assert uploads(client, "theirs") == 1
    client.close()


def test_cleaning_with_wrong_keys_is_an_error_not_nothing_found(server: Exemplar) -> None:
    wrong = replace(target(server.url), secret_key="wrong-secret")
    with pytest.raises(OpeningError, match=r"listing the buckets.*credentials are not accepted"):
        list(clean_endpoint(wrong, dry_run=False))


def test_on_disk_a_folder_is_made_below_the_root_and_removed(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_bytes(b"keep")
    with pytest.raises(KeyboardInterrupt), open_session(DiskRoot(root=tmp_path)) as session:  # noqa: PT012 - as above
        session.storage.upload(session.fresh_key(), b"x")
        assert len(list(tmp_path.iterdir())) == 2
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["theirs"]


def test_a_foreign_storage_is_cleaned_by_its_own_methods(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    storage.upload("project/p/FILE/f", b"keep")
    with open_session(StorageFactory(make=lambda: storage, name="mine:make")) as session:
        session.storage.upload(session.fresh_key(), b"x")
    assert [stat.key for stat in storage.list("")] == ["project/p/FILE/f"]


class _ListsAll(LocalStorage):
    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        return super().list("")


def test_a_storage_that_ignores_the_prefix_loses_no_foreign_data(tmp_path: Path) -> None:
    storage = _ListsAll(tmp_path)
    near = f"project/conformance-{new_run_id()}-1/FILE/f"
    for key in ("project/p/FILE/f", near):
        storage.upload(key, b"keep")
    with open_session(StorageFactory(make=lambda: storage, name="mine:make")) as session:
        session.storage.upload(session.fresh_key(), b"x")
    assert sorted(stat.key for stat in storage.list("")) == sorted(["project/p/FILE/f", near])


class _Forgetful(LocalStorage):
    def download(self, key: str) -> bytes:
        return b""


def _raise() -> Any:
    raise ValueError("no such driver")


def test_a_storage_that_cannot_be_used_says_what_failed(tmp_path: Path) -> None:
    for make, said in (
        (_raise, "making the storage failed: ValueError: no such driver"),
        (lambda: object(), "uploading a probe object failed: AttributeError"),
        (lambda: _Forgetful(tmp_path), "the probe object came back as b''"),
    ):
        factory: Any = make
        with pytest.raises(OpeningError, match=said):
            open_session(StorageFactory(make=factory, name="mine:make")).__enter__()


def test_a_link_in_the_folder_of_a_session_is_removed_and_not_followed(tmp_path: Path) -> None:
    elsewhere, root = tmp_path / "elsewhere", tmp_path / "root"
    for folder in (elsewhere, root):
        folder.mkdir()
        (folder / "notes.txt").write_bytes(b"theirs")
    with open_session(DiskRoot(root=root)) as session:
        (session.root / "link").symlink_to(elsewhere, target_is_directory=True)
        session.storage.upload("project/p/FILE/f", b"x")
    assert session.recorder.left_behind == ""
    assert [path.name for path in root.iterdir()] == ["notes.txt"]
    assert (elsewhere / "notes.txt").read_bytes() == b"theirs"


def test_a_folder_that_cannot_be_removed_is_reported_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)
    disk = DiskRoot(root=tmp_path / "a root")
    disk.root.mkdir()
    with open_session(disk) as session:
        pass
    monkeypatch.undo()
    assert f"folder {session.root}" in session.recorder.left_behind
    subprocess.run(removal_command(disk, [session.run_id]), shell=True, check=True)
    assert list(disk.root.iterdir()) == []


def test_what_a_foreign_storage_fails_to_delete_is_reported(tmp_path: Path) -> None:
    class Keeps(LocalStorage):
        def delete_files(self, keys: Iterable[str]) -> DeleteResult:
            return DeleteResult(deleted=tuple(keys))

    recorder = Recorder()
    factory = StorageFactory(make=lambda: Keeps(tmp_path), name="mine:Keeps")
    with open_session(factory, recorder=recorder) as session:
        pass
    assert f"what bears conformance-{session.run_id} in mine:Keeps (" in recorder.left_behind
    assert f"remove its keys that contain conformance-{session.run_id}" in recorder.left_behind
