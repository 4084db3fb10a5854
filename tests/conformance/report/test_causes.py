"""Causes are found from typed data: operations and statuses, harm, and what a clause is about; never from text."""

from __future__ import annotations

from typing import Any

from bucket_conformance.conformance.report.causes import Cause, causes, quoted
from bucket_conformance.conformance.report.document import Fit, core_of
from tests.conformance.report.documents import section


def response(operation: str, status: int, *, signed: bool = True, code: str = "", message: str = "") -> dict[str, Any]:
    return {
        "operation": operation,
        "request": f"X /conformance-6b09ed77-71e9a8/{operation}",
        "signed": signed,
        "status": status,
        "code": code,
        "message": message,
    }


def deviates(*responses: dict[str, Any], harm: str | None = None, **more: Any) -> dict[str, Any]:
    seen = {"promised": "no", "observed": "501 is not implemented", **({"harm": harm} if harm else {})}
    return {"verdict": "deviates", "profile": "s3", "observation": seen, "evidence": {"responses": responses}, **more}


def found(**clauses: dict[str, Any]) -> list[Cause]:
    return causes(section({clause.replace("_", "-"): given for clause, given in clauses.items()}).results)


def test_one_missing_operation_is_one_cause_in_the_words_of_the_backend() -> None:
    refused = response("DeleteObjects", 501, code="NotImplemented", message="Not here.")
    put = response("PutObject", 200)
    [cause] = found(
        DEL_001=deviates(put, refused),
        RT_014=deviates(refused),
        LIST_001=deviates(put, refused, put),
        KEY_010=deviates(refused),
    )
    assert cause.title == "Batch delete is not offered"
    assert sorted(cause.clauses) == ["DEL-001", "KEY-010", "LIST-001", "RT-014"]
    assert cause.response is not None
    assert quoted(cause.response) == "X /bucket/DeleteObjects → 501 NotImplemented: Not here."


def test_an_operation_that_is_served_elsewhere_or_was_refused_unsigned_is_not_missing() -> None:
    refused = response("DeleteObject", 405)
    served = found(
        DEL_001=deviates(refused), DEL_017=deviates(response("DeleteObject", 204)), KEY_010=deviates(refused)
    )
    assert sorted(cause.key for cause in served) == ["topic:deletion", "topic:file names"]
    [unsigned] = found(URL_010=deviates(response("DeleteObject", 405, signed=False)))
    assert unsigned.key == "topic:signatures"
    [sub_resource] = found(RT_020=deviates(response("GET object ?torrent", 501)))
    assert sub_resource.key == "topic:sub-resources"


def test_no_authentication_is_one_cause_and_takes_what_else_is_lax_about_signatures() -> None:
    open_door = {"harm": "bypasses authentication"}
    served = response("GetObject", 200, signed=False)
    [cause] = found(URL_017=deviates(served, **open_door), DEL_001=deviates(**open_door), URL_008=deviates())
    assert cause.title == "Requests are served without a valid signature"
    assert len(cause.results) == 3
    [narrow] = found(URL_009=deviates(served, **open_door))
    assert narrow.title == "Some wrong signatures are accepted"
    assert cause.response is not None
    assert cause.response.status == 200


def test_english_text_decides_nothing() -> None:
    text = {"promised": "authentication", "observed": "501 NotImplemented: batch delete bypasses authentication"}
    [cause] = found(LIST_001={**deviates(), "observation": text})
    assert cause.key == "topic:listing"


def test_a_clause_of_somebody_else_is_a_cause_of_its_own_and_an_old_report_has_titles() -> None:
    own, known = found(XYZ_001=deviates(title="Mine", consequence="It hurts."), KEY_010=deviates(statement="Old."))
    assert {own.title, known.title} == {"Not kept: Mine", "Not kept: Look-alike keys stay different"}
    assert {own.meaning, known.meaning} == {"It hurts.", "A file named `a//b` replaces the file `a/b`."}


def test_deviations_that_stand_alone_without_harm_are_listed_together() -> None:
    alone = found(LIST_001=deviates(), CON_009=deviates(), RT_020=deviates(harm="loses data"))
    assert [cause.key for cause in alone] == ["topic:sub-resources", "other"]
    assert alone[1].clauses == ("LIST-001", "CON-009")
    [core] = found(URL_001=deviates(profile="core"))
    assert core.key == "topic:signed urls"


def test_a_poor_server_has_few_causes() -> None:
    from bucket_conformance.conformance.catalogue import entries

    every = section({id: deviates(level=entry.clause.level.value) for id, entry in entries().items()})
    assert len(causes(every.results)) <= 16


def test_core_promises_of_another_contract_are_those_that_it_judged() -> None:
    results = section({"KEY-001": "conforms"}).results
    assert core_of(results).answer is Fit.UNDECIDED
    assert core_of(results, contract="2020.1").answer is Fit.FIT
    assert core_of([], contract="2020.1").answer is Fit.UNDECIDED
