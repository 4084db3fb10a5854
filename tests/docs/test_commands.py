"""Every command on a page is valid: those that the examples do not run (see ``test_examples``) are at least parsed."""

from __future__ import annotations

import argparse
import configparser
import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from markdown_it import MarkdownIt

from bucket_conformance.conformance.cli.main import parser
from bucket_conformance.providers import discover
from docs.generator import generated
from docs.generator.inserts import with_inserts
from tests.docs.pages import ROOT

BY_HAND: Final = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *ROOT.glob("examples/*/README.md"),
]
PAGES: Final = {
    **{path: content for path, content in generated().items() if path.endswith(".md")},
    **{path.relative_to(ROOT).as_posix(): with_inserts(path.read_text("utf-8")) for path in BY_HAND},
}
PROGRAMS: Final = ("conformance", "pytest", "python", "tox")
_PLACEHOLDER: Final = re.compile(r"[A-Z][A-Z-]+|.*…")


def commands(text: str) -> Iterator[tuple[list[str], bool]]:
    """Yield the words of each of our commands on a page, and whether it is whole: in prose it may be only a part."""
    for token in MarkdownIt("commonmark").parse(text):
        if token.type == "fence" and token.info == "sh":
            for words in _simple_commands(token.content):
                yield words, True
        for child in token.children or ():
            if child.type == "code_inline" and not child.content.endswith(" "):
                yield from ((words, False) for words in _simple_commands(child.content))


def _simple_commands(script: str) -> Iterator[list[str]]:
    for line in script.replace("\\\n", " ").splitlines():
        try:
            words = _words(line)
        except ValueError:  # no shell: a quotation mark in prose
            continue
        command: list[str] = []
        for word in [*words, ";"]:
            if word in ("||", "&&", "|", ";", ">", ">>"):
                if command and Path(command[0]).name in PROGRAMS:
                    yield [Path(command[0]).name, *command[1:]]
                command = []
            else:
                command.append(word)


def _words(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";|&>")
    lexer.whitespace_split = True
    return list(lexer)


FOUND: Final = [(page, words, whole) for page, text in PAGES.items() for words, whole in commands(text)]


def shown(program: str, *, whole: bool | None = None) -> list[tuple[str, list[str], bool]]:
    found = [one for one in FOUND if one[1][0] == program and whole in (None, one[2])]
    assert found, program
    return found


def test_a_line_of_conformance_is_parsed_by_it(capsys: pytest.CaptureFixture[str]) -> None:
    for page, words, _ in shown("conformance", whole=True):
        try:
            parser().parse_args(words[1:])
        except SystemExit:
            pytest.fail(f"{page}: {shlex.join(words)}: {capsys.readouterr().err}")


def test_prose_names_commands_and_options_that_there_are() -> None:
    (known,) = [action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)]
    for page, words, _ in shown("conformance", whole=False):
        given = [word for word in words[1:] if not _PLACEHOLDER.fullmatch(word)]
        if not given:
            continue
        assert given[0] in known.choices, f"{page}: {shlex.join(words)}"
        options = known.choices[given[0]]._option_string_actions
        unknown = [word for word in given if re.match("-.", word) and word.partition("=")[0] not in options]
        assert not unknown, f"{page}: {shlex.join(words)}: {unknown}"


def test_options_of_pytest_are_registered(pytestconfig: pytest.Config) -> None:
    for _, words, _ in shown("pytest"):
        for option in (word.partition("=")[0] for word in words if word.startswith("--conformance")):
            pytestconfig.getoption(option)  # an unknown one is a ValueError that names it


def test_environments_of_tox_are_there() -> None:
    ini = configparser.ConfigParser()
    ini.read(ROOT / "tox.ini", encoding="utf-8")
    known = {name.removeprefix("testenv:") for name in ini.sections()} | {"py"} | set(discover())
    for page, words, _ in shown("tox"):
        for name in [words[at + 1] for at, word in enumerate(words[:-1]) if word == "-e"]:
            assert re.sub(r"-boto\d+$", "", name) in known, f"{page}: {shlex.join(words)}"


def test_modules_that_are_to_be_run_are_there() -> None:
    for page, words, _ in shown("python"):
        if "-m" in words[:-1]:
            name = words[words.index("-m") + 1]
            if name.partition(".")[0] in ("conformance", "providers", "reference_impl", "tests", "benchmarks", "docs"):
                assert importlib.util.find_spec(name), f"{page}: {shlex.join(words)}"
