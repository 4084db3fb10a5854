"""The examples of the README and of docs/ are run: each page in one shell, in an empty folder, on the exemplary server.

The meaning of an example stays; three things are replaced so that it runs here and quickly:
addresses of examples lead to the exemplary server, the dots that stand for credentials become its credentials, and
``conformance run`` and ``pytest`` try a few clauses quickly where the example does not choose its own.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import BY_HAND, README, ROOT, Block, blocks
from tests.exemplar.server import Exemplar
from tests.exemplar.types import Request

KEY, SECRET = "AKdocs", "docs-secret"
ADDRESSES = ("https://s3.example.com", "http://127.0.0.1:9000")
FEW = ("RT-003", "URL-018")
SWITCH = "CONFORMANCE_RUN_EXAMPLES"
RUN_LANGUAGES = ("sh", "python")
FILE_LANGUAGES = ("toml", "python", "yaml")
DATA_LANGUAGES = ("text", "json")

EVERY_BLOCK = [block for page in BY_HAND for block in blocks(page)]

# One of the core profile and one of S3's, so that either profile alone selects something.
CONFORMANCE = """#!/bin/sh
case " $* " in
*" --clause "*) few="" ;;
*) few="{few}" ;;
esac
if [ "$1" = run ]; then
    shift
    exec {python} -m bucket_conformance.conformance.cli.main run --quick $few "$@"
fi
exec {python} -m bucket_conformance.conformance.cli.main "$@"
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Exemplar]:
    with Exemplar(KEY, SECRET) as running:
        created = running.handle(Request(method="PUT", target="/trials"), trusted=True)
        assert created.status == 200
        yield running


@pytest.mark.skipif(not os.environ.get(SWITCH), reason=f"takes a minute: `tox -e docs` does it, or {SWITCH}=1")
@pytest.mark.parametrize("page", BY_HAND, ids=lambda page: page.name)
def test_the_examples_of_a_page_work(page: Path, server: Exemplar, tmp_path: Path) -> None:
    script = "\n".join(_as_script(block) for block in blocks(page))
    if not script.strip():
        pytest.skip("no example on this page is run")
    done = subprocess.run(
        ["bash", "-c", f"set -eu\n{_for_here(script, server.url)}"],
        cwd=tmp_path,
        env=_environment(server.url, tmp_path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        # A busy shared machine must not make it fail.
        timeout=3000,
    )
    assert done.returncode == 0, f"exit code {done.returncode}; ran until:\n{done.stdout[-6000:]}"
    assert "Traceback" not in done.stdout, done.stdout[-6000:]


def _as_script(block: Block) -> str:
    """Return shell that does what a reader of the block does: run it, or keep it under its name."""
    if block.not_run or block.excerpt_of:
        return ""
    said = f"echo {shlex.quote(f'--- {block.where}')}\n"
    if block.file:
        folder = Path(block.file).parent
        return f"{said}mkdir -p {folder}\ncat > {block.file} <<'END OF FILE'\n{block.text}END OF FILE\n"
    if block.language == "sh":
        return said + block.text
    if block.language == "python":
        return f"{said}python - <<'END OF FILE'\n{block.text}END OF FILE\n"
    return ""


def _for_here(script: str, url: str) -> str:
    for address in ADDRESSES:
        script = script.replace(address, url)
    return re.sub(r"(ACCESS_KEY_ID)=…", rf"\1={KEY}", re.sub(r"(SECRET_ACCESS_KEY)=…", rf"\1={SECRET}", script))


def _environment(url: str, folder: Path) -> dict[str, str]:
    programs = folder / ".programs"
    programs.mkdir()
    python = shlex.quote(sys.executable)
    few = " ".join(f"--clause {clause}" for clause in FEW)
    for name, text in (
        ("conformance", CONFORMANCE.format(few=few, python=python)),
        ("pytest", f'#!/bin/sh\nexec {python} -m pytest "$@"\n'),
        ("python", f'#!/bin/sh\nexec {python} "$@"\n'),
    ):
        (programs / name).write_text(text, encoding="utf-8")
        (programs / name).chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "AP_", "PYTEST_"))}
    return {
        **kept,
        "PATH": os.pathsep.join((str(programs), str(Path(sys.executable).parent), os.environ["PATH"])),
        # The examples that write a clause or a fault import the project's tests, as in a checkout.
        "PYTHONPATH": str(ROOT),
        "PYTEST_ADDOPTS": f"-q -p no:cacheprovider --conformance-mode quick -k '{' or '.join(FEW)}'",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / ".hypothesis"),
        "AP_FILE_STORAGE_LOCATION": "S3",
        "AP_S3_ENDPOINT": url,
        "AP_S3_BUCKET": "trials",
        "AP_S3_REGION": "us-east-1",
        "AP_S3_ACCESS_KEY_ID": KEY,
        "AP_S3_SECRET_ACCESS_KEY": SECRET,
    }


@pytest.mark.parametrize("block", [b for b in EVERY_BLOCK if b.excerpt_of], ids=lambda block: block.where)
def test_an_excerpt_is_what_the_file_says(block: Block) -> None:
    assert block.text.strip() in (ROOT / block.excerpt_of).read_text(encoding="utf-8")


@pytest.mark.parametrize("block", EVERY_BLOCK, ids=lambda block: block.where)
def test_a_block_is_run_or_kept_or_says_why_not(block: Block) -> None:
    runs = block.language in RUN_LANGUAGES or (block.file and block.language in FILE_LANGUAGES)
    assert runs or block.not_run or block.excerpt_of or block.language in DATA_LANGUAGES


def test_most_examples_are_run() -> None:
    """A mark is an exception; people type the examples of the README above all."""
    shell = [block for block in EVERY_BLOCK if block.language == "sh"]
    assert sum(not block.not_run for block in shell) > len(shell) / 2
    assert any(block.page == README and not block.not_run for block in shell)
