"""What clauses of several families share about keys of the layout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, Self

from hypothesis import strategies as st

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.strategies import file_types
from bucket_conformance.conformance.testkit.foreign_names import without_foreign
from bucket_conformance.conformance.verdict import show
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.keys import KeyLayout

LOG: Final = "FLOW_RUN_LOG"


@dataclass(frozen=True, slots=True)
class Name:
    """The components of a key: scope, owner id, file type and file id."""

    scope: Literal["platform", "project"]
    owner: str
    file_type: str
    file_id: str

    def key(self, layout: KeyLayout) -> str:
        """Return the key that the layout under test builds from it."""
        if self.scope == "platform":
            return layout.build(self.file_type, self.file_id, platform_id=self.owner)
        return layout.build(self.file_type, self.file_id, project_id=self.owner)


def names(an_id: st.SearchStrategy[str]) -> st.SearchStrategy[Name]:
    """Generate names whose owner ids and file ids come from ``an_id``."""
    scopes: st.SearchStrategy[Literal["platform", "project"]] = st.sampled_from(["project", "platform"])
    return st.builds(Name, scopes, an_id, file_types(), an_id)


def pairs_of_names(alphabet: str) -> st.SearchStrategy[tuple[Name, Name]]:
    """Generate two different names with ids of 1 to 3 characters of ``alphabet``, so that they are similar."""
    near = names(st.text(alphabet, min_size=1, max_size=3))
    return st.tuples(near, near).filter(lambda pair: pair[0] != pair[1])


class CallOutcome(str):
    """What a call did, as observations show it. ``accepted``: it returned a value; ``code``: how it failed."""

    __slots__ = ("accepted", "code")
    accepted: bool
    code: ErrorCode | None

    def __new__(cls, text: str, *, accepted: bool = False, code: ErrorCode | None = None) -> Self:
        outcome = super().__new__(cls, text)
        outcome.accepted, outcome.code = accepted, code
        return outcome


def outcome(call: Callable[[], object]) -> CallOutcome:
    """Return the error code of a call, or in words what it did instead of refusing."""
    try:
        value = call()
    except StorageError as error:
        return CallOutcome(error.code.value, code=error.code)
    except Exception as error:
        # A layout is anybody's code: whatever it raises is its answer, and no trouble of the suite's.
        return CallOutcome(f"raised {type(error).__name__}: {error}")
    return CallOutcome(f"accepted, gave {show(value)}", accepted=True)


class Project:
    """Keys of one new project: ``key(3)`` is its fourth file. No other keys start with its ``prefix``."""

    def __init__(self, session: Session) -> None:
        # Ids are numbered, so one may be the beginning of another; the suffix distinguishes them.
        self.id = f"{session.fresh_id()}-p"
        self._session = session
        key = self.key(0)
        self.prefix = key[: key.index(self.id) + len(self.id)] + "/"

    def key(self, number: int, file_type: str = "FILE") -> str:
        """Return the key of file ``number`` (from 0) with this file type."""
        return self._session.layout.build(file_type, f"{self.id}-{number}", project_id=self.id)

    def left(self) -> list[str]:
        """Return the keys that exist, sorted; from the backend's own listing where it has one."""
        return remaining(self._session, self.prefix)


def remaining(session: Session, prefix: str) -> list[str]:
    """Return the keys below a prefix, sorted; without the storage under test where the backend can be inspected.

    Names that are not of this run are counted: one text that says how many stands at the end.
    """
    if Capability.OWN_VIEW in session.capabilities:
        return without_foreign(session, session.view.keys(prefix))
    return without_foreign(session, sorted(stat.key for stat in session.storage.list(prefix)))
