"""Advice from verdicts: what an operator sets for a backend, and what an application must not rely on there."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from msgspec import UNSET

from bucket_conformance.conformance.contract import Capability, Harm
from bucket_conformance.conformance.report.disclosure import harm_of
from bucket_conformance.conformance.report.document import Result, Section, Settings
from bucket_conformance.conformance.verdict import Verdict

MAX_BATCH: Final = 1000
DEFAULT_BATCH: Final = 100
MAX_URL_LIFE_S: Final = 604_800


class AdviceKind(enum.StrEnum):
    """What to do with a piece of advice."""

    SET = "set"
    NEVER = "never rely on"
    KNOW = "know"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One piece of advice. ``clauses``: what it follows from. ``variables``: what to put into the environment."""

    kind: AdviceKind
    text: str
    clauses: tuple[str, ...]
    variables: tuple[tuple[str, str], ...] = ()


class Facts:
    """A section of a report, accessed by clause."""

    def __init__(self, section: Section) -> None:
        self.section = section
        self.results: dict[str, Result] = {result.clause: result for result in section.results}
        self.settings: Settings = section.header.settings
        self.on_s3 = not self.settings.empty

    def verdict(self, clause: str) -> Verdict | None:
        """Return the verdict, ``None`` where the clause was not judged."""
        result = self.results.get(clause)
        return result.verdict if result is not None else None

    def holds(self, *clauses: str) -> bool:
        return all(self.verdict(clause) is Verdict.CONFORMS for clause in clauses)

    def judged(self, *clauses: str) -> tuple[str, ...]:
        return tuple(clause for clause in clauses if clause in self.results)

    def deviating(self, *clauses: str) -> tuple[str, ...]:
        return tuple(clause for clause in clauses if self.verdict(clause) is Verdict.DEVIATES)

    def bears_out(self, clause: str) -> bool:
        """Return whether a deviation is of the kind that a caution is about; a refused upload does not mix tenants."""
        return clause != "KEY-008" or harm_of(self.results[clause]) is not None

    def limit(self, name: str) -> int | None:
        """Return a limit: as found by search or by its clause, else as declared; ``None`` where none is known."""
        footer = self.section.footer
        found = footer.limits.get(name) if footer is not None else None
        if found is not None and found.found is not None:
            return found.found
        if name == "batch_keys" and self.verdict("DEL-015") is Verdict.DEVIATES:
            # Another one than declared; a report of an earlier release has no number.
            seen = self.results["DEL-015"].observation
            return seen.measured if seen is not None else None
        if found is not None and found.declared is not UNSET:
            return found.declared
        return self.section.header.declared.get(name)


def advise(section: Section) -> list[Advice]:
    """Return the advice for the backend of a section: what to set first. What was not judged gives none."""
    facts = Facts(section)
    found = [advice for rule in _SETTINGS for advice in rule(facts)]
    found += [
        Advice(kind=kind, text=text, clauses=seen)
        for clauses, kind, text in _CAUTIONS
        if (seen := tuple(clause for clause in facts.deviating(*clauses) if facts.bears_out(clause)))
    ]
    return [*found, *_unclaimed(facts)]


def _location(facts: Facts) -> Iterator[Advice]:
    where = "s3" if facts.on_s3 else "local"
    judged = tuple(clause for clause in ("CFG-002", "RT-001") if facts.holds(clause))
    if judged:
        yield Advice(
            kind=AdviceKind.SET,
            text="Keep files on S3." if facts.on_s3 else "Keep files on local disk.",
            clauses=judged[:1],
            variables=(("AP_FILE_STORAGE_LOCATION", where),),
        )


def _region(facts: Facts) -> Iterator[Advice]:
    region, judged = facts.settings.region, next(iter(facts.results), "")
    if region is not UNSET and region and judged:
        style = facts.settings.addressing
        yield Advice(
            kind=AdviceKind.SET,
            text=f"Sign for the region {region!r}; requests were judged with {style}-style addresses"
            + (", as your own endpoint needs them." if style == "path" else "."),
            clauses=tuple(clause for clause in ("CFG-002", "URL-001") if facts.holds(clause))[:1] or (judged,),
            variables=(("AP_S3_REGION", region),),
        )


def _checksums(facts: Facts) -> Iterator[Advice]:
    broken = facts.deviating("RT-009")
    required = facts.settings.checksums == "when_required"
    if not (broken or required):
        return
    why = (
        "It mishandles the framing that SDKs put around such bodies." if broken else "It was judged with this setting."
    )
    yield Advice(
        kind=AdviceKind.SET,
        text="Let SDKs add checksums only where they are required; this storage does so by itself for every endpoint "
        f"that you give. {why}",
        clauses=broken or facts.judged("RT-009", "RT-018"),
        variables=(
            ("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required"),
            ("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required"),
        ),
    )


def _batches(facts: Facts) -> Iterator[Advice]:
    if not facts.on_s3:
        return
    lossy = facts.deviating("DEL-001", "DEL-004")
    size, why, clauses = DEFAULT_BATCH, "no larger batch is known to be accepted", facts.judged("DEL-004")
    if lossy:
        size, why, clauses = 1, "longer batches do not delete what they name", lossy
    elif (limit := facts.limit("batch_keys")) is not None:
        size, why = (limit, f"its limit is {limit}") if limit < MAX_BATCH else (MAX_BATCH, f"{MAX_BATCH} are accepted")
        clauses = facts.judged("DEL-015", "DEL-010", "DEL-004")[:1]
    elif facts.holds("DEL-010"):
        size, why, clauses = MAX_BATCH, "1000 were accepted", ("DEL-010",)
    elif not facts.holds("DEL-004"):
        return
    if not clauses:
        return
    yield Advice(
        kind=AdviceKind.SET,
        text=f"Name at most {size} key{'s' * (size != 1)} per delete request: {why}.",
        clauses=clauses,
        variables=(("AP_S3_DELETE_BATCH_SIZE", str(max(size, 1))),),
    )


_GUARDS: Final = ("URL-003", "URL-004", "URL-009", "URL-010", "URL-012", "URL-017", "URL-022")


def _urls(facts: Facts) -> Iterator[Advice]:
    # Local disk signs by a secret of its own; whether that is set is not in a report.
    if not facts.on_s3:
        return
    open_doors = tuple(
        clause
        for clause in _GUARDS
        if clause in facts.results and harm_of(facts.results[clause]) is Harm.BYPASSES_AUTHENTICATION
    )
    unfit = facts.deviating("URL-001", "URL-002", "URL-005")
    if open_doors or unfit:
        why = "requests are served that must be refused" if open_doors else "they are not served as signed"
        yield Advice(
            kind=AdviceKind.SET,
            text=f"Do not use signed URLs: {why}. Serve files through the application.",
            clauses=open_doors or unfit,
            variables=(("AP_S3_USE_SIGNED_URLS", "false"),),
        )
        return
    if not facts.holds("URL-001", "URL-003", "URL-017"):
        return
    yield Advice(
        kind=AdviceKind.SET,
        text="Signed URLs can be used: they are served until they expire, and other requests are refused.",
        clauses=("URL-001", "URL-003", "URL-017"),
        variables=(("AP_S3_USE_SIGNED_URLS", "true"),),
    )
    longest = min(facts.limit("url_life_s") or MAX_URL_LIFE_S, MAX_URL_LIFE_S)
    if longest < MAX_URL_LIFE_S or facts.holds("URL-002", "URL-004"):
        yield Advice(
            kind=AdviceKind.SET,
            text=f"URLs may live up to {longest} seconds; a shorter life is the safer one.",
            clauses=("URL-002", "URL-004") if longest == MAX_URL_LIFE_S else ("URL-006",),
            variables=(("AP_FILE_URL_LIFE_SECONDS", str(longest)),),
        )


_SETTINGS: Final[tuple[Callable[[Facts], Iterable[Advice]], ...]] = (_location, _region, _checksums, _batches, _urls)

_CAUTIONS: Final[tuple[tuple[tuple[str, ...], AdviceKind, str], ...]] = (
    (("CON-003",), AdviceKind.NEVER, "If-None-Match: * as a lock or to create a key only once"),
    (("CON-004", "CON-007", "CON-008"), AdviceKind.NEVER, "If-Match against lost updates"),
    (("CON-001", "CON-005", "CON-006"), AdviceKind.NEVER, "seeing at once what was written a moment ago"),
    (("CON-002", "RT-002"), AdviceKind.NEVER, "whole values where several write one key, or read it meanwhile"),
    (("CON-009",), AdviceKind.NEVER, "conditional reads (304, 412) for caches"),
    (("RT-005",), AdviceKind.NEVER, "the old value staying when an upload breaks off; compare the size afterwards"),
    (("RT-008", "RT-018"), AdviceKind.NEVER, "the server comparing Content-MD5 or checksums of uploads"),
    (("RT-019",), AdviceKind.NEVER, "a signed body being the stored one without TLS"),
    (("DEL-012", "DEL-018"), AdviceKind.NEVER, "the server comparing the digest of a batch delete"),
    (("DEL-006", "DEL-007", "DEL-019"), AdviceKind.NEVER, "a delete of unusual keys removing only these keys"),
    (("KEY-008",), AdviceKind.NEVER, "tenants being apart within one bucket"),
    (("KEY-009", "KEY-010", "KEY-014"), AdviceKind.NEVER, "keys beyond letters, digits, `-`, `_`, `.` and single `/`"),
    (("KEY-011", "KEY-012"), AdviceKind.NEVER, "keys of 1024 bytes, or segments over 255 bytes"),
    (("KEY-013", "KEY-015"), AdviceKind.NEVER, "`a` and `a/b` living side by side"),
    (
        ("LIST-001", "LIST-003", "LIST-008"),
        AdviceKind.NEVER,
        "listings in the order of bytes, or continuing after a key",
    ),
    (("LIST-004",), AdviceKind.NEVER, "common prefixes of a listing being complete and named once"),
    (("LIST-007", "LIST-012"), AdviceKind.NEVER, "a listing being complete over its pages"),
    (("RT-007",), AdviceKind.NEVER, "the ETag being the MD5 of the body"),
    (("RT-006", "RT-010"), AdviceKind.NEVER, "content type, encoding and metadata coming back as sent"),
    (("RT-011", "URL-015"), AdviceKind.NEVER, "ranges, such as for resuming downloads"),
    (
        ("RT-012", "RT-014", "RT-015", "RT-016"),
        AdviceKind.NEVER,
        "the checks of a multipart upload (order, ETags, sizes)",
    ),
    (("RT-020",), AdviceKind.NEVER, "requests for sub-resources (?tagging, ?acl, …) leaving the object alone"),
    (("LIFE-001", "LIFE-002"), AdviceKind.NEVER, "lifecycle rules being refused when they are wrong, or kept as sent"),
    (("LIFE-003", "DEL-016"), AdviceKind.NEVER, "versions bringing back what was deleted"),
    (("DUR-001", "DUR-002"), AdviceKind.NEVER, "confirmed writes surviving a crash"),
    (
        ("URL-006", "URL-007", "URL-008"),
        AdviceKind.KNOW,
        "It accepts URLs with lifetimes or dates that Amazon S3 refuses.",
    ),
    (
        ("URL-018", "URL-021"),
        AdviceKind.KNOW,
        "Its codes for refused URLs differ: decide by the status, not by the code.",
    ),
    (("DEL-010", "DEL-015"), AdviceKind.KNOW, "Its limit of a batch delete, or how it refuses more, is its own."),
    (
        ("DEL-011", "DEL-013"),
        AdviceKind.KNOW,
        "Its responses to batch deletes differ: check what is left, not what is reported.",
    ),
)

_MEANINGS: Final = {
    Capability.CONDITIONAL_PUT: "conditional writes (If-None-Match, If-Match)",
    Capability.VERSIONING: "versions",
    Capability.LIFECYCLE: "lifecycle rules",
    Capability.MULTIPART: "multipart uploads",
    Capability.COPY: "copying on the server",
    Capability.DURABLE: "confirmed writes surviving a crash: it declares no such promise",
}


def _unclaimed(facts: Facts) -> Iterator[Advice]:
    """Yield what is not declared, once per capability, with what the backend made of it where that was probed."""
    missing: dict[Capability, list[str]] = {}
    for clause, result in facts.results.items():
        if result.verdict is Verdict.UNSUPPORTED:
            for capability in result.missing:
                if capability in _MEANINGS:
                    missing.setdefault(capability, []).append(clause)
    for capability, clauses in missing.items():
        claim = facts.results[clauses[0]].claims.get(capability.value)
        half_done = claim is not None and claim.outcome == "half done"
        half = ": requests for it are accepted and not carried out" if half_done else ""
        yield Advice(kind=AdviceKind.NEVER, text=_MEANINGS[capability] + half, clauses=tuple(clauses))
