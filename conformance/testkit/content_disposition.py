"""Parses a Content-Disposition header, strictly by RFC 6266 and RFC 8187."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED: Final = r'"(?:[\t !#-\[\]-~]|\\[\t -~])*"'
_TYPE: Final = re.compile(_TOKEN)
_PARAMETER: Final = re.compile(rf"[ \t]*;[ \t]*({_TOKEN})[ \t]*=[ \t]*({_TOKEN}|{_QUOTED})")
_EXTENDED: Final = re.compile(
    r"([A-Za-z0-9!#$%&+\-^_`{}~]+)'([A-Za-z0-9\-]*)'((?:%[0-9A-Fa-f]{2}|[!#$&+\-.^_`|~0-9A-Za-z])*)"
)


class HeaderError(ValueError):
    """Raised for a header that the grammar does not allow; the message says where."""


def parse(value: str) -> tuple[str, dict[str, str]]:
    """Return the disposition type and the parameters of a header.

    The type and the names of parameters are in lower case, the values are decoded, and ``filename*`` keeps its star.
    Raises :class:`HeaderError`.
    """
    found = _TYPE.match(value)
    if found is None:
        raise HeaderError(f"no disposition type in {value!r}")
    parameters: dict[str, str] = {}
    at = found.end()
    while at < len(value.rstrip(" \t")):
        parameter = _PARAMETER.match(value, at)
        if parameter is None:
            raise HeaderError(f"no parameter at character {at}: {value[at : at + 40]!r}")
        name = parameter[1].lower()
        if name in parameters:
            raise HeaderError(f"parameter {name!r} is given twice")
        parameters[name] = _extended(parameter[2]) if name.endswith("*") else _plain(parameter[2])
        at = parameter.end()
    return found[0].lower(), parameters


def file_name(value: str) -> str | None:
    """Return the file name that a browser uses: ``filename*`` before ``filename``; ``None`` where both are missing.

    Raises :class:`HeaderError`.
    """
    _, parameters = parse(value)
    return parameters.get("filename*", parameters.get("filename"))


def _plain(raw: str) -> str:
    return re.sub(r"\\(.)", r"\1", raw[1:-1]) if raw.startswith('"') else raw


def _extended(raw: str) -> str:
    found = _EXTENDED.fullmatch(raw)
    if found is None:
        raise HeaderError(f"not an extended value: {raw[:80]!r}")
    if found[1].upper() != "UTF-8":
        raise HeaderError(f"charset {found[1]!r}: RFC 8187 requires UTF-8")
    try:
        return unquote_to_bytes(found[3]).decode("utf-8")
    except UnicodeDecodeError as error:
        raise HeaderError(f"not UTF-8: {raw[:80]!r} ({error.reason} at byte {error.start})") from None
