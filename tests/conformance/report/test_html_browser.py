"""The page as people use it: in a browser, by mouse, by keyboard, on a phone, by link, and without scripts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bucket_conformance.conformance.report import html
from bucket_conformance.conformance.report.columns import keyed
from bucket_conformance.conformance.report.site import build
from tests.conformance.report.browser import chromium
from tests.conformance.report.documents import section

HISTORY = [
    {"client": "a", "operation": "put k=1", "outcome": "ok", "start_s": 0.0, "end_s": 0.004},
    {"client": "b", "operation": "get k", "outcome": "0", "start_s": 0.005, "end_s": 0.006},
    {"client": "c", "operation": "put k=2", "start_s": 0.002, "end_s": None},
]
HOSTILE = "</script><img src=x onerror=document.title='owned'>"
EVIDENCE = {"transcript": f"> GET /b/k\n< 200\n< {HOSTILE}", "reproducer": "print('again')\n", "history": HISTORY}

SECTIONS = [
    section(
        {
            "KEY-001": "conforms",
            "KEY-002": {"verdict": "deviates", "level": "SHOULD"},
            "URL-003": {"verdict": "deviates", "evidence": EVIDENCE, "statement": f"Dead after its end {HOSTILE}."},
            "CON-001": "inconclusive",
            "DEL-010": {"profile": "s3"},
        },
        provider="acme",
    ),
    section(
        {"KEY-001": "conforms", "KEY-002": "conforms", "URL-003": "unsupported", "CON-001": "error", "DEL-010": {}},
        provider="bolt",
        version="2.0",
    ),
]

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def page_of(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """Open the page at a fragment; the test fails where the page asks for anything or reports an error."""
    path = tmp_path / "report.html"
    path.write_text(html.render(keyed(SECTIONS)), encoding="utf-8")
    contexts: list[Any] = []
    wrong: list[str] = []
    own = {path.as_uri()}

    def note(text: str, is_wrong: bool) -> None:
        if is_wrong and not text.startswith("blob:"):
            wrong.append(text)

    def open_page(fragment: str = "", *, width: int = 1280, scheme: str = "light", scripts: bool = True) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, java_script_enabled=scripts
        )
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: note(request.url, request.url.split("#")[0] not in own))
        page.on("pageerror", lambda error: note(str(error), True))
        page.on("console", lambda message: note(message.text, message.type == "error"))
        page.goto(path.as_uri() + fragment)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def test_the_first_screen_answers_before_it_details(page_of: Open) -> None:
    page = page_of("", width=1400)
    acme, bolt = page.locator("article.card").all()
    assert "Unfit for this storage" in acme.inner_text()
    assert re.search(r"1 of \d+ core promises broken", acme.inner_text())
    assert "Anyone with an old download link can use it for ever." in acme.inner_text()
    assert "Judged on 2026-11-01" in acme.inner_text()
    assert "Acme 1.0" in acme.inner_text()
    assert "Not decided" in bolt.inner_text()
    tops = [page.locator(part).bounding_box()["y"] for part in ("#answers", "#causes", "#all")]
    assert tops == sorted(tops)


def test_a_cause_unfolds_to_what_was_seen_and_leads_to_the_evidence(page_of: Open) -> None:
    page = page_of()
    cause = page.locator("article.cause", has_text="URLs end when they expire")
    assert not cause.locator("dl").is_visible()
    cause.locator("summary").click()
    assert "status 200 for URL-003" in cause.locator("dl").inner_text()
    cause.locator("a[data-at='acme/URL-003']").click()
    page.wait_for_selector("#transcript")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.closest('.cause') !== null"), "closing leads back to where it began"


def test_the_causes_of_one_of_many_unfold_by_the_link_of_its_card(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "many.html"
    path.write_text(html.render(keyed([*SECTIONS, section({"KEY-001": "deviates"}, provider="cog")])), encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())
    assert page.locator("article.cause:visible").count() == 0
    page.click("article.card a.jump[href='#causes-cog']")
    assert page.locator("article.cause:visible").count() == 1
    assert page.evaluate("document.activeElement.parentElement.id") == "causes-cog"
    page.close()


def test_only_what_breaks_core_or_does_harm_is_red(browser: Any, tmp_path: Path) -> None:
    s3 = {"verdict": "deviates", "profile": "s3"}
    harmful = {**s3, "observation": {"promised": "a", "observed": "b", "harm": "loses data"}}
    path = tmp_path / "mild.html"
    found = section({"KEY-010": s3, "URL-003": "deviates", "DEL-010": harmful, "LIST-001": s3})
    path.write_text(html.render(keyed([found])), encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())
    for draw in ("", "draw()"):
        page.evaluate(draw)
        classes = {
            family: page.locator(f"td:has([data-at='acme/{family}'])").get_attribute("class")
            for family in ("KEY", "URL", "DEL", "LIST")
        }
        assert classes == {"KEY": "d mild", "URL": "d", "DEL": "d", "LIST": "d mild"}
    page.close()


def test_on_paper_nothing_is_cut_and_no_tools_are_printed(page_of: Open) -> None:
    page = page_of()
    page.emulate_media(media="print")
    assert page.locator("#tools").is_hidden()
    assert page.evaluate("getComputedStyle(document.getElementById('scroll')).maxHeight") == "none"
    assert page.locator("article.card").first.is_visible()


def test_a_cell_says_why_before_how_many(page_of: Open) -> None:
    page = page_of()
    cell = page.locator("#matrix [data-at='acme/KEY']")
    assert re.fullmatch(r"✗\s+Project files lie where documented\s+1/2", cell.inner_text().replace("\n", " "))
    assert page.locator("#matrix [data-at='bolt/CON']").inner_text().startswith("!")
    assert page.locator("#matrix [data-at='bolt/URL']").inner_text().startswith("–")
    assert "as promised" in page.locator("#matrix [data-at='acme/DEL']").inner_text()


def test_a_report_of_a_single_provider_works_alike(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "one.html"
    path.write_text(html.render(keyed(SECTIONS[:1])), encoding="utf-8")
    page = browser.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(path.as_uri())
    page.click("[data-family=KEY]")
    page.click("#matrix [data-at='acme/KEY-002']")
    page.wait_for_selector("#transcript")
    page.close()
    assert wrong == []


def test_a_click_leads_from_family_to_clause_to_evidence_and_back(page_of: Open) -> None:
    page = page_of()
    page.click("#matrix [data-at='acme/URL']")
    page.click("#panel >> text=URL-003")
    panel = page.locator("#panel")
    page.wait_for_selector("#transcript")
    assert page.url.endswith("#acme/URL-003")
    assert "status 403" in panel.inner_text()
    assert "status 200 for URL-003" in panel.inner_text()
    assert HOSTILE in page.locator("#transcript").inner_text()
    assert page.title() == "Object storage conformance"
    assert page.locator("svg.time rect").count() == 3
    page.go_back()
    page.wait_for_selector("#transcript", state="detached")
    assert page.url.endswith("#acme/URL")
    page.keyboard.press("Escape")
    assert panel.is_hidden()


def test_the_whole_of_a_cell_is_its_link(page_of: Open) -> None:
    page = page_of()
    page.click("[data-family=URL]")
    cell = page.locator("tr.clause td", has=page.locator("[data-at='bolt/URL-003']"))
    cell.scroll_into_view_if_needed()
    box = cell.bounding_box()
    text = cell.locator(".why").bounding_box()
    assert text["y"] + text["height"] < box["y"] + box["height"] - 12, "the row is taller than the cell's text"
    page.mouse.click(box["x"] + box["width"] - 8, box["y"] + box["height"] - 4)
    page.wait_for_selector("#panel h2")
    assert "#bolt/URL-003?" in page.url


@pytest.mark.parametrize(("window", "table"), [(390, 426), (800, 800), (1280, 980)])
def test_columns_take_the_room_that_there_is_up_to_what_is_read_at_a_glance(
    page_of: Open, window: int, table: int
) -> None:
    page = page_of(width=window)
    first, second = (head.bounding_box()["width"] for head in page.locator("thead th:not(.corner)").all())
    assert first == pytest.approx(second, abs=1)
    assert page.locator("#matrix").bounding_box()["width"] == pytest.approx(table, abs=1)


def test_a_column_of_a_site_leads_to_its_earlier_runs(browser: Any, tmp_path: Path) -> None:
    build(tmp_path, SECTIONS)
    page = browser.new_page()
    page.goto((tmp_path / "index.html").as_uri() + "#bolt")
    page.click("#panel >> text=earlier runs")
    page.wait_for_selector(".site h1")
    assert page.locator("h1").inner_text() == "bolt"
    page.close()


def test_a_link_to_one_cell_opens_it(page_of: Open) -> None:
    page = page_of("#acme/URL-003")
    page.wait_for_selector("#transcript")
    assert page.locator("#matrix [data-at='acme/URL-003'][aria-current]").count() == 1


def test_a_link_to_what_is_not_there_says_so(page_of: Open) -> None:
    assert "does not have" in page_of("#acme/URL-999").locator("#panel").inner_text()


def test_the_reproducer_is_copied_and_downloaded_whole(page_of: Open, tmp_path: Path) -> None:
    page = page_of("#acme/URL-003")
    page.wait_for_selector("#reproducer")
    with page.expect_download() as started:
        page.click("button[data-do=download]")
    assert started.value.suggested_filename == "acme-URL-003.py"
    saved = tmp_path / "saved.py"
    started.value.save_as(saved)
    assert saved.read_text() == "print('again')\n"
    page.click("button[data-do=copy][data-of=reproducer]")
    page.wait_for_selector("text=Copied")


def test_filters_by_level_profile_verdict_and_words_narrow_the_clauses(page_of: Open) -> None:
    page = page_of()
    corner = page.locator("thead .corner")
    assert corner.inner_text() == "5 clauses"
    page.click("button[data-value=SHOULD]")
    assert corner.inner_text() == "1 of 5 clauses"
    assert page.locator("tr.clause").count() == 1
    page.click("button[data-value=SHOULD]")
    page.click("button[data-value=s3]")
    assert [row.inner_text().split()[0] for row in page.locator("tr.family th").all()] == ["DEL"]
    page.click("button[data-value=s3]")
    page.click("button[data-value=e]")
    assert corner.inner_text() == "1 of 5 clauses"
    assert "verdict=e" in page.url
    page.click("button[data-value=e]")
    page.fill("#search", "dead after")
    assert corner.inner_text() == "1 of 5 clauses"
    page.reload()
    assert corner.inner_text() == "1 of 5 clauses"
    page.fill("#search", "nothing has this")
    assert "No clause is left" in page.locator("#matrix").inner_text()


def test_two_sections_are_compared_by_what_differs(page_of: Open) -> None:
    page = page_of()
    page.select_option("#cmp-a", "bolt")
    page.select_option("#cmp-b", "acme")
    assert [head.inner_text().split()[0] for head in page.locator("thead a.head").all()] == ["bolt", "acme"]
    assert [row.inner_text().split()[0] for row in page.locator("tr.clause th").all()] != []
    assert page.locator("tr.clause").count() == 3
    assert page.locator("[data-at='/KEY-001']").count() == 0
    page.select_option("#cmp-b", "")
    assert page.locator("tr.clause").count() == 0


def test_the_keyboard_alone_reaches_every_part(page_of: Open) -> None:
    page = page_of()
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.press("Escape")
    page.locator("[data-at='acme/KEY']").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.at") == "bolt/KEY"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.activeElement.dataset.family") == "URL"
    page.keyboard.press("Enter")
    assert page.locator("[data-family=URL]").get_attribute("aria-expanded") == "true"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_selector("#panel:not([hidden])")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.dataset.at") == "acme/URL"
    page.keyboard.press("j")
    page.wait_for_selector("#panel h2")
    assert page.url.endswith("#acme/KEY-002?open=URL")
    page.keyboard.press("k")
    page.wait_for_function("location.hash.startsWith('#bolt/CON-001')")


def test_heads_of_rows_and_columns_stay_in_view(page_of: Open) -> None:
    page = page_of("#?open=KEY,URL,DEL,CON", width=390)
    page.evaluate("document.getElementById('scroll').scrollTo(120, 300)")
    box = page.locator("#scroll").bounding_box()
    head, row = page.locator("thead a.head").first.bounding_box(), page.locator("tr.family th").last.bounding_box()
    assert abs(head["y"] - box["y"]) < 2
    assert row["x"] == box["x"] == 0


def test_a_phone_shows_the_matrix_the_filters_and_the_evidence(page_of: Open) -> None:
    page = page_of(width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("#tools").is_hidden()
    page.click("button.more")
    assert page.locator("#search").is_visible()
    page.click("button.more")
    page.click("#matrix [data-at='acme/URL']")
    box = page.locator("#panel").bounding_box()
    assert (box["x"], box["width"]) == (0, 390)


def test_the_page_follows_the_colours_of_the_system(page_of: Open) -> None:
    colours = {
        scheme: page_of(scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    }
    assert colours == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 26)"}


def test_without_scripts_the_answers_the_causes_and_the_matrix_are_there(page_of: Open) -> None:
    page = page_of(scripts=False)
    assert page.locator("article.card").count() == 2
    assert "URLs end when they expire" in page.locator("#causes").inner_text()
    assert page.locator("#matrix tbody tr").count() == 4
    assert "Project files lie where documented" in page.locator("#matrix").inner_text()


def test_the_matrix_that_the_page_came_with_is_the_one_that_the_script_draws(page_of: Open) -> None:
    page = page_of()
    came_with = page.locator("#matrix tbody").inner_text()
    page.evaluate("draw()")
    assert page.locator("#matrix tbody").inner_text() == came_with
