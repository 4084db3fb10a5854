"""Generated pieces of pages that are written manually.

They are between ``<!-- insert: NAME -->`` and ``<!-- end -->``, and are committed, so that the pages are complete
without the site. ``python -m docs.generator.inserts`` updates them; building the site does so as well.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from bucket_conformance.conformance.cli.exit_codes import ExitCode
from bucket_conformance.conformance.contract import Capability
from docs.generator import power
from docs.generator.decisions import title_of
from docs.generator.markdown import code, table

ROOT: Final = Path(__file__).parent.parent.parent
_MARK: Final = re.compile(r"<!-- insert: ([a-z-]+) -->(?:(?:(?!<!-- insert: ).)*?<!-- end -->)?", re.DOTALL)

EXIT_CODES: Final[Mapping[ExitCode, str]] = {
    ExitCode.OK: "as expected",
    ExitCode.REGRESSION: "a deviation from a MUST that was not expected; for `gate`: something got worse",
    ExitCode.USAGE: "wrong usage: an option, a file or a name; the message says what is allowed",
    ExitCode.HARNESS: "a backend could not be judged, a MUST of the core could not be decided, or a report is broken",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C); the run removes what it created",
    ExitCode.BROKEN_PIPE: "the reader of the output was closed",
}


def with_inserts(markdown: str) -> str:
    """Return a page with its marks replaced. Raises ``LookupError`` for an unknown mark."""
    return _MARK.sub(lambda mark: _insert(mark[1]), markdown)


def refreshed(markdown: str) -> str:
    """Return a page with its generated pieces updated and its marks kept. Raises ``LookupError`` for unknown marks."""
    return _MARK.sub(lambda mark: f"<!-- insert: {mark[1]} -->{_insert(mark[1])}<!-- end -->", markdown)


def _insert(name: str) -> str:
    if name not in INSERTS:
        raise LookupError(f"<!-- insert: {name} -->: known are {', '.join(sorted(INSERTS))}")
    return INSERTS[name]()


def _exit_codes() -> str:
    rows = [(str(exit_code.value), EXIT_CODES[exit_code]) for exit_code in ExitCode]
    return "\n## Exit codes\n\n" + table(("code", "meaning"), rows) + "\n"


def _layers() -> str:
    return (
        '\n<ol class="layers">\n'
        + "".join(f"<li>{''.join(f'<code>{name}</code>' for name in layer)}</li>\n" for layer in layers())
        + "</ol>\n"
    )


def layers() -> list[list[str]]:
    """Return the layers of the suite as in the configuration of import-linter, highest first."""
    configuration: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for contract in configuration["tool"]["importlinter"]["contracts"]:
        if contract["type"] == "layers":
            return [
                [name.strip().removeprefix("conformance.") for name in layer.split("|")] for layer in contract["layers"]
            ]
    raise LookupError("pyproject.toml holds no contract of layers")


def _rules() -> str:
    configuration: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = configuration["tool"]["importlinter"]["contracts"]
    rules = [contract["name"] for contract in contracts if contract["type"] != "layers"]
    return "\n" + "".join(f"- {rule}\n" for rule in rules) + "\n"


def _capabilities() -> str:
    return ", ".join(code(capability) for capability in sorted(Capability))


def _examples() -> str:
    pages = sorted((ROOT / "examples").glob("*/README.md"))
    if not pages:
        return ""
    listed = "".join(f"- `examples/{page.parent.name}`: {title_of(page)}\n" for page in pages) + "\n"
    return f"\n## Complete examples\n\nEach is a complete project with its workflow:\n\n{listed}"


def _kill_table() -> str:
    return f"[kill table]({power.PAGE.name})" if power.is_there() else f"kill table (`{power.COMMAND}`)"


INSERTS: Final[Mapping[str, Callable[[], str]]] = {
    "capabilities": _capabilities,
    "examples": _examples,
    "exit-codes": _exit_codes,
    "kill-table": _kill_table,
    "layers": _layers,
    "rules": _rules,
}


def main() -> None:
    """Update the generated pieces of all pages."""
    for path in sorted((ROOT / "docs").glob("*.md")):
        before = path.read_text(encoding="utf-8")
        after = refreshed(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(f"updated {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
