"""Judges one provider in its own process: a job comes in on standard input, a report section goes out.

Started by :mod:`pool` through :mod:`prestart`. A process each keeps providers apart:
shifted clocks, patched calls, crashes.
Next to the lines of the report there are ``{"type": "progress", "text": …}`` lines, and one ``{"type": "opening", …}``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Final, TypeGuard

from bucket_conformance.conformance.backend.child_process import ChildProcess
from bucket_conformance.conformance.backend.errors import OpeningError
from bucket_conformance.conformance.backend.remedies import removal_command
from bucket_conformance.conformance.cli.worker.helpers import Helpers
from bucket_conformance.conformance.cli.worker.job import (
    answering,
    await_order,
    plan_of,
    provider_of,
    stopped_or_done,
)
from bucket_conformance.conformance.cli.worker.job_record import Job
from bucket_conformance.conformance.contract import Capability
from bucket_conformance.conformance.engine.run import Emit, header, run, unusable
from bucket_conformance.conformance.report.document import Header, Opening, Progress
from bucket_conformance.conformance.target import DiskRoot, S3Endpoint, Target
from bucket_conformance.conformance.verdict import Verdict
from bucket_conformance.providers import discover
from bucket_conformance.providers.provider import Launch, LaunchError, LaunchKind, Provider, Unavailable

WORTH_SHARING: Final = 10
"""So many clauses take longer than the start of another process."""


def main(helpers: Sequence[ChildProcess] = ()) -> None:
    """Judge the job. ``helpers``: helpers that have been started already and may share the clauses."""
    stopped_or_done(lambda: _judge(helpers))


def _judge(started: Sequence[ChildProcess]) -> None:
    emit = answering()
    job = await_order(emit)
    if job is None:
        return

    def progress(text: str) -> None:
        emit(Progress(provider=job.provider, text=text))

    _run(job, emit, progress, started)


def _run(job: Job, emit: Emit, progress: Callable[[str], None], started: Sequence[ChildProcess]) -> None:
    provider = provider_of(job)
    plan = plan_of(job, provider)
    with ExitStack() as stack:
        target: Target | None = None
        version, launch, capabilities = "unknown", job.launch or "remote", frozenset[Capability]()
        restart, log_file = None, None
        title = job.provider

        def head() -> Header:
            return header(
                provider=job.provider,
                backend=title,
                backend_version=version,
                launch=launch,
                plan=plan,
                target=target,
            )

        helpers = stack.enter_context(Helpers(job, started)) if _worth_sharing(job) else None
        try:
            if job.endpoint is not None:
                target, launch = _as_ordered(job.endpoint.target(), job), LaunchKind.REMOTE.value
                capabilities = _capabilities_of_any_endpoint()
            else:
                assert provider is not None
                title, capabilities = provider.title, provider.capabilities
                chosen_launch = _launch(provider, job)
                if job.install:
                    chosen_launch.install(progress)
                running = stack.enter_context(chosen_launch.start(progress))
                target, version = _as_ordered(running.target, job), running.version
                launch = running.launch.value
                restart, log_file = running.restart, running.log
            run_ids = [job.run_id, *(helpers.run_ids if helpers is not None else ())]
            remedy = removal_command(target, run_ids)
            if remedy:
                # Before anything is created: if this process is killed, its parent still knows the command.
                emit(Opening(provider=job.provider, remove_with=remedy))
            emit(head())
            sharing = None
            if helpers is not None and _may_be_shared(target):
                helpers.share(target, capabilities)
                stack.callback(helpers.end)  # while the backend still runs
                sharing = helpers
            run(
                target,
                plan,
                emit,
                provider=job.provider,
                capabilities=capabilities,
                run_id=job.run_id,
                restart=restart,
                log=log_file,
                sharing=sharing,
            )
        except (LaunchError, OpeningError) as error:
            skipped = job.skip_missing and isinstance(error, Unavailable)
            verdict = Verdict.SKIPPED if skipped else Verdict.ERROR
            unusable(head(), plan, emit, error, header_sent=target is not None, verdict=verdict)
            log = getattr(error, "log", "")
            if log:
                progress(f"its log ends:\n{log[-2000:]}")


def _launch(provider: Provider, job: Job) -> Launch:
    wanted = LaunchKind(job.launch) if job.launch else None
    provider = provider.over_https() if job.tls else provider
    return provider.choose(wanted, installing=job.install)


def _worth_sharing(job: Job) -> bool:
    return job.helpers > 0 and len(job.clauses) >= WORTH_SHARING


def _may_be_shared(target: Target) -> TypeGuard[S3Endpoint | DiskRoot]:
    """Return whether another process can reach the target: not where Python objects would have to be sent."""
    return isinstance(target, S3Endpoint | DiskRoot) and target.wrap is None and target.parts is None


def _as_ordered(target: Target, job: Job) -> Target:
    """Return the target with what the command line says of the way to use it."""
    if not isinstance(target, S3Endpoint):
        return target
    return replace(
        target,
        checksums=job.checksums or target.checksums,
        keep_versions=target.keep_versions or job.keep_versions,
    )


def _capabilities_of_any_endpoint() -> frozenset[Capability]:
    return discover()["remote"].capabilities
