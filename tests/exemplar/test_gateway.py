"""Faults are really visible through the gateway, in front of the exemplary server in process and over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bucket_conformance.reference_impl.errors import StorageError
from bucket_conformance.reference_impl.local import LocalStorage
from tests.exemplar.raw_client import RawClient, boto_client
from tests.exemplar.server import Exemplar
from tests.exemplar.types import Request, Response
from tests.faults.gateway import Fault, FaultyServer, Forward, Registry, all_faults
from tests.faults.local_faults import all_layout_faults, all_storage_faults
from tests.faults.upstreams import HttpUpstream, InProcess

Probe = Callable[[RawClient], object]


@contextmanager
def served(fault: Fault | None, upstream: str) -> Iterator[RawClient]:
    with Exemplar() as exemplar:
        good = InProcess(exemplar) if upstream == "process" else HttpUpstream(exemplar.url, exemplar.credentials)
        with FaultyServer(fault, upstream=good) as server:
            client = RawClient(server.url)
            assert client.signed("PUT", "/bkt").status == 200
            yield client
            client.close()


def batch(client: RawClient, *keys: str, quiet: bool = False) -> Response:
    boto = boto_client(client.url)
    objects = [{"Key": key} for key in keys]
    try:
        answer = boto.delete_objects(Bucket="bkt", Delete={"Objects": objects, "Quiet": quiet})
    finally:
        boto.close()
    return Response(status=200, body=",".join(item["Key"] for item in answer.get("Deleted", [])).encode())


def put(client: RawClient, key: str, body: bytes = b"x") -> None:
    assert client.signed("PUT", f"/bkt/{key}", body).status == 200


def expired(client: RawClient) -> object:
    put(client, "k")
    return client.send("GET", client.presigned("GET", "/bkt/k", expires=60, age_s=70)).status


def forged(client: RawClient) -> object:
    put(client, "k")
    return client.send("GET", client.presigned("GET", "/bkt/k")[:-4] + "0000").status


def old(client: RawClient) -> object:
    put(client, "k")
    return client.send("GET", client.presigned("GET", "/bkt/k", expires=5000, age_s=2000)).status


def disposition(client: RawClient) -> object:
    put(client, "k")
    target = client.presigned("GET", "/bkt/k?response-content-disposition=attachment")
    return client.send("GET", target).headers.get("content-disposition")


def sibling(client: RawClient) -> object:
    put(client, "a")
    put(client, "ab")
    batch(client, "a")
    return client.signed("HEAD", "/bkt/ab").status


def quiet(client: RawClient) -> object:
    put(client, "a")
    return batch(client, "a", quiet=True).body


def too_many(client: RawClient) -> object:
    put(client, "key0")
    try:
        batch(client, *(f"key{number}" for number in range(1001)))
    except Exception as error:
        return type(error).__name__
    return client.signed("HEAD", "/bkt/key0").status


def full_page(client: RawClient) -> object:
    put(client, "a")
    put(client, "b")
    return client.signed("GET", "/bkt?list-type=2&max-keys=2").body.count(b"<Key>")


def shorter(client: RawClient) -> object:
    put(client, "k", b"0123456789")
    put(client, "k", b"ab")
    return client.signed("GET", "/bkt/k").body


def missing(client: RawClient) -> object:
    return client.signed("GET", "/bkt/absent").status


def twins(one: str, other: str) -> Probe:
    def probe(client: RawClient) -> object:
        put(client, one, b"one")
        put(client, other, b"other")
        return client.signed("GET", f"/bkt/{one}").body

    return probe


def stale(client: RawClient) -> object:
    put(client, "k", b"old")
    put(client, "k", b"new")
    return client.signed("GET", "/bkt/k").body, client.signed("GET", "/bkt/k").body


def creators(client: RawClient) -> object:
    winners: list[int] = []

    def create() -> None:
        own = RawClient(client.url)
        winners.append(own.signed("PUT", "/bkt/once", b"x", If_None_Match="*").status)
        own.close()

    threads = [threading.Thread(target=create) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return winners.count(200) > 1


CASES: list[tuple[str, Probe, object, object]] = [
    ("serves-expired-urls", expired, 403, 200),
    ("ignores-url-signature", forged, 403, 200),
    ("caps-url-life-at-skew-window", old, 200, 403),
    ("ignores-response-content-disposition", disposition, "attachment", None),
    ("delete-drops-prefix-siblings", sibling, 200, 404),
    ("delete-ignores-quiet", quiet, b"", b"a"),
    ("delete-takes-1001", too_many, "ClientError", 404),
    ("list-skips-last-of-full-page", full_page, 2, 1),
    ("overwrite-keeps-old-tail", shorter, b"ab", b"ab23456789"),
    ("get-missing-gives-empty-200", missing, 404, 200),
    ("lowercases-keys", twins("K", "k"), b"one", b"other"),
    ("decodes-keys-twice", twins("a%252Fb", "a/b"), b"one", b"other"),
    ("collapses-double-slashes", twins("a//b", "a/b"), b"one", b"other"),
    ("collapses-spaces", twins("a%20%20b", "a%20b"), b"one", b"other"),
    ("normalises-keys-to-nfc", twins("e%CC%81", "%C3%A9"), b"one", b"other"),
    ("stale-read-after-overwrite", stale, (b"new", b"new"), (b"old", b"new")),
    ("if-none-match-not-atomic", creators, False, True),
]


@pytest.mark.parametrize("upstream", ["process", "http"])
@pytest.mark.parametrize(("fault_id", "probe", "good", "bad"), CASES, ids=[case[0] for case in CASES])
def test_a_fault_shows_and_nothing_else(fault_id: str, probe: Probe, good: object, bad: object, upstream: str) -> None:
    with served(None, upstream) as client:
        assert probe(client) == good
    with served(all_faults()[fault_id], upstream) as client:
        assert probe(client) == bad


def test_every_pattern_fault_is_tried_here() -> None:
    patterns = {fault.id for fault in all_faults() if fault.behave.__module__ == "tests.faults.s3.patterns"}
    assert patterns == {case[0] for case in CASES}


def test_a_fault_does_not_open_the_door_to_strangers() -> None:
    for fault_id in ("lowercases-keys", "delete-takes-1001", "if-none-match-not-atomic", "get-missing-gives-empty-200"):
        with served(all_faults()[fault_id], "process") as client:
            put(client, "k")
            stranger = RawClient(client.url, secret_key="wrong")
            for method in ("GET", "PUT", "DELETE"):
                assert stranger.signed(method, "/bkt/K", b"", If_None_Match="*").status == 403
            stranger.close()


def test_an_id_can_be_used_once_and_must_be_kebab_case() -> None:
    def behave(request: Request, forward: Forward) -> Response:
        return forward(request)

    registry: Registry[Fault] = Registry()
    made = Fault(id="one-fault", title="t", breaks=frozenset({"RT-001"}), behave=behave)
    registry.add(made)
    with pytest.raises(ValueError, match="registered twice"):
        registry.add(made)
    with pytest.raises(ValueError, match="kebab-case"):
        Fault(id="One_Fault", title="t", breaks=frozenset({"RT-001"}), behave=behave)
    with pytest.raises(ValueError, match="breaks must name clauses"):
        Fault(id="one", title="t", breaks=frozenset(), behave=behave)


def test_wire_misbehaviour_reaches_the_client() -> None:
    def cut(request: Request, forward: Forward) -> Response:
        return Response(status=200, body=b"0123456789", cut_after=3)

    fault = Fault(id="cuts", title="cuts", breaks=frozenset({"RT-005"}), behave=cut)
    with FaultyServer(fault) as server:
        client = RawClient(server.url)
        with pytest.raises(Exception, match="IncompleteRead"):
            client.send("GET", "/bkt/k")
        client.close()


def test_storage_faults_break_what_they_say(tmp_path: Path) -> None:
    faults = all_storage_faults()

    def made(fault_id: str) -> tuple[LocalStorage, object]:
        root = tmp_path / fault_id
        root.mkdir()
        return LocalStorage(root), faults[fault_id].make(root)

    good, _ = made("download-missing-gives-empty")
    with pytest.raises(StorageError):
        good.download("k")
    assert faults["download-missing-gives-empty"].make(good.root).download("k") == b""
    good, _ = made("upload-keeps-old-tail")
    bad = faults["upload-keeps-old-tail"].make(good.root)
    bad.upload("k", b"0123")
    bad.upload("k", b"ab")
    assert good.download("k") == b"ab23"
    good, _ = made("list-prefix-is-a-folder")
    good.upload("ab/c", b"")
    assert [s.key for s in good.list("a")] == ["ab/c"]
    assert list(faults["list-prefix-is-a-folder"].make(good.root).list("a")) == []
    good, _ = made("delete-forgets-last-of-batch")
    names = [f"k{number:03}" for number in range(100)]
    for name in names:
        good.upload(name, b"")
    faults["delete-forgets-last-of-batch"].make(good.root).delete_files(names)
    assert [s.key for s in good.list()] == ["k099"]


def test_layout_faults_break_what_they_say() -> None:
    faults = {fault.id: fault.layout for fault in all_layout_faults()}
    assert not faults["layout-forgets-log-suffix"].build("FLOW_RUN_LOG", "r", project_id="p").endswith(".log")
    assert faults["layout-takes-both-owners"].build("FILE", "f", platform_id="a", project_id="b") == "platform/a/FILE/f"
    assert faults["layout-folds-case"].build("FILE", "F", project_id="p") == "project/p/FILE/f"
    assert faults["layout-cleans-ids"].build("FILE", "../f", project_id="p") == "project/p/FILE/f"
