"""Judges one endpoint after the other, as a worker of the command does, with short deadlines, in a separate process.

Each line in is ``{"url": …, "bucket": …, "clauses": […]}``; each line out holds the result of the run and
the memory used.
"""

from __future__ import annotations

import json
import re
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import bucket_conformance.conformance.backend.liveness
import bucket_conformance.conformance.backend.run_traces
import bucket_conformance.conformance.backend.sdk_hook
import bucket_conformance.conformance.backend.views
import bucket_conformance.conformance.wire.transport
from bucket_conformance.conformance.backend.run_ids import new_run_id
from bucket_conformance.conformance.cli.run_command import _collect, _exit_code
from bucket_conformance.conformance.cli.worker.job_record import Job
from bucket_conformance.conformance.cli.worker.main import _run
from bucket_conformance.conformance.report.document import Opening, Progress, Record, Section, line, message_from_json

WAIT_S = 0.15
PATIENCE_S = 0.25


def shorten_deadlines() -> None:
    real_sleep = time.sleep
    time.sleep = lambda seconds: real_sleep(min(float(seconds), 0.005))
    for module, name, value in (
        (bucket_conformance.conformance.wire.transport, "TIMEOUT_S", PATIENCE_S),
        (bucket_conformance.conformance.backend.sdk_hook, "TIMEOUTS_S", (WAIT_S, WAIT_S)),
        (bucket_conformance.conformance.backend.sdk_hook, "PATIENCE_S", PATIENCE_S),
        (bucket_conformance.conformance.backend.sdk_hook, "MOST_PAGES", 10),
        (bucket_conformance.conformance.backend.views, "MOST_PAGES", 10),
        (bucket_conformance.conformance.backend.run_traces, "MOST_PAGES", 10),
        (bucket_conformance.conformance.backend.liveness, "REVIVAL_S", 0.1),
    ):
        assert hasattr(module, name), f"{module.__name__} has no {name}"
        setattr(module, name, value)


def peak_mib() -> float:
    """Return the most memory that this process has held so far; that of its parent does not count."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def judge(job: dict[str, Any]) -> dict[str, Any]:
    sections: dict[str, Section] = {}
    broken: dict[str, str] = {}
    endpoint = {"url": job["url"], "access_key": "exemplar", "secret_key": "exemplar-secret", "bucket": job["bucket"]}
    order = {
        "seed": 1,
        "mode": "quick",
        "provider_files": [],
        "provider": "endpoint",
        "endpoint": endpoint,
        "clauses": job["clauses"],
        "run_id": new_run_id(),
    }

    def emit(record: Record) -> None:
        if not isinstance(record, Opening | Progress):
            _collect(sections, "endpoint", message_from_json(line(record)))

    started = time.monotonic()
    try:
        _run(Job.from_json(order), emit, lambda text: None, ())
    except Exception:  # as the worker's process would: with a traceback, and no footer
        broken["endpoint"] = traceback.format_exc()
    section = sections.get("endpoint")
    return {
        "exit_code": int(_exit_code(list(sections.values()), broken)),
        "broken": broken.get("endpoint", ""),
        "results": [result.to_json() for result in section.results] if section else [],
        "footer": section.footer.to_json() if section and section.footer else None,
        "peak_mib": peak_mib(),
        "seconds": time.monotonic() - started,
    }


def main() -> None:
    shorten_deadlines()
    for text in sys.stdin:
        print(json.dumps(judge(json.loads(text))), flush=True)


if __name__ == "__main__":
    main()
