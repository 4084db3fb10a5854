"""Advice as text, as lines for an environment file, as JSON and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from bucket_conformance.conformance.report.advice import Advice, AdviceKind
from bucket_conformance.conformance.report.document import Section
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
    lines = [f"{title(section)}, as judged on {section.header.started[:10]}"]
    for kind, heading in HEADINGS.items():
        found = [one for one in advice if one.kind is kind]
        if found:
            lines += ["", f"{heading}:"]
        for one in found:
            lines.append(f"  {one.text} [{', '.join(one.clauses)}]")
            lines += [f"      {name}={value}" for name, value in one.variables]
    return "\n".join(lines) + "\n"


def environment(section: Section, advice: Sequence[Advice]) -> str:
    """Return lines for an environment file. What only the operator knows stands there without a value, as a comment."""
    lines = [f"# {comment(title(section))}, as judged on {comment(section.header.started)[:10]}"]
    lines += [f"# {name}=" for name in _OWN[not section.header.settings.empty]]
    for one in advice:
        if one.variables:
            lines.append(f"# {comment(', '.join(one.clauses))}: {comment(one.text)}")
            lines += [f"{name}={shell(value)}" for name, value in one.variables]
    return "\n".join(lines) + "\n"


def data(section: Section, advice: Sequence[Advice]) -> dict[str, Any]:
    """Return the advice as plain data."""
    return {
        "provider": section.provider,
        "backend": section.header.backend.to_json(),
        "judged": section.header.started,
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
    parts = [f"## {plain(title(section))}", f"As judged on {plain(section.header.started[:10])}."]
    for kind in (AdviceKind.NEVER, AdviceKind.KNOW):
        found = [one for one in advice if one.kind is kind]
        if found:
            parts.append(f"{HEADINGS[kind]}:")
            parts.append("\n".join(f"- {markdown_prose(one.text)} ({plain(', '.join(one.clauses))})" for one in found))
    parts.insert(2, markdown_block(environment(section, advice).rstrip("\n"), "sh"))
    return "\n\n".join(parts)
