"""Links between generated pages and the rest of the site: findings by backend, clauses, the kill table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bucket_conformance.conformance.catalogue import entries
from bucket_conformance.conformance.report.columns import keyed
from bucket_conformance.conformance.report.document import Section
from bucket_conformance.conformance.report.findings import collect
from bucket_conformance.conformance.report.findings_pages import write as write_findings
from bucket_conformance.reference_impl.settings import KNOWN
from docs.generator import contract, findings, power, providers
from docs.generator.clause_links import with_clause_links
from docs.generator.inserts import refreshed, with_inserts
from docs.generator.markdown import anchor
from docs.generator.navigation import navigation
from tests.bench import every_fault
from tests.conformance.report.documents import section
from tests.docs.kill_table import made_up
from tests.docs.pages import ROOT

HARMFUL = {"verdict": "deviates", "observation": {"promised": "kept", "observed": "gone", "harm": "loses data"}}
LEAKING = {"verdict": "deviates", "observation": {"promised": "hidden", "observed": "shown", "harm": "leaks"}}


def judged(provider: str, name: str, version: str) -> Section:
    return section(
        {"KEY-010": HARMFUL, "SEC-001": LEAKING}, provider=provider, backend={"name": name, "version": version}
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = collect(keyed([judged("zed", "zed", "1.0"), judged("an-acme", "Acme_1 & Co (fork)", "v2.0")]))
    write_findings(tmp_path / "findings", found)
    return tmp_path / "findings"


def test_findings_are_grouped_by_backend_in_the_order_of_letters(folder: Path) -> None:
    found = findings.by_backend(folder)
    assert list(found) == ["Acme_1 & Co (fork)", "zed"]
    assert [page.title for page in found["zed"]] == ["loses data: KEY-010", "leaks: SEC-001"]
    assert [page.path for page in findings.of_provider("an-acme", folder)] == [
        page.path for page in found["Acme_1 & Co (fork)"]
    ]


def test_two_versions_of_a_backend_are_two_groups(tmp_path: Path) -> None:
    write_findings(tmp_path, collect(keyed([judged("acme", "Acme", "1.0"), judged("acme", "Acme", "2.0")])))
    assert list(findings.by_backend(tmp_path)) == ["Acme 1.0", "Acme 2.0"]


def test_a_page_that_is_no_finding_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# Notes\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"notes\.md"):
        findings.by_backend(tmp_path)


def test_the_list_of_findings_opens_with_a_row_for_each_backend(folder: Path) -> None:
    page = findings.with_overview((folder / "index.md").read_text(encoding="utf-8"), findings.by_backend(folder))
    head = page.partition("\n## ")[0]
    assert "4 findings in 2 backends" in head
    assert "| backend | loses data | leaks | all |" in head
    assert "| [Acme\\_1 & Co (fork)](#acme_1-co-fork-v20) | 1 | 1 | 2 |" in head
    assert "## Acme\\_1 &amp; Co (fork) v2.0" in page


def test_the_navigation_holds_each_finding_under_its_backend() -> None:
    (section,) = [entry["Findings"] for entry in navigation() if "Findings" in entry]
    listed = {name: pages for entry in section[1:-1] for name, pages in entry.items()}
    assert listed.keys() == findings.by_backend().keys()
    for name, pages in listed.items():
        assert all(page.startswith("findings/") for entry in pages for page in entry.values()), name


def test_pages_of_findings_lead_to_how_they_are_disclosed(folder: Path) -> None:
    page = findings.with_disclosure((folder / "index.md").read_text(encoding="utf-8"))
    assert "[SECURITY.md](../security.md) explains how they are disclosed." in page
    assert findings.pages()["security.md"].startswith("# Security\n")


def test_a_provider_leads_to_its_findings_and_advice() -> None:
    for provider in {page.provider for found in findings.by_backend().values() for page in found}:
        made = providers.pages()[providers.page_of(provider)]
        for page in findings.of_provider(provider):
            assert f"(../{page.path})" in made
        assert "(../advice/index.md#" in made


def test_an_anchor_is_that_of_the_site() -> None:
    toc = pytest.importorskip("markdown.extensions.toc", reason="Python-Markdown is not installed")
    for heading in ["Acme & Co (fork) v2.0", "miniflare's simulator 4.2026", "a_b - c", "Größe — 1"]:
        assert anchor(heading) == toc.slugify(heading, "-")


def test_clauses_that_a_page_names_are_links() -> None:
    made = with_clause_links("| **KEY-010** | see RT-001, DEL-012. |", "findings/acme.md")
    assert made == (
        "| **[KEY-010](../contract/key.md#key-010)** | see [RT-001](../contract/rt.md#rt-001), "
        "[DEL-012](../contract/del.md#del-012). |"
    )
    assert with_clause_links("KEY-010", "power.md") == "[KEY-010](contract/key.md#key-010)"


@pytest.mark.parametrize(
    "said",
    [
        "# Loses data: KEY-010",
        "`KEY-010` and ``a ` KEY-010``",
        "[KEY-010](x.md)",
        "https://example.com/KEY-010",
        "~~~~sh\n# KEY-010\n~~~\n# KEY-010\n~~~~",
        "    KEY-010",
        "RFC-999",
    ],
)
def test_what_is_no_clause_in_prose_stays_as_it_is(said: str) -> None:
    assert with_clause_links(said, "findings/acme.md") == said


@pytest.fixture
def kill_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "power.md").write_text(made_up(), encoding="utf-8")
    monkeypatch.setattr(power, "PAGE", tmp_path / "power.md")
    return power.with_anchors(made_up())


def test_the_kill_table_has_an_anchor_for_each_fault_and_clauses_lead_there(kill_table: str) -> None:
    assert set(re.findall(r"\{ #(\S+) \.fault \}", kill_table)) == set(every_fault()) == power.faults()
    made = contract.pages()
    for entry in entries().values():
        page = made[contract.page_of(entry.clause.family)]
        for fault in entry.proved_by:
            assert f"[`{fault}`](../power.md#{fault})" in page
    assert "](../power.md)" in made[contract.INDEX]
    assert with_inserts("<!-- insert: kill-table -->") == "[kill table](power.md)"
    assert "power.md" in str(navigation())


def test_without_a_kill_table_nothing_leads_to_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "PAGE", tmp_path / "power.md")
    assert "power.md" not in "".join(contract.pages().values()) + str(navigation())
    assert (
        with_inserts("<!-- insert: kill-table -->")
        == "kill table (`python -m tests.fault_coverage --markdown docs/power.md`)"
    )


def test_the_page_that_is_linked_is_the_one_that_is_made() -> None:
    assert ROOT / "docs" / "power.md" == power.PAGE
    assert power.COMMAND in made_up()


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_generated_pieces_are_committed_as_they_are_made(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text == refreshed(text), "run python -m docs.generator.inserts"


BY_HAND = (
    *ROOT.glob("*.md"),
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / "docs" / "decisions").glob("*.md"),
    *(ROOT / "docs" / "matrix").glob("*.md"),
    *ROOT.glob("examples/**/README.md"),
    *ROOT.glob("findings/*.md"),
)


@pytest.mark.parametrize("page", sorted(BY_HAND), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files_of_the_repository_too(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_every_setting_of_the_storage_is_listed() -> None:
    rows = re.findall(r"^\| `(AP_\w+)`", (ROOT / "docs" / "settings.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(KNOWN)
