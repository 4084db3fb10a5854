"""KEY: objects are stored at exactly their keys, and no operation for one owner affects another owner's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hypothesis import example, given
from hypothesis import strategies as st

from bucket_conformance.conformance.catalogue import also, clause
from bucket_conformance.conformance.contract import Capability, Harm, Level, Profile
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.strategies import bodies, examples, file_types, ids
from bucket_conformance.conformance.testkit.foreign_names import without_foreign
from bucket_conformance.conformance.testkit.layout import LOG, CallOutcome, Name, outcome, pairs_of_names
from bucket_conformance.conformance.testkit.sources import FILE_STORAGE, OBJECT_KEYS
from bucket_conformance.conformance.verdict import compare
from bucket_conformance.reference_impl.errors import ErrorCode


@clause(
    "KEY-007",
    "An object lies in the backend at exactly its key, as the backend's own listing or file tree shows.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=FILE_STORAGE,
    proved_by=("storage-lies-below-a-folder", "lowercases-keys", "storage-escapes-dots"),
    requires={Capability.OWN_VIEW},
)
@example(scope="project", file_type="FILE", file_id="f", body=b"x")
@example(scope="project", file_type=LOG, file_id="Run-1", body=b"")
@example(scope="platform", file_type="PACKAGE_ARCHIVE", file_id="_" * 128, body=b"\x00\xff\r\n")
@example(scope="platform", file_type="STEP_FILE", file_id="-", body=b"x" * 4096)
@given(
    scope=st.sampled_from(["project", "platform"]), file_type=file_types(), file_id=ids(), body=bodies(max_size=1024)
)
def test_an_object_lies_at_exactly_its_key(
    session: Session, scope: str, file_type: str, file_id: str, body: bytes
) -> None:
    owner = f"{session.fresh_id()}-P"
    ids_by_scope = {"platform_id": owner} if scope == "platform" else {"project_id": owner}
    key = session.layout.build(file_type, file_id, **ids_by_scope)
    session.storage.upload(key, body)
    lying = without_foreign(session, session.view.keys(key.partition(owner)[0] + owner))
    compare(lying, [key], "keys in the backend, by its own view")
    compare(session.view.read(key), body, f"bytes at {key!r}, by the backend's own view")


TENANT: Final = "a"
SIBLINGS: Final = {
    "project with a longer id": Name("project", "ab", "FILE", "x"),
    "project with the id in the other case": Name("project", "A", "FILE", "x"),
    "project with the id and a dash": Name("project", "a-", "FILE", "x"),
    "platform with the same id": Name("platform", "a", "FILE", "x"),
    "platform with a longer id": Name("platform", "ab", "FILE", "x"),
}
"""Owners that are most similar to project ``a``; each has a file with the same type and id as ``a``."""


class Tenants:
    """The project ``…a`` with files of the given ids, and similar owners. The body of each file is its key."""

    def __init__(self, session: Session, file_ids: tuple[str, ...]) -> None:
        base = f"{session.fresh_id()}-"
        self.session = session
        self.owner = base + TENANT
        self.own = [session.layout.build("FILE", file_id, project_id=self.owner) for file_id in file_ids]
        self.prefix = session.layout.build("FILE", "x", project_id=self.owner).partition(self.owner)[0] + self.owner
        self.others = {
            who: Name(sibling.scope, base + sibling.owner, sibling.file_type, sibling.file_id).key(session.layout)
            for who, sibling in SIBLINGS.items()
        }
        for key in [*self.own, *self.others.values()]:
            session.storage.upload(key, key.encode())

    def harmed(self) -> dict[str, CallOutcome]:
        """Return which of the other owners' files are no longer what they were, and what became of them."""
        storage = self.session.storage
        return {
            who: seen
            for who, key in self.others.items()
            if (seen := outcome(lambda key=key: storage.download(key))) != outcome(key.encode)  # type: ignore[misc]
        }

    def require_others_unharmed(self, doing: str) -> None:
        harmed = self.harmed()
        compare(
            [f"{who}: {seen}" for who, seen in harmed.items()],
            [],
            f"other owners' files after {doing} files of project {TENANT!r}",
            promise="as before",
            harm=Harm.CROSSES_TENANTS if any(map(_tells, harmed.values())) else None,
        )


def _tells(seen: CallOutcome) -> bool:
    """Whether the :func:`outcome` of a download says what is stored: bytes, or that there is nothing."""
    return seen.accepted or seen.code is ErrorCode.NOT_FOUND


def _list(tenants: Tenants) -> object:
    listed = sorted(stat.key for stat in tenants.session.storage.list(tenants.prefix + "/"))
    harm = Harm.CROSSES_TENANTS if set(listed) - set(tenants.own) else None
    found = without_foreign(tenants.session, listed)
    compare(found, sorted(tenants.own), f"keys listed for project {TENANT!r}", harm=harm)
    return found


def _overwrite(tenants: Tenants) -> None:
    for key in tenants.own:
        tenants.session.storage.upload(key, b"overwritten")


def _delete(tenants: Tenants) -> None:
    tenants.session.storage.delete_files(tenants.own)


def _delete_missing(tenants: Tenants) -> None:
    tenants.session.storage.delete_files(tenants.own)
    tenants.session.storage.delete_files([*tenants.own, f"{tenants.prefix}/FILE/y", f"{tenants.prefix}/FILE/x.log"])


ACTS: Final[dict[str, Callable[[Tenants], object]]] = {
    "listing": _list,
    "overwriting": _overwrite,
    "deleting": _delete,
    "deleting missing": _delete_missing,
}


@clause(
    "KEY-008",
    "Nothing done for one project reads, lists or deletes anything of an owner with a similar id.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=FILE_STORAGE,
    proved_by=(
        "storage-lists-by-bare-prefix",
        "lowercases-keys",
        "storage-clears-emptied-owners",
        "layout-knows-one-kind-of-owner",
    ),
    effort=0.2,
)
@example(act="listing", file_ids=("x",))
@example(act="overwriting", file_ids=("x",))
@example(act="deleting", file_ids=("x",))
@example(act="deleting missing", file_ids=("x", "X"))
@given(act=st.sampled_from(sorted(ACTS)), file_ids=st.lists(ids(), max_size=3, unique=True).map(tuple))
def test_no_act_for_one_owner_touches_another(session: Session, act: str, file_ids: tuple[str, ...]) -> None:
    tenants = Tenants(session, file_ids)
    ACTS[act](tenants)
    tenants.require_others_unharmed(act)


@also("KEY-008", effort=0.2)
@examples("file_id", ["x", "X"])
@given(file_id=st.sampled_from(["x", "X"]) | ids())
def test_a_missing_file_is_not_read_from_a_similar_owner(session: Session, file_id: str) -> None:
    tenants = Tenants(session, ())
    key = session.layout.build("FILE", file_id, project_id=tenants.owner)
    storage = session.storage
    observed = (outcome(lambda: storage.download(key)), outcome(lambda: storage.stat(key)), storage.exists(key))
    missing = ErrorCode.NOT_FOUND.value
    compare(observed, (missing, missing, False), "download, stat and exists of a file only similar owners have")


@also("KEY-008", requires={Capability.SIGNED_URLS}, effort=0.2)
@examples("deleted", [False, True])
@given(deleted=st.booleans())
def test_a_signed_url_serves_only_its_own_owner(session: Session, deleted: bool) -> None:
    tenants = Tenants(session, ("x",))
    (key,) = tenants.own
    url = session.signed_url(key, expires_in=3600)
    if deleted:
        session.storage.delete_files([key])
    response = session.fetch(url)
    served = [who for who, other in tenants.others.items() if response.ok and response.body == other.encode()]
    content = None if deleted else key.encode()
    observed = (served, response.body if response.ok else None)
    what = "other owners' files served, and the content served, by the URL of an own file"
    compare(observed, ([], content), what, harm=Harm.CROSSES_TENANTS if served else None)


FAMILIES: Final = (
    (Name("project", "a", "FILE", "a"), Name("project", "a", "FILE", "ab")),
    (Name("project", "a", "FILE", "a"), Name("project", "a", LOG, "a")),
    (Name("project", "a", LOG, "a"), Name("project", "a", LOG, "a-log")),
    (Name("project", "a", "FILE", "FILE"), Name("project", "a", "STEP_FILE", "FILE")),
    (Name("project", "FILE", "FILE", "a"), Name("platform", "FILE", "FILE", "a")),
    (Name("project", "a", "FILE", "a"), Name("project", "a", "FILE", "a-")),
)
"""Pairs of files where one key, or one segment of it, is the beginning of the other's."""


def _side_by_side(session: Session, one: str, other: str, write: Callable[[str], object]) -> None:
    """Store both keys, delete the first, and raise ``Deviation`` unless the second is still complete."""
    for key in (one, other):
        write(key)
    both = [outcome(lambda key=key: session.storage.download(key)) for key in (one, other)]  # type: ignore[misc]
    compare(both, [outcome(one.encode), outcome(other.encode)], f"downloads of {one!r} and {other!r} side by side")
    session.storage.delete_files([one])
    left = [outcome(lambda key=key: session.storage.download(key)) for key in (one, other)]  # type: ignore[misc]
    due = [ErrorCode.NOT_FOUND.value, outcome(other.encode)]
    harm = Harm.LOSES_DATA if left[1] != due[1] and _tells(left[1]) else None
    compare(left, due, f"downloads after deleting {one!r} alone", harm=harm)


@clause(
    "KEY-013",
    "Keys of the layout of which one is the beginning of the other live side by side; deleting one leaves the other.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(FILE_STORAGE, OBJECT_KEYS),
    proved_by=("delete-drops-prefix-siblings", "storage-deletes-by-beginning"),
)
@examples("pair", [pair for one, other in FAMILIES for pair in ((one, other), (other, one))])
@given(pair=pairs_of_names("ab-"))
def test_generated_keys_live_side_by_side(session: Session, pair: tuple[Name, Name]) -> None:
    base = f"{session.fresh_id()}-"
    one, other = (
        Name(name.scope, base + name.owner, name.file_type, name.file_id).key(session.layout) for name in pair
    )
    _side_by_side(session, one, other, lambda key: session.storage.upload(key, key.encode()))
