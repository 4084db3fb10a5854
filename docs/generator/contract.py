"""The pages about the contract, one per family: what each clause promises, what proves it, and who deviates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bucket_conformance.conformance.catalogue import FAMILIES, Entry, entries
from bucket_conformance.conformance.contract import CONTRACT_VERSION, Capability, Level, Profile
from bucket_conformance.conformance.expectations import Expectation
from docs.generator import power
from docs.generator.expected import expected_deviations, under
from docs.generator.markdown import code, folded, link, table, text
from tests.bench import AnyFault, every_fault
from tests.faults.gateway import Fault
from tests.faults.local_faults import LayoutFault, StorageFault
from tests.recordings.model import Fact, facts

INDEX: Final = "contract/index.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What the project knows about clauses in addition to their own data, by clause id."""

    faults: Mapping[str, AnyFault]
    breaking: Mapping[str, Sequence[AnyFault]]
    recorded: Mapping[str, Sequence[Fact]]
    deviating: Mapping[str, Sequence[tuple[str, Expectation]]]


def page_of(family: str) -> str:
    return f"contract/{family.lower()}.md"


def pages() -> dict[str, str]:
    around = _around()
    by_family: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries().values():
        by_family[entry.clause.family].append(entry)
    made = {INDEX: _index(by_family, around)}
    for family, members in by_family.items():
        made[page_of(family)] = "\n".join(_family(family, members, around))
    return made


def _around() -> Around:
    breaking: dict[str, list[AnyFault]] = defaultdict(list)
    for fault in every_fault().values():
        for id in fault.breaks:
            breaking[id].append(fault)
    recorded: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts():
        for id in fact.clauses:
            recorded[id].append(fact)
    deviating: dict[str, list[tuple[str, Expectation]]] = defaultdict(list)
    for provider, known in expected_deviations().items():
        for id, expectation in known.items():
            deviating[id].append((provider, expectation))
    return Around(faults=every_fault(), breaking=breaking, recorded=recorded, deviating=deviating)


def _index(by_family: Mapping[str, Sequence[Entry]], around: Around) -> str:
    every = [entry.clause for members in by_family.values() for entry in members]
    musts = sum(clause.level is Level.MUST for clause in every)
    core = sum(clause.profile is Profile.CORE for clause in every)
    rows = [
        (
            f"[{family}]({family.lower()}.md)",
            FAMILIES.get(family, ""),
            str(len(members)),
            str(sum(entry.clause.level is Level.MUST for entry in members)),
            str(sum(entry.clause.profile is Profile.CORE for entry in members)),
            str(sum(entry.clause.id in around.recorded for entry in members)),
            str(sum(entry.clause.id in around.deviating for entry in members)),
        )
        for family, members in by_family.items()
    ]
    return "\n".join(
        (
            "# The contract",
            "",
            f"Version {CONTRACT_VERSION}: {len(every)} clauses, {musts} of them MUST, {core} in profile core. "
            f"{len(around.faults)} deliberately broken stores prove them.",
            "",
            "A clause is one promise. Its id is permanent. `MUST`, `SHOULD` and `MAY` are those of RFC 2119. Profile "
            "`core` is what the storage system needs from any backend, local disk included; profile `s3` is what a "
            "client may expect of an S3-compatible endpoint, with Amazon S3's documentation as the norm.",
            "",
            "Each clause names a fault that proves it: a store with exactly one defect, which the clause must catch. "
            "“Recorded” counts clauses that are compared with [recorded responses of Amazon S3](../anchors.md)."
            + (
                " [What the suite catches](../power.md) says which clauses noticed which fault."
                if power.is_there()
                else ""
            ),
            "",
            table(("family", "about", "clauses", "MUST", "core", "recorded", "someone deviates"), rows),
            "The pages are generated from the clauses. The same in the terminal: `conformance list clauses`, "
            "`conformance show URL-003`.",
            "",
        )
    )


def _family(family: str, members: Sequence[Entry], around: Around) -> Iterator[str]:
    title = FAMILIES.get(family, "")
    yield f"# {family}: {title}"
    yield ""
    rows = [
        (
            f"[{entry.clause.id}](#{entry.clause.id.lower()})",
            entry.clause.level.value,
            entry.clause.profile.value,
            text(entry.clause.statement),
        )
        for entry in members
    ]
    yield table(("clause", "level", "profile", "promise"), rows)
    for entry in members:
        yield from _clause(entry, around)


def _clause(entry: Entry, around: Around) -> Iterator[str]:
    clause = entry.clause
    level, profile = clause.level.value, clause.profile.value
    yield f"## {clause.id} {{#{clause.id.lower()}}}"
    yield ""
    yield f'<span class="level level-{level.lower()}">{level}</span> <span class="profile">{profile}</span>'
    yield ""
    yield text(clause.statement)
    yield "{ .statement }"
    yield ""
    yield f"- **In short:** {text(clause.title)}"
    yield f"- **If broken:** {text(clause.consequence)}"
    yield f"- **Source:** {', '.join(_source(source) for source in clause.sources)}"
    if clause.requires - {Capability.WIRE}:
        yield f"- **Needs:** {', '.join(code(name) for name in sorted(clause.requires))}"
    proofs = [_fault(around.faults[id]) for id in entry.proved_by]
    if len(proofs) == 1:
        yield f"- **Proved by:** {proofs[0]}"
    else:
        yield "- **Proved by:**"
        yield ""
        yield from (f"    - {proof}" for proof in proofs)
    yield ""
    more = [fault for fault in around.breaking.get(clause.id, ()) if fault.id not in entry.proved_by]
    if more:
        plural = "s" if len(more) > 1 else ""
        yield folded(f"{len(more)} more fault{plural} that it must catch", "\n".join(f"- {_fault(f)}" for f in more))
    recorded = around.recorded.get(clause.id, ())
    if recorded:
        yield folded(f"{len(recorded)} recorded by Amazon S3", "\n".join(f"- {_fact(fact)}" for fact in recorded))
    deviating = around.deviating.get(clause.id, ())
    if deviating:
        yield folded(f"{len(deviating)} known to deviate", "\n".join(_deviating(*one) for one in deviating))


def _source(source: str) -> str:
    return link(source) if source.startswith("http") else text(source)


def _fault(fault: AnyFault) -> str:
    origin = f" ({text(fault.origin)})" if fault.origin else ""
    shown = f"[{code(fault.id)}](../{power.PAGE.name}#{fault.id})" if fault.id in power.faults() else code(fault.id)
    return f"{shown}, a {_broken(fault)} where {text(fault.title)}{origin}"


def _broken(fault: AnyFault) -> str:
    if isinstance(fault, Fault):
        return "server"
    if isinstance(fault, StorageFault):
        return "storage class"
    return "key layout" if isinstance(fault, LayoutFault) else "system"


def _fact(fact: Fact) -> str:
    status = "" if fact.status is None else f"{fact.status} "
    return f"{code(fact.test)}, {text(fact.step)}: {status}{fact.code} (validated {fact.on.isoformat()})"


def _deviating(provider: str, expectation: Expectation) -> str:
    tracked = f" {link(expectation.link, 'link')}" if expectation.link else ""
    verdicts = "" if {v.value for v in expectation.verdicts} == {"deviates"} else f"({_verdicts(expectation)}) "
    return (
        f"- [{provider}](../providers/{provider}.md): {verdicts}{under(expectation)}{text(expectation.reason)}{tracked}"
    )


def _verdicts(expectation: Expectation) -> str:
    return " or ".join(sorted(verdict.value for verdict in expectation.verdicts))
