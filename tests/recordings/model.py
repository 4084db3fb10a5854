"""Known responses of Amazon S3 as facts: request, status, error code and fields.

The recordings are those that LocalStack's tests validated against Amazon S3 (https://github.com/localstack/localstack,
``tests/aws/services/s3``). A fact names the test, the step in it and the day of the validation; the
request is written here.
Further responses are known from other places: ``known_answers.json`` has each with its source, its date and how far it
can be trusted.
"""

from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

import msgspec

from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.wire.transport import HttpResponse
from tests.exemplar.types import Request

SendRequest = Callable[[Session, str], HttpResponse]
"""Sends the recorded request below a new prefix and returns the response."""

Shape = Callable[[Request], bool]
"""Whether a request is of the kind that was recorded."""

MODULES: Final = ("urls", "keys", "objects", "parts", "elsewhere")

FILES: Final = {
    "api": "test_s3_api",
    "list": "test_s3_list_operations",
    "main": "test_s3",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An answer of a real service that somebody published.

    ``trust``: recorded by a machine, validated by a test that ran against the service, asserted by a suite that runs
    against it by default, pasted by a person, or documented. ``on``: the day, month or year.
    """

    id: str
    service: str
    on: str
    trust: str
    source: str
    method: str
    of: str
    query: tuple[str, ...]
    headers: tuple[str, ...]
    status: int | None
    code: str
    clauses: tuple[str, ...]


@functools.cache
def known_answers() -> dict[str, Known]:
    """Return every answer that is known from elsewhere, by id."""
    rows = json.loads((Path(__file__).parent / "known_answers.json").read_text(encoding="utf-8"))
    return {id: msgspec.convert({"id": id, **row}, Known) for id, row in rows.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One recorded answer.

    ``status`` is ``None`` where the recording kept the body alone. ``fields``: a header (``"@Content-Range"``), the
    body (``"body"``) or the texts of XML elements (``"Contents/Key"``, joined by a space), without our prefix.
    ``clauses``: those that send a request of this ``shape``; none if the fact is tested on the exemplary server only.
    """

    name: str
    file: str
    test: str
    step: str
    on: date
    status: int | None
    code: str
    clauses: tuple[str, ...]
    send: SendRequest
    shape: Shape
    fields: Mapping[str, str] = field(default_factory=dict)
    known: Known | None = None
    """Where it is from, if not from a recording of LocalStack's tests."""

    def is_answered_by(self, status: int, code: str) -> bool:
        """Whether status and code are the recorded ones. Where no status was recorded, a code goes with a refusal."""
        # What is known of a refusal may be its status alone.
        same = code == self.code or (self.known is not None and not self.code and self.status != 200)
        return same and (status == self.status if self.status is not None else 400 <= status < 500)


_facts: Final[list[Fact]] = []


def fact(
    test: str,
    step: str,
    *clauses: str,
    shape: Shape,
    status: int | None,
    code: str = "",
    file: str = "main",
    on: str = "2026-02-21",
    fields: Mapping[str, str] | None = None,
) -> Callable[[SendRequest], SendRequest]:
    """Register the decorated request with Amazon S3's response."""

    def register(send: SendRequest) -> SendRequest:
        _facts.append(
            Fact(
                name=getattr(send, "__name__", step),
                file=FILES[file],
                test=test,
                step=step,
                on=date.fromisoformat(on),
                status=status,
                code=code,
                clauses=clauses,
                send=send,
                shape=shape,
                fields=fields or {},
            )
        )
        return send

    return register


def known(
    id: str, *clauses: str, shape: Shape, fields: Mapping[str, str] | None = None
) -> Callable[[SendRequest], SendRequest]:
    """Register the decorated request with the answer of Amazon S3 that has this id in ``known_answers.json``."""

    def register(send: SendRequest) -> SendRequest:
        answer = known_answers()[id]
        _facts.append(
            Fact(
                name=getattr(send, "__name__", id),
                file="known",
                test=id,
                step=answer.trust,
                on=date.fromisoformat(f"{answer.on}-01-01"[:10] if len(answer.on) < 10 else answer.on),
                status=answer.status,
                code=answer.code,
                clauses=clauses,
                send=send,
                shape=shape,
                fields=fields or {},
                known=answer,
            )
        )
        return send

    return register


def recorded() -> list[Fact]:
    """Return the facts of LocalStack's recordings alone."""
    return [fact for fact in facts() if fact.known is None]


def facts() -> list[Fact]:
    """Return every fact, in the order of the modules that state them."""
    for module in MODULES:
        importlib.import_module(f"tests.recordings.{module}")
    return list(_facts)


def field_of(answer: HttpResponse, name: str, prefix: str) -> str:
    """Return a field of an answer as :class:`Fact` names it, without the prefix; '' where it is not there."""
    if name == "body":
        return answer.body.decode("utf-8", "replace")
    if name.startswith("@"):
        return answer.header(name[1:]) or ""
    root = answer.xml()
    return "" if root is None else " ".join((found.text or "").removeprefix(prefix) for found in root.findall(name))
