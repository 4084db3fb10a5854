"""One provider in a process of its own: what to judge comes in on standard input, a report section goes out.

Started by :mod:`conformance.cli.workers`. A process each keeps providers apart: shifted clocks, patched calls, crashes.
Beside the lines of the report there are ``{"type": "progress", "text": …}`` lines.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from conformance.baseline import Expectation, read_expectations
from conformance.bucket_checks import OpeningError
from conformance.catalogue import entries
from conformance.contract import Capability
from conformance.judge import EFFORTS, Effort, Mode, deep
from conformance.report.document import line
from conformance.run import Plan, header, run, unusable
from conformance.target import S3Endpoint, Target
from conformance.verdict import Verdict
from providers import discover, expectations
from providers.provider import Launch, LaunchError, LaunchKind, Provider, Unavailable


def main() -> None:
    order = json.loads(sys.stdin.readline())
    # The report is the only thing on standard output; whatever a library prints goes to the error stream.
    out = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    told_to_stop = False

    def interrupt(*_: object) -> None:
        nonlocal told_to_stop
        told_to_stop = True
        # A terminal interrupts every process, and our parent sends one more: removing must not be cut short.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)

    def emit(value: dict[str, Any]) -> None:
        out.write(line(value))
        out.flush()
        if told_to_stop and value["type"] == "result":
            # Raised in a callback of the garbage collector or in a finalizer, an interrupt is printed and forgotten.
            raise KeyboardInterrupt

    def progress(text: str) -> None:
        emit({"type": "progress", "provider": order["provider"], "text": text})

    try:
        _run(order, emit, progress)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(3)  # whoever asked is gone; everything is removed already


def _run(order: dict[str, Any], emit: Any, progress: Any) -> None:
    known = entries()
    chosen = [known[id] for id in order["clauses"]]
    provider = discover([Path(path) for path in order["provider_files"]]).get(order["provider"])
    plan = Plan(
        entries=chosen,
        effort=_effort(order, len(chosen)),
        seed=order["seed"],
        expectations=_expectations(order),
        max_requests=order.get("max_requests"),
        declared=_declared(provider),
        search_limits=bool(order.get("limits")),
    )
    with ExitStack() as stack:
        target: Target | None = None
        version, launch, capabilities = "unknown", order.get("launch") or "remote", frozenset[Capability]()
        restart, log_file = None, None
        title = order["provider"]
        try:
            if order.get("endpoint") is not None:
                target, launch = _with_checksums(_endpoint(order["endpoint"]), order), LaunchKind.REMOTE.value
                capabilities = _capabilities_of_any_endpoint()
            else:
                assert provider is not None
                title, capabilities = provider.title, provider.capabilities
                chosen_launch = _launch(provider, order)
                if order.get("install"):
                    chosen_launch.install(progress)
                running = stack.enter_context(chosen_launch.start(progress))
                target, version = _with_checksums(running.target, order), running.version
                launch = running.launch.value
                restart, log_file = running.restart, running.log
            head = header(
                provider=order["provider"],
                backend=title,
                backend_version=version,
                launch=launch,
                plan=plan,
                target=target,
            )
            emit(head)
            run(
                target,
                plan,
                emit,
                provider=order["provider"],
                capabilities=capabilities,
                run_id=order["run_id"],
                restart=restart,
                log=log_file,
            )
        except (LaunchError, OpeningError) as error:
            head = header(
                provider=order["provider"],
                backend=title,
                backend_version=version,
                launch=launch,
                plan=plan,
                target=target,
            )
            skipped = bool(order.get("skip_missing")) and isinstance(error, Unavailable)
            verdict = Verdict.SKIPPED if skipped else Verdict.ERROR
            unusable(head, plan, emit, error, header_sent=target is not None, verdict=verdict)
            log = getattr(error, "log", "")
            if log:
                progress(f"its log ends:\n{log[-2000:]}")


def _launch(provider: Provider, order: dict[str, Any]) -> Launch:
    wanted = LaunchKind(order["launch"]) if order.get("launch") else None
    provider = provider.over_https() if order.get("tls") else provider
    return provider.choose(wanted, installing=bool(order.get("install")))


def _with_checksums(target: Target, order: dict[str, Any]) -> Target:
    mode = order.get("checksums")
    return replace(target, checksums=mode) if mode and isinstance(target, S3Endpoint) else target


def _capabilities_of_any_endpoint() -> frozenset[Capability]:
    return discover()["remote"].capabilities


def _declared(provider: Provider | None) -> dict[str, int]:
    return {name: declared.value for name, declared in provider.limits.items()} if provider is not None else {}


def _endpoint(given: dict[str, Any]) -> S3Endpoint:
    ca_file = given.pop("ca_file", None)
    return S3Endpoint(ca_file=Path(ca_file) if ca_file else None, **given)


def _effort(order: dict[str, Any], clauses: int) -> Effort:
    mode = Mode(order["mode"])
    return deep(order["budget_s"], clauses) if mode is Mode.DEEP and order.get("budget_s") else EFFORTS[mode]


def _expectations(order: dict[str, Any]) -> dict[str, Expectation]:
    path = order.get("expectations") or expectations.path_of(order["provider"])
    return read_expectations(Path(path)) if path else {}


if __name__ == "__main__":
    main()
