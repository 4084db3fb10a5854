"""MkDocs hooks: the generated pages, the generated parts of other pages, and the navigation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File, Files

from docs.generator import findings, generated, power
from docs.generator.clause_links import with_clause_links
from docs.generator.inserts import with_inserts
from docs.generator.navigation import navigation

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    config.nav = navigation()
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    for path, content in generated().items():
        # What is committed in its place is for those who read the sources.
        if (committed := files.get_file_from_path(path)) is not None:
            files.remove(committed)
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    return _with_links(with_inserts(markdown), page.file.src_uri)


def _with_links(markdown: str, path: str) -> str:
    """Pages that a command of the suite wrote know nothing of the site: here they are joined to it."""
    if path == findings.INDEX:
        markdown = findings.with_overview(markdown, findings.by_backend())
    if path.startswith("findings/"):
        markdown = findings.with_disclosure(markdown)
    if path == power.PAGE.name:
        markdown = power.with_anchors(markdown)
    by_a_command = path.startswith(("findings/", "advice/")) or path in (power.PAGE.name, "anchors.md")
    return with_clause_links(markdown, path) if by_a_command else markdown
