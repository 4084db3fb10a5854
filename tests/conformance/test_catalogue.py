"""Which functions register as clauses, which are refused, and how patterns select."""

from __future__ import annotations

from collections.abc import Iterator
from unittest import mock

import pytest

from bucket_conformance.conformance import catalogue
from bucket_conformance.conformance.catalogue import CatalogueError, UnknownClause, also, clause, select
from bucket_conformance.conformance.contract import Capability, Level, Profile


@pytest.fixture(autouse=True)
def empty() -> Iterator[None]:
    catalogue.load()
    with mock.patch.dict(catalogue._entries, clear=True):
        yield


def register(id: str, *, profile: Profile = Profile.CORE, **more: object) -> None:
    given: dict[str, object] = {"source": "https://norm", "proved_by": "a-fault", **more}
    clause(id, "It holds.", level=Level.MUST, profile=profile, **given)(lambda session: None)  # type: ignore[arg-type]


def ids(*patterns: str, profiles: tuple[Profile, ...] = ()) -> list[str]:
    return [entry.clause.id for entry in select(patterns=patterns, profiles=profiles)]


def test_an_id_can_be_used_once() -> None:
    register("URL-001")
    with pytest.raises(CatalogueError, match="clause URL-001 is registered twice"):
        register("URL-001")


def test_a_clause_that_nothing_can_fail_is_refused() -> None:
    with pytest.raises(CatalogueError, match="URL-001 names no fault that proves it"):
        register("URL-001", proved_by=())
    assert ids() == []


def test_a_clause_without_a_source_is_refused() -> None:
    with pytest.raises(CatalogueError, match="URL-001: a clause needs at least one source"):
        register("URL-001", source=())
    assert ids() == []


@pytest.mark.parametrize("bad", ["url-1", "URL-1", "URL-0001", "", "URL001", "TOOLONG-001"])
def test_an_id_of_another_form_is_refused(bad: str) -> None:
    with pytest.raises(CatalogueError, match="expected FAMILY-NNN"):
        register(bad)


def test_a_further_case_needs_a_clause() -> None:
    with pytest.raises(CatalogueError, match="adds to clause URL-001, which is not registered yet"):
        also("URL-001")(lambda session: None)
    register("URL-001", profile=Profile.S3)
    also("URL-001", requires=[Capability.COPY])(lambda session: None)
    (entry,) = select()
    assert [case.requires for case in entry.cases] == [{Capability.WIRE}, {Capability.WIRE, Capability.COPY}]


def test_clauses_come_in_the_order_of_the_contract() -> None:
    for id in ("RT-002", "URL-010", "KEY-001", "URL-002", "RT-001"):
        register(id)
    assert ids() == ["KEY-001", "URL-002", "URL-010", "RT-001", "RT-002"]


def test_ids_families_patterns_and_profiles_select() -> None:
    for id in ("KEY-001", "URL-001", "URL-010"):
        register(id)
    register("URL-002", profile=Profile.S3)
    assert ids("url-001") == ["URL-001"]
    assert ids("URL") == ["URL-001", "URL-002", "URL-010"]
    assert ids("URL-00*", "KEY-001") == ["KEY-001", "URL-001", "URL-002"]
    assert ids(profiles=(Profile.S3,)) == ["URL-002"]
    assert ids("KEY", profiles=(Profile.S3,)) == []


def test_a_pattern_that_selects_nothing_is_named_with_what_can_be_written() -> None:
    register("URL-001")
    with pytest.raises(UnknownClause, match=r"no clause matches 'URL-9\*'; write an id .*Families: KEY, URL"):
        ids("URL-001", "URL-9*")
