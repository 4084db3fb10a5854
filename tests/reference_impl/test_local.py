"""The storage on local disk, tested on real files."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bucket_conformance.reference_impl.api import DeleteError, Storage
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.local import PIECE_BYTES, LocalStorage
from bucket_conformance.reference_impl.safe_paths import INCOMING
from tests.reference_impl.disk_worlds import folding_names, small_disk, tree, without_privileges

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=40).filter(
    lambda name: name not in (".", "..", INCOMING) and len(name.encode()) <= 255
)
KEYS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    root = tmp_path / "root"
    root.mkdir()
    return LocalStorage(root)


def refused(code: ErrorCode) -> pytest.RaisesExc[StorageError]:
    return pytest.RaisesExc(StorageError, check=lambda error: error.code is code)


def keys_do_not_clash(keys: set[str]) -> bool:
    return not any(other.startswith(key + "/") for key in keys for other in keys)


def test_it_is_a_storage(storage: LocalStorage) -> None:
    assert isinstance(storage, Storage)


@settings(deadline=None)
@given(key=KEYS, body=st.binary(max_size=2000), as_stream=st.booleans())
@example(key="a\nb/\r\t\x7f/ü \U0001f600", body=b"", as_stream=True)
@example(key=".hidden/..x/...", body=b"x", as_stream=False)
def test_what_is_put_comes_back_and_lies_at_its_key(key: str, body: bytes, as_stream: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        storage = LocalStorage(Path(folder))
        put = storage.upload(key, io.BytesIO(body) if as_stream else body)
        assert storage.download(key) == body
        assert storage.stat(key) == put
        assert [(found.key, found.size, found.last_modified) for found in storage.list()] == [
            (key, len(body), put.last_modified)
        ]
        assert tree(Path(folder)) == {key: body}
        storage.delete_files([key])
        assert os.listdir(folder) == [INCOMING]  # noqa: PTH208
        assert not storage.exists(key)


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES + 7])
def test_sizes_around_the_piece_are_kept(storage: LocalStorage, size: int) -> None:
    body = os.urandom(size)
    storage.upload("k", io.BytesIO(body))
    assert storage.download("k") == body
    with storage.open("k") as stream:
        assert stream.read() == body
    with storage.open("k") as stream:
        pieces = list(iter(lambda: stream.read(70_001), b""))
    assert b"".join(pieces) == body
    assert max(map(len, pieces), default=0) <= 70_001


@given(
    keys=st.sets(st.text("aA-/.0é\U0001f600\uffff", min_size=1, max_size=6), max_size=12),
    prefix=st.text("aA-/.0", max_size=3),
)
@example(keys={"a/b", "a-", "a0", "a!", "ab/c", "a/b-/c"}, prefix="a")
@example(keys={"\U0001f600", "\uffff"}, prefix="")
@settings(max_examples=60, deadline=None)
def test_listing_is_the_model_in_byte_order(keys: set[str], prefix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        storage, model = LocalStorage(Path(folder)), set()
        for key in sorted(keys):
            try:
                storage.upload(key, b"")
                model.add(key)
            except StorageError as error:
                assert error.code in (ErrorCode.INVALID_KEY, ErrorCode.CONFLICT)  # noqa: PT017
        expected = sorted((key for key in model if key.startswith(prefix)), key=str.encode)
        assert [found.key for found in storage.list(prefix)] == expected
        assert set(tree(Path(folder))) == model


@given(keys=st.sets(KEYS, min_size=1, max_size=8).filter(keys_do_not_clash), data=st.data())
@settings(max_examples=40, deadline=None)
def test_deletion_removes_exactly_the_named(keys: set[str], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        storage = LocalStorage(Path(folder))
        for key in keys:
            storage.upload(key, key.encode())
        named = data.draw(st.lists(st.one_of(st.sampled_from(sorted(keys)), KEYS), max_size=10))
        result = storage.delete_files(iter(named))
        assert result.deleted == tuple(dict.fromkeys(named))
        assert tree(Path(folder)) == {key: key.encode() for key in keys - set(named)}


@pytest.mark.parametrize(
    "key",
    ["", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a\0b", "a" * 256, "é" * 128, "\ud800", INCOMING,
     f"{INCOMING}/x", "a/" * 600 + "a"],
)  # fmt: skip
def test_keys_no_file_can_stand_for_are_refused_before_anything_happens(storage: LocalStorage, key: str) -> None:
    class Untouched(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise AssertionError("the body was read")

    storage.upload("kept", b"kept")
    for attempt in (
        lambda: storage.upload(key, Untouched()),
        lambda: storage.download(key),
        lambda: storage.stat(key),
        lambda: storage.exists(key),
        lambda: storage.delete_files(["kept", key]),
        lambda: storage.open(key).__enter__(),
        lambda: storage.with_urls("http://h/f", b"s" * 32).signed_url(key),
        lambda: storage.with_urls("http://h/f", b"s" * 32).signed_upload_url(key),
    ):
        with refused(ErrorCode.INVALID_KEY):
            attempt()
    assert tree(storage.root) == {"kept": b"kept"}


def test_the_longest_parts_are_kept(storage: LocalStorage) -> None:
    key = "/".join(["a" * 255, "é" * 127, "b" * 255, "c" * 255])
    storage.upload(key, b"x")
    assert [found.key for found in storage.list("a" * 255 + "/é")] == [key]


@pytest.mark.parametrize(
    "prefix", ["../", "a/../", "./", "/", "//", "a//", "\0", "\ud800", "../../etc/", INCOMING, f"{INCOMING}/"]
)
def test_a_prefix_leads_nowhere_but_to_keys(storage: LocalStorage, prefix: str) -> None:
    (storage.root.parent / "outside").write_bytes(b"secret")
    storage.upload("a/b", b"")
    (storage.root / INCOMING / "left-over").write_bytes(b"part")
    assert list(storage.list(prefix)) == []


def test_missing_keys_are_not_found_everywhere(storage: LocalStorage) -> None:
    storage.upload("file", b"")
    for key in ("missing", "missing/deep", "file/below"):
        assert not storage.exists(key)
        for attempt in (storage.download, storage.stat, lambda key: storage.open(key).__enter__()):
            with refused(ErrorCode.NOT_FOUND):
                attempt(key)
    assert storage.delete_files(["missing", "file/below"]).deleted == ("missing", "file/below")
    assert storage.exists("file")


def test_a_missing_root_is_named(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "absent")
    for attempt in (
        lambda: storage.upload("k", b""),
        lambda: storage.download("k"),
        lambda: storage.exists("k"),
        lambda: list(storage.list()),
        lambda: storage.delete_files(["k"]),
        storage.check,
    ):
        with refused(ErrorCode.BUCKET_NOT_FOUND):
            attempt()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("first", "second"), [("a", "a/b"), ("a/b", "a"), ("a/b/c", "a/b"), ("a", "a/b/c")])
def test_a_file_and_a_folder_of_one_name_conflict(storage: LocalStorage, first: str, second: str) -> None:
    storage.upload(first, b"first")
    with refused(ErrorCode.CONFLICT):
        storage.upload(second, b"second")
    assert tree(storage.root) == {first: b"first"}


def test_empty_folders_left_behind_do_not_keep_an_object_away(storage: LocalStorage) -> None:
    (storage.root / "a").mkdir()
    storage.upload("a", b"object")
    assert storage.download("a") == b"object"


def test_a_stream_that_raises_stores_nothing_and_its_own_error_comes_out(storage: LocalStorage) -> None:
    class Breaking(io.RawIOBase):
        def __init__(self) -> None:
            self.left = 3

        def read(self, size: int = -1, /) -> bytes:
            self.left -= 1
            if self.left < 0:
                raise OSError(5, "the camel is gone")
            return b"x" * size

    storage.upload("k", b"old")
    with pytest.raises(OSError, match="camel") as caught:
        storage.upload("k", Breaking())  # type: ignore[arg-type]
    assert type(caught.value) is OSError
    with pytest.raises(OSError, match="camel"):
        storage.upload("new/folder/k", Breaking())  # type: ignore[arg-type]
    assert tree(storage.root) == {"k": b"old"}
    assert not (storage.root / "new").exists()


@pytest.mark.parametrize(
    "body", ["text", None, io.StringIO("text"), type("Empty", (), {"read": lambda self, size: None})()]
)
def test_a_body_that_gives_no_bytes_is_refused(storage: LocalStorage, body: object) -> None:
    with refused(ErrorCode.INVALID_ARGUMENT):
        storage.upload("k", body)  # type: ignore[arg-type]
    assert tree(storage.root) == {}


@pytest.mark.parametrize("key", [b"k", 5, ("k",)])
def test_a_key_that_is_no_string_is_refused_as_a_key(storage: LocalStorage, key: str) -> None:
    for use in (storage.stat, storage.exists, lambda bad: storage.delete_files([bad])):
        with refused(ErrorCode.INVALID_KEY):
            use(key)


def test_any_view_of_bytes_is_stored_as_its_bytes(storage: LocalStorage) -> None:
    view = memoryview(b"abcdef")
    for body in (view[::2], view.cast("B", (2, 3))):
        storage.upload("k", body)  # type: ignore[arg-type]
        assert storage.download("k") == body.tobytes()


def test_a_stream_is_read_from_where_it_stands(storage: LocalStorage) -> None:
    stream = io.BytesIO(b"0123456789")
    stream.seek(4)
    assert storage.upload("k", stream).size == 6
    assert storage.download("k") == b"456789"


def test_an_open_stream_reads_one_version_to_its_end(storage: LocalStorage) -> None:
    old = os.urandom(2 * PIECE_BYTES)
    storage.upload("k", old)
    with storage.open("k") as stream:
        start = stream.read(10)
        storage.upload("k", b"new")
        storage.delete_files(["k"])
        assert start + stream.read() == old


def test_a_file_cut_while_read_is_an_error_and_not_an_end(storage: LocalStorage) -> None:
    storage.upload("k", os.urandom(3 * PIECE_BYTES))
    with storage.open("k") as stream:
        stream.read(10)
        os.truncate(storage.root / "k", 20)
        with refused(ErrorCode.INTEGRITY):
            stream.read()


def test_content_types_come_back_or_are_the_default(storage: LocalStorage) -> None:
    if not hasattr(os, "setxattr"):
        pytest.skip("no extended attributes on this system")
    assert (
        storage.upload("k", b"", content_type="text/plain; charset=utf-8").content_type == "text/plain; charset=utf-8"
    )
    assert storage.stat("k").content_type == "text/plain; charset=utf-8"
    assert storage.upload("k", b"").content_type == "application/octet-stream"
    os.setxattr(storage.root / "k", "user.content_type", b"text/html\r\nSet-Cookie: a=b")
    assert storage.stat("k").content_type == "application/octet-stream"


@pytest.mark.parametrize("kind", ["", "text/html\r\nX: y", "text/\u00e9", " text/plain", "a" * 256, "a\0b"])
def test_content_types_that_are_no_header_are_refused(storage: LocalStorage, kind: str) -> None:
    with refused(ErrorCode.INVALID_ARGUMENT):
        storage.upload("k", b"", content_type=kind)
    assert tree(storage.root) == {}


def test_deleting_takes_the_keys_as_a_collection_and_not_one_string(storage: LocalStorage) -> None:
    storage.upload("a", b"")
    with refused(ErrorCode.INVALID_ARGUMENT):
        storage.delete_files("a")
    assert storage.exists("a")
    assert storage.delete_files([]).deleted == ()


def test_names_that_are_no_key_are_passed_over_in_the_listing(storage: LocalStorage) -> None:
    (Path(os.fsdecode(os.fsencode(storage.root) + b"/\xff\xfe"))).write_bytes(b"")
    os.mkfifo(storage.root / "pipe")
    storage.upload("key", b"")
    assert [found.key for found in storage.list()] == ["key"]
    assert not storage.exists("pipe")


def test_the_listing_is_lazy_and_survives_concurrent_deletion(storage: LocalStorage) -> None:
    keys = [f"d{folder}/{name}" for folder in range(5) for name in range(5)]
    for key in keys:
        storage.upload(key, b"")
    listing = storage.list()
    seen = [next(listing).key]
    storage.delete_files(keys[5:15])
    seen += [found.key for found in listing]
    assert set(keys[:5] + keys[15:]) <= set(seen) <= set(keys)
    assert len(seen) == len(set(seen))


def test_an_abandoned_listing_gives_its_descriptors_back(storage: LocalStorage) -> None:
    storage.upload("a/b/c/d", b"")
    before = len(os.listdir("/dev/fd"))  # noqa: PTH208
    listing = storage.list()
    next(listing)
    listing.close()  # type: ignore[attr-defined]
    assert len(os.listdir("/dev/fd")) == before  # noqa: PTH208


def test_a_full_disk_is_no_space_and_keeps_the_old_value(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as root:
        storage = LocalStorage(root)
        storage.upload("project/p/FILE/k", b"old")
        with refused(ErrorCode.NO_SPACE):
            storage.upload("project/p/FILE/k", os.urandom(2 << 20))
        with refused(ErrorCode.NO_SPACE):
            storage.upload("project/q/FILE/new", io.BytesIO(os.urandom(2 << 20)))
        assert tree(root) == {"project/p/FILE/k": b"old"}
        storage.upload("project/p/FILE/k", b"there is room again")


def test_a_folder_that_is_another_disk_is_named_and_keeps_what_it_has(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    with small_disk(tmp_path / "project") as disk:
        (disk / "k").write_bytes(b"old")
        with pytest.raises(StorageError, match=r"EXDEV.*mount the root as a whole") as caught:
            storage.upload("project/k", b"new")
        assert caught.value.code is ErrorCode.UNSUPPORTED
        assert storage.download("project/k") == b"old"


def test_missing_rights_are_named_per_key_and_by_permission(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        storage = LocalStorage(root)
        storage.upload("open/a", b"")
        storage.upload("shut/b", b"")
        for path in (root, root / INCOMING, root / "open"):
            path.chmod(0o777)
        (root / "shut").chmod(0o555)
        with without_privileges():
            with refused(ErrorCode.ACCESS_DENIED):
                storage.upload("shut/c", b"")
            with pytest.raises(DeleteError) as caught:
                storage.delete_files(["shut/b", "open/a", "gone"])
        result = caught.value.result
        assert result.deleted == ("open/a", "gone")
        assert [(one.key, one.code, one.backend_code) for one in result.failed] == [
            ("shut/b", ErrorCode.ACCESS_DENIED, "EACCES")
        ]
        root.chmod(0o555)
        (root / INCOMING).chmod(0o555)
        with without_privileges(), pytest.raises(StorageError, match="s3:PutObject") as denied:
            storage.check()
        assert denied.value.code is ErrorCode.ACCESS_DENIED
        root.chmod(0o777)
        assert set(tree(root)) == {"shut/b"}


def test_check_names_what_worked_and_leaves_nothing(storage: LocalStorage) -> None:
    done = storage.check()
    assert done.permissions == ("s3:PutObject", "s3:GetObject", "s3:ListBucket", "s3:DeleteObject")
    assert done.location == str(storage.root)
    assert tree(storage.root) == {}


def test_keys_that_only_look_alike_never_share_a_file(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    with folding_names():
        storage.upload("project/a/FILE/x", b"a")
        storage.upload("caf\u00e9", b"nfc")
        for twin in ("project/A/FILE/x", "project/a/FILE/X", "Project/a/FILE/y", "cafe\u0301"):
            with refused(ErrorCode.CONFLICT):
                storage.upload(twin, b"A")
            assert not storage.exists(twin)
            assert storage.delete_files([twin]).deleted == (twin,)
            assert list(storage.list(twin)) == []
        assert tree(tmp_path) == {"project/a/FILE/x": b"a", "caf\u00e9": b"nfc"}
        storage.upload("project/a/FILE/x", b"again")
        assert storage.download("project/a/FILE/x") == b"again"
        storage.delete_files(["project/a/FILE/x"])
        storage.upload("project/A/FILE/X", b"now it is free")
        assert [found.key for found in storage.list("project/")] == ["project/A/FILE/X"]


def test_no_operation_on_one_key_reads_a_folder(storage: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(50):
        storage.upload(f"project/p/FILE/{number}", b"x")
    read: list[object] = []
    for name in ("scandir", "listdir"):
        plain = getattr(os, name)

        def counted(path: object = ".", plain: Callable[[object], object] = plain) -> object:
            read.append(path)
            return plain(path)

        monkeypatch.setattr(os, name, counted)
    storage.upload("project/p/FILE/new", b"y")
    assert (storage.download("project/p/FILE/new"), storage.exists("project/p/FILE/missing")) == (b"y", False)
    assert storage.stat("project/p/FILE/new").size == 1
    with storage.open("project/p/FILE/new") as stream:
        assert stream.read() == b"y"
    storage.delete_files(["project/p/FILE/new", "project/p/FILE/7"])
    assert read == []
    assert sum(1 for _ in storage.list("project/p/FILE/")) == 49
    assert len(read) == 1
