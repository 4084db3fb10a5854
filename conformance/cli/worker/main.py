"""One provider in a process of its own: what to judge comes in on standard input, a report section goes out.

Started by :mod:`pool` through :mod:`prestart`. A process each keeps providers apart:
shifted clocks, patched calls, crashes.
Beside the lines of the report there are ``{"type": "progress", "text": …}`` lines, and one ``{"type": "opening", …}``.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Final, TypeGuard

from bucket_conformance.conformance.backend.errors import OpeningError
from bucket_conformance.conformance.backend.remedies import removal_command
from bucket_conformance.conformance.child_process import ChildProcess
from bucket_conformance.conformance.cli.worker.helpers import Siblings
from bucket_conformance.conformance.cli.worker.job import (
    answering,
    await_order,
    endpoint_from,
    plan_of,
    provider_of,
    stopped_or_done,
)
from bucket_conformance.conformance.contract import Capability
from bucket_conformance.conformance.engine.run import header, run, unusable
from bucket_conformance.conformance.target import DiskRoot, S3Endpoint, Target
from bucket_conformance.conformance.verdict import Verdict
from bucket_conformance.providers import discover
from bucket_conformance.providers.provider import Launch, LaunchError, LaunchKind, Provider, Unavailable

WORTH_SHARING: Final = 10
"""So many clauses take longer than the start of another process."""


def main(siblings: Sequence[ChildProcess] = ()) -> None:
    """Judge what is ordered. ``siblings``: those who may share the clauses, where they have been started already."""
    stopped_or_done(lambda: _judge(siblings))


def _judge(started: Sequence[ChildProcess]) -> None:
    emit = answering()
    order = await_order(emit)
    if order is None:
        return

    def progress(text: str) -> None:
        emit({"type": "progress", "provider": order["provider"], "text": text})

    _run(order, emit, progress, started)


def _run(order: dict[str, Any], emit: Any, progress: Any, started: Sequence[ChildProcess]) -> None:
    provider = provider_of(order)
    plan = plan_of(order, provider)
    with ExitStack() as stack:
        target: Target | None = None
        version, launch, capabilities = "unknown", order.get("launch") or "remote", frozenset[Capability]()
        restart, log_file = None, None
        title = order["provider"]

        def head() -> dict[str, Any]:
            return header(
                provider=order["provider"],
                backend=title,
                backend_version=version,
                launch=launch,
                plan=plan,
                target=target,
            )

        siblings = stack.enter_context(Siblings(order, started)) if _worth_sharing(order) else None
        try:
            if order.get("endpoint") is not None:
                target, launch = _as_ordered(endpoint_from(order["endpoint"]), order), LaunchKind.REMOTE.value
                capabilities = _capabilities_of_any_endpoint()
            else:
                assert provider is not None
                title, capabilities = provider.title, provider.capabilities
                chosen_launch = _launch(provider, order)
                if order.get("install"):
                    chosen_launch.install(progress)
                running = stack.enter_context(chosen_launch.start(progress))
                target, version = _as_ordered(running.target, order), running.version
                launch = running.launch.value
                restart, log_file = running.restart, running.log
            run_ids = [order["run_id"], *(siblings.run_ids if siblings is not None else ())]
            remedy = removal_command(target, run_ids)
            if remedy:
                # Before anything is made: whoever listens may be all that is left of us.
                emit({"type": "opening", "provider": order["provider"], "remove_with": remedy})
            emit(head())
            sharing = None
            if siblings is not None and _may_be_shared(target):
                siblings.share(target, capabilities)
                stack.callback(siblings.end)  # while the backend still runs
                sharing = siblings
            run(
                target,
                plan,
                emit,
                provider=order["provider"],
                capabilities=capabilities,
                run_id=order["run_id"],
                restart=restart,
                log=log_file,
                sharing=sharing,
            )
        except (LaunchError, OpeningError) as error:
            skipped = bool(order.get("skip_missing")) and isinstance(error, Unavailable)
            verdict = Verdict.SKIPPED if skipped else Verdict.ERROR
            unusable(head(), plan, emit, error, header_sent=target is not None, verdict=verdict)
            log = getattr(error, "log", "")
            if log:
                progress(f"its log ends:\n{log[-2000:]}")


def _launch(provider: Provider, order: dict[str, Any]) -> Launch:
    wanted = LaunchKind(order["launch"]) if order.get("launch") else None
    provider = provider.over_https() if order.get("tls") else provider
    return provider.choose(wanted, installing=bool(order.get("install")))


def _worth_sharing(order: dict[str, Any]) -> bool:
    return order.get("siblings", 0) > 0 and len(order["clauses"]) >= WORTH_SHARING


def _may_be_shared(target: Target) -> TypeGuard[S3Endpoint | DiskRoot]:
    """Whether others can reach it: not where objects of Python would have to travel."""
    return isinstance(target, S3Endpoint | DiskRoot) and target.wrap is None and target.parts is None


def _as_ordered(target: Target, order: dict[str, Any]) -> Target:
    """Return the target with what the command line says of the way to use it."""
    if not isinstance(target, S3Endpoint):
        return target
    mode = order.get("checksums")
    return replace(
        target,
        checksums=mode or target.checksums,
        keep_versions=target.keep_versions or bool(order.get("keep_versions")),
    )


def _capabilities_of_any_endpoint() -> frozenset[Capability]:
    return discover()["remote"].capabilities
