"""Pages made from live data whenever the site is built: nothing of them is committed, so nothing of them is stale.

:func:`generated` needs the project alone; :mod:`docs.hooks` hands its pages to MkDocs.
"""

from __future__ import annotations

from docs.generator import command_line, contract, decisions, findings, providers, report_format


def generated() -> dict[str, str]:
    """Return every generated page (Markdown) and file by its path in the site's sources."""
    return {
        **contract.pages(),
        **providers.pages(),
        **findings.pages(),
        **command_line.pages(),
        **report_format.pages(),
        **decisions.pages(),
    }
