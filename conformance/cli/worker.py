"""One provider in a process of its own: what to judge comes in on standard input, a report section goes out.

Started by :mod:`conformance.cli.workers`. A process each keeps providers apart: shifted clocks, patched calls, crashes.
Beside the lines of the report there are ``{"type": "progress", "text": …}`` lines.
"""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeGuard

from conformance.bucket_checks import OpeningError
from conformance.cli.orders import answering, plan_of, provider_of, stopped_or_done
from conformance.cli.siblings import Siblings
from conformance.contract import Capability
from conformance.run import header, run, unusable
from conformance.target import S3Endpoint, Target
from conformance.verdict import Verdict
from providers import discover
from providers.provider import Launch, LaunchError, LaunchKind, Provider, Unavailable

WORTH_SHARING: Final = 10
"""So many clauses take longer than the start of another process."""


def main() -> None:
    stopped_or_done(_judge)


def _judge() -> None:
    emit = answering()
    order = json.loads(sys.stdin.readline())

    def progress(text: str) -> None:
        emit({"type": "progress", "provider": order["provider"], "text": text})

    _run(order, emit, progress)


def _run(order: dict[str, Any], emit: Any, progress: Any) -> None:
    provider = provider_of(order)
    plan = plan_of(order, provider)
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
            siblings = Siblings(order, target, capabilities) if _may_be_shared(target, order) else None
            if siblings is not None:
                stack.enter_context(siblings)
            run(
                target,
                plan,
                emit,
                provider=order["provider"],
                capabilities=capabilities,
                run_id=order["run_id"],
                restart=restart,
                log=log_file,
                sharing=siblings,
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


def _may_be_shared(target: Target, order: dict[str, Any]) -> TypeGuard[S3Endpoint]:
    """Whether others may judge a part of it: not where requests are rationed, or where objects would have to travel."""
    return (
        order.get("siblings", 0) > 0
        and len(order["clauses"]) >= WORTH_SHARING
        and order.get("max_requests") is None
        and isinstance(target, S3Endpoint)
        and target.wrap is None
        and target.parts is None
    )


def _with_checksums(target: Target, order: dict[str, Any]) -> Target:
    mode = order.get("checksums")
    return replace(target, checksums=mode) if mode and isinstance(target, S3Endpoint) else target


def _capabilities_of_any_endpoint() -> frozenset[Capability]:
    return discover()["remote"].capabilities


def _endpoint(given: dict[str, Any]) -> S3Endpoint:
    ca_file = given.pop("ca_file", None)
    return S3Endpoint(ca_file=Path(ca_file) if ca_file else None, **given)


if __name__ == "__main__":
    main()
