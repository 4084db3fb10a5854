"""With ``--public``, no command writes what must not be published, whatever other options it gets."""

from __future__ import annotations

import argparse
import itertools
import zlib
from base64 import b64decode
from pathlib import Path

import pytest

from bucket_conformance.conformance.cli.main import COMMANDS, main, parser
from tests.conformance.report.documents import section, write

SECRET = "swordfish"
ATTACK = {
    "verdict": "deviates",
    "statement": "A request that nobody signed is refused.",
    "reason": f"{SECRET} in the reason",
    "observation": {
        "promised": "status 403",
        "observed": f"{SECRET} was seen",
        "harm": "bypasses authentication",
    },
    "evidence": {
        "example": f"key={SECRET}",
        "transcript": f"> GET /{SECRET}",
        "reproducer": f"print({SECRET!r})\n",
        "history": [{"client": "a", "operation": SECRET, "start_s": 0.0, "end_s": 1.0}],
    },
    "expectation": {
        "reason": f"{SECRET} is known",
        "link": "",
        "since": "2026-11-01",
        "review_by": "2027-05-01",
    },
}
BY_HAND = {
    **ATTACK,
    "observation": {"promised": "status 403", "observed": f"{SECRET} was seen"},
    "expectation": {**ATTACK["expectation"], "harm": "breaks out"},  # type: ignore[dict-item]
}
BASELINE = f"""schema = 1

[[provider]]
id = "acme"
backend = "Acme 1.0"
contract = "2026.11"

[[provider.expect]]
clause = "URL-017"
verdict = "deviates"
reason = "{SECRET} in the baseline"
LINKsince = 2026-11-01
review_by = 2999-01-01
"""
ADDING: dict[str, dict[str, list[str]]] = {
    "report": {
        "--html": ["--html", "{out}/page.html"],
        "--markdown": ["--markdown", "{out}/page.md"],
        "--junit": ["--junit", "{out}/junit.xml"],
        "--badge": ["--badge", "{out}/badges"],
        "--reproducers": ["--reproducers", "{out}/scripts"],
        "--baseline": ["--baseline", "{baseline}"],
        "--title": ["--title", "Title"],
    },
    "merge": {"--output": ["--output", "{out}/merged.jsonl"]},
    "gate": {
        "--strict": ["--strict"],
        "--provider": ["--provider", "acme"],
        "--partial": ["--partial"],
        "--history": ["--history", "{report}"],
        "--reproducers": ["--reproducers", "{out}/scripts"],
        "--markdown": ["--markdown", "{out}/gate.md"],
        "--json": ["--json"],
        "--verbose": ["--verbose"],
    },
}
"""For each command that takes ``--public`` and reads reports: every further option, as it is given."""
NEEDED = {"report": ["--markdown", "{out}/needed.md"], "merge": [], "gate": ["--baseline", "{baseline}"]}


def _options(command: str) -> set[str]:
    [commands] = [a for a in parser((command,))._actions if isinstance(a, argparse._SubParsersAction)]
    one = commands.choices[command]
    return {action.option_strings[-1] for action in one._actions if action.option_strings}


def test_every_command_that_publishes_is_tried_with_every_option() -> None:
    taking = {command for command in COMMANDS if "--public" in _options(command)}
    # A run writes through the same function; its own test judges a server.
    assert taking - {"run"} == set(ADDING)
    for command, adding in ADDING.items():
        needed = {word for word in NEEDED[command] if word.startswith("--")}
        assert _options(command) - {"--help", "--public"} == set(adding) | needed


def _written(folder: Path) -> str:
    texts = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            texts.append(text)
            if path.suffix == ".html":
                packed = text.partition('id="details">')[2].partition("</script>")[0]
                texts.append(zlib.decompress(b64decode(packed)).decode("ascii"))
    return "\n".join(texts)


CASES = [
    (command, chosen)
    for command, adding in ADDING.items()
    for size in (0, 1, 2, len(adding))
    for chosen in itertools.combinations(adding, size)
]


@pytest.mark.parametrize("attack", [ATTACK, BY_HAND], ids=["as seen", "as found by hand"])
@pytest.mark.parametrize("link", ["", 'link = "https://tracker.example/1"\n'], ids=["no link", "link of the baseline"])
def test_no_option_brings_back_what_public_withholds(
    attack: dict[str, object], link: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    neighbour = {**ATTACK, "observation": {"promised": "status 403", "observed": SECRET}}
    one = section({"URL-017": attack, "URL-003": neighbour, "KEY-001": "conforms"})
    report = write(tmp_path / "report.jsonl", one)
    baseline = tmp_path / "baseline.toml"
    baseline.write_text(BASELINE.replace("LINK", link), encoding="utf-8")
    open_text = ""
    for number, (command, chosen) in enumerate(CASES):
        out = tmp_path / str(number)
        out.mkdir()
        words = [*NEEDED[command], *(word for option in chosen for word in ADDING[command][option])]
        known = {"out": str(out), "baseline": str(baseline), "report": report}
        code = main([command, report, "--public", *(word.format(**known) for word in words)])
        output = capsys.readouterr()
        assert code in (0, 1), (command, chosen, output.err)
        text = output.out + output.err + _written(out)
        assert SECRET not in text.replace(f"{SECRET} in the baseline", ""), (command, chosen)
        if command == "report":
            assert SECRET not in text, (command, chosen)
        open_text += text
    assert "withheld until the project of the backend has been told" in open_text


def test_without_public_the_same_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = write(tmp_path / "report.jsonl", section({"URL-017": ATTACK}))
    assert main(["report", report, "--html", str(tmp_path / "page.html"), "--markdown", "-"]) == 0
    assert SECRET in capsys.readouterr().out
    assert SECRET in _written(tmp_path)
