"""The site builds strictly (a broken link fails) and needs nothing from elsewhere. Runs where MkDocs is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from docs.generator import power
from tests.docs.kill_table import made_up
from tests.docs.pages import ROOT

pytest.importorskip("mkdocs", reason="MkDocs is not installed: `tox -e docs` builds the site")
pytest.importorskip("material", reason="the theme is not installed: `tox -e docs` builds the site")

LOADED = re.compile(r"""<(?:script|img|iframe|source)[^>]*\ssrc=["']?([^"'\s>]+)|<link[^>]*\shref=["']?([^"'\s>]+)""")
IN_STYLES = re.compile(r"""(?:url\(|@import\s+)["']?(https?:[^"')\s]+)""")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _built(ROOT, tmp_path_factory.mktemp("site"))


def _built(root: Path, folder: Path) -> Path:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)],
        cwd=root,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return folder


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        for found in LOADED.finditer(page.read_text(encoding="utf-8")):
            address = found[1] or found[2]
            assert not re.match(r"(https?:)?//", address), f"{page.name} loads {address}"
    for style in site.rglob("*.css"):
        assert not IN_STYLES.search(style.read_text(encoding="utf-8")), style.name


def test_no_source_or_mark_is_left_in_the_site(site: Path) -> None:
    assert not list(site.rglob("*.py"))
    for page in site.rglob("*.html"):
        assert "<!-- insert:" not in page.read_text(encoding="utf-8"), page.name


def test_the_site_builds_with_a_kill_table_and_without_one(tmp_path: Path) -> None:
    """In a copy, it builds with the kill table if this checkout has none, and without one otherwise."""
    (copy := tmp_path / "copy").mkdir()
    for path in ROOT.iterdir():
        if not path.name.startswith(".") and path.name not in ("docs", "site"):
            (copy / path.name).symlink_to(path)
    shutil.copytree(ROOT / "docs", copy / "docs")
    there = (copy / "docs" / power.PAGE.name).exists()
    if there:
        (copy / "docs" / power.PAGE.name).unlink()
    else:
        (copy / "docs" / power.PAGE.name).write_text(made_up(), encoding="utf-8")
    built = _built(copy, tmp_path / "site")
    assert (built / "power.html").exists() is not there
    index = (built / "contract" / "index.html").read_text(encoding="utf-8")
    assert ("power.html" in index) is not there


def test_the_schema_can_be_fetched(site: Path) -> None:
    committed = ROOT / "conformance" / "report" / "schema.json"
    assert (site / "report-schema.json").read_text(encoding="utf-8") == committed.read_text(encoding="utf-8")
