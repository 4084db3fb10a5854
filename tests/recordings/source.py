"""Extracts the facts of the recorded responses from the snapshots of LocalStack's tests.

``python -m tests.recordings.source FOLDER`` reads the snapshots in a folder (``test_s3.snapshot.json`` and so on) and
writes ``tests/recordings/answers.json``: for each recorded answer that a :class:`Fact` states, its status, error code,
day of validation, and the fields that the fact names. No text of the recordings is kept.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.recordings.model import Fact, recorded

ANSWERS: Final = Path(__file__).parent / "answers.json"

NO_CODES: Final = ("304", "412")
"""The code that the SDK gives to a refusal without a body: the status."""

OTHER_NAMES: Final = {"Rule": "Rules"}
"""Elements whose name in the SDK differs from that in the XML."""

Answer = dict[str, Any]


def name_of(fact: Fact) -> str:
    """Return the name under which an answer is kept."""
    return f"{fact.file}::{fact.test}::{fact.step}"


def read_answers() -> dict[str, Answer]:
    """Return the committed answers by name."""
    found: dict[str, Answer] = json.loads(ANSWERS.read_text(encoding="utf-8"))
    return found


def extracted(folder: Path) -> dict[str, Answer]:
    """Return the answers that the snapshots of a folder hold, for each fact."""
    snapshots: dict[str, tuple[Any, Any]] = {}
    found = {}
    for fact in recorded():
        if fact.file not in snapshots:
            texts = [(folder / f"{fact.file}.{kind}.json").read_text("utf-8") for kind in ("snapshot", "validation")]
            snapshots[fact.file] = (json.loads(texts[0]), json.loads(texts[1]))
        snapshot, validation = snapshots[fact.file]
        test = f"tests/aws/services/s3/{fact.file}.py::{fact.test}"
        answer = snapshot[test]["recorded-content"][fact.step]
        code = answer.get("Error", {}).get("Code", "")
        found[name_of(fact)] = {
            "validated": validation[test]["last_validated_date"][:10],
            "status": answer.get("ResponseMetadata", {}).get("HTTPStatusCode"),
            "code": "" if code in NO_CODES else code,
            "fields": {name: " ".join(_texts(answer, name)) for name in fact.fields},
        }
    return found


def _texts(recorded: dict[str, Any], name: str) -> Iterator[str]:
    """Yield the texts of a field that a fact names as :class:`Fact` says, taken from the SDK's form of the response."""
    if name == "body":
        yield recorded["Body"]
    elif name.startswith("@x-amz-meta-"):
        yield from _below(recorded, ["Metadata", name.removeprefix("@x-amz-meta-")])
    elif name.startswith("@"):
        yield from _below(recorded, [name[1:].replace("-", "")])
    else:
        root = recorded.get("Error") or recorded.get("CopyObjectResult") or recorded
        yield from _below(root, name.split("/"))


def _below(value: Any, path: list[str]) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _below(item, path)
    elif not path:
        yield str(value).lower() if isinstance(value, bool) else str(value)
    elif isinstance(value, dict):
        name = OTHER_NAMES.get(path[0], path[0])
        if name in value:
            yield from _below(value[name], path[1:])


if __name__ == "__main__":
    ANSWERS.parent.mkdir(exist_ok=True)
    ANSWERS.write_text(json.dumps(extracted(Path(sys.argv[1])), indent=1, sort_keys=True) + "\n", encoding="utf-8")
