"""Advice as text, as lines for an environment file, as JSON and as Markdown: fit or unfit first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from bucket_conformance.conformance.report.advice import Advice, AdviceKind
from bucket_conformance.conformance.report.causes import Cause, causes, consequence_of, quoted
from bucket_conformance.conformance.report.disclosure import harm_of
from bucket_conformance.conformance.report.document import Fit, Section
from bucket_conformance.conformance.report.fitness import answer
from bucket_conformance.conformance.report.untrusted import comment, markdown_block, markdown_prose, shell
from bucket_conformance.conformance.report.untrusted import markdown as plain

HEADINGS: Final = {AdviceKind.SET: "Set", AdviceKind.NEVER: "Never rely on", AdviceKind.KNOW: "Know"}
_OWN: Final = {
    True: ("AP_S3_ENDPOINT", "AP_S3_BUCKET", "AP_S3_ACCESS_KEY_ID", "AP_S3_SECRET_ACCESS_KEY"),
    False: ("AP_LOCAL_STORAGE_ROOT",),
}
"""What only the operator knows: by whether the storage is on S3."""


def title(section: Section) -> str:
    return section.header.backend.title


def text(section: Section, advice: Sequence[Advice]) -> str:
    """Return the advice as plain text, each line with the clauses it follows from."""
    lines = [*_answer(section)]
    grave = [cause for cause in causes(section.results) if cause.harms or cause.core]
    if grave:
        lines += ["", "What is wrong there:"]
        for cause in grave:
            lines.append(f"  {cause.title} [{', '.join(cause.clauses)}]")
            lines += [f"      {consequence}" for consequence in consequences(cause)]
    for kind, heading in HEADINGS.items():
        found = [one for one in advice if one.kind is kind]
        if found:
            lines += ["", f"{heading}:"]
        for one in found:
            lines.append(f"  {one.text} [{', '.join(one.clauses)}]")
            lines += [f"      {name}={value}" for name, value in one.variables]
    return "\n".join(lines) + "\n"


def consequences(cause: Cause) -> list[str]:
    """Return what harm and broken core promises of a cause mean for an application, each sentence once."""
    grave = [result for result in cause.results if result.is_core or harm_of(result) is not None]
    return list(dict.fromkeys(consequence_of(result) for result in grave if consequence_of(result)))


def _answer(section: Section) -> list[str]:
    """Return what stands first: fit or unfit, the settings that were used, and the harms."""
    found = answer(section)
    judged = f"as judged on {section.header.started[:10]} with {found.settings}"
    harm = [f"Harm seen: {', '.join(found.harms)}"] if found.harms else []
    verb = ":" if found.core.answer is Fit.UNDECIDED else " is"
    return [f"{title(section)}{verb} {found.line}", judged, *harm]


def environment(section: Section, advice: Sequence[Advice]) -> str:
    """Return lines for an environment file. What only the operator knows stands there without a value, as a comment."""
    lines = [f"# {comment(line)}" for line in _answer(section)]
    lines += [f"# {name}=" for name in _OWN[not section.header.settings.empty]]
    for one in advice:
        if one.variables:
            lines.append(f"# {comment(', '.join(one.clauses))}: {comment(one.text)}")
            lines += [f"{name}={shell(value)}" for name, value in one.variables]
    return "\n".join(lines) + "\n"


def data(section: Section, advice: Sequence[Advice]) -> dict[str, Any]:
    """Return the answer, the causes and the advice as plain data."""
    found = answer(section)
    return {
        "provider": section.provider,
        "backend": section.header.backend.to_json(),
        "judged": section.header.started,
        "answer": found.line,
        "core": found.core.to_json(),
        "harms": [harm.value for harm in found.harms],
        "settings": found.settings,
        "causes": [
            {
                "cause": cause.key,
                "title": cause.title,
                "meaning": cause.meaning,
                "clauses": list(cause.clauses),
                "harms": [harm.value for harm in cause.harms],
                "core": bool(cause.core),
                "response": quoted(cause.response) if cause.response is not None else "",
            }
            for cause in causes(section.results)
        ],
        "advice": [
            {
                "kind": one.kind.value,
                "text": one.text,
                "clauses": list(one.clauses),
                "variables": dict(one.variables),
            }
            for one in advice
        ],
    }


def markdown(section: Section, advice: Sequence[Advice]) -> str:
    """Return the advice as a section of a Markdown page."""
    first, *rest = _answer(section)
    parts = [f"## {plain(title(section))}", f"**{plain(first)}**, {plain('. '.join(rest))}."]
    for kind in (AdviceKind.NEVER, AdviceKind.KNOW):
        found = [one for one in advice if one.kind is kind]
        if found:
            parts.append(f"{HEADINGS[kind]}:")
            parts.append("\n".join(f"- {markdown_prose(one.text)} ({plain(', '.join(one.clauses))})" for one in found))
    for cause in causes(section.results):
        if cause.harms or cause.core:
            sentences = " ".join(markdown_prose(text) for text in consequences(cause)) or markdown_prose(cause.meaning)
            parts.append(f"**{markdown_prose(cause.title)}** ({plain(', '.join(cause.clauses))}): {sentences}")
    parts.insert(2, markdown_block(environment(section, advice).rstrip("\n"), "sh"))
    return "\n\n".join(parts)
