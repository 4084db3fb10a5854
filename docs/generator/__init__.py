"""Pages that are generated whenever the site is built. None of them is committed, so none can be outdated.

:func:`generated` needs only the project; :mod:`docs.hooks` passes its pages to MkDocs.
"""

from __future__ import annotations

from docs.generator import command_line, contract, decisions, findings, providers, report_format


def generated() -> dict[str, str]:
    """Return every generated page (Markdown) and file, by its path in the sources of the site."""
    return {
        **contract.pages(),
        **providers.pages(),
        **findings.pages(),
        **command_line.pages(),
        **report_format.pages(),
        **decisions.pages(),
    }
