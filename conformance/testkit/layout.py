"""What clauses of several families say about keys of the layout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from hypothesis import strategies as st

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.strategies import file_types
from bucket_conformance.conformance.verdict import show
from bucket_conformance.reference_impl.errors import StorageError
from bucket_conformance.reference_impl.keys import KeyLayout

LOG: Final = "FLOW_RUN_LOG"


@dataclass(frozen=True, slots=True)
class Name:
    """What a key is built from: owner kind and id, type, file id."""

    scope: Literal["platform", "project"]
    owner: str
    file_type: str
    file_id: str

    def key(self, layout: KeyLayout) -> str:
        """Return the key that the layout under test builds."""
        if self.scope == "platform":
            return layout.build(self.file_type, self.file_id, platform_id=self.owner)
        return layout.build(self.file_type, self.file_id, project_id=self.owner)


def names(an_id: st.SearchStrategy[str]) -> st.SearchStrategy[Name]:
    """Names whose owner and file ids are drawn from ``an_id``."""
    scopes: st.SearchStrategy[Literal["platform", "project"]] = st.sampled_from(["project", "platform"])
    return st.builds(Name, scopes, an_id, file_types(), an_id)


def pairs_of_names(alphabet: str) -> st.SearchStrategy[tuple[Name, Name]]:
    """Two different names with short ids of few characters, so that they come close to each other."""
    near = names(st.text(alphabet, min_size=1, max_size=3))
    return st.tuples(near, near).filter(lambda pair: pair[0] != pair[1])


ACCEPTED: Final = "accepted, gave "


def outcome(call: Callable[[], object]) -> str:
    """Return the error code of a call, or in words what it did instead of refusing."""
    try:
        value = call()
    except StorageError as error:
        return error.code.value
    except Exception as error:
        # A layout is anybody's code: whatever it raises is its answer, and no trouble of the suite's.
        return f"raised {type(error).__name__}: {error}"
    return f"{ACCEPTED}{show(value)}"


class Project:
    """Keys of one fresh project: ``key(3)`` is its fourth file. Nobody else's keys start with its prefix."""

    def __init__(self, session: Session) -> None:
        # Ids are counted, so the bare one may begin another example's id; the ending sets it apart.
        self.id = f"{session.fresh_id()}-p"
        self._session = session
        key = self.key(0)
        self.prefix = key[: key.index(self.id) + len(self.id)] + "/"

    def key(self, number: int, file_type: str = "FILE") -> str:
        return self._session.layout.build(file_type, f"{self.id}-{number}", project_id=self.id)

    def left(self) -> list[str]:
        """Return the keys that are there, sorted: as the backend itself lists them where it can be asked."""
        return remaining(self._session, self.prefix)


def remaining(session: Session, prefix: str) -> list[str]:
    """Return the keys below a prefix, sorted, past the storage under test where there is a way past it."""
    if Capability.OWN_VIEW in session.capabilities:
        return session.view.keys(prefix)
    return sorted(stat.key for stat in session.storage.list(prefix))
