"""The page about the report document, from its JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from docs.generator.markdown import code, table, text

SCHEMA_FILE = "report-schema.json"


def pages() -> dict[str, str]:
    source = files("bucket_conformance.conformance.report").joinpath("schema.json").read_text(encoding="utf-8")
    return {"report-format.md": "\n".join(_page(json.loads(source))), SCHEMA_FILE: source}


def _page(schema: Mapping[str, Any]) -> Iterator[str]:
    yield "# Report document"
    yield ""
    yield f"{text(schema['description'])} A report without a footer was cut off, and is rejected."
    yield ""
    yield (
        f"`conformance run --report FILE` writes it, `--json` prints it, `conformance merge` joins shards. "
        f"Its JSON Schema (one line of it) is [{SCHEMA_FILE}]({SCHEMA_FILE})."
    )
    yield ""
    definitions = schema["$defs"]
    for kind in ("header", "result", "footer"):
        yield f"## {kind}"
        yield ""
        yield text(definitions[kind]["description"])
        yield ""
        yield table(("property", "type", "", "meaning"), _rows(definitions[kind], definitions))


def _rows(
    described: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, str, str, str]]:
    required = described.get("required", ())
    for name, given in described.get("properties", {}).items():
        resolved = _resolved(given, definitions)
        need = "" if name in required else "optional"
        yield (code(prefix + name), _type(resolved), need, text(resolved.get("description", "")))
        if "properties" in resolved:
            yield from _rows(resolved, definitions, f"{prefix}{name}.")
        for inner, mark in (("items", "[]"), ("additionalProperties", ".*")):
            nested = resolved.get(inner)
            nested = _resolved(nested, definitions) if isinstance(nested, Mapping) else nested
            if isinstance(nested, Mapping) and "properties" in nested:
                yield from _rows(nested, definitions, f"{prefix}{name}{mark}.")


def _resolved(given: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema with its references resolved. For "X or null" with the default null, return both types."""
    choices = given.get("anyOf")
    if not choices:
        return {**_definition(given, definitions), **given}
    [one, *_] = [choice for choice in choices if choice != {"type": "null"}]
    found = {**_resolved(one, definitions), **{name: item for name, item in given.items() if name != "anyOf"}}
    if "type" in found and "default" not in given and len(choices) > 1:
        found["type"] = [found["type"], "null"]
    return found


def _definition(given: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in given:
        return {}
    found: Mapping[str, Any] = definitions[given["$ref"].rpartition("/")[2]]
    return found


def _type(given: Mapping[str, Any]) -> str:
    if "const" in given:
        return code(json.dumps(given["const"]))
    if "enum" in given:
        return ", ".join(code(str(choice)) for choice in given["enum"] if choice)
    kinds = given.get("type", "")
    said = " or ".join(kinds) if isinstance(kinds, list) else str(kinds)
    return f"{said} ({given['format']})" if "format" in given else said
