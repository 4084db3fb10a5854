"""Findings: which deviations are findings, what their pages contain, and what is withheld from the public."""

from __future__ import annotations

import base64
import inspect
import re
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from bucket_conformance.conformance.catalogue import entries
from bucket_conformance.conformance.cli.main import main
from bucket_conformance.conformance.contract import Harm
from bucket_conformance.conformance.report import html, junit, markdown
from bucket_conformance.conformance.report.abridged import abridge
from bucket_conformance.conformance.report.columns import columns, keyed
from bucket_conformance.conformance.report.disclosure import (
    ATTACKED,
    WITHHELD,
    harm_of,
    published,
    published_alone,
    published_columns,
)
from bucket_conformance.conformance.report.document import ExpectationRecord, Section, read
from bucket_conformance.conformance.report.findings import collect
from bucket_conformance.conformance.report.findings_pages import MARK, page
from bucket_conformance.conformance.report.findings_pages import write as write_pages
from bucket_conformance.conformance.report.protections import BY_HARM
from bucket_conformance.conformance.report.site import build
from tests.conformance.report.documents import result, section, write

SECRET = "?signature-left-out=this-is-the-attack"


def deviation(harm: Harm | None, **more: Any) -> dict[str, Any]:
    """Return a deviation whose observation, evidence and reason all show how the attack works."""
    observation = {"promised": "refused", "observed": f"served for {SECRET}"}
    if harm is not None:
        observation["harm"] = harm.value
    evidence = {
        "example": SECRET,
        "transcript": f"> GET /bucket/a{SECRET}\n> Host: 127.0.0.1\n< 200\n< content",
        "reproducer": f"print({SECRET!r})\n",
    }
    return {"verdict": "deviates", "observation": observation, "evidence": evidence, **more}


def known(**more: str) -> dict[str, str]:
    return {"reason": f"Serves {SECRET}.", "link": "", "since": "2026-11-01", "review_by": "2027-05-01", **more}


def only(one: Section) -> Any:
    [finding] = collect(keyed([one]))
    return finding


def test_a_finding_is_a_deviation_that_does_harm() -> None:
    one = section(
        {
            "KEY-010": deviation(Harm.LOSES_DATA),
            "KEY-011": deviation(None),
            "DEL-012": {**deviation(Harm.LOSES_DATA), "verdict": "inconclusive"},
            "RT-001": "conforms",
        }
    )
    assert [finding.clauses for finding in collect(keyed([one]))] == [("KEY-010",)]


def test_a_manual_finding_takes_precedence_over_the_clause() -> None:
    one = section(
        {
            "KEY-010": deviation(Harm.LOSES_DATA, expectation=known(harm="none")),
            "KEY-011": deviation(None, expectation=known(harm="loses data")),
        }
    )
    assert [harm_of(result) for result in one.results] == [None, Harm.LOSES_DATA]
    assert only(one).clauses == ("KEY-011",)


def test_deviations_of_one_cause_are_one_finding() -> None:
    expectation = known(finding="no-signatures", upstream_told="2026-11-02")
    one = section(
        {
            "URL-017": deviation(Harm.BYPASSES_AUTHENTICATION, expectation=expectation),
            "URL-003": deviation(Harm.BYPASSES_AUTHENTICATION, expectation=expectation),
        }
    )
    finding = only(one)
    assert finding.clauses == ("URL-003", "URL-017")
    assert finding.slug == "acme-no-signatures"
    assert "reported on 2026-11-02" in page(finding)


def test_the_page_of_a_data_loss_shows_everything() -> None:
    one = section({"KEY-010": deviation(Harm.LOSES_DATA, expectation=known(link="https://example.com/issues/1"))})
    text = page(only(one))
    assert MARK in text
    for part in ("Acme loses data", "Acme 1.0", SECRET, "https://example.com/issues/1", "Build keys only from"):
        assert part in text, part
    assert "> GET /bucket/a" in text
    assert "Host:" not in text


ATTACKS = [harm for harm in Harm if harm.is_attack]
UNDISCLOSED = [
    ("without an expectation", None),
    ("known, but untold", known(protection="Keep it in a locked context.")),
]


def attack(harm: Harm, expectation: dict[str, str] | None) -> Section:
    more = {"expectation": expectation} if expectation else {}
    neighbour = {**deviation(None, **more), "level": "SHOULD"}
    return section({"URL-017": deviation(harm, **more), "URL-021": neighbour, "KEY-011": deviation_elsewhere()})


def deviation_elsewhere() -> dict[str, Any]:
    return {"verdict": "deviates", "observation": {"promised": "400", "observed": "an open book"}}


@pytest.mark.parametrize("harm", ATTACKS)
@pytest.mark.parametrize("expectation", [case[1] for case in UNDISCLOSED], ids=[case[0] for case in UNDISCLOSED])
def test_of_an_attack_that_upstream_does_not_know_only_verdict_and_protection_are_shown(
    harm: Harm, expectation: dict[str, str] | None, tmp_path: Path
) -> None:
    one = attack(harm, expectation)
    found = published_columns(keyed([one]))
    shown = {
        "finding": page(only(one)),
        "html": unpacked(html.render(found)),
        "markdown": markdown.render(found),
        "junit": junit.render(found),
    }
    for name, text in shown.items():
        assert SECRET not in text, name
        assert "signature-left-out" not in text, name
    protection = "Keep it in a locked context." if expectation else "Let only the application reach this backend"
    assert protection in shown["finding"]
    for name in ("finding", "html", "markdown"):
        assert WITHHELD.partition(";")[0] in shown[name], name
    # Unrelated results stay.
    assert "an open book" in shown["html"]
    assert [result.verdict for result in found[0].section.results] == [r.verdict for r in one.results]


def unpacked(page: str) -> str:
    packed = re.search(r'id="details">([^<]*)<', page)
    assert packed is not None
    return page + zlib.decompress(base64.b64decode(packed[1])).decode("ascii")


def test_the_untouched_report_keeps_its_evidence() -> None:
    one = attack(Harm.BYPASSES_AUTHENTICATION, None)
    published(one)
    assert one.results[0].example == SECRET


@pytest.mark.parametrize("disclosed", [{"upstream_told": "2026-11-02"}, {"link": "https://example.com/issues/2"}])
def test_an_attack_that_upstream_knows_is_shown(disclosed: dict[str, str]) -> None:
    one = attack(Harm.BREAKS_OUT, known(**disclosed))
    assert published(one) is one
    assert SECRET in page(only(one))


def test_a_loss_of_data_is_no_ready_attack_and_is_shown() -> None:
    one = section({"KEY-010": deviation(Harm.LOSES_DATA)})
    assert published(one) is one


def test_a_site_neither_shows_nor_stores_what_is_withheld(tmp_path: Path) -> None:
    build(tmp_path, [attack(Harm.BYPASSES_AUTHENTICATION, known())])
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".jsonl" for path in files)
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert SECRET not in (unpacked(text) if path.name == "index.html" else text), path.name
    [stored] = [read(path)[0] for path in tmp_path.rglob("*.jsonl")]
    assert stored.results[0].verdict == "deviates"


@pytest.mark.parametrize(("option", "hidden"), [([], False), (["--public"], True)])
def test_reports_are_whole_unless_they_are_for_the_public(tmp_path: Path, option: list[str], hidden: bool) -> None:
    path = write(tmp_path / "r.jsonl", attack(Harm.BYPASSES_AUTHENTICATION, None))
    out = tmp_path / "scripts"
    assert main(["report", path, "--reproducers", str(out), *option]) == 0
    assert (out / "acme" / "URL-017.py").exists() is not hidden


def test_a_whole_report_is_merged_into_one_to_hand_on(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.jsonl", attack(Harm.BYPASSES_AUTHENTICATION, None))
    out = tmp_path / "public.jsonl"
    assert main(["merge", whole, "--public", "-o", str(out)]) == 0
    assert SECRET not in out.read_text("ascii")
    (kept,), (shown,) = read(Path(whole)), read(out)
    assert shown.verdicts() == kept.verdicts()
    assert SECRET in str(kept.results)


def test_a_result_alone_is_withheld_for_a_neighbour_that_may_come() -> None:
    clear, near, far = (result(clause, "deviates") for clause in ("URL-001", "URL-002", "RT-001"))
    clear = replace(clear, expectation=ExpectationRecord.from_json(known(link="https://example.com/issues/2")))
    by_hand = replace(far, expectation=ExpectationRecord.from_json(known(harm="breaks out")))
    assert [WITHHELD in str(published_alone(one)) for one in (clear, near, far, by_hand)] == [False, True, False, True]
    assert published_alone(far).evidence is not None


def test_the_families_that_can_find_an_attack_are_those_whose_clauses_name_one() -> None:
    marks = ("Harm.BYPASSES_AUTHENTICATION", "Harm.BREAKS_OUT", "bypass(")
    found = set()
    for entry in entries().values():
        module = sys.modules[entry.cases[0].function.__module__]
        if any(mark in inspect.getsource(module) for mark in marks):
            found.add(entry.clause.family)
    assert found == ATTACKED


def test_the_command_writes_the_pages_and_removes_those_of_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = write(tmp_path / "1.jsonl", section({"KEY-010": deviation(Harm.LOSES_DATA)}))
    second = write(tmp_path / "2.jsonl", section({"DEL-012": deviation(Harm.LOSES_DATA), "RT-001": "conforms"}))
    out = tmp_path / "findings"
    assert main(["findings", first, "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["acme-key-010.md", "index.md"]
    assert main(["findings", second, "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["acme-del-012.md", "index.md"]
    assert "acme-del-012.md" in (out / "index.md").read_text(encoding="utf-8")
    assert "acme: loses data (DEL-012)" in capsys.readouterr().out


def test_pages_of_others_are_not_touched(tmp_path: Path) -> None:
    own = tmp_path / "notes.md"
    own.write_text("mine\n")
    write_pages(tmp_path, [])
    assert own.read_text() == "mine\n"
    (tmp_path / "index.md").write_text("mine too\n")
    with pytest.raises(FileExistsError):
        write_pages(tmp_path, [])


def test_two_versions_of_one_backend_have_pages_of_their_own() -> None:
    one, other = (section({"KEY-010": deviation(Harm.LOSES_DATA)}, version=version) for version in ("1.0", "2.0"))
    found = collect(columns([("a", [one]), ("b", [other])]))
    assert len({finding.slug for finding in found}) == 2


def test_runs_of_one_version_share_a_finding_so_that_a_race_is_reported_once() -> None:
    seen = {"DEL-012": deviation(Harm.LOSES_DATA), "CON-002": deviation(Harm.STORES_WRONG_DATA)}
    runs = [section({"DEL-012": deviation(Harm.LOSES_DATA), "CON-002": "conforms"}), section(seen), section(seen)]
    assert [finding.slug for finding in collect(keyed(runs))] == ["acme-del-012", "acme-con-002"]


def test_a_transcript_omits_the_headers_that_every_request_has() -> None:
    run = "conformance-6b04cfb0-d2b9f3"
    text = (
        f"> PUT /{run}/{run}/4f/a\n> Host: x\n> Authorization: AWS4\n> Content-MD5: zz\n> {'x' * 999}\n< 200\n< Date: x"
    )
    assert abridge(text).split("\n")[:2] == ["> PUT /bucket/a", "> Content-MD5: zz"]
    assert "Authorization" not in abridge(text)
    assert max(map(len, abridge(text).split("\n"))) <= 161
    assert "lines are in the report" in abridge("\n".join(["> x"] * 100))


def test_there_is_a_protection_from_every_harm() -> None:
    assert set(BY_HARM) == set(Harm)


def test_todays_expectations_decide_what_an_older_report_may_show(tmp_path: Path) -> None:
    expectation = {"reason": "Then.", "link": "", "since": "2026-01-01", "review_by": "2026-02-01"}
    one = section({"URL-017": deviation(Harm.BYPASSES_AUTHENTICATION, expectation=expectation)}, provider="moto")
    path = write(tmp_path / "r.jsonl", one)
    assert main(["findings", path, "--out", str(tmp_path / "findings")]) == 0
    # Its project has written down that it checks no signatures, and the expectation leads there.
    text = (tmp_path / "findings" / "moto-authentication.md").read_text(encoding="utf-8")
    assert SECRET in text
    assert "getmoto/moto" in text


PUBLISHED = Path(__file__).parents[3] / "docs" / "findings"


@pytest.mark.parametrize("path", sorted(PUBLISHED.glob("*.md")), ids=lambda path: path.stem)
def test_no_published_page_holds_an_attack_that_upstream_does_not_know(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert MARK in text
    is_attack = any(f" {harm}: " in text.split("\n")[0] for harm in ATTACKS)
    if is_attack and "no report of it is known to us" in text:
        assert WITHHELD.partition(";")[0] in text
        assert "observed:" not in text
        assert "http" not in text


def test_the_published_findings_are_there() -> None:
    assert len(list(PUBLISHED.glob("*.md"))) > 20
