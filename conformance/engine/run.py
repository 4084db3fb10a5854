"""Runs one provider: opens the session, judges clause after clause, and emits the lines of a report section."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import botocore
from botocore.config import Config
from msgspec.structs import replace as changed

from bucket_conformance.conformance.backend.capabilities import Outcome, as_reason, probe_claims
from bucket_conformance.conformance.backend.errors import OpeningError
from bucket_conformance.conformance.backend.limits import find_limits, limits_as_data
from bucket_conformance.conformance.backend.opening import open_session
from bucket_conformance.conformance.backend.remedies import joined, removal_command
from bucket_conformance.conformance.catalogue import Entry
from bucket_conformance.conformance.contract import CONTRACT_VERSION, Capability
from bucket_conformance.conformance.effort import Effort
from bucket_conformance.conformance.engine.judge import Judgement, judge
from bucket_conformance.conformance.engine.release import suite_version
from bucket_conformance.conformance.engine.responses import responses_of
from bucket_conformance.conformance.expectations import Expectation, is_expected
from bucket_conformance.conformance.history import as_data
from bucket_conformance.conformance.report.document import (
    SCHEMA,
    Backend,
    ClaimRecord,
    EvidenceRecord,
    ExpectationRecord,
    Footer,
    FoundLimit,
    Header,
    HistoryEvent,
    ObservationRecord,
    Record,
    RepeatsRecord,
    Result,
    Settings,
    expectation_record,
)
from bucket_conformance.conformance.report.document import footer as footer_of
from bucket_conformance.conformance.reproducer.script import reproducer
from bucket_conformance.conformance.session import MARK, Session
from bucket_conformance.conformance.target import S3Endpoint, Target
from bucket_conformance.conformance.verdict import Observation, Verdict
from bucket_conformance.conformance.wire.exchange import Recorder, Redactor, render
from bucket_conformance.conformance.wire.health import Health, HealthCheck

Emit = Callable[[Record], None]
"""Writes a record as the next line of a report."""
Done = Callable[[Result], None]
"""Takes a result in."""
LOG_TAIL_BYTES: Final = 2000
MOST_FURTHER: Final = 20
"""So many observations of further examples a report keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to judge, and with how much effort."""

    entries: Sequence[Entry]
    effort: Effort
    seed: int
    expectations: Mapping[str, Expectation] = field(default_factory=dict)
    max_requests: int | None = None
    declared: Mapping[str, int] = field(default_factory=dict)
    """The declared limits of the backend, by name."""
    search_limits: bool = False
    """Search the backend's limits as well, and hold them against those declared."""


class Sharing(Protocol):
    """Helpers that judge clauses of the same plan on the same backend at the same time."""

    footers: list[Footer]
    """How each of them ended: the footer of what it judged."""

    def entries(self, done: Done) -> Iterator[Entry]:
        """Yield the clauses that are to be judged here; meanwhile pass on the results of the others."""
        ...

    def stop(self) -> None:
        """Tell the others to stop, without waiting for it."""
        ...

    def end(self) -> None:
        """Tell the others to stop, and wait for it: then ``footers`` is complete. May be called again."""
        ...


def header(
    *, provider: str, backend: str, backend_version: str, launch: str, plan: Plan, target: Target | None
) -> Header:
    """Return the header of a section. ``settings`` are what the client needed; never credentials."""
    return Header(
        schema=SCHEMA,
        suite=suite_version(),
        contract=CONTRACT_VERSION,
        provider=provider,
        # A server says what it likes of itself.
        backend=Backend(name=_one_line(backend), version=_one_line(backend_version)),
        launch=launch,
        sdk=f"botocore {botocore.__version__}",
        settings=settings_of(target),
        declared=dict(plan.declared),
        seed=plan.seed,
        mode=plan.effort.mode,
        clauses=len(plan.entries),
        machine=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        started=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)[:200]


def settings_of(target: Target | None) -> Settings:
    """Return what the client of a target is set to, as the header tells it."""
    if not isinstance(target, S3Endpoint):
        return Settings()
    return Settings(
        region=target.region,
        addressing=target.addressing,
        checksums=target.checksums if _sdk_adds_checksums() else "unknown to this SDK",
        tls=target.url.startswith("https:"),
    )


def _sdk_adds_checksums() -> bool:
    known: Mapping[str, Any] = Config.OPTION_DEFAULTS
    return "request_checksum_calculation" in known


def run(
    target: Target,
    plan: Plan,
    emit: Emit,
    *,
    provider: str,
    capabilities: frozenset[Capability],
    run_id: str,
    restart: Callable[[], None] | None = None,
    log: Path | None = None,
    sharing: Sharing | None = None,
) -> None:
    """Judge every clause of the plan on the target and emit each result, then the footer.

    ``log`` returns the server's log, whose end is reported if the server dies. ``sharing``: who else judges clauses.

    An interrupt removes what the run created, then emits a footer with ``complete: false`` and is raised again.
    Raises :class:`OpeningError` where there is nothing to judge; then nothing was emitted.
    """
    started = time.monotonic()
    results: list[Result] = []
    recorder = Recorder(budget=plan.max_requests)
    complete, dead, opened = False, "", True
    found: dict[str, FoundLimit] = {}

    def done(result: Result) -> None:
        results.append(result)
        emit(result)

    try:
        with open_session(
            target, capabilities=capabilities, run_id=run_id, recorder=recorder, restart=restart
        ) as session:
            session.declared_limits = plan.declared
            chosen = None if sharing is None else sharing.entries(done)
            try:
                dead = judge_all(session, target, plan, done, provider=provider, entries=chosen, log=log)
            except BaseException:
                if sharing is not None:
                    sharing.stop()  # they clean up at the same time as this process
                raise
            if plan.search_limits and not dead and _health(session).health is not Health.DEAD:
                limits = session.redactor.data(limits_as_data(find_limits(session), plan.declared))
                found = {name: FoundLimit.from_json(limit) for name, limit in limits.items()}
        complete = True
    except OpeningError as error:
        error.left_behind, opened = recorder.left_behind, False
        error.remove_with = removal_command(target, [run_id])
        raise
    finally:
        if sharing is not None and not complete and opened:
            sharing.end()  # what they left is reported too
        others = sharing.footers if sharing is not None else []
        if complete or results or (opened and (recorder.left_behind or any(other.left_behind for other in others))):
            if dead and not recorder.left_behind:
                # Whatever it answered to the deletes.
                recorder.left_behind = f"perhaps what bears {MARK}{run_id}: the backend stopped working before the end"
            mine = removal_command(target, [run_id]) if recorder.left_behind else ""
            emit(
                footer_of(
                    results,
                    duration_s=time.monotonic() - started,
                    complete=complete,
                    requests={
                        kind.value: count + sum(other.requests.get(kind.value, 0) for other in others)
                        for kind, count in recorder.by_class.items()
                    },
                    limits=found,
                    left_behind=joined([recorder.left_behind, *(other.left_behind for other in others)], "; "),
                    remove_with=joined([mine, *(other.remove_with for other in others)], "\n"),
                    note=joined([recorder.note, *(other.note for other in others)], "; "),
                )
            )


def judge_all(
    session: Session,
    target: Target,
    plan: Plan,
    done: Done,
    *,
    provider: str,
    entries: Iterable[Entry] | None = None,
    log: Path | None = None,
) -> str:
    """Judge the clauses (of the plan, or these) in order on an open session.

    A server that dies makes the rest ``error``, with the reason; the first of them tells the end of the server's log.
    Returns why the server is held for dead, '' for one that lives.
    """
    dead = ""
    for entry in plan.entries if entries is None else entries:
        lived = not dead
        judgement, dead = judge_unless_dead(entry, session, plan, dead)
        if dead and lived and log is not None:
            judgement = replace(judgement, reason=f"{dead}; its log ends:\n{_end_of(log)}")
        done(result_of(entry, judgement, session, target, plan, provider=provider))
    return dead


def _end_of(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
            return file.read().decode("utf-8", "replace").strip() or "(it is empty)"
    except OSError as error:
        return f"(it cannot be read: {error.strerror})"


def judge_unless_dead(entry: Entry, session: Session, plan: Plan, dead: str) -> tuple[Judgement, str]:
    """Judge a clause on a live server; return the judgement, and why the server counts as dead ('': it is alive).

    If the server died during a clause, the result is not a deviation. If it was away for a while, the clause is judged
    again.
    """
    if dead:
        return Judgement(verdict=Verdict.ERROR, duration_s=0.0, requests=0, reason=dead), dead
    judgement = _judged(entry, session, plan)
    if not _in_doubt(judgement, session):
        return judgement, ""
    health = _health(session)
    if health.health is Health.REVIVED and judgement.verdict is not Verdict.UNSUPPORTED:
        again = _judged(entry, session, plan)
        if _in_doubt(again, session):
            # Away once more, the clause itself may be what ends the backend: then what it saw stands.
            judgement, health = again, _health(session)
        elif judgement.verdict is Verdict.DEVIATES:
            return replace(
                again,
                verdict=Verdict.INCONCLUSIVE,
                observation=judgement.observation,
                reason="the backend was away for a while when this was seen; judged again it was not seen",
            ), ""
        else:
            return again, ""
    if health.health is not Health.DEAD:
        return judgement, ""
    stopped = "stopped answering" if health.silent else "stopped working"
    dead = f"the backend {stopped} during {entry.clause.id}: {health.why}"
    return Judgement(
        verdict=Verdict.ERROR, duration_s=judgement.duration_s, requests=judgement.requests, reason=dead
    ), dead


def _judged(entry: Entry, session: Session, plan: Plan) -> Judgement:
    judgement = judge(entry, session, plan.effort, seed=plan.seed)
    return _with_claims(entry, judgement, session) if judgement.verdict is Verdict.UNSUPPORTED else judgement


_DOUBTFUL: Final = frozenset({Verdict.DEVIATES, Verdict.ERROR, Verdict.INCONCLUSIVE})
"""Verdicts that may say no more than that the backend is dead."""


def _in_doubt(judgement: Judgement, session: Session) -> bool:
    return judgement.verdict in _DOUBTFUL or judgement.doubtful or session.recorder.hopeless


def _health(session: Session) -> HealthCheck:
    return session.liveness.check() if session.liveness is not None else HealthCheck(health=Health.ALIVE)


def _with_claims(entry: Entry, judgement: Judgement, session: Session) -> Judgement:
    """Return the judgement with what the backend makes of the capabilities that are missing in its reason."""
    before = session.recorder.total
    claims = probe_claims(session, entry.required)
    more, asked = as_reason(claims), session.recorder.total - before
    return replace(
        judgement,
        reason=f"{judgement.reason}; {more}" if more else judgement.reason,
        requests=asked,
        doubtful=bool(asked) and any(claim.outcome in _DOUBTFUL_CLAIMS for claim in claims.values()),
    )


_DOUBTFUL_CLAIMS: Final = frozenset({Outcome.HALF_DONE, Outcome.NOT_PROBED})


def result_of(
    entry: Entry, judgement: Judgement, session: Session, target: Target, plan: Plan, *, provider: str
) -> Result:
    """Return the result of a report for one judgement; what the backend had a part in is redacted."""
    redactor = session.redactor
    expectation = plan.expectations.get(entry.clause.id)
    if expectation is not None and not expectation.holds_under(settings_of(target).to_json()):
        expectation = None
    unsupported = judgement.verdict is Verdict.UNSUPPORTED
    lacking = {lack for case in entry.cases for lack in case.requires - session.capabilities} if unsupported else ()
    # Asked already by then, and remembered.
    claims = probe_claims(session, entry.required) if unsupported else {}
    return Result(
        provider=provider,
        clause=entry.clause.id,
        level=entry.clause.level,
        profile=entry.clause.profile,
        statement=entry.clause.statement,
        title=entry.clause.title,
        consequence=entry.clause.consequence,
        sources=entry.clause.sources,
        verdict=judgement.verdict,
        expected=is_expected(judgement.verdict, expectation),
        duration_s=round(judgement.duration_s, 3),
        requests=judgement.requests,
        expectation=_known(expectation, redactor),
        reason=redactor.text(_reason(judgement)),
        missing=tuple(sorted(lacking)),
        claims={
            capability.value: ClaimRecord(outcome=claim.outcome.value, said=redactor.text(claim.reported))
            for capability, claim in claims.items()
        },
        observation=None if judgement.observation is None else _observation(judgement.observation, redactor),
        repeats=None
        if judgement.repeats is None
        else RepeatsRecord(seen=judgement.repeats.seen, tries=judgement.repeats.tries),
        further=tuple(_observation(each, redactor) for each in judgement.further[:MOST_FURTHER]),
        evidence=_evidence(entry, judgement, session, target),
    )


def _known(expectation: Expectation | None, redactor: Redactor) -> ExpectationRecord | None:
    if expectation is None:
        return None
    record = expectation_record(expectation)
    return changed(
        record,
        reason=redactor.text(record.reason),
        link=redactor.text(record.link),
        protection=redactor.text(record.protection),
        finding=redactor.text(record.finding),
    )


def _reason(judgement: Judgement) -> str:
    """Return what there is to say of a judgement beside its observation."""
    texts = [judgement.reason]
    if judgement.repeats is not None:
        texts.append(
            f"comes and goes: seen in {judgement.repeats.seen} of {judgement.repeats.tries} tries of the same example"
        )
    if judgement.further:
        count = len(judgement.further)
        texts.append(f"{count} other example{'s' * (count != 1)} of this clause deviate{'s' * (count == 1)} otherwise")
    return "; ".join(filter(None, texts))


def _observation(seen: Observation, redactor: Redactor) -> ObservationRecord:
    return ObservationRecord(
        promised=redactor.text(seen.promised),
        observed=redactor.text(seen.observed),
        harm=seen.harm,
        measured=seen.measured,
    )


def _evidence(entry: Entry, judgement: Judgement, session: Session, target: Target) -> EvidenceRecord | None:
    evidence, redactor = judgement.evidence, session.redactor
    if evidence is None:
        return None
    # A reproducer is redacted literal by literal as it is built; once more over the whole could break its code.
    script = _reproducer(entry, judgement, session, target) if isinstance(target, S3Endpoint) else None
    return EvidenceRecord(
        example=redactor.text(_shortened(evidence.example)),
        transcript=redactor.text(render(evidence.exchanges, redactor)),
        reproducer=script,
        responses=responses_of(evidence.exchanges, target, redactor) if isinstance(target, S3Endpoint) else (),
        history=tuple(HistoryEvent.from_json(redactor.data(event)) for event in as_data(evidence.history)),
    )


def _shortened(example: str, limit: int = 2000) -> str:
    return example if len(example) <= limit else f"{example[:limit]}… ({len(example)} characters)"


def _reproducer(entry: Entry, judgement: Judgement, session: Session, target: S3Endpoint) -> str | None:
    evidence, observation = judgement.evidence, judgement.observation
    if evidence is None or observation is None:
        return None
    return reproducer(
        evidence.exchanges,
        clause_id=entry.clause.id,
        statement=entry.clause.statement,
        observation=observation,
        example=evidence.example,
        endpoint_path=urlsplit(target.url).path.rstrip("/"),
        bucket=session.wire.bucket,
        addressing=target.addressing,
        redactor=session.redactor,
        moment=evidence.moment,
    )


def unusable(
    head: Header,
    plan: Plan,
    emit: Emit,
    error: Exception,
    *,
    header_sent: bool = False,
    verdict: Verdict = Verdict.ERROR,
) -> None:
    """Emit a whole section for a backend that cannot be judged: every clause ``verdict``, with the reason."""
    if not header_sent:
        emit(head)
    results = [unjudged(entry, str(error), provider=head.provider, verdict=verdict) for entry in plan.entries]
    for result in results:
        emit(result)
    usage = isinstance(error, OpeningError) and error.usage
    left = error.left_behind if isinstance(error, OpeningError) else ""
    remedy = error.remove_with if isinstance(error, OpeningError) and left else ""
    emit(footer_of(results, duration_s=0.0, usage_error=usage, left_behind=left, remove_with=remedy))


def unjudged(entry: Entry, reason: str, *, provider: str, verdict: Verdict = Verdict.ERROR) -> Result:
    """Return the result of a report for a clause that could not be judged at all."""
    return Result(
        provider=provider,
        clause=entry.clause.id,
        level=entry.clause.level,
        profile=entry.clause.profile,
        statement=entry.clause.statement,
        title=entry.clause.title,
        consequence=entry.clause.consequence,
        sources=entry.clause.sources,
        verdict=verdict,
        expected=is_expected(verdict, None),
        duration_s=0.0,
        requests=0,
        reason=reason,
    )
