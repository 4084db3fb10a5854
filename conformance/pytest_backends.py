"""The backends of a pytest run: opened when their first clause runs, kept open, and closed at the end."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bucket_conformance.conformance.backend.errors import OpeningError
from bucket_conformance.conformance.backend.opening import open_session
from bucket_conformance.conformance.backend.remedies import removal_command
from bucket_conformance.conformance.backend.run_ids import new_run_id
from bucket_conformance.conformance.catalogue import Entry
from bucket_conformance.conformance.contract import Capability, ConformanceError
from bucket_conformance.conformance.effort import EFFORTS, Mode
from bucket_conformance.conformance.endpoint_options import UsageError, endpoint_of
from bucket_conformance.conformance.engine.run import Plan, header, judge_unless_dead, result_of, unjudged
from bucket_conformance.conformance.expectations import Expectation, ExpectationError, read_expectations
from bucket_conformance.conformance.report.document import Header, Result
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.target import S3Endpoint, StorageFactory, Target
from bucket_conformance.conformance.wire.exchange import Recorder
from bucket_conformance.providers import discover, expectations
from bucket_conformance.providers.provider import LaunchError, Provider, ProviderError


class BackendsError(ConformanceError):
    """Raised for options that name nothing to judge; the message says what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What a run could not remove of a backend, and the command that does; ``note``: what else is to be known."""

    left_behind: str = ""
    remove_with: str = ""
    note: str = ""


@dataclass(slots=True)
class _Open:
    session: Session
    target: Target
    header: Header
    plan: Plan
    dead: str = ""


@dataclass(slots=True)
class Backends:
    """The backends to judge, by name. Each worker of pytest-xdist opens its own."""

    providers: Mapping[str, Provider]
    targets: Mapping[str, tuple[Target, frozenset[Capability]]]
    mode: Mode
    seed: int
    keep_versions: bool = False
    _stack: ExitStack = field(default_factory=ExitStack)
    _open: dict[str, _Open] = field(default_factory=dict)
    _failed: dict[str, str] = field(default_factory=dict)
    _runs: dict[str, tuple[Recorder, str]] = field(default_factory=dict)
    """By backend: its recorder, and the command that removes what its run leaves."""

    @property
    def names(self) -> list[str]:
        """The names of the backends, in the order in which clauses run on them."""
        return [*self.providers, *self.targets]

    @classmethod
    def from_options(cls, options: argparse.Namespace, environ: Mapping[str, str]) -> Backends:
        """Return the backends that the options name, or ``local_disk`` where they name none.

        Raises :class:`BackendsError`.
        """
        if options.conformance_storage == "":
            raise BackendsError("--conformance-storage is empty; give a value, or leave the option out")
        try:
            known = discover([Path(path) for path in options.conformance_provider_file])
            endpoint = endpoint_of(
                argparse.Namespace(
                    endpoint=options.conformance_endpoint,
                    bucket=options.conformance_bucket,
                    region=options.conformance_region,
                    env=False,
                    virtual=False,
                    ca_file=None,
                ),
                environ,
                prefix="--conformance-",
            )
        except (ProviderError, UsageError) as error:
            raise BackendsError(str(error)) from None
        targets: dict[str, tuple[Target, frozenset[Capability]]] = {}
        if endpoint is not None:
            endpoint.pop("ca_file")
            keeping = bool(options.conformance_keep_versions)
            targets["endpoint"] = (S3Endpoint(**endpoint, keep_versions=keeping), known["remote"].capabilities)
        capabilities = _capabilities(options.conformance_capability)
        if capabilities and not options.conformance_storage:
            raise BackendsError("--conformance-capability goes with --conformance-storage")
        if options.conformance_storage:
            factory = StorageFactory(make=_factory(options.conformance_storage), name=options.conformance_storage)
            targets[options.conformance_storage] = (factory, capabilities)
        wanted = list(options.conformance_provider) or ([] if targets else ["local_disk"])
        for name in wanted:
            if name not in known:
                raise BackendsError(f"--conformance-provider {name}: unknown; known: {', '.join(sorted(known))}")
        return cls(
            providers={name: known[name] for name in wanted},
            targets=targets,
            mode=Mode(options.conformance_mode),
            seed=options.conformance_seed,
            keep_versions=bool(options.conformance_keep_versions),
        )

    def judge(self, name: str, entry: Entry) -> Result:
        """Return the result of one clause, as in a report. It is an ``error`` where the backend cannot be opened."""
        try:
            opened = self._opened(name)
        except BackendsError as error:
            return unjudged(entry, str(error), provider=name)
        judgement, opened.dead = judge_unless_dead(entry, opened.session, opened.plan, opened.dead)
        return result_of(entry, judgement, opened.session, opened.target, opened.plan, provider=name)

    def header(self, name: str) -> Header:
        """Return the header of the report for one backend."""
        if name in self._open:
            return self._open[name].header
        plan = Plan(entries=(), effort=EFFORTS[self.mode], seed=self.seed)
        title = self.providers[name].title if name in self.providers else name
        return header(provider=name, backend=title, backend_version="unknown", launch="unknown", plan=plan, target=None)

    def close(self) -> dict[str, Left]:
        """Close every session and stop every server; return what is left of each backend, and its note."""
        self._stack.close()
        return {
            name: Left(
                left_behind=recorder.left_behind,
                remove_with=remedy if recorder.left_behind else "",
                note=recorder.note,
            )
            for name, (recorder, remedy) in self._runs.items()
            if recorder.left_behind or recorder.note
        }

    def _opened(self, name: str) -> _Open:
        if name in self._failed:
            raise BackendsError(self._failed[name])
        if name not in self._open:
            try:
                self._open[name] = self._bring_up(name)
            except (LaunchError, OpeningError, ExpectationError) as error:
                log = getattr(error, "log", "")
                self._failed[name] = f"{error}" + (f"\nits log ends:\n{log[-2000:]}" if log else "")
                raise BackendsError(self._failed[name]) from None
        return self._open[name]

    def _bring_up(self, name: str) -> _Open:
        restart = None
        if name in self.targets:
            target, capabilities = self.targets[name]
            title, version, launch, known = name, "unknown", "remote", dict[str, Expectation]()
            limits = dict[str, int]()
        else:
            provider = self.providers[name]
            limits = {limited: declared.value for limited, declared in provider.limits.items()}
            running = self._stack.enter_context(provider.choose().start(lambda _: None))
            target, capabilities, title = running.target, provider.capabilities, provider.title
            version, launch, restart = running.version, running.launch.value, running.restart
            if isinstance(target, S3Endpoint) and self.keep_versions:
                target = replace(target, keep_versions=True)
            path = expectations.of(provider)
            known = read_expectations(path) if path else {}
        plan = Plan(entries=(), effort=EFFORTS[self.mode], seed=self.seed, expectations=known, declared=limits)
        run_id, recorder = new_run_id(), Recorder()
        self._runs[name] = (recorder, removal_command(target, [run_id]))
        session = self._stack.enter_context(
            open_session(target, capabilities=capabilities, run_id=run_id, recorder=recorder, restart=restart)
        )
        session.declared_limits = plan.declared
        head = header(provider=name, backend=title, backend_version=version, launch=launch, plan=plan, target=target)
        return _Open(session=session, target=target, header=head, plan=plan)


def _factory(name: str) -> Callable[[], Any]:
    module, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:  # the same as `python -m pytest`
        sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # an import runs code that is not ours
        raise BackendsError(
            f"--conformance-storage {name}: {type(error).__name__}: {error}; "
            f"write MODULE:FACTORY, importable from {here}"
        ) from None
    if not callable(found):
        raise BackendsError(f"--conformance-storage {name}: it is no callable that returns a storage")
    factory: Callable[[], Any] = found
    return factory


def _capabilities(names: list[str]) -> frozenset[Capability]:
    try:
        return frozenset(Capability(name) for name in names)
    except ValueError as error:
        raise BackendsError(f"--conformance-capability: {error}; known: {', '.join(Capability)}") from None
