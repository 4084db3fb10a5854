"""The page about the command line, from its own argument parsers."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from bucket_conformance.conformance.cli.main import parser
from docs.generator.markdown import code, table, text


def pages() -> dict[str, str]:
    return {"command-line.md": "\n".join(_page())}


def _page() -> Iterator[str]:
    top = parser()
    yield "# Command line"
    yield ""
    commands = _commands(top)
    yield table(
        ("command", ""),
        [(f"[{code(f'conformance {name}')}](#{name})", text(about)) for name, (_, about) in commands.items()],
    )
    for name, (command, about) in commands.items():
        yield f"## {name} {{#{name}}}"
        yield ""
        yield text(command.description or _sentence(about))
        yield ""
        yield f"```text\n{_usage(command)}\n```"
        yield ""
        yield from _options(command)
    yield "<!-- insert: exit-codes -->"
    yield ""


def _commands(top: argparse.ArgumentParser) -> dict[str, tuple[argparse.ArgumentParser, str]]:
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            about = {choice.dest: choice.help or "" for choice in action._choices_actions}
            return {name: (command, about[name]) for name, command in action.choices.items()}
    raise LookupError("the command line has no commands")


def _sentence(about: str) -> str:
    return about[:1].upper() + about[1:] + "."


def _usage(command: argparse.ArgumentParser) -> str:
    formatter = argparse.HelpFormatter(command.prog, width=100)
    formatter.add_usage(command.usage, command._actions, command._mutually_exclusive_groups)
    return formatter.format_help().strip()


def _options(command: argparse.ArgumentParser) -> Iterator[str]:
    for group in command._action_groups:
        shown = [action for action in group._group_actions if not isinstance(action, argparse._HelpAction)]
        shown = [action for action in shown if action.help is not argparse.SUPPRESS]
        if not shown:
            continue
        title = group.title or ""
        yield f"**{text(title.capitalize())}**"
        yield ""
        yield table(("argument", "meaning"), [(_name(action), text(_help(action, command))) for action in shown])


def _name(action: argparse.Action) -> str:
    value = action.metavar
    if value is None and action.choices is not None:
        value = "{" + ",".join(str(choice) for choice in action.choices) + "}"
    if isinstance(value, tuple):
        value = " ".join(value)
    if not action.option_strings:
        return code(str(value or action.dest))
    value = "" if action.nargs == 0 else f" {value or action.dest.upper()}"
    return ", ".join(code(f"{option}{value}") for option in action.option_strings)


def _help(action: argparse.Action, command: argparse.ArgumentParser) -> str:
    return (action.help or "") % {**vars(action), "prog": command.prog}
