"""The pages of `conformance findings` by backend: for the navigation, the overview and the providers' pages."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bucket_conformance.conformance.contract import Harm
from docs.generator.markdown import anchor, table, text

FOLDER: Final = Path(__file__).parent.parent / "findings"
INDEX: Final = "findings/index.md"
DISCLOSURE: Final = "security.md"

_TITLE: Final = re.compile(rf"# (?P<backend>.+) (?P<harm>{'|'.join(Harm)}): (?P<clauses>.+)\n")
_VERSION: Final = re.compile(r"^\| backend \| (.+) \|$", re.MULTILINE)
_PROVIDER: Final = re.compile(r"^\| provider \| `([^`]+)`", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingPage:
    """One page of a finding. ``path`` is its path in the sources; ``clauses`` are those that its title names."""

    path: str
    provider: str
    backend: str
    backend_and_version: str
    harm: Harm
    clauses: str

    @property
    def title(self) -> str:
        return f"{self.harm}: {self.clauses}"


def read(path: Path) -> FindingPage:
    """Return the data in the title and the table of a page. Raises ``ValueError`` where it is no page of a finding."""
    said = path.read_text(encoding="utf-8")
    title, version, provider = _TITLE.match(said), _VERSION.search(said), _PROVIDER.search(said)
    if not (title and version and provider):
        raise ValueError(f"{path}: not a page of `conformance findings`")
    return FindingPage(
        path=f"{path.parent.name}/{path.name}",
        provider=provider[1],
        backend=_as_it_was(title["backend"]),
        backend_and_version=_as_it_was(version[1]),
        harm=Harm(title["harm"]),
        clauses=title["clauses"],
    )


def pages() -> dict[str, str]:
    """Return the page about the disclosure of findings, which is the project's ``SECURITY.md``."""
    return {DISCLOSURE: (FOLDER.parent.parent / "SECURITY.md").read_text(encoding="utf-8")}


def with_disclosure(markdown: str) -> str:
    """Return a page of a finding in which the name of that page is a link."""
    return re.sub(r"`?SECURITY\.md`?", f"[SECURITY.md](../{DISCLOSURE})", markdown)


def _as_it_was(escaped: str) -> str:
    return re.sub(r"\\(.)", r"\1", html.unescape(escaped))


def by_backend(folder: Path = FOLDER) -> dict[str, list[FindingPage]]:
    """Return the pages by backend, sorted by name. The name includes the version where there are several versions."""
    pages = [read(path) for path in sorted(folder.glob("*.md")) if path.name != "index.md"]
    versions = Counter(name for name, _ in {(page.backend, page.backend_and_version) for page in pages})
    found: dict[str, list[FindingPage]] = {}
    for page in pages:
        found.setdefault(page.backend if versions[page.backend] == 1 else page.backend_and_version, []).append(page)
    return dict(sorted(found.items(), key=lambda item: item[0].casefold()))


def of_provider(provider: str, folder: Path = FOLDER) -> list[FindingPage]:
    return [page for pages in by_backend(folder).values() for page in pages if page.provider == provider]


def with_overview(markdown: str, found: Mapping[str, Sequence[FindingPage]]) -> str:
    """Return the list of findings with a table before its first backend, one row with a link per backend."""
    head, heading, rest = markdown.partition("\n## ")
    if not heading:
        return markdown
    harms = [harm for harm in Harm if any(page.harm is harm for pages in found.values() for page in pages)]
    rows = []
    for name, pages in found.items():
        counts = Counter(page.harm for page in pages)
        leads_to = f"#{anchor(pages[0].backend_and_version)}"
        rows.append((f"[{text(name)}]({leads_to})", *(str(counts[harm] or "") for harm in harms), str(len(pages))))
    total = sum(map(len, found.values()))
    overview = table(("backend", *harms, "all"), rows)
    return f"{head}\n{total} findings in {len(found)} backends:\n\n{overview}{heading}{rest}"
