"""Shows the progress of a run: a live table in a terminal, a line from time to time in a log."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from bucket_conformance.conformance.report import document
from bucket_conformance.conformance.report.terminal import SIGNS, show
from bucket_conformance.conformance.report.untrusted import line
from bucket_conformance.conformance.verdict import Verdict

LOG_EVERY_S: Final = 5.0


@dataclass(slots=True)
class _Row:
    total: int
    text: str = "waiting"
    counts: dict[Verdict, int] = field(default_factory=dict)
    logged: float = 0.0

    @property
    def done(self) -> int:
        return sum(self.counts.values())

    def summary(self, *, styled: bool) -> str:
        parts = []
        for verdict, (sign, style) in SIGNS.items():
            if n := self.counts.get(verdict, 0):
                parts.append(f"[{style}]{sign}{n}[/]" if styled else f"{n} {verdict.value}")
        return (" " if styled else ", ").join(parts)


class Progress:
    """Shows what the workers say. Everything goes to the error stream, so that output can be piped."""

    def __init__(self, providers: list[str], total: int, console: Console) -> None:
        self._rows = {provider: _Row(total=total) for provider in providers}
        self._console = console
        self._live = Live(console=console, refresh_per_second=8, transient=True) if console.is_terminal else None

    def __enter__(self) -> Progress:
        if self._live is not None:
            self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.__exit__(None, None, None)

    def tell(self, provider: str, message: document.Message) -> None:
        """Handle one message of a worker."""
        row = self._rows[provider]
        if isinstance(message, document.Progress):
            row.text = message.text
            self._log_text(provider, row)
        elif isinstance(message, document.Header):
            row.text = f"{message.backend.title} ({message.launch})"
            if self._live is None:
                show(self._console, f"{provider}: judging {row.text}")
        elif isinstance(message, document.Result):
            row.counts[message.verdict] = row.counts.get(message.verdict, 0) + 1
            row.text = message.clause
            self._log(provider, row)
        self._draw()

    def _log_text(self, provider: str, row: _Row) -> None:
        # Installers say a line per package; a log is read by people, who want to know that it goes on.
        now = time.monotonic()
        if self._live is None and (not row.logged or now - row.logged > LOG_EVERY_S or "\n" in row.text):
            row.logged = now
            show(self._console, f"{provider}: {row.text}")

    def _log(self, provider: str, row: _Row) -> None:
        now = time.monotonic()
        if self._live is None and (now - row.logged > LOG_EVERY_S or row.done == row.total):
            row.logged = now
            self._console.print(
                f"{provider}: {row.done}/{row.total} clauses: {row.summary(styled=False)}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )

    def _draw(self) -> None:
        if self._live is None:
            return
        table = Table(box=None, pad_edge=False, show_header=False)
        for provider, row in self._rows.items():
            table.add_row(
                f"[bold]{escape(provider)}[/]",
                f"{row.done}/{row.total}",
                row.summary(styled=True),
                f"[dim]{escape(line(row.text.splitlines()[0]) if row.text.strip() else '')}[/]",
            )
        self._live.update(table)
