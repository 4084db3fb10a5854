"""Draws the picture in the README from a report: ``python docs/make_matrix_svg.py REPORT > docs/matrix.svg``."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI

from bucket_conformance.conformance.report import terminal
from bucket_conformance.conformance.report.document import read


def main() -> None:
    console = Console(record=True, width=82, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    terminal.matrix(read(Path(sys.argv[1])), console)
    picture = console.export_svg(title="conformance run", theme=MONOKAI)
    # A picture in a repository must not send its viewer's browser to somebody else's fonts.
    picture = re.sub(r"@font-face\s*{[^}]*}", "", picture)
    print("\n".join(line.rstrip() for line in picture.splitlines()))


if __name__ == "__main__":
    main()
