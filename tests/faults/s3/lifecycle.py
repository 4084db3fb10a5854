"""Faults of bucket configuration: lifecycle rules and versioning."""

from __future__ import annotations

import re

from tests.exemplar.types import Request, Response
from tests.faults.gateway import Forward, fault


def _is(request: Request, name: str, method: str) -> bool:
    return request.method == method and name in request.query and not request.key


@fault("lifecycle-forgets-prefix", "a rule is kept without its prefix: everything expires", breaks=["LIFE-001"])
def lifecycle_forgets_prefix(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    if _is(request, "lifecycle", "GET"):
        return answer.with_body(re.sub(rb"<Prefix>[^<]*</Prefix>", b"<Prefix></Prefix>", answer.body))
    return answer


@fault("lifecycle-keeps-one-rule", "of several rules the last is kept", breaks=["LIFE-001"])
def lifecycle_keeps_one_rule(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    if _is(request, "lifecycle", "GET"):
        return answer.with_body(re.sub(rb"<Rule>.*</Rule>(?=<Rule>)", b"", answer.body, flags=re.DOTALL))
    return answer


@fault(
    "lifecycle-answers-and-keeps-nothing",
    "rules are answered with 200 and dropped",
    breaks=["LIFE-001"],
)
def lifecycle_answers_and_keeps_nothing(request: Request, forward: Forward) -> Response:
    if _is(request, "lifecycle", "PUT"):
        return forward.authentic(request) or Response(status=200)
    return forward(request)


@fault(
    "lifecycle-takes-prefix-and-filter",
    "a rule with both Prefix and Filter is accepted",
    breaks=["LIFE-002"],
)
def lifecycle_takes_prefix_and_filter(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    if _is(request, "lifecycle", "PUT") and b"MalformedXML" in answer.body:
        return Response(status=200)
    return answer


@fault(
    "lifecycle-refuses-but-keeps",
    "a rule with both Prefix and Filter is refused, and kept nevertheless",
    breaks=["LIFE-002"],
)
def lifecycle_refuses_but_keeps(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    with forward.lock:
        if _is(request, "lifecycle", "PUT") and b"MalformedXML" in answer.body:
            forward.memory["kept"] = request.body
        elif _is(request, "lifecycle", "GET") and answer.status == 404 and "kept" in forward.memory:
            return Response(status=200, body=forward.memory["kept"])
    return answer


@fault("versioning-status-is-not-kept", "versioning is answered with 200 and stays off", breaks=["LIFE-003"])
def versioning_status_is_not_kept(request: Request, forward: Forward) -> Response:
    if _is(request, "versioning", "PUT"):
        return forward.authentic(request) or Response(status=200)
    return forward(request)


@fault("versioning-stays-on", "versioning that was switched on cannot be suspended", breaks=["LIFE-003"])
def versioning_stays_on(request: Request, forward: Forward) -> Response:
    if _is(request, "versioning", "PUT") and b"Suspended" in request.body:
        return forward.authentic(request) or Response(status=200)
    return forward(request)
