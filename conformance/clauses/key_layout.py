"""KEY: where the files of platforms and projects are stored, and that their keys separate owners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hypothesis import example, given
from hypothesis import strategies as st

from bucket_conformance.conformance.catalogue import also, clause
from bucket_conformance.conformance.contract import Capability, Level, Profile
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.strategies import BAD_IDS, bad_ids, examples, file_types, ids
from bucket_conformance.conformance.testkit.foreign_names import Written
from bucket_conformance.conformance.testkit.layout import LOG, Name, names, outcome, pairs_of_names
from bucket_conformance.conformance.testkit.sources import FILE_STORAGE, OBJECT_KEYS
from bucket_conformance.conformance.verdict import compare, require, show
from bucket_conformance.reference_impl.errors import ErrorCode
from bucket_conformance.reference_impl.keys import KeyLayout

REFUSED: Final = ErrorCode.INVALID_KEY.value


@clause(
    "KEY-001",
    "A platform file lies at platform/{platform_id}/{TYPE}/{file_id}.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=FILE_STORAGE,
    proved_by=("layout-says-platforms", "layout-lowercases-type"),
)
@example(platform_id="p", file_type="FILE", file_id="f")
@example(platform_id="p", file_type="PACKAGE_ARCHIVE", file_id="a")
@example(platform_id="Z9_-", file_type="STEP_FILE", file_id="x" * 128)
@given(platform_id=ids(), file_type=file_types().filter(lambda name: name != LOG), file_id=ids())
def test_a_platform_file_lies_below_its_platform(
    session: Session, platform_id: str, file_type: str, file_id: str
) -> None:
    key = session.layout.build(file_type, file_id, platform_id=platform_id)
    compare(key, f"platform/{platform_id}/{file_type}/{file_id}", "key of a platform file")


@clause(
    "KEY-002",
    "A project file lies at project/{project_id}/{TYPE}/{file_id}, and the name of a flow run log ends in .log.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=FILE_STORAGE,
    proved_by=("layout-forgets-log-suffix", "layout-lowercases-type"),
)
@example(project_id="p", file_type="FILE", file_id="f")
@example(project_id="p", file_type="STEP_FILE", file_id="f")
@example(project_id="p", file_type=LOG, file_id="r")
@example(project_id="Z9_-", file_type=LOG, file_id="x" * 128)
@given(project_id=ids(), file_type=file_types(), file_id=ids())
def test_a_project_file_lies_below_its_project(session: Session, project_id: str, file_type: str, file_id: str) -> None:
    key = session.layout.build(file_type, file_id, project_id=project_id)
    suffix = ".log" if file_type == LOG else ""
    compare(key, f"project/{project_id}/{file_type}/{file_id}{suffix}", "key of a project file")


@clause(
    "KEY-003",
    "Parsing a key gives what it was built from, and every string that is no built key is refused.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=FILE_STORAGE,
    proved_by=(
        "layout-folds-case",
        "layout-parse-trims-slashes",
        "layout-parse-knows-any-type",
        "layout-parse-falls-over",
    ),
)
@examples("name", [Name("project", "p", kind, "f") for kind in ("FILE", "STEP_FILE", "PACKAGE_ARCHIVE", LOG)])
@example(name=Name("platform", "platform", "FILE", "FILE"))
@example(name=Name("platform", "-", LOG, "log"))
@given(name=names(ids()))
def test_parsing_undoes_building(session: Session, name: Name) -> None:
    parsed = session.layout.parse(name.key(session.layout))
    observed = (parsed.scope, parsed.owner_id, parsed.file_type.name, parsed.file_id)
    compare(observed, (name.scope, name.owner, name.file_type, name.file_id), "owner, type and id of the key")


NO_KEYS: Final = (
    "",
    "/",
    "a",
    "project/p/FILE",
    "project/p/FILE/",
    "project//FILE/f",
    "project/p//f",
    "/project/p/FILE/f",
    "project/p/FILE/f/",
    "project/p/FILE/f/g",
    "project/p/FILE/../f",
    "project/p/FILE/..",
    "project/p/FILE/.",
    "project/p/FILE/f.log",
    f"project/p/{LOG}/f",
    f"project/p/{LOG}/.log",
    f"project/p/{LOG}/f.log.log",
    f"project/p/{LOG}/f.LOG",
    "project/p/file/f",
    "project/p/UNKNOWN/f",
    "Project/p/FILE/f",
    "PLATFORM/p/FILE/f",
    "team/p/FILE/f",
    "project\\p\\FILE\\f",
    "project/p/FILE/f ",
    " project/p/FILE/f",
    "project/p/FILE/f\n",
    "project/p/FILE/a%2Fb",
    "project/p/FILE/f\x00",
    "project/p/FILE/\ud800",
    "project/p/FILE/" + "f" * 2000,
    "project/%70/FILE/f",
    "project/\u0440/FILE/f",
    "project/p\u0301/FILE/f",
    "project/\uff41/FILE/f",
    "s3://bucket/project/p/FILE/f",
)
"""Strings that are similar to keys but are none."""

_SPOILERS: Final = (
    "/",
    "//",
    "/.",
    "/..",
    ".log",
    "\n",
    "\r\n",
    " ",
    "\t",
    "%",
    "%2F",
    "\\",
    "\x00",
    "?",
    "#",
    ":",
    "é",
)


def _spoilt(name: Name, spoiler: str, at: float, cut: int) -> str:
    suffix = ".log" if name.file_type == LOG else ""
    key = f"{name.scope}/{name.owner}/{name.file_type}/{name.file_id}{suffix}"
    place = round(at * len(key))
    return key[:place] + spoiler + key[place + cut :]


def near_keys() -> st.SearchStrategy[str]:
    """Generate strings that differ by one edit from a key of the layout, and any other strings."""
    spoilers = st.sampled_from(_SPOILERS) | st.just("")
    return st.builds(_spoilt, names(ids()), spoilers, st.floats(0, 1), st.integers(0, 3)) | st.text(max_size=40)


@also("KEY-003")
@examples("text", NO_KEYS)
@given(text=near_keys())
def test_what_parses_is_built_again_to_the_same_key(session: Session, text: str) -> None:
    # A layout may choose which ids it allows. But a key that it parses, it must also build, exactly as it was.
    layout = session.layout

    def parse_and_build() -> str:
        ref = layout.parse(text)
        rebuilt = outcome(lambda: Name(ref.scope, ref.owner_id, ref.file_type.name, ref.file_id).key(layout))
        return "the key itself" if rebuilt == f"accepted, gave {show(text)}" else f"a key that builds as: {rebuilt}"

    seen = outcome(parse_and_build)
    require(
        seen in (REFUSED, "accepted, gave the key itself"),
        promised=f"parsing {show(text)} is refused ({REFUSED}), or gives what builds that very key",
        observed=seen,
    )


@clause(
    "KEY-004",
    "Files that differ in owner, type or id never share a key.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=FILE_STORAGE,
    proved_by=("layout-folds-case", "layout-knows-one-kind-of-owner"),
)
@examples(
    "pair",
    [
        (Name("project", "a", "FILE", "f"), Name("platform", "a", "FILE", "f")),
        (Name("project", "a", "FILE", "f"), Name("project", "a", "FILE", "F")),
        (Name("project", "a", "FILE", "f"), Name("project", "A", "FILE", "f")),
        (Name("project", "a", "FILE", "f"), Name("project", "a", "STEP_FILE", "f")),
        (Name("project", "a", "FILE", "f"), Name("project", "a", LOG, "f")),
        (Name("project", "a", "FILE", "bc"), Name("project", "ab", "FILE", "c")),
        (Name("project", "a-b", "FILE", "c"), Name("project", "a", "FILE", "b-c")),
        (Name("project", "a_b", "FILE", "c"), Name("project", "a-b", "FILE", "c")),
        (Name("project", "FILE", "FILE", "a"), Name("project", "a", "FILE", "FILE")),
        (Name("project", "a", "FILE", "0"), Name("project", "a", "FILE", "00")),
        (Name("project", "a", "FILE", "x" * 127 + "y"), Name("project", "a", "FILE", "x" * 127 + "z")),
    ],
)
@given(pair=pairs_of_names("aA0_-"))
def test_different_files_never_share_a_key(session: Session, pair: tuple[Name, Name]) -> None:
    one, other = pair
    first, second = one.key(session.layout), other.key(session.layout)
    require(first != second, promised=f"{one} and {other} have keys of their own", observed=f"both lie at {first!r}")


PLACES: Final = ("file_id", "project_id", "platform_id")


def _build_with(layout: KeyLayout, place: str, value: str, owner: str = "p") -> str:
    if place == "file_id":
        return layout.build("FILE", value, project_id=owner)
    if place == "project_id":
        return layout.build("FILE", "f", project_id=value)
    return layout.build("FILE", "f", platform_id=value)


def _bad_examples() -> list[tuple[str, str]]:
    return [(place, bad) for bad in BAD_IDS.values() for place in PLACES]


@clause(
    "KEY-005",
    "A bad id is refused before anything is sent or written: empty, dots, slashes, backslashes, controls, too long.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(FILE_STORAGE, OBJECT_KEYS),
    proved_by=(
        "layout-cleans-ids",
        "layout-checks-ids-by-line",
        "layout-has-no-longest-id",
        "storage-cuts-long-keys",
        "storage-drops-surrogates",
    ),
)
@examples("where", _bad_examples())
@given(where=st.tuples(st.sampled_from(PLACES), bad_ids()))
def test_a_bad_id_is_refused(session: Session, where: tuple[str, str]) -> None:
    place, bad = where
    seen = outcome(lambda: _build_with(session.layout, place, bad))
    compare(seen, REFUSED, f"building a key with {place} {show(bad, limit=60)}")


def _impossible(kind: str, prefix: str) -> str:
    """Return a key that no backend may accept, below ``prefix`` where it can begin with one."""
    if kind == "empty":
        return ""
    if kind == "lone surrogate":
        return prefix + "a\ud800b"
    size = int(kind.split()[0])
    wide = "\u00e9" if "fewer characters" in kind else "a"
    # Short segments between slashes, so that only the length of the whole is wrong.
    segments = (wide * (200 // len(wide.encode())) + "/") * (size // 200 + 1)
    key = (prefix + segments).encode()[:size].decode("utf-8", "ignore").rstrip("/")
    return key + "a" * (size - len(key.encode()))


IMPOSSIBLE: Final = ("empty", "lone surrogate", "1025 bytes", "1025 bytes in fewer characters", "2000 bytes")


def _use(session: Session, operation: str, key: str) -> object:
    storage = session.storage
    if operation == "upload":
        return storage.upload(key, b"of a key that is none")
    if operation == "delete_files":
        return storage.delete_files([key])
    if operation == "open":
        with storage.open(key) as stream:
            return stream.read()
    return getattr(storage, operation)(key)


def _require_refused_without_trace(session: Session, operations: Sequence[str], kind: str) -> None:
    owner = f"{session.fresh_id()}-p"
    key = _impossible(kind, f"project/{owner}/FILE/")
    wrongs: list[str] = []
    below = Written(session, (f"project/{owner}",))
    for operation in operations:
        mark = session.recorder.mark()
        seen = outcome(lambda operation=operation: _use(session, operation, key))  # type: ignore[misc]
        sent = [exchange.method for exchange in session.recorder.since(mark) if exchange.origin == "storage"]
        if seen != REFUSED or sent:
            wrongs.append(f"{operation}: {seen}, requests sent: {sent or 'none'}")
    if written := below.new():
        wrongs.append(f"written: {show(written[0], limit=80)}")
    require(
        not wrongs,
        promised=f"a key with a bad id ({kind}) is refused ({REFUSED}); nothing is sent, nothing is written",
        observed="; ".join(wrongs),
    )


@also("KEY-005", requires={Capability.OWN_VIEW})
@examples("kind", IMPOSSIBLE)
@given(kind=st.sampled_from(IMPOSSIBLE))
def test_a_refused_key_sends_and_writes_nothing(session: Session, kind: str) -> None:
    _require_refused_without_trace(session, ("upload", "download", "open", "stat", "delete_files"), kind)


@also("KEY-005", requires={Capability.OWN_VIEW, Capability.SIGNED_URLS, Capability.SIGNED_UPLOADS})
@examples("kind", IMPOSSIBLE)
@given(kind=st.sampled_from(IMPOSSIBLE))
def test_no_url_is_signed_for_a_refused_key(session: Session, kind: str) -> None:
    _require_refused_without_trace(session, ("signed_url", "signed_upload_url"), kind)


@also("KEY-005", requires={Capability.OWN_VIEW})
@examples("where", [("file_id", "../escaped"), ("project_id", "a/b"), ("platform_id", "")])
@given(where=st.tuples(st.sampled_from(PLACES), bad_ids()))
def test_building_with_a_bad_id_leaves_no_trace(session: Session, where: tuple[str, str]) -> None:
    place, bad = where
    owner = f"{session.fresh_id()}-p"
    below = Written(session, (f"project/{owner}", f"platform/{owner}"))
    mark = session.recorder.mark()
    outcome(lambda: _build_with(session.layout, place, bad if place == "file_id" else f"{owner}{bad}/", owner))
    sent = [exchange.method for exchange in session.recorder.since(mark)]
    compare((sent, below.new()), ([], []), f"requests sent and keys written by building with {place} {show(bad)}")


OWNER_PAIRS: Final[Sequence[tuple[str | None, str | None]]] = (
    (None, None),
    ("a", "b"),
    ("a", "a"),
    ("", "b"),
    ("a", ""),
    ("", ""),
)


@clause(
    "KEY-006",
    "A file with neither or both of platform and project is refused.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=FILE_STORAGE,
    proved_by=("layout-takes-both-owners", "layout-takes-empty-owner-for-none"),
)
@examples("owners", OWNER_PAIRS)
@given(owners=st.tuples(ids(), ids()))
def test_not_exactly_one_owner_is_refused(session: Session, owners: tuple[str | None, str | None]) -> None:
    platform_id, project_id = owners
    seen = outcome(lambda: session.layout.build("FILE", "f", platform_id=platform_id, project_id=project_id))
    compare(seen, REFUSED, f"building a key with platform_id {platform_id!r} and project_id {project_id!r}")
