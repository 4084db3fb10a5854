"""Escapes untrusted text: one function per kind of output. Every renderer passes text of reports through these.

A report, a baseline, a provider file and each word of a server may come from an attacker who wants to control a
terminal, give a CI system commands, load a script, or end a quote in a shell.
"""

from __future__ import annotations

import re
import shlex
import sys
from typing import IO, Final

import markupsafe

_XML_ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot carry in any form."""
_COMMAND_AT_START: Final = re.compile(r"^([^\S\n]*):(?=:)", re.MULTILINE)
_COMMAND_ANYWHERE: Final = re.compile(r"##(?=[A-Za-z]*\[)")
_MARKDOWN: Final = re.compile(r"([\\`*_\[\]|~#@])")
_CODE_SPAN: Final = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
_PLAIN_ADDRESS: Final = re.compile(r"https?://[A-Za-z0-9._~:/?#@$&+,;=%-]{1,1000}")
LONGEST_CODE: Final = 400


def visible(text: str) -> str:
    """Return text with whatever would control a terminal or a log written as an escape; line ends stay."""
    if text.isprintable():
        return text
    # Loaded only when needed: every command begins with this module.
    from bucket_conformance.conformance.wire.exchange import visible as escaped

    return escaped(text)


def terminal(text: object) -> str:
    """Return text for a terminal or the log of a job, line ends kept.

    What would control a terminal (escape sequences, control characters, characters that turn the direction of writing)
    is written as an escape. No line begins with ``::`` and none holds ``##[``, which CI systems take for commands.
    """
    return log(visible(str(text)))


def log(text: str) -> str:
    """Return lines without commands to CI systems; everything else stays."""
    return _COMMAND_ANYWHERE.sub("# #", _COMMAND_AT_START.sub(r"\1: ", text))


def line(text: object) -> str:
    """Return text for a terminal as one line."""
    return terminal(" ".join(str(text).split()))


def echo(text: object, *, file: IO[str] | None = None, flush: bool = False) -> None:
    """Print text for a terminal or a log, as :func:`terminal` gives it."""
    print(terminal(text), file=file or sys.stdout, flush=flush)


def html(text: object) -> str:
    """Return text for HTML, within an element or a quoted attribute."""
    return str(markupsafe.escape(str(text)))


def html_prose(text: object) -> str:
    """Return text for HTML within an element, where spans between backticks become code."""
    parts = str(text).split("`")
    if len(parts) % 2 == 0:  # a backtick without its partner is only text
        return html(text)
    return "".join(f"<code>{html(part)}</code>" if at % 2 else html(part) for at, part in enumerate(parts))


def xml(text: object) -> str:
    """Return text that XML 1.0 can carry; the writer of XML escapes it."""
    return _XML_ILLEGAL.sub("\ufffd", str(text))


def markdown(text: object) -> str:
    """Return text in one line that Markdown and HTML take for nothing else."""
    return _escaped(_flat(text))


def markdown_prose(text: object) -> str:
    """Return text in one line whose spans of code stay code; all else is taken for nothing but text."""
    flat, at = _flat(text), 0
    out: list[str] = []
    for span in _CODE_SPAN.finditer(flat):
        out += [_escaped(flat[at : span.start()]), markdown_code(span[2].strip(), longest=None)]
        at = span.end()
    return "".join([*out, _escaped(flat[at:])])


def markdown_code(text: object, *, longest: int | None = LONGEST_CODE) -> str:
    """Return text in one line as a span of code, shortened where it is long."""
    flat = _flat(text)
    if longest is not None and len(flat) > longest:
        flat = flat[:longest] + "…"
    fence = _fence(flat, 1)
    pad = " " if not flat or flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def markdown_address(address: object) -> str:
    """Return an address that a reader of Markdown may link as it stands; what is no plain one is only text."""
    text = str(address)
    return text if _PLAIN_ADDRESS.fullmatch(text) else markdown(text)


def markdown_block(text: str, language: str = "") -> str:
    """Return lines as a block of code that nothing in them can end."""
    fence = _fence(text, 3)
    return f"{fence}{language}\n{visible(text)}\n{fence}"


def markdown_cell(rendered: str) -> str:
    """Return Markdown (of the functions above) for a cell of a table, where a bar ends even a span of code."""
    return re.sub(r"(?<!\\)\|", r"\\|", rendered)


def shell(value: object) -> str:
    """Return a value for the right side of ``NAME=`` in a shell or an environment file. ``ValueError`` for lines."""
    text = str(value)
    if not text.isprintable():
        raise ValueError(f"{text!a} holds a control character")
    return shlex.quote(text)


def comment(text: object) -> str:
    """Return text for a comment that ends with its line: in a shell, an environment file or TOML."""
    return visible(_flat(text))


def toml(text: object) -> str:
    """Return text that TOML can carry; tomlkit quotes it. Lone surrogates are no text there."""
    return "".join("\ufffd" if "\ud800" <= sign <= "\udfff" else sign for sign in str(text))


def file_name(text: object) -> str:
    """Return a name for a file or a directory: no separator, no leading dot, never empty."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", str(text)).lstrip(".")[:100] or "_"


def _flat(text: object) -> str:
    return visible(" ".join(str(text).split()))


def _escaped(flat: str) -> str:
    return _MARKDOWN.sub(r"\\\1", flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def _fence(text: str, least: int) -> str:
    return "`" * max(least, *(len(run) + 1 for run in re.findall(r"`+", text)), least)
