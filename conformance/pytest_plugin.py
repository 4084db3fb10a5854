"""The pytest plugin: each clause is a test, once per provider.

``pytest --pyargs bucket_conformance --conformance-provider minio``; works with ``-k``, ``-n``, ``--lf`` and
``--junitxml``. Every option begins with ``--conformance-``, so that none collides with an option of a project or of
another plugin. The plugin imports nothing of the suite until a clause is collected, so that it costs other projects
nothing.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from bucket_conformance.conformance.catalogue import Entry
    from bucket_conformance.conformance.pytest_backends import Backends
    from bucket_conformance.conformance.report.document import Result

CLAUSES: Final = Path(__file__).parent / "clauses"

_NAMING: Final = (
    "--conformance-provider",
    "--conformance-provider-file",
    "--conformance-storage",
    "--conformance-capability",
    "--conformance-endpoint",
    "--conformance-bucket",
    "--conformance-region",
)
"""The options that say what to judge."""

_BACKENDS: Final = pytest.StashKey["Backends"]()
_LEFT: Final = pytest.StashKey[dict[str, dict[str, str]]]()
"""By backend (and worker of pytest-xdist, where they are several): what is left of it, as in a report's footer."""
_LEFT_BY_WORKER: Final = "conformance_left"
_SECTIONS: Final = pytest.StashKey[dict[str, tuple[dict[str, Any], list[dict[str, Any]]]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance", "object storage conformance")
    group.addoption(
        "--conformance-provider", action="append", default=[], metavar="ID", help="judge this provider; repeatable"
    )
    group.addoption(
        "--conformance-provider-file", action="append", default=[], metavar="FILE", help="your own provider"
    )
    group.addoption(
        "--conformance-storage", metavar="MODULE:FACTORY", help="judge the storage that this callable returns"
    )
    group.addoption(
        "--conformance-capability",
        action="append",
        default=[],
        metavar="NAME",
        help="a capability of that storage; repeatable",
    )
    group.addoption(
        "--conformance-endpoint",
        metavar="URL",
        help="judge this S3 endpoint; the credentials come from the environment",
    )
    group.addoption("--conformance-bucket", metavar="NAME", help="existing bucket at the endpoint")
    group.addoption("--conformance-region", metavar="NAME", help="region to sign for")
    group.addoption(
        "--conformance-keep-versions",
        action="store_true",
        help="use a bucket that keeps old versions even where those of the run cannot be removed; they stay",
    )
    group.addoption(
        "--conformance-profile", action="append", default=[], choices=("core", "s3"), help="judge only this profile"
    )
    group.addoption(
        "--conformance-mode",
        default="default",
        choices=("quick", "default"),
        help="number of generated examples (default: default)",
    )
    group.addoption("--conformance-seed", type=int, default=0, metavar="N", help="seed of the generated data")
    group.addoption("--conformance-report", metavar="FILE", help="write the report document (JSON Lines)")
    group.addoption(
        "--conformance-public",
        action="store_true",
        help="withhold the evidence of undisclosed attacks from the report and from the output",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix == ".py" and file_path.parent == CLAUSES and not file_path.name.startswith("_"):
        collector: pytest.Collector = ClauseFile.from_parent(parent, path=file_path)
        return collector
    return None


class ClauseFile(pytest.File):
    """One file of clauses: each clause once per selected backend."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield a test for each clause in this file and each backend."""
        from bucket_conformance.conformance.catalogue import select
        from bucket_conformance.conformance.contract import Profile

        backends = _backends(self.config)
        profiles = [Profile(name) for name in self.config.getoption("--conformance-profile")]
        module = f"bucket_conformance.conformance.clauses.{self.path.stem}"
        for entry in select(profiles=profiles):
            if entry.cases[0].function.__module__ == module:
                for backend in backends.names:
                    name = f"{entry.clause.id}[{backend}]"
                    # A string, so that pytest parses it like the ids in its cache, with a separate bracket.
                    nodeid = f"{self.nodeid}::{name}"
                    yield ClauseItem.from_parent(self, name=name, nodeid=nodeid, entry=entry, backend=backend)


class ClauseItem(pytest.Item):
    """One clause on one backend."""

    def __init__(self, *, entry: Entry, backend: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.entry = entry
        self.backend = backend
        self.result: Result | None = None
        clause = entry.clause
        self.extra_keyword_matches.update(
            {
                clause.id,
                clause.profile.value,
                clause.level.value,
                *(case.name.rpartition(".")[2] for case in entry.cases),
            }
        )

    def runtest(self) -> None:
        """Judge the clause. Raises :class:`ClauseFailure` for a deviation from a MUST, and for an error."""
        self.result = _backends(self.config).judge(self.backend, self.entry)
        shown = self._shown(self.result)
        verdict, level, reason = shown.verdict, shown.level, shown.reason
        if verdict == "deviates":
            if shown.expected:
                pytest.xfail(f"expected: {shown.known}")
            if level != "MUST":
                pytest.xfail(f"{level}: {_sentence(shown)}")
            raise ClauseFailure(_text(shown))
        if verdict == "error":
            raise ClauseFailure(f"the suite failed, which says nothing about the backend: {reason}")
        if verdict != "conforms":
            pytest.skip(f"{verdict}: {reason}")

    def _shown(self, result: Result) -> Result:
        """Return the result in the form that pytest may print. It is printed before the other clauses are judged."""
        if not self.config.getoption("--conformance-public"):
            return result
        from bucket_conformance.conformance.report.disclosure import published_alone

        return published_alone(result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, ClauseFailure):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name


class ClauseFailure(Exception):
    """A deviation, in the form in which pytest prints it."""


def _sentence(result: Result) -> str:
    seen = result.observation
    return f"promised {seen.promised}, observed {seen.observed}" if seen is not None else "promised ?, observed ?"


def _text(result: Result) -> str:
    seen = result.observation
    why = "" if result.evidence is not None else result.reason
    lines = [
        f"{result.clause} ({result.level}): {result.statement}",
        f"  promised   {seen.promised if seen is not None else '?'}",
        f"  observed   {seen.observed if seen is not None else '?'}",
        f"  because    {why}" if why else f"  example    {result.example or 'the only one'}",
        *(f"  source     {source}" for source in result.sources),
    ]
    if result.transcript:
        lines += ["", result.transcript]
    return "\n".join(lines)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if isinstance(item, ClauseItem) and call.when == "call" and item.result is not None:
        # pytest-xdist sends attributes of a report, as plain data, from its workers to the process that writes it.
        report.conformance = {  # type: ignore[attr-defined]
            "header": _backends(item.config).header(item.backend).to_json(),
            "result": item.result.to_json(),
        }
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    found = getattr(report, "conformance", None)
    if found is not None and _state.config is not None:
        sections = _state.config.stash.setdefault(_SECTIONS, {})
        sections.setdefault(found["header"]["provider"], (found["header"], []))[1].append(found["result"])


class _State:
    """The configuration of the running process, because pytest passes none to ``logreport``."""

    config: pytest.Config | None = None


_state: Final = _State()


def pytest_configure(config: pytest.Config) -> None:
    _state.config = config
    # An empty value names something too: it usually comes from a variable that is not set.
    if any(config.getoption(option) not in (None, []) for option in _NAMING) and not config.option.help:
        _backends(config)  # a wrong name ends the run before collection
    path = config.getoption("--conformance-report")
    if path and not hasattr(config, "workerinput"):
        try:
            Path(path).write_text("", encoding="ascii")
        except OSError as error:
            raise pytest.UsageError(f"--conformance-report {path}: {error.strerror}") from None


def pytest_unconfigure(config: pytest.Config) -> None:
    _state.config = None
    backends = config.stash.get(_BACKENDS, None)
    if backends is not None:
        backends.close()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: Any) -> None:
    """Take in what a worker of pytest-xdist has left; one that crashed could not say."""
    notes = (getattr(node, "workeroutput", None) or {}).get(_LEFT_BY_WORKER, {})
    _note_left(node.config, notes)


def _note_left(config: pytest.Config, notes: Mapping[str, Mapping[str, str]]) -> None:
    known = config.stash.setdefault(_LEFT, {})
    for name, more in notes.items():
        before = known.get(name, {})
        known[name] = {
            field: separator.join(dict.fromkeys(filter(None, (before.get(field, ""), more.get(field, "")))))
            for field, separator in (("left_behind", "; "), ("remove_with", "\n"), ("note", "; "))
        }


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    left = config.stash.get(_LEFT, {})
    if not left:
        return
    from bucket_conformance.conformance.report.untrusted import terminal

    terminalreporter.section("conformance: what to know of the run")
    for name, notes in left.items():
        if notes["note"]:
            terminalreporter.line(terminal(f"{name}: note: {notes['note']}"))
        if notes["left_behind"]:
            terminalreporter.line(terminal(f"{name}: could not be removed: {notes['left_behind']}"), red=True)
        if notes["remove_with"]:
            terminalreporter.line("    this removes it, with credentials in the environment as for the run:")
            for command in notes["remove_with"].splitlines():
                terminalreporter.line(terminal(f"    {command}"))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int | pytest.ExitCode) -> None:
    backends = session.config.stash.get(_BACKENDS, None)
    if backends is not None:
        from dataclasses import asdict

        left = {name: asdict(each) for name, each in backends.close().items()}
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput[_LEFT_BY_WORKER] = left
        _note_left(session.config, left)
    path = session.config.getoption("--conformance-report")
    sections = session.config.stash.get(_SECTIONS, {})
    if not path or hasattr(session.config, "workerinput"):
        return
    from msgspec.structs import replace

    from bucket_conformance.conformance.report.disclosure import published
    from bucket_conformance.conformance.report.document import DocumentError, Header, Result, Section, footer, line

    public = session.config.getoption("--conformance-public")
    # Clauses that -k or -m excluded are the operator's choice; clauses that were never reached are missing.
    whole = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and not session.shouldfail
    try:
        with Path(path).open("w", encoding="ascii") as out:
            for header, found in sections.values():
                section = Section(header=Header.from_json(header), results=[Result.from_json(each) for each in found])
                results = published(section).results if public else section.results
                out.write(line(replace(section.header, clauses=len(results))))
                out.writelines(line(result) for result in results)
                duration = sum(result.duration_s for result in results)
                notes = session.config.stash.get(_LEFT, {}).get(section.header.provider, {})
                closing = footer(
                    results,
                    duration_s=duration,
                    complete=whole,
                    left_behind=notes.get("left_behind", ""),
                    remove_with=notes.get("remove_with", ""),
                    note=notes.get("note", ""),
                )
                out.write(line(closing))
    except (OSError, DocumentError) as error:
        # An exception here would hide the failures; an exit code of success would hide that the report is missing.
        why = error.strerror if isinstance(error, OSError) else str(error)
        session.config.get_terminal_writer().line(f"\n--conformance-report {path}: {why}", red=True)
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR


def _backends(config: pytest.Config) -> Backends:
    found = config.stash.get(_BACKENDS, None)
    if found is None:
        from bucket_conformance.conformance.pytest_backends import Backends, BackendsError

        try:
            found = Backends.from_options(config.option, os.environ)
        except BackendsError as error:
            raise pytest.UsageError(str(error)) from None
        config.stash[_BACKENDS] = found
    return found
