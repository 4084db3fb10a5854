"""Reads TOML files that people wrote, including people that we do not trust."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

from bucket_conformance.conformance.contract import ConformanceError

MAX_BYTES: Final = 16 * 1024 * 1024


class TomlError(ConformanceError):
    """Raised for a file that is not usable TOML. The message names the file and says what is wrong."""


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a file of at most ``MAX_BYTES``.

    Raises :class:`TomlError`, and ``OSError`` where the file cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise TomlError(f"{path}: more than {MAX_BYTES} bytes; a file of this suite is smaller")
    try:
        return parse_toml(content.decode("utf-8"), name=str(path))
    except UnicodeDecodeError as error:
        raise TomlError(f"{path}: not UTF-8: {error}") from None


def parse_toml(text: str, *, name: str) -> dict[str, Any]:
    """Return the content of a TOML text; ``name`` is how errors call it. Raises :class:`TomlError`."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise TomlError(f"{name}: nested too deeply") from None
    except ValueError as error:  # a TOMLDecodeError, or a number with too many digits
        raise TomlError(f"{name}: {error}") from None
