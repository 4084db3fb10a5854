"""Merges reports: shards of one provider's run into one section, different providers next to each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from bucket_conformance.conformance.catalogue import FAMILIES
from bucket_conformance.conformance.report.document import DocumentError, Footer, Header, Result, Section, line, read
from bucket_conformance.conformance.report.document import footer as footer_line

IDENTITY: Final = ("schema", "suite", "contract", "backend", "launch", "sdk", "settings", "seed", "mode")
"""Header fields in which all shards of one provider must agree: else they are no parts of one run."""


def clause_position(clause: str) -> tuple[int, str]:
    """Return the sort key of a clause id: families in the order of the contract, unknown ones last."""
    family = clause.partition("-")[0]
    order = list(FAMILIES)
    return (order.index(family) if family in order else len(order), clause)


def read_all(paths: Iterable[Path]) -> list[tuple[str, list[Section]]]:
    """Return name and sections of each document. Raises what :func:`read` raises."""
    return [(str(path), read(path)) for path in paths]


def merge(documents: Sequence[tuple[str, Sequence[Section]]]) -> list[Section]:
    """Return one section per provider, in the order of their first appearance.

    Sections of one provider are shards: they agree in :data:`IDENTITY` and share no clause. All sections follow one
    contract. Raises :class:`DocumentError` naming the documents that do not go together. The given sections stay as
    they are.
    """
    shards: dict[str, list[tuple[str, Section]]] = {}
    for name, sections in documents:
        for section in sections:
            shards.setdefault(section.provider, []).append((name, section))
    if not shards:
        raise DocumentError("nothing to merge: no report was given")
    _one_contract(shards)
    return [_joined(provider, parts) for provider, parts in shards.items()]


def _one_contract(shards: dict[str, list[tuple[str, Section]]]) -> None:
    first: tuple[str, str] | None = None
    for parts in shards.values():
        for name, section in parts:
            contract = section.header.contract
            if first is not None and contract != first[1]:
                raise DocumentError(
                    f"{name}: contract {contract!r}, but {first[0]} follows {first[1]!r}: their verdicts do not mean "
                    "the same; use `conformance compare` to see both"
                )
            first = first or (name, contract)


def _joined(provider: str, parts: list[tuple[str, Section]]) -> Section:
    first_name, first = parts[0]
    seen: dict[str, str] = {}
    for name, section in parts:
        for key in IDENTITY:
            if getattr(section.header, key) != getattr(first.header, key):
                here, there = section.header.to_json()[key], first.header.to_json()[key]
                hint = "; run all shards with the same --seed" if key == "seed" else ""
                raise DocumentError(
                    f"{name}: {key} of {provider!r} is {here!r}, but {there!r} in "
                    f"{first_name}: no shards of one run{hint}"
                )
        for result in section.results:
            if result.clause in seen:
                raise DocumentError(
                    f"{name}: clause {result.clause} of {provider!r} is also in {seen[result.clause]}: "
                    "shards may not overlap"
                )
        seen.update(dict.fromkeys((result.clause for result in section.results), name))
    results = sorted(
        (result for _, section in parts for result in section.results), key=lambda r: clause_position(r.clause)
    )
    return Section(header=_header(parts, len(results)), results=results, footer=_footer(parts, results))


def _header(parts: list[tuple[str, Section]], clauses: int) -> Header:
    headers = [section.header for _, section in parts]
    machines = dict.fromkeys(header.machine for header in headers if header.machine)
    return replace(
        headers[0],
        clauses=clauses,
        started=min(header.started for header in headers),
        machine=" | ".join(machines),
    )


def _footer(parts: list[tuple[str, Section]], results: list[Result]) -> Footer:
    footers = [section.footer for _, section in parts if section.footer is not None]
    requests: Counter[str] = Counter()
    for footer in footers:
        requests.update(footer.requests)
    # Each shard that searched found the limits of the same backend.
    limits = [footer.limits for footer in footers if footer.limits]
    return footer_line(
        results,
        contract=parts[0][1].header.contract,
        duration_s=sum(footer.duration_s for footer in footers),
        requests=requests,
        limits=limits[-1] if limits else {},
        left_behind=_joined_texts([footer.left_behind for footer in footers], "; "),
        remove_with=_joined_texts([footer.remove_with for footer in footers], "\n"),
        note=_joined_texts([footer.note for footer in footers], "; "),
        usage_error=any(footer.usage_error for footer in footers),
    )


def _joined_texts(texts: list[str], separator: str) -> str:
    return separator.join(dict.fromkeys(filter(None, texts)))


def document(sections: Iterable[Section]) -> str:
    """Return the text of a document (JSON Lines) with these sections. Each has a footer."""
    return "".join(line(record) for section in sections for record in section.lines())
