"""The report document: JSON Lines with a header, a line per clause and a footer, written during the run.

The records below are the format: a report is read into them, and its JSON Schema (``schema.json``) and its page in the
documentation are made from them. A file holds one section per provider, one after another. What a killed run left has
no footer, and is reported as cut off.
"""

from __future__ import annotations

import enum
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NoReturn, Self, cast

import msgspec
from msgspec import Meta

from bucket_conformance.conformance.clause_words import CORE_PROMISES
from bucket_conformance.conformance.contract import (
    CONTRACT_VERSION,
    Capability,
    ConformanceError,
    Harm,
    Level,
    Profile,
)
from bucket_conformance.conformance.effort import Mode
from bucket_conformance.conformance.verdict import Verdict

if TYPE_CHECKING:  # what only writers of reports need is not loaded by every command
    from bucket_conformance.conformance.expectations import Expectation

SCHEMA: Final = 1
MAX_BYTES: Final = 256 * 1024 * 1024
"""A report larger than this is refused: no run writes one."""
MAX_DURATION_S: Final = 1e9
MAX_COUNT: Final = 2**53
"""Beyond it JSON's numbers are not exact in every reader."""


class DocumentError(ConformanceError):
    """Raised for a report that cannot be trusted: cut off, mixed, inconsistent, or no report. Names file and line."""


# The end of a pattern: "$" alone would allow a line feed after it.
_END: Final = r"$(?!\n)"
ProviderId = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9._:@+-]{0,99}" + _END,
        description="Id of the provider; the same in a whole section.",
    ),
]
ClauseId = Annotated[str, Meta(pattern=r"^[A-Z]{2,5}-[0-9]{3}" + _END)]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}" + _END)]
"""A key that the suite chose: of a setting, a limit, a class of requests."""
Day = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}" + _END, extra_json_schema={"format": "date"})]
Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
Seconds = Annotated[float, Meta(ge=0, le=MAX_DURATION_S)]
Whole = Annotated[int, Meta(ge=-MAX_COUNT, le=MAX_COUNT)]
Short = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]{0,200}" + _END)]
"""One line of text without control characters."""
Region = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{0,64}" + _END, description="Region that was signed for.")]


def _lists(value: Any) -> Any:
    """Return JSON-like data with lists where there are tuples, as reading JSON gives it."""
    if isinstance(value, dict):
        return {name: _lists(item) for name, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, list | tuple) else value


KnownHarm = Literal[
    "",
    "none",
    "loses data",
    "stores wrong data",
    "serves wrong data",
    "crosses tenants",
    "leaks",
    "bypasses authentication",
    "breaks out",
]
"""A harm as an expectation names it."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The base of all records of a report: immutable, slotted, strictly checked on reading.

    What has its default is left out in writing. Unknown properties are ignored on reading.
    """

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON-like data."""
        data: dict[str, Any] = _lists(msgspec.to_builtins(self))
        return data

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Return the record of JSON-like data. :class:`DocumentError` names the property that is wrong."""
        try:
            return msgspec.convert(value, cls)
        except (msgspec.ValidationError, UnicodeEncodeError) as error:
            raise DocumentError(str(error)) from None


class Backend(Record, frozen=True, kw_only=True):
    """What was judged."""

    name: Short
    version: Annotated[Short, Meta(description="As the backend reports it; 'unknown' where it does not.")]

    @property
    def title(self) -> str:
        """Return name and version in one text."""
        return f"{self.name}, version unknown" if self.version == "unknown" else f"{self.name} {self.version}"


class Settings(Record, frozen=True, kw_only=True):
    """What the client needed; never credentials. Empty for local disk."""

    region: Region | msgspec.UnsetType = msgspec.UNSET
    addressing: Annotated[Short, Meta(description="path or virtual.")] | msgspec.UnsetType = msgspec.UNSET
    checksums: Annotated[Short, Meta(description="When the client added them.")] | msgspec.UnsetType = msgspec.UNSET
    tls: bool | msgspec.UnsetType = msgspec.UNSET

    @property
    def empty(self) -> bool:
        """Return whether there are none: local disk has no client."""
        return self == Settings()


class Header(Record, frozen=True, kw_only=True, tag_field="type", tag="header"):
    """What was judged, by what, and how. Opens a section."""

    schema: Annotated[Literal[1], Meta(description="Version of this format.")]
    suite: Annotated[Short, Meta(description="Version of the suite that judged.")]
    contract: Annotated[
        Short,
        Meta(description="Version of the contract; changes when a clause is added, removed or decides differently."),
    ]
    provider: ProviderId
    backend: Backend
    launch: Annotated[Short, Meta(description="How the backend was reached: embedded, process, container or remote.")]
    sdk: Annotated[Short, Meta(description="Client library and version.")]
    settings: Settings
    declared: Annotated[
        dict[Name, Whole], Meta(description="Limits of the backend as its provider documents them, by name.")
    ] = {}
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1, description="Seed of the generated data.")]
    mode: Mode
    clauses: Annotated[Count, Meta(description="How many results the section holds.")] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    machine: Annotated[str, Meta(max_length=2000, description="Class of the machine that judged.")] = ""
    started: Annotated[str, Meta(max_length=40, extra_json_schema={"format": "date-time"})]

    def __post_init__(self) -> None:
        try:
            moment = datetime.fromisoformat(self.started)
        except ValueError:
            raise ValueError(f"started is {self.started!r}; expected a moment as in ISO 8601") from None
        if not 1970 <= moment.year <= 9000:
            raise ValueError(f"started is {self.started!r}; expected a year from 1970 on")


class ObservationRecord(Record, frozen=True, kw_only=True):
    """What was promised and what was seen."""

    promised: str
    observed: str
    harm: (
        Annotated[
            Harm,
            Meta(description="What the deviation does to those who rely on the backend; most do none of it."),
        ]
        | None
    ) = None
    measured: (
        Annotated[
            int,
            Meta(ge=0, le=MAX_COUNT, description="What was seen as a number, such as DEL-015's largest batch."),
        ]
        | None
    ) = None


class ClaimRecord(Record, frozen=True, kw_only=True):
    """How a backend responds to the use of a capability that is not declared."""

    outcome: Annotated[
        Literal["refused", "served", "half done", "not probed"],
        Meta(description="half done: accepted, but not carried out as requested."),
    ]
    said: Annotated[str, Meta(description="The request and its response, or why there was none.")]


class ExpectationRecord(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What is known in advance of a deviation."""

    reason: Annotated[str, Meta(min_length=1)]
    link: str = ""
    since: Day
    review_by: Day
    harm: Annotated[
        KnownHarm,
        Meta(description="As found manually, where it differs from what the clause observed; none for no harm."),
    ] = ""
    protection: Annotated[str, Meta(description="How an operator protects the application.")] = ""
    upstream_told: Annotated[Day, Meta(description="When this was reported to the backend's project.")] | None = None
    finding: Annotated[str, Meta(description="Deviations of one cause have the same name.")] = ""


class HistoryEvent(Record, frozen=True, kw_only=True):
    """One operation of a client in a concurrent history."""

    client: str
    operation: str
    outcome: str = ""
    start_s: Annotated[float, Meta(ge=-MAX_DURATION_S, le=MAX_DURATION_S)]
    end_s: Annotated[
        Annotated[float, Meta(ge=-MAX_DURATION_S, le=MAX_DURATION_S)] | None,
        Meta(description="null where no response came."),
    ]


class ResponseRecord(Record, frozen=True, kw_only=True):
    """One response of the backend in the exchanges of a deviation, in the backend's own words."""

    operation: Annotated[Short, Meta(description="As Amazon S3 names it, such as DeleteObjects.")]
    request: Annotated[
        str, Meta(max_length=1000, description="Method, key or sub-resource, without values of queries.")
    ]
    signed: Annotated[bool, Meta(description="Whether the headers carried a valid signature with the run's own key.")]
    status: Annotated[int, Meta(ge=0, le=999, description="HTTP status; 0 where no response came.")]
    code: Annotated[str, Meta(max_length=200, description="Code of the error document.")] = ""
    message: Annotated[str, Meta(max_length=1000, description="Message of the error document.")] = ""


class EvidenceRecord(Record, frozen=True, kw_only=True):
    """What shows a deviation. Secrets are masked in all of it."""

    example: Annotated[str, Meta(description="The smallest input that deviates.")] = ""
    transcript: Annotated[str, Meta(description="Requests and responses of that example.")] = ""
    reproducer: (
        Annotated[str, Meta(description="A Python script that shows the deviation with the standard library alone.")]
        | None
    ) = None
    responses: Annotated[
        tuple[ResponseRecord, ...],
        Meta(description="The responses of that example, each different one once, in the order of their last."),
    ] = ()
    history: Annotated[
        tuple[HistoryEvent, ...],
        Meta(description="A concurrent history: who did what from when to when, in seconds since its beginning."),
    ] = ()


class RepeatsRecord(Record, frozen=True, kw_only=True):
    """How often one example showed a deviation that not every try of it shows."""

    seen: Annotated[int, Meta(ge=1, le=MAX_COUNT)]
    tries: Annotated[int, Meta(ge=1, le=MAX_COUNT)]


class Result(Record, frozen=True, kw_only=True, tag_field="type", tag="result"):
    """The verdict on one clause. A clause occurs once in a section."""

    provider: ProviderId
    clause: ClauseId
    level: Level
    profile: Profile
    statement: Annotated[str, Meta(description="The promise, in one sentence.")] = ""
    title: Annotated[Short, Meta(description="The promise in at most 40 characters, for people.")] = ""
    consequence: Annotated[
        str, Meta(max_length=1000, description="What it means for an application where the promise is broken.")
    ] = ""
    sources: Annotated[tuple[str, ...], Meta(description="Addresses of the norm.")] = ()
    verdict: Annotated[
        Verdict,
        Meta(description="How a clause was decided. Only conforms and deviates say something about the backend."),
    ]
    expected: Annotated[bool, Meta(description="Whether the provider's expectations foresaw this verdict.")]
    duration_s: Seconds
    requests: Count
    reason: Annotated[str, Meta(description="Why the verdict is no decision, or what else there is to say.")] = ""
    missing: Annotated[
        tuple[Capability, ...],
        Meta(description="The capabilities that the clause requires and that are not declared."),
    ] = ()
    withheld: Annotated[
        bool,
        Meta(description="Whether evidence was left out because the backend's project does not know about it yet."),
    ] = False
    observation: ObservationRecord | None = None
    repeats: Annotated[
        RepeatsRecord | None,
        Meta(description="Only where the deviation comes and goes: in how many tries of the same example it was seen."),
    ] = None
    further: Annotated[
        tuple[ObservationRecord, ...],
        Meta(description="What other examples of the clause showed, beside the observation of the worst harm."),
    ] = ()
    claims: Annotated[
        dict[Name, ClaimRecord],
        Meta(description="How the backend responds to the use of the capabilities that are missing, by capability."),
    ] = {}
    expectation: ExpectationRecord | None = None
    evidence: EvidenceRecord | None = None

    @property
    def family(self) -> str:
        """Return the family of the clause, such as ``URL``."""
        return self.clause.partition("-")[0]

    @property
    def is_core(self) -> bool:
        """Return whether the storage system relies on this promise."""
        return self.level is Level.MUST and self.profile is Profile.CORE

    @property
    def observed(self) -> str:
        """Return what was observed, ``""`` where nothing was noted."""
        return self.observation.observed if self.observation is not None else ""

    @property
    def known(self) -> str:
        """Return the reason of the expectation, ``""`` where there is none."""
        return self.expectation.reason if self.expectation is not None else ""

    @property
    def example(self) -> str:
        """Return the smallest input that deviates, ``""`` where there is none."""
        return self.evidence.example if self.evidence is not None else ""

    @property
    def transcript(self) -> str:
        """Return requests and responses of that example, ``""`` where there are none."""
        return self.evidence.transcript if self.evidence is not None else ""

    @property
    def reproducer(self) -> str:
        """Return the script that shows the deviation, ``""`` where there is none."""
        return (self.evidence.reproducer or "") if self.evidence is not None else ""


class FoundLimit(Record, frozen=True, kw_only=True):
    """A limit of the backend as found by search."""

    found: Annotated[Whole | None, Meta(description="null where it could not be searched; note then says why.")]
    open_end: Annotated[
        bool,
        Meta(description="Whether the search ended at its own bound: the limit lies there or beyond."),
    ]
    unit: Short
    declared: Annotated[Whole, Meta(description="As the provider documents it.")] | msgspec.UnsetType = msgspec.UNSET
    agrees: bool | msgspec.UnsetType = msgspec.UNSET
    note: str = ""


class Fit(enum.StrEnum):
    """The answer to "may the storage system use this backend?"."""

    FIT = "fit"
    UNFIT = "unfit"
    UNDECIDED = "not decided"


_Clauses = tuple[ClauseId, ...]


class CoreRecord(Record, frozen=True, kw_only=True):
    """What became of the core promises: the MUST clauses of profile core, on which the storage system relies."""

    answer: Annotated[
        Fit,
        Meta(description="unfit: one is broken. fit: all that apply were judged and kept. Else not decided."),
    ]
    kept: Count
    broken: Annotated[_Clauses, Meta(description="Deviates, whether or not somebody expected that.")] = ()
    undecided: Annotated[_Clauses, Meta(description="Inconclusive, error or skipped.")] = ()
    not_judged: Annotated[_Clauses, Meta(description="Of the contract, but not of this run.")] = ()
    not_applicable: Annotated[_Clauses, Meta(description="Unsupported: the backend has no such thing.")] = ()

    @property
    def promises(self) -> int:
        """Return how many core promises apply to the backend."""
        return self.kept + len(self.broken) + len(self.undecided) + len(self.not_judged)

    @property
    def title(self) -> str:
        """Return the answer in words."""
        return "not decided" if self.answer is Fit.UNDECIDED else f"{self.answer} for this storage"

    @property
    def counted(self) -> str:
        """Return the numbers behind the answer, such as ``52 of 52 core promises kept``."""
        of = f"of {self.promises} core promise{'s' * (self.promises != 1)}"
        parts = [f"{len(self.broken)} {of} broken" if self.broken else f"{self.kept} {of} kept"]
        if self.undecided:
            parts.append(f"{len(self.undecided)} could not be decided")
        if self.not_judged:
            parts.append(f"{len(self.not_judged)} not judged")
        return ", ".join(parts)

    @property
    def line(self) -> str:
        """Return the first line of every result."""
        return f"{self.title}: {self.counted}"


class Footer(Record, frozen=True, kw_only=True, tag_field="type", tag="footer"):
    """Closes a section. A report without it was cut off."""

    counts: Annotated[
        dict[Verdict, Count],
        Meta(
            description="How often each verdict occurs.",
            extra_json_schema={"propertyNames": {"$ref": "#/$defs/verdict"}},
        ),
    ]
    core: Annotated[
        CoreRecord | None, Meta(description="Whether the backend is fit for the storage system, and why.")
    ] = None
    duration_s: Seconds
    requests: Annotated[dict[Name, Count], Meta(description="Requests by billing class.")] = {}
    complete: bool
    limits: Annotated[
        dict[Name, FoundLimit], Meta(description="Limits of the backend as found by search, by name.")
    ] = {}
    left_behind: Annotated[str, Meta(description="What the run could not remove.")] = ""
    remove_with: Annotated[
        str, Meta(description="The commands that remove what is left, one a line; they take credentials elsewhere.")
    ] = ""
    note: Annotated[str, Meta(description="What else is known about the run.")] = ""
    usage_error: Annotated[
        bool, Meta(description="Whether the run could not begin because of a wrong option or setting.")
    ] = False


class Progress(Record, frozen=True, kw_only=True, tag_field="type", tag="progress"):
    """A message of a worker that is not part of a report: the progress of starting the backend."""

    provider: ProviderId
    text: str


class Opening(Record, frozen=True, kw_only=True, tag_field="type", tag="opening"):
    """A message of a worker that is not part of a report: from now on there may be something to remove."""

    provider: ProviderId
    remove_with: str


class Ready(Record, frozen=True, kw_only=True, tag_field="type", tag="ready"):
    """A message of a helper that is not part of a report: it waits for a clause."""


Line = Header | Result | Footer
Message = Line | Progress | Opening | Ready


def from_json(value: object) -> Line:
    """Return the record of one line of a report. :class:`DocumentError` names the property that is wrong."""
    found: Line = _converted(value, Line, "header, result or footer")
    return found


def message_from_json(text: str) -> Message:
    """Return the record of one line that a worker wrote. :class:`DocumentError` says what is wrong with it."""
    found: Message = _converted(loads(text), Message, "header, result, footer, progress, opening or ready")
    return found


def _converted(value: Any, to: Any, known: str) -> Any:
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in known.replace(",", " ").split():
        raise DocumentError(f"type is {_shown(kind)}; expected {known}")
    if kind == "header" and type(value.get("schema")) is int and value["schema"] != SCHEMA:
        raise DocumentError(f"schema {_shown(value['schema'])}; this version reads schema {SCHEMA}")
    try:
        return msgspec.convert(value, to)
    except msgspec.ValidationError as error:
        raise DocumentError(f"{kind}: {_explained(str(error), value)}") from None
    except UnicodeEncodeError as error:  # half of a character where only known words are allowed
        raise DocumentError(f"{kind}: no text: {error.reason}") from None


def _explained(why: str, value: Any) -> str:
    """Return the message of a failed check with the value that it is about."""
    text, found, path = why.partition(" - at `$")
    if not found:
        return why
    for step in path.rstrip("`").replace("[", ".").replace("]", "").split("."):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
    return f"{path.rstrip('`').lstrip('.') or 'line'} is {_shown(value)}: {text}"


def _shown(value: object) -> str:
    try:
        text = ascii(value)
    except (RecursionError, ValueError):
        text = f"a {type(value).__name__}"
    return text if len(text) <= 120 else f"{text[:120]}…"


def loads(text: str) -> Any:
    """Return the value of a line of JSON. :class:`DocumentError` for anything else, also for what only Python reads."""
    try:
        return json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise DocumentError(f"cut off or not JSON: {error.msg}") from None
    except (RecursionError, ValueError) as error:  # nested too deep, or a number with too many digits
        raise DocumentError(f"no line of a report: {error}") from None


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def schema() -> dict[str, Any]:
    """Return the JSON Schema of one line of a report."""
    _, found = msgspec.json.schema_components((Header, Result, Footer), ref_template="#/$defs/{name}")
    names = {name: name.removesuffix("Record").lower() for name in sorted(found)}
    text = json.dumps({names[name]: found[name] for name in names})
    for name, new in names.items():
        text = text.replace(f'"#/$defs/{name}"', f'"#/$defs/{new}"')
    definitions: dict[str, Any] = json.loads(text)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:bucket-conformance:report:1",
        "title": f"One line of a conformance report (JSON Lines, schema {SCHEMA})",
        "description": "A report is UTF-8 text with one JSON object per line. It holds one section per provider: a "
        "header, a result per clause, a footer. Readers ignore properties they do not know.",
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in ("header", "result", "footer")],
        "$defs": definitions,
    }


def schema_text() -> str:
    """Return the schema as ``schema.json`` holds it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


@dataclass(slots=True)
class Section:
    """The part of a document that one provider's run wrote. ``footer`` is ``None`` while the run goes on."""

    header: Header
    results: list[Result] = field(default_factory=list)
    footer: Footer | None = None

    @property
    def provider(self) -> str:
        return self.header.provider

    def lines(self) -> list[Line]:
        """Return the records in the order of the file."""
        return [self.header, *self.results, *([self.footer] if self.footer is not None else [])]

    def verdicts(self) -> dict[str, Verdict]:
        """Return the verdict by clause."""
        return {result.clause: result.verdict for result in self.results}

    def requests(self) -> dict[str, int]:
        """Return the number of requests by billing class; none where the run did not end."""
        return self.footer.requests if self.footer is not None else {}


def line(value: Record | Mapping[str, Any]) -> str:
    """Return one line of a document, newline included. ASCII only, so that no encoding can spoil it."""
    data = value.to_json() if isinstance(value, Record) else value
    return json.dumps(data, ensure_ascii=True, separators=(",", ":")) + "\n"


def common_errors(results: Iterable[Result]) -> dict[str, int]:
    """Return the reasons that made more than one clause an error, each with the number of these clauses."""
    reasons = Counter(result.reason for result in results if result.verdict is Verdict.ERROR)
    return {reason: clauses for reason, clauses in reasons.items() if clauses > 1}


def counts(results: Iterable[Result]) -> dict[Verdict, int]:
    """Return how often each verdict occurs, every verdict named."""
    seen = Counter(result.verdict for result in results)
    return {verdict: seen.get(verdict, 0) for verdict in Verdict}


def core_of(results: Iterable[Result], *, contract: str = CONTRACT_VERSION) -> CoreRecord:
    """Return what became of the core promises in the results of a run that followed this version of the contract."""
    core = {result.clause: result for result in results if result.is_core}

    def of(*verdicts: Verdict) -> tuple[str, ...]:
        return tuple(sorted(clause for clause, result in core.items() if result.verdict in verdicts))

    # A report of another contract is whole with its own clauses, which are not known here.
    expected = CORE_PROMISES if contract == CONTRACT_VERSION else frozenset[str]()
    kept, broken = of(Verdict.CONFORMS), of(Verdict.DEVIATES)
    undecided = of(Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.SKIPPED)
    not_judged = tuple(sorted(expected - core.keys()))
    fit = Fit.UNDECIDED if undecided or not_judged or not kept else Fit.FIT
    return CoreRecord(
        answer=Fit.UNFIT if broken else fit,
        kept=len(kept),
        broken=broken,
        undecided=undecided,
        not_judged=not_judged,
        not_applicable=of(Verdict.UNSUPPORTED),
    )


def footer(
    results: Iterable[Result],
    *,
    duration_s: float,
    contract: str = CONTRACT_VERSION,
    complete: bool = True,
    requests: Mapping[str, int] | None = None,
    limits: Mapping[str, FoundLimit] | None = None,
    left_behind: str = "",
    remove_with: str = "",
    note: str = "",
    usage_error: bool = False,
) -> Footer:
    """Return the footer that closes a section of these results."""
    results = list(results)
    return Footer(
        counts=counts(results),
        core=core_of(results, contract=contract),
        duration_s=round(duration_s, 3),
        complete=complete,
        requests=dict(requests or {}),
        limits=dict(limits or {}),
        left_behind=left_behind,
        remove_with=remove_with,
        note=note,
        usage_error=usage_error,
    )


def expectation_record(expectation: Expectation) -> ExpectationRecord:
    """Return what a report says about an expectation, of a provider's file or of a baseline."""
    told = expectation.upstream_told
    return ExpectationRecord(
        reason=expectation.reason,
        link=expectation.link,
        since=expectation.since.isoformat(),
        review_by=expectation.review_by.isoformat(),
        harm=cast(KnownHarm, expectation.harm),  # checked where it was read
        protection=expectation.protection,
        upstream_told=told.isoformat() if told is not None else None,
        finding=expectation.finding,
    )


def read(path: Path) -> list[Section]:
    """Return the sections of a document. Raises :class:`DocumentError`, ``OSError`` where the file cannot be read."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise DocumentError(f"{path}: {size} bytes; a report has at most {MAX_BYTES}")
    with path.open(encoding="utf-8", errors="strict", newline="\n") as lines:
        try:
            return parse(lines, name=str(path))
        except UnicodeDecodeError as error:
            raise DocumentError(f"{path}: not a report: {error}") from None


def parse(lines: Iterable[str], *, name: str = "report") -> list[Section]:
    """Return the sections of the lines of a document, checked as :func:`read` does."""
    sections: list[Section] = []
    providers: set[str] = set()
    judged: set[str] = set()
    for number, text in _values(lines):
        where = f"{name}:{number}"
        open_section = sections[-1] if sections and sections[-1].footer is None else None
        try:
            record = from_json(loads(text))
            if isinstance(record, Header):
                if open_section is not None:
                    raise DocumentError(f"a header before the footer of {open_section.provider!r}: cut off or mixed")
                if record.provider in providers:
                    raise DocumentError(
                        f"a second section of {record.provider!r}: mixed; `conformance merge` joins shards"
                    )
                providers.add(record.provider)
                judged = set()
                sections.append(Section(header=record))
            elif open_section is None:
                raise DocumentError(f"a {type(record).__name__.lower()} without a header before it")
            elif isinstance(record, Result):
                _add_result(open_section, record, judged)
            else:
                _close(open_section, record)
        except DocumentError as error:
            raise DocumentError(f"{where}: {error}") from None
    if not sections:
        raise DocumentError(f"{name}: no report: it has no header")
    if sections[-1].footer is None:
        raise DocumentError(
            f"{name}: cut off: no footer for {sections[-1].provider!r} after {len(sections[-1].results)} results"
        )
    return sections


def _values(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    for number, text in enumerate(lines, 1):
        if text.strip():
            yield number, text


def _add_result(section: Section, record: Result, judged: set[str]) -> None:
    if record.provider != section.provider:
        raise DocumentError(f"a result of {record.provider!r} in the section of {section.provider!r}: mixed")
    if record.clause in judged:
        raise DocumentError(f"clause {record.clause} twice for {section.provider!r}: mixed")
    judged.add(record.clause)
    if record.verdict is Verdict.UNSUPPORTED and not record.missing:
        record = msgspec.structs.replace(record, missing=_missing_in(record.reason))
    section.results.append(record)


def _missing_in(reason: str) -> tuple[Capability, ...]:
    """Return the capabilities of a report whose release named them in the reason only.

    The only place where a sentence is read: reports were written this way before ``missing`` was a property.
    """
    names = reason.removeprefix("not declared: ").partition(";")[0].split(", ")
    return tuple(Capability(name) for name in names if name in set(Capability))


def _close(section: Section, record: Footer) -> None:
    if not record.complete:
        raise DocumentError(f"the run of {section.provider!r} was interrupted; its report is not complete")
    announced = section.header.clauses
    if announced is not msgspec.UNSET and announced != len(section.results):
        raise DocumentError(
            f"the header of {section.provider!r} announces {announced} results, there are "
            f"{len(section.results)}: inconsistent"
        )
    found = {verdict.value: n for verdict, n in counts(section.results).items() if n}
    claimed = {verdict.value: n for verdict, n in record.counts.items() if n}
    if found != claimed:
        raise DocumentError(f"the footer counts {claimed}, the results are {found}: inconsistent")
    section.footer = record


if __name__ == "__main__":
    Path(__file__).with_name("schema.json").write_text(schema_text(), encoding="utf-8", newline="\n")
