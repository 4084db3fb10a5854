"""The responses of a deviation's exchanges as typed records, so that reports can find causes without reading text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from bucket_conformance.conformance.report.document import ResponseRecord
from bucket_conformance.conformance.target import S3Endpoint
from bucket_conformance.conformance.wire.exchange import Auth, Exchange, Redactor, visible
from bucket_conformance.conformance.wire.operations import operation
from bucket_conformance.conformance.wire.safe_xml import parsed

MOST: Final = 30
"""Responses that a report holds per deviation; the transcript has more."""


def responses_of(exchanges: Iterable[Exchange], target: S3Endpoint, redactor: Redactor) -> tuple[ResponseRecord, ...]:
    """Return each different response once, in the order of their last occurrence, without secrets."""
    below, in_host = urlsplit(target.url).path.rstrip("/"), target.addressing == "virtual"
    found: dict[ResponseRecord, None] = {}
    for exchange in exchanges:
        response = _response(exchange, below, redactor, in_host=in_host)
        found.pop(response, None)
        found[response] = None
    return tuple(found)[-MOST:]


def _response(exchange: Exchange, below: str, redactor: Redactor, *, in_host: bool) -> ResponseRecord:
    path, _, query = exchange.target.removeprefix(below).partition("?")
    code, message = _error(exchange) if (exchange.status or 0) >= 300 else ("", "")
    names = dict.fromkeys(re.findall(r"(?:^|&)([A-Za-z-]{1,40})(?==|&|$)", query))
    shown = "&".join(name for name in names if not name.lower().startswith("x-amz-") and name != "x-id")
    return ResponseRecord(
        operation=operation(exchange.method, path, query, exchange.headers, in_host=in_host)[:200],
        request=_short(redactor.text(f"{exchange.method} {path}{f'?{shown}' if shown else ''}"), 300),
        signed=exchange.auth is Auth.HEADER and exchange.signer == "own",
        status=exchange.status if exchange.status is not None and 0 <= exchange.status <= 999 else 0,
        code=_short(redactor.text(code), 100),
        message=_short(redactor.text(message), 500),
    )


def _error(exchange: Exchange) -> tuple[str, str]:
    """Return code and message of an error document; empty texts where it has none."""
    root = parsed(exchange.response_body)
    if root is None:
        return "", ""
    return (root.findtext("Code") or "").strip(), (root.findtext("Message") or "").strip()


def _short(text: str, most: int) -> str:
    text = visible(" ".join(text.split()))
    return text if len(text) <= most else f"{text[: most - 1]}…"
