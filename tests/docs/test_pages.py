"""Generated pages contain all that is known, and every address in pages is valid."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from markdown_it import MarkdownIt

from bucket_conformance.conformance.catalogue import entries
from bucket_conformance.conformance.cli.exit_codes import ExitCode
from bucket_conformance.conformance.verdict import MERGE_ORDER, Verdict
from bucket_conformance.providers import discover
from bucket_conformance.providers.provider import LaunchKind
from docs.generator import generated, power
from docs.generator.expected import expected_deviations
from docs.generator.inserts import EXIT_CODES, INSERTS, layers, with_inserts
from docs.generator.markdown import code, link, shortened, table, text
from docs.generator.navigation import PAGES, navigation
from tests.bench import every_fault
from tests.docs.pages import BY_HAND, README

GENERATED = generated()
MARKDOWN = {
    **{path: content for path, content in GENERATED.items() if path.endswith(".md")},
    **{page.name: page.read_text(encoding="utf-8") for page in BY_HAND},
}


def test_every_clause_is_shown_with_what_it_states_and_what_proves_it() -> None:
    faults = every_fault()
    for id, entry in entries().items():
        page = GENERATED[f"contract/{entry.clause.family.lower()}.md"]
        section = page.partition(f"## {id} {{")[2].partition("\n## ")[0]
        assert text(entry.clause.statement) in section
        assert entry.clause.level.value in section
        for source in entry.clause.sources:
            assert source in section
        for fault in entry.proved_by:
            assert text(faults[fault].title) in section


def test_every_provider_is_shown_with_its_limits_and_deviations() -> None:
    known = expected_deviations()
    for id, provider in discover().items():
        page = GENERATED[f"providers/{id}.md"]
        assert text(provider.licence) in page
        for limit in provider.limits.values():
            assert f"{limit.value:,}" in page
            assert limit.source in page
        for clause, expectation in known.get(id, {}).items():
            assert text(expectation.reason) in page
            family = GENERATED[f"contract/{clause.partition('-')[0].lower()}.md"]
            assert text(expectation.reason) in family


@pytest.mark.parametrize("path", sorted(MARKDOWN))
def test_addresses_are_well_formed(path: str) -> None:
    for address in _targets(MARKDOWN[path]):
        parts = urlsplit(address)
        if parts.scheme:
            assert parts.scheme in ("http", "https"), address
            assert re.fullmatch(r"[a-z0-9.-]+(:\d+)?", parts.netloc), address
            assert not re.search(r"\s", address), address


def _targets(markdown: str) -> list[str]:
    tokens = [child for token in MarkdownIt("commonmark").parse(markdown) for child in token.children or ()]
    given = [token.attrGet("href") or token.attrGet("src") for token in tokens if token.type in ("link_open", "image")]
    return [str(address) for address in given if address]


FILES_OF_THE_README = [address for address in _targets(MARKDOWN["README.md"]) if not urlsplit(address).scheme]


@pytest.mark.parametrize("address", FILES_OF_THE_README)
def test_a_file_that_the_readme_links_to_exists(address: str) -> None:
    path = README.parent / address.partition("#")[0]
    if path == power.PAGE and not path.exists():
        pytest.skip(f"a run of hours makes the kill table: {power.COMMAND}")
    assert path.exists()


def test_the_readme_does_not_promise_more_backends_than_can_be_started() -> None:
    assert "Over twenty backends start on your machine" in MARKDOWN["README.md"]
    kinds = [{launch.kind for launch in provider.launches} for provider in discover().values()]
    assert sum(LaunchKind.PROCESS in found or LaunchKind.EMBEDDED in found for found in kinds) > 20


@pytest.mark.parametrize("page", sorted(set(BY_HAND) - {power.PAGE}), ids=lambda page: page.name)
def test_a_count_of_clauses_on_a_page_is_that_of_today(page: Path) -> None:
    """A number that is written manually becomes wrong: pages have none, or this test compares it with the contract."""
    counted = re.findall(r"\b(\d{2,}) clauses\b", page.read_text(encoding="utf-8"))
    assert {int(count) for count in counted} <= {len(entries())}


def test_the_navigation_names_pages_that_exist_and_all_of_them() -> None:
    paths = set(_paths(navigation()))
    by_hand = {path.relative_to(PAGES).as_posix() for path in PAGES.rglob("*.md")}
    made = {path for path in GENERATED if path.endswith(".md")}
    assert paths == by_hand | made


def _paths(nav: object) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    inner = nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ()
    return [path for one in inner for path in _paths(one)]


def test_exit_codes_and_verdicts_are_all_explained() -> None:
    assert set(EXIT_CODES) == set(ExitCode)
    verdicts = MARKDOWN["verdicts.md"]
    for page in (verdicts, MARKDOWN["README.md"]):
        for verdict in Verdict:
            assert f"| {verdict.value} |" in page
    assert ", ".join(verdict.value for verdict in MERGE_ORDER) in verdicts


def test_the_layers_are_those_that_the_linter_holds_the_suite_to() -> None:
    assert layers()[0] == ["cli", "pytest_plugin"]
    assert layers()[-2:] == [["contract"], ["clause_words"]]


def test_inserts_are_replaced_and_an_unknown_one_is_refused() -> None:
    assert "<!--" not in with_inserts(" ".join(f"<!-- insert: {name} -->" for name in INSERTS))
    with pytest.raises(LookupError, match="no-such-thing"):
        with_inserts("<!-- insert: no-such-thing -->")


@pytest.mark.parametrize(
    "said",
    [
        "a * b _ c",
        "`a|b` and a|b",
        "<b>",
        "see https://example.com/a_b_c.",
        "a `` `x` `` b",
        "{{ no template }}",
        "a~b#c",
    ],
)
def test_prose_keeps_its_meaning(said: str) -> None:
    """Rendered text has the same letters, even if they have a meaning in Markdown."""
    rendered = MarkdownIt("commonmark").enable("table").render(table(("x",), [(text(said),)]))
    shown = re.sub(r"<[^>]+>", "", rendered).split("x", 1)[1].strip()
    plain = said.replace("`` `x` ``", "`x`") if "``" in said else said.replace("`", "")
    unescaped = shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert unescaped == plain.replace("https://", "")


def test_a_code_span_takes_any_text() -> None:
    for said in ("a`b", "`a`", "``", "plain"):
        rendered = MarkdownIt("commonmark").renderInline(code(said))
        assert rendered == f"<code>{said}</code>"


def test_long_addresses_are_shortened_to_their_ends_and_still_lead_there() -> None:
    address = (
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html#ConstructingTheAuthentication"
    )
    assert len(shortened(address)) == 60
    assert address in link(address)
