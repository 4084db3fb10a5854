"""No verdict contradicts what real services are known to answer: each answer is given by a gateway, and judged.

The gateway stands in front of the exemplary server and answers one kind of request as the service did. The clauses say
of it what is true of the service: what it refuses in its own words is refused, and what it does not have is not there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import pytest

from bucket_conformance.conformance.verdict import Verdict
from tests.bench import decide, under
from tests.exemplar.types import Request, Response
from tests.faults.gateway import Behaviour, Fault, Forward, all_faults
from tests.faults.s3.patterns import with_digest
from tests.recordings.elsewhere import is_unsigned, names_none
from tests.recordings.model import known_answers

CONFORMS, DEVIATES, UNSUPPORTED = Verdict.CONFORMS, Verdict.DEVIATES, Verdict.UNSUPPORTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An answer of a service, the gateway that gives it, and what the clauses must say."""

    answer: str
    behave: Behaviour
    verdicts: Mapping[str, Verdict]


CASES: Final[list[Case]] = []


def service(answer: str, **verdicts: Verdict) -> Callable[[Behaviour], Behaviour]:
    """Register a gateway; clauses are named with an underscore (``URL_003``)."""

    def register(behave: Behaviour) -> Behaviour:
        named = {id.replace("_", "-"): verdict for id, verdict in verdicts.items()}
        CASES.append(Case(answer=answer, behave=behave, verdicts=named))
        return behave

    return register


def _said(answer: str, status: int | None = None) -> Response:
    """Return the answer as it is known. Where its status is not, ``status``."""
    known = known_answers()[answer]
    assert known.status is None or status is None
    body = f"<Error><Code>{known.code}</Code></Error>".encode() if known.code else b""
    return Response(status=known.status or status or 400, headers=(("Content-Type", "application/xml"),), body=body)


def _refused(request: Request, forward: Forward, code: str) -> bool:
    answer = forward.authentic(request)
    return answer is not None and code.encode() in answer.body


def _is_expired(request: Request, forward: Forward) -> bool:
    return request.is_presigned and _refused(request, forward, "Request has expired")


def _is_framed(request: Request, form: str = "STREAMING-") -> bool:
    return request.header("x-amz-content-sha256").startswith(form)


def _has_checksum(request: Request) -> bool:
    return any(name.lower().startswith(("x-amz-checksum-", "x-amz-trailer")) for name, _ in request.headers)


# Cloudflare R2


@service("F131", URL_003=CONFORMS, URL_018=DEVIATES)
def r2_expired(request: Request, forward: Forward) -> Response:
    return _said("F131") if _is_expired(request, forward) else forward(request)


@service("F132", URL_024=CONFORMS, URL_025=DEVIATES)
def r2_long_life(request: Request, forward: Forward) -> Response:
    life = request.query.get("X-Amz-Expires", "")
    return _said("F132") if life.isdigit() and int(life) > 604_800 else forward(request)


@service("F134", URL_017=CONFORMS, URL_021=DEVIATES)
def r2_unsigned(request: Request, forward: Forward) -> Response:
    return _said("F134", 401) if is_unsigned(request) else forward(request)


@service("F135", URL_021=CONFORMS, URL_022=CONFORMS)
def r2_length_of_key_ids(request: Request, forward: Forward) -> Response:
    """A key id of another length than the service's own is refused before anybody looks whether it is known."""
    asked = request.query.get("X-Amz-Credential", "").partition("/")[0]
    own = forward.upstream.credentials.access_key
    return _said("F135") if asked and len(asked) != len(own) else forward(request)


@service("F136", URL_021=CONFORMS)
def r2_wrong_signature(request: Request, forward: Forward) -> Response:
    return _said("F136") if _refused(request, forward, "SignatureDoesNotMatch") else forward(request)


@service("F141", RT_016=DEVIATES)
def r2_sorts_parts(request: Request, forward: Forward) -> Response:
    return all_faults()["complete-sorts-parts"].behave(request, forward)


@service("F142", RT_012=DEVIATES)
def r2_wants_equal_parts(request: Request, forward: Forward) -> Response:
    return all_faults()["wants-equal-parts"].behave(request, forward)


@service("F143", KEY_011=DEVIATES)
def r2_long_key(request: Request, forward: Forward) -> Response:
    return _said("F143") if len(request.key.encode()) > 1024 else forward(request)


@service("F144", KEY_010=DEVIATES)
def r2_composes(request: Request, forward: Forward) -> Response:
    return all_faults()["normalises-keys-to-nfc"].behave(request, forward)


@service("F145", CON_003=Verdict.INCONCLUSIVE, CON_004=Verdict.INCONCLUSIVE)
def r2_one_write_a_second(request: Request, forward: Forward) -> Response:
    """Of writers who meet on one key, all but the first are told to come later."""
    conditional = request.has_header("if-none-match") or request.has_header("if-match")
    if not request.is_object("PUT") or not conditional:
        return forward(request)
    with forward.lock:
        seen = forward.memory.setdefault("seen", set())
        if request.key in seen:
            return _said("F145")
        seen.add(request.key)
        return forward(request)


@service("F147", RT_009=DEVIATES, RT_018=CONFORMS, RT_019=CONFORMS)
def r2_signed_chunks(request: Request, forward: Forward) -> Response:
    return _said("F147") if _is_framed(request, "STREAMING-AWS4") else forward(request)


@service("F149", CON_008=CONFORMS)
def r2_condition_on_an_absent_key(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    return _said("F149") if request.has_header("if-match") and answer.status == 404 else answer


@service("F152", RT_020=CONFORMS)
def r2_sub_resources(request: Request, forward: Forward) -> Response:
    names = {"policy", "website", "replication", "acl", "tagging", "torrent", "retention"}
    return _said("F152", 501) if names & set(request.query) else forward(request)


@service("F140", DEL_019=DEVIATES)
def r2_trims_keys(request: Request, forward: Forward) -> Response:
    if not request.is_batch_delete() or forward.authentic(request) is not None:
        return forward(request)
    body = re.sub(rb"<Key>\s*(.*?)\s*</Key>", rb"<Key>\1</Key>", request.body, flags=re.DOTALL)
    plain = tuple(pair for pair in request.headers if pair[0].lower() != "content-md5")
    return forward.trusted(with_digest(replace(request, headers=plain), body))


# Google Cloud Storage


@service("F170", URL_003=CONFORMS, URL_018=DEVIATES, URL_022=CONFORMS)
def gcs_expired(request: Request, forward: Forward) -> Response:
    return _said("F170") if _is_expired(request, forward) else forward(request)


@service("F172", URL_007=CONFORMS)
def gcs_no_life(request: Request, forward: Forward) -> Response:
    life = request.query.get("X-Amz-Expires", "1")
    return _said("F172") if not life.isdecimal() else forward(request)


@service(
    "F174",
    DEL_001=DEVIATES,
    DEL_010=DEVIATES,
    DEL_005=UNSUPPORTED,
    DEL_012=UNSUPPORTED,
    DEL_015=UNSUPPORTED,
    DEL_018=UNSUPPORTED,
    DEL_019=UNSUPPORTED,
)
def gcs_batch(request: Request, forward: Forward) -> Response:
    return _said("F174") if request.is_batch_delete() else forward(request)


# Backblaze B2


@service("F164", RT_018=UNSUPPORTED, RT_009=DEVIATES, DEL_012=CONFORMS, DEL_025=DEVIATES)
def b2_checksums(request: Request, forward: Forward) -> Response:
    return _said("F164") if _has_checksum(request) or _is_framed(request) else forward(request)


@service("F167", DEL_011=DEVIATES)
def b2_quiet(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    if not request.is_batch_delete() or b"<Quiet>true" not in request.body:
        return answer
    return answer.with_body(b"<DeleteResult><Error><Code>InternalError</Code></Error></DeleteResult>")


@service("F169", KEY_009=DEVIATES, KEY_012=DEVIATES)
def b2_names(request: Request, forward: Forward) -> Response:
    bad = any(ord(character) < 32 for character in request.key)
    long = any(len(segment.encode()) > 250 for segment in request.key.split("/"))
    return _said("F169") if request.is_object("PUT") and (bad or long) else forward(request)


# Others


@service("F178", RT_009=DEVIATES, RT_008=CONFORMS)
def hetzner_framed(request: Request, forward: Forward) -> Response:
    return _said("F178") if _is_framed(request) else forward(request)


@service("F179", RT_009=DEVIATES)
def hetzner_aws_chunked(request: Request, forward: Forward) -> Response:
    return _said("F179") if "aws-chunked" in request.header("content-encoding") else forward(request)


@service("F180", DEL_025=DEVIATES, DEL_018=CONFORMS, DEL_012=CONFORMS)
def ovh_batch(request: Request, forward: Forward) -> Response:
    alone = request.is_batch_delete() and _has_checksum(request) and not request.has_header("content-md5")
    return _said("F180") if alone else forward(request)


@service("F181", RT_018=UNSUPPORTED, RT_008=CONFORMS)
def ovh_checksums(request: Request, forward: Forward) -> Response:
    return _said("F181") if request.method == "PUT" and _has_checksum(request) else forward(request)


@service("F186", RT_009=DEVIATES)
def oss_framed(request: Request, forward: Forward) -> Response:
    return _said("F186") if _is_framed(request) else forward(request)


@service("F185", KEY_011=DEVIATES)
def storj_long_key(request: Request, forward: Forward) -> Response:
    return _said("F185") if len(request.key.encode()) > 1024 else forward(request)


@service("F163", DEL_013=DEVIATES)
def ceph_empty_batch(request: Request, forward: Forward) -> Response:
    well_formed = request.body.rstrip().endswith((b"/>", b"</Delete>"))
    return Response(status=200, body=b"<DeleteResult/>") if names_none(request) and well_formed else forward(request)


@service("F116", LIFE_001=CONFORMS)
def scaleway_rules(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    if request.method != "GET" or "lifecycle" not in request.query or answer.status != 200:
        return answer
    body = re.sub(rb"<LifecycleConfiguration[^>]*>", b"<Configuration>", answer.body)
    return answer.with_body(body.replace(b"</LifecycleConfiguration>", b"</Configuration>"))


@service("F119", LIFE_003=CONFORMS)
def scaleway_versioning(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    if request.method != "GET" or "versioning" not in request.query or b"<Status>" in answer.body:
        return answer
    return answer.with_body(b"<VersioningConfiguration><Status></Status></VersioningConfiguration>")


@service("F118", LIFE_002=CONFORMS)
def scaleway_no_rule(request: Request, forward: Forward) -> Response:
    empty = request.method == "PUT" and "lifecycle" in request.query and b"<Rule>" not in request.body
    return _said("F118") if empty else forward(request)


@service("F125", CON_009=CONFORMS)
def scaleway_not_modified(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    return answer.with_header("x-amz-checksum-crc32", "AAAAAA==") if answer.status == 304 else answer


@pytest.mark.parametrize(
    ("answer", "behave", "clause_id", "verdict"),
    [(case.answer, case.behave, id, verdict) for case in CASES for id, verdict in case.verdicts.items()],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "__name__", str(value)),
)
def test_a_clause_says_of_an_answer_what_is_true(
    answer: str, behave: Behaviour, clause_id: str, verdict: Verdict
) -> None:
    fault = Fault(id="answers-as-a-service", title=answer, breaks=frozenset({clause_id}), behave=behave)
    with under(fault) as session:
        judgement = decide(clause_id, session)
    assert judgement.verdict is verdict, judgement


@pytest.mark.parametrize(("status", "verdict"), [(400, CONFORMS), (403, CONFORMS), (401, DEVIATES)])
def test_the_status_of_a_life_over_a_week_is_contested(status: int, verdict: Verdict) -> None:
    """A suite that runs against Amazon S3 wants 403 (F077), and the code was recorded with 400."""

    def behave(request: Request, forward: Forward) -> Response:
        answer = forward(request)
        return replace(answer, status=status) if b"AuthorizationQueryParametersError" in answer.body else answer

    assert (known_answers()["F077"].status, known_answers()["F089"].code) == (403, "AuthorizationQueryParametersError")
    fault = Fault(id="refuses-long-lives", title="F077", breaks=frozenset({"URL-025"}), behave=behave)
    with under(fault) as session:
        assert decide("URL-024", session).verdict is CONFORMS
        assert decide("URL-025", session).verdict is verdict


def test_every_answer_is_known_and_of_a_service_other_than_amazon() -> None:
    assert {known_answers()[case.answer].service for case in CASES} & {"Amazon S3"} == set()
