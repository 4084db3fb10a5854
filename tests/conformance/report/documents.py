"""Made-up report sections: what the tests of reports, gates and comparisons read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from bucket_conformance.conformance.report.document import FoundLimit, Header, Result, Section, footer
from bucket_conformance.conformance.report.merge import document


def result(clause: str, verdict: str = "conforms", *, provider: str = "acme", **more: Any) -> Result:
    """One result; a deviation gets an observation and evidence unless given."""
    value: dict[str, Any] = {
        "type": "result",
        "provider": "acme",
        "clause": clause,
        "level": "MUST",
        "profile": "core",
        "statement": f"What {clause} promises holds.",
        "sources": ["https://www.rfc-editor.org/rfc/rfc9110"],
        "verdict": verdict,
        "expected": verdict in ("conforms", "unsupported", "skipped"),
        "duration_s": 0.25,
        "requests": 3,
    }
    if verdict == "deviates":
        value["observation"] = {"promised": "status 403", "observed": f"status 200 for {clause}"}
        value["evidence"] = {
            "example": "key='a b'",
            "transcript": f"> GET /bucket/a%20b\n< 200\n< the bytes of {clause}",
            "reproducer": f"print({clause!r})\n",
        }
    elif verdict in ("inconclusive", "error", "unsupported"):
        value["reason"] = f"{verdict}: because of {clause}"
    # The name unchecked: renderers must not rely on what reading refuses.
    return replace(Result.from_json({**value, **more}), provider=provider)


def section(
    verdicts: Mapping[str, str | dict[str, Any]],
    *,
    provider: str = "acme",
    version: str = "1.0",
    limits: Mapping[str, dict[str, Any]] | None = None,
    requests: Mapping[str, int] | None = None,
    **header: Any,
) -> Section:
    """A whole section. A value is a verdict, or the fields of a result."""
    results = [
        result(clause, provider=provider, **({"verdict": given} if isinstance(given, str) else given))
        for clause, given in verdicts.items()
    ]
    head: dict[str, Any] = {
        "type": "header",
        "schema": 1,
        "suite": "0.1.0",
        "contract": "2026.11",
        "provider": "acme",
        "backend": {"name": provider.title(), "version": version},
        "launch": "process",
        "sdk": "botocore 1.44.5",
        "settings": {"region": "us-east-1"},
        "seed": 7,
        "mode": "quick",
        "clauses": len(results),
        "machine": "Linux x86_64, Python 3.11.7",
        "started": "2026-11-01T10:00:00+00:00",
        **header,
    }
    found = {name: FoundLimit.from_json(limit) for name, limit in (limits or {}).items()}
    end = footer(results, duration_s=1.5, requests={"read": 2} if requests is None else requests, limits=found)
    return Section(header=replace(Header.from_json(head), provider=provider), results=results, footer=end)


def write(path: Path, *sections: Section) -> str:
    """Write a document and return its path."""
    path.write_text(document(sections), encoding="ascii")
    return str(path)
