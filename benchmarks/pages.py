"""A page with 30 providers and 200 clauses: the seconds in which the command writes it and a browser opens it."""

from __future__ import annotations

import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from bucket_conformance.conformance.report.document import Header, Result, Section, footer
from bucket_conformance.conformance.report.merge import document

PROVIDERS: Final = 30
FAMILIES: Final = ("KEY", "URL", "DEL", "RT", "LIST")
CLAUSES_EACH: Final = 40
DEVIATING: Final = 0.15
DRAWN_S: Final = """() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(
    () => done(performance.now() / 1000))))"""
"""The seconds from the start of the navigation until the browser has drawn two frames."""


def main() -> None:
    # Repeated text compresses to almost nothing; real evidence is between the two kinds.
    for kind, word in (("evidence that repeats", _same), ("evidence without any repetition", _other)):
        with tempfile.TemporaryDirectory() as folder:
            report, page = Path(folder) / "report.jsonl", Path(folder) / "page.html"
            report.write_text(document(_sections(word)), encoding="ascii")
            command = [
                sys.executable,
                "-P",
                "-m",
                "bucket_conformance.conformance.cli.main",
                "report",
                str(report),
                "--html",
                str(page),
            ]
            started, used_s = time.perf_counter(), _of_children_s()
            subprocess.run(command, check=True)
            took_s, used_s = time.perf_counter() - started, _of_children_s() - used_s
            sizes = f"{report.stat().st_size / 1e6:.1f} MB of report, {page.stat().st_size / 1e6:.2f} MB of page"
            took = f"written in {took_s:.2f} s from start to exit ({used_s:.2f} s of a core)"
            print(f"{kind:32} {sizes}, {took}, {_opened(page)}", flush=True)


def _of_children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _opened(page: Path) -> str:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None or find_spec("playwright") is None:
        return "not opened: Chromium or playwright is missing"
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        try:
            opened = browser.new_page(viewport={"width": 1280, "height": 800})
            opened.goto(page.as_uri())
            drawn_s = opened.evaluate(DRAWN_S)
            before_s = opened.evaluate("performance.now() / 1000")
            opened.click("#unfold")
            unfolded_s = opened.evaluate(DRAWN_S) - before_s
        finally:
            browser.close()
    return f"opened and drawn in {drawn_s:.2f} s, every clause unfolded in {unfolded_s:.2f} s"


def _same(_: random.Random) -> str:
    return "x-amz-meta-of-every-object"


def _other(drawn: random.Random) -> str:
    return drawn.randbytes(35).hex()


def _sections(word: Callable[[random.Random], str]) -> list[Section]:
    drawn = random.Random(1)
    return [_section(f"provider-{number:02}", drawn, word) for number in range(PROVIDERS)]


def _section(provider: str, drawn: random.Random, word: Callable[[random.Random], str]) -> Section:
    clauses = [f"{family}-{number:03}" for family in FAMILIES for number in range(1, CLAUSES_EACH + 1)]
    results = [_result(clause, provider, drawn, word) for clause in clauses]
    header = {
        "schema": 1, "suite": "0", "contract": "0", "provider": provider,
        "backend": {"name": provider, "version": "1"}, "launch": "process", "sdk": "none", "settings": {}, "seed": 1,
        "mode": "quick", "clauses": len(results), "started": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    return Section(
        header=Header.from_json({"type": "header", **header}), results=results, footer=footer(results, duration_s=1.0)
    )


def _result(clause: str, provider: str, drawn: random.Random, word: Callable[[random.Random], str]) -> Result:
    deviates = drawn.random() < DEVIATING
    value: dict[str, Any] = {
        "type": "result", "provider": provider, "clause": clause, "level": "MUST", "profile": "s3",
        "statement": f"What {clause} promises holds for every key, every body and every client.", "sources": [],
        "verdict": "deviates" if deviates else "conforms", "expected": not deviates, "duration_s": 0.1, "requests": 3,
    }  # fmt: skip
    if deviates:
        value["observation"] = {"promised": "status 403", "observed": f"status 200 for {clause} of {provider}"}
        value["evidence"] = {
            "example": "key='a b'",
            "transcript": "\n".join(f"> GET /{word(drawn)}" for _ in range(60)),
            "reproducer": "\n".join(f"send('{word(drawn)}')" for _ in range(150)),
        }
    return Result.from_json(value)
