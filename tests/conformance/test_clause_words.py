"""What each clause says to people who know no clause: there, short, one sentence."""

from __future__ import annotations

import pytest

from bucket_conformance.conformance.catalogue import CatalogueError, clause, entries
from bucket_conformance.conformance.clause_words import CORE_PROMISES, TOPICS, WORDS, Topic
from bucket_conformance.conformance.contract import LONGEST_TITLE, Level, Profile


def test_every_clause_has_a_title_and_a_consequence() -> None:
    lacking = [id for id, entry in entries().items() if not entry.clause.title or not entry.clause.consequence]
    assert lacking == [], "add a title, a consequence and a topic to conformance/clause_words.py"


def test_no_words_are_left_of_a_clause_that_is_gone() -> None:
    assert sorted(WORDS.keys() - entries().keys()) == []


@pytest.mark.parametrize("id", sorted(WORDS))
def test_a_title_is_short_and_a_consequence_is_one_sentence(id: str) -> None:
    words = WORDS[id]
    assert 0 < len(words.title) <= LONGEST_TITLE
    assert not words.title.endswith(".")
    assert words.consequence.endswith(".")
    assert ". " not in words.consequence
    assert words.consequence[0].isupper()


def test_titles_tell_clauses_apart() -> None:
    titles = [words.title for words in WORDS.values()]
    assert [title for title in titles if titles.count(title) > 1] == []


def test_every_topic_has_words_and_clauses() -> None:
    assert set(TOPICS) == set(Topic) == {words.topic for words in WORDS.values()}


def test_the_core_promises_are_those_of_the_contract() -> None:
    core = {
        id
        for id, entry in entries().items()
        if entry.clause.level is Level.MUST and entry.clause.profile is Profile.CORE
    }
    assert sorted(core ^ CORE_PROMISES) == [], "CORE_PROMISES in conformance/clause_words.py names other clauses"


@pytest.mark.parametrize(
    ("title", "consequence", "why"),
    [("a" * 41, "It fails.", "41 characters"), ("A", "It fails", "not one sentence"), ("A", "One. Two.", "not one")],
)
def test_words_of_another_form_are_refused_where_a_clause_is_registered(title: str, consequence: str, why: str) -> None:
    register = clause(
        "TST-001",
        "It holds.",
        level=Level.MUST,
        profile=Profile.CORE,
        source="https://example.com",
        proved_by="x",
        title=title,
        consequence=consequence,
    )
    with pytest.raises(CatalogueError, match=why):
        register(lambda session: None)
