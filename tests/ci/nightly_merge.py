"""``python -m tests.ci.nightly_merge FOLDER FILE``: joins the night's reports, and says which providers have none.

A truncated report, or a job that died before it wrote one, must not affect the other providers: the job's summary
names each report that cannot be read, and the exit code is 3.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from bucket_conformance.conformance.report.document import DocumentError, Section, read
from bucket_conformance.conformance.report.merge import document, merge


def expected(environ: Mapping[str, str]) -> list[str]:
    """Return the ids of the providers that the plan gave a job each, from ``STARTED`` and ``LIVE``."""
    started: list[str] = json.loads(environ["STARTED"])
    live: list[dict[str, str]] = json.loads(environ["LIVE"])
    return sorted({*started, *(entry["provider"] for entry in live)})


def collect(folder: Path, wanted: list[str]) -> tuple[list[Section], dict[str, str]]:
    """Return the sections of all reports, and why each provider without one has none."""
    documents: list[tuple[str, list[Section]]] = []
    missing: dict[str, str] = {}
    for name in wanted:
        path = folder / f"{name}.jsonl"
        if not path.is_file() or not path.stat().st_size:
            missing[name] = "its job left no report"
            continue
        try:
            documents.append((str(path), read(path)))
        except DocumentError as error:
            missing[name] = str(error)
    return merge(documents), missing


def main(folder: str, output: str) -> int:
    sections, missing = collect(Path(folder), expected(os.environ))
    lines = [f"- {name}: {' '.join(why.split())}" for name, why in missing.items()]
    for line in lines:
        print(line)
    if lines and (summary := os.environ.get("GITHUB_STEP_SUMMARY")):
        with Path(summary).open("a", encoding="utf-8") as out:
            out.write("\n".join(["## Left out", "", *lines, "", ""]))
    if not sections:
        print("no report at all")
        return 3
    Path(output).write_text(document(sections), encoding="ascii")
    return 3 if missing else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
