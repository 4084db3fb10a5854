"""JUnit XML for CI systems: a suite per provider, a case per clause. What was expected is skipped, with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from bucket_conformance.conformance.contract import Level
from bucket_conformance.conformance.report.causes import consequence_of, title_of
from bucket_conformance.conformance.report.columns import Column
from bucket_conformance.conformance.report.document import Result
from bucket_conformance.conformance.report.fitness import answer
from bucket_conformance.conformance.report.untrusted import xml
from bucket_conformance.conformance.verdict import Verdict


def render(columns: Sequence[Column]) -> str:
    """Return the XML. An unexpected deviation from a MUST is a failure, our own failure an error."""
    root = Xml.Element("testsuites", name="conformance")
    totals: dict[str, float] = {}
    for column in columns:
        suite = _suite(column)
        root.append(suite)
        for name in ("tests", "failures", "errors", "skipped", "time"):
            totals[name] = totals.get(name, 0) + float(suite.get(name, "0"))
    for name, value in totals.items():
        root.set(name, f"{value:.3f}" if name == "time" else str(int(value)))
    Xml.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"


def _suite(column: Column) -> Xml.Element:
    head, results = column.section.header, column.section.results
    suite = Xml.Element("testsuite", name=xml(column.key), timestamp=xml(head.started[:19]))
    properties = Xml.SubElement(suite, "properties")
    for name in ("contract", "suite", "launch", "sdk", "mode", "seed"):
        Xml.SubElement(properties, "property", name=name, value=xml(str(getattr(head, name))))
    Xml.SubElement(properties, "property", name="backend", value=xml(head.backend.title))
    found = answer(column.section)
    Xml.SubElement(properties, "property", name="answer", value=xml(found.line))
    Xml.SubElement(properties, "property", name="harm", value=xml(", ".join(found.harms)))
    cases = [_case(column, result) for result in results]
    suite.extend(cases)
    suite.set("tests", str(len(cases)))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(sum(case.find(tag) is not None for case in cases)))
    suite.set("time", f"{sum(result.duration_s for result in results):.3f}")
    return suite


def _case(column: Column, result: Result) -> Xml.Element:
    case = Xml.Element(
        "testcase",
        classname=xml(f"{column.key}.{result.family}"),
        name=xml(f"{result.clause} {title_of(result)}".strip()),
        time=f"{result.duration_s:.3f}",
    )
    verdict, seen, reason = result.verdict, result.observation, result.reason
    if seen is not None:
        reason = f"promised {seen.promised}, observed {seen.observed}"
    if verdict is Verdict.CONFORMS:
        return case
    if verdict is Verdict.ERROR:
        Xml.SubElement(case, "error", message=xml(reason or "could not be judged"), type="harness")
    elif verdict is Verdict.DEVIATES and not result.expected and result.level is Level.MUST:
        meant = consequence_of(result)
        message = f"{meant} ({reason})" if meant else reason
        failure = Xml.SubElement(case, "failure", message=xml(message), type="deviation")
        failure.text = xml(_evidence(result))
    else:
        why = (
            f"expected: {result.known}"
            if result.expected and result.known
            else f"{result.level} {verdict}: {reason}".rstrip(": ")
        )
        Xml.SubElement(case, "skipped", message=xml(why))
    return case


def _evidence(result: Result) -> str:
    parts = [
        f"{name}:\n{text}" for name, text in (("example", result.example), ("transcript", result.transcript)) if text
    ]
    return "\n\n".join([*parts, *(f"source: {source}" for source in result.sources)])
