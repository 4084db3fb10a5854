"""The pages about providers, one each, from the registry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from bucket_conformance.conformance.catalogue import entries
from bucket_conformance.conformance.contract import Capability
from bucket_conformance.conformance.expectations import Expectation
from bucket_conformance.providers import discover
from bucket_conformance.providers.launch.container import ContainerLaunch
from bucket_conformance.providers.launch.process import ProcessLaunch
from bucket_conformance.providers.launch.remote import RemoteLaunch
from bucket_conformance.providers.provider import Declared, Kind, Launch, LaunchKind, Provider
from docs.generator import findings
from docs.generator.expected import expected_deviations, under
from docs.generator.markdown import anchor, code, link, table, text

PAGES: Final = Path(__file__).parent.parent
INDEX: Final = "providers/index.md"
ADVICE: Final = "advice/index.md"

KINDS: Final = {
    Kind.FILE_SYSTEM: "File system",
    Kind.SERVER: "Servers",
    Kind.SIMULATOR: "Simulators of a service",
    Kind.MOCK: "Mocks for tests",
    Kind.SERVICE: "Services",
}
"""The kinds and their headings, in the order of the list."""

LIMITS: Final = {
    "batch_keys": "keys in one DeleteObjects",
    "key_bytes": "bytes of a key",
    "segment_bytes": "bytes between two slashes of a key",
    "url_life_s": "seconds a signed URL may live",
    "put_bytes": "bytes of one PUT",
    "parts": "parts of a multipart upload",
    "part_min_bytes": "smallest part that is not the last, in bytes",
    "page_keys": "keys on a page of a listing",
}


def page_of(provider: str) -> str:
    return f"providers/{provider}.md"


def pages() -> dict[str, str]:
    found = discover()
    known = expected_deviations()
    made = {INDEX: _index(found, known)}
    for provider in found.values():
        made[page_of(provider.id)] = "\n".join(_provider(provider, known.get(provider.id, {})))
    return made


def by_kind(found: Mapping[str, Provider]) -> dict[str, list[Provider]]:
    """Return the providers by the heading of their kind, without empty kinds."""
    listed = {title: [p for p in found.values() if p.kind is kind] for kind, title in KINDS.items()}
    return {title: members for title, members in listed.items() if members}


def _index(found: Mapping[str, Provider], known: Mapping[str, Mapping[str, Expectation]]) -> str:
    started = sum(any(launch.kind is not LaunchKind.REMOTE for launch in p.launches) for p in found.values())
    parts = [
        "# Providers",
        "",
        f"{len(found)} providers are built in. {started} of them start on your machine without an account; the others "
        "need credentials in the environment. A provider is one file in `providers/`; "
        "[your own](../write-a-provider.md) needs a few lines of TOML.",
        "",
        "“Known deviations” are those that somebody reviewed and recorded with a reason. No number means that none is "
        "recorded: the provider had no deviation, or was not judged. A verdict on a mock or a simulator says nothing "
        "about the service that it imitates.",
        "",
    ]
    for title, members in by_kind(found).items():
        rows = [
            (
                f"[{text(provider.title)}]({provider.id}.md)",
                code(provider.id),
                text(provider.licence),
                ", ".join(launch.kind.value for launch in provider.launches),
                str(len(known.get(provider.id, {})) or ""),
            )
            for provider in members
        ]
        parts += [f"## {title}", "", table(("provider", "id", "licence", "launch", "known deviations"), rows)]
    parts += ["`conformance list providers` shows what can run on your machine, and what is missing.", ""]
    return "\n".join(parts)


def _provider(provider: Provider, known: Mapping[str, Expectation]) -> Iterator[str]:
    yield f"# {text(provider.title)}"
    yield ""
    yield table(
        ("", ""),
        (
            ("id", code(provider.id)),
            ("kind", provider.kind.value),
            ("licence", text(provider.licence)),
            ("homepage", link(provider.homepage) if provider.homepage else ""),
        ),
    )
    yield f"```sh\nconformance run {provider.id}\n```\n"
    yield from _findings(provider)
    if provider.notes:
        yield "## Notes"
        yield ""
        yield from (f"- {text(note)}" for note in provider.notes)
        yield ""
    yield "## How to reach it"
    yield ""
    for launch in provider.launches:
        yield from _launch(launch)
    yield "## Capabilities and limits"
    yield ""
    claimed = [capability for capability in Capability if capability in provider.capabilities]
    yield "Declared: " + (", ".join(code(capability) for capability in claimed) or "nothing beyond the basics") + "."
    yield ""
    lacking = [name for name in FEATURES if name not in provider.capabilities]
    if lacking:
        yield f"Not declared: {', '.join(code(name) for name in lacking)}. Clauses that need them are `unsupported`."
        yield ""
    if provider.limits:
        rows = [_limit(name, limit) for name, limit in provider.limits.items()]
        yield table(("documented limit", "", "source"), rows)
    yield "## Known deviations"
    yield ""
    yield from _deviations(known)


FEATURES: Final = (
    Capability.SIGNED_URLS,
    Capability.SIGNED_UPLOADS,
    Capability.MULTIPART,
    Capability.COPY,
    Capability.CONDITIONAL_PUT,
    Capability.VERSIONING,
    Capability.LIFECYCLE,
    Capability.DURABLE,
)
"""The capabilities whose absence matters for the choice of a provider; the others matter only to the suite."""


def _launch(launch: Launch) -> Iterator[str]:
    match launch:
        case RemoteLaunch():
            names = launch.variables
            yield "**Remote**, with credentials from the environment:"
            yield ""
            rows = [
                ("access key", code(names.access_key), "required"),
                ("secret key", code(names.secret_key), "required"),
                ("session token", code(names.session_token), "optional"),
                ("endpoint", code(names.endpoint), _default(launch.endpoint)),
                ("region", code(names.region), _default(launch.region)),
                (
                    "bucket",
                    code(names.bucket),
                    "optional: an existing bucket; without it the run creates one and removes it",
                ),
            ]
            yield table(("", "variable", ""), rows)
            yield from _client_settings(launch.addressing, launch.checksums)
        case ProcessLaunch():
            yield f"**Process** on this machine, with an SDK that signs for region {code(launch.region)}."
            yield ""
            if launch.environment is not None:
                pins = ", ".join(code(pin) for pin in launch.environment.recipe.pins())
                slow = "built" if launch.environment.recipe.slow else "downloaded at first use"
                yield f"`conformance install` installs it ({slow}): {pins}."
                yield ""
                if launch.environment.on_path:
                    yield f"A {code(launch.environment.on_path)} on the PATH is used instead."
                    yield ""
            yield from _client_settings("path", launch.checksums)
        case ContainerLaunch():
            yield f"**Container** from {code(launch.image.reference)}; needs the extra `containers` and an engine."
            yield ""
            if launch.image.variable:
                yield f"{code(launch.image.variable)} names another image."
                yield ""
        case _:
            yield f"**{launch.kind.value.capitalize()}**: nothing else to start."
            yield ""


def _default(value: str | None) -> str:
    return "required" if value is None else f"default: {code(value)}"


def _client_settings(addressing: str, checksums: str) -> Iterator[str]:
    yield f"Client settings: addressing {code(addressing)}, checksums {code(checksums)}."
    yield ""


def _limit(name: str, limit: Declared) -> tuple[str, str, str]:
    return (LIMITS.get(name, code(name)), f"{limit.value:,}", link(limit.source))


def _deviations(known: Mapping[str, Expectation]) -> Iterator[str]:
    if not known:
        yield "None recorded. See [what this means](index.md)."
        yield ""
        return
    clauses = entries()
    rows = [
        (
            f"[{id}](../contract/{clauses[id].clause.family.lower()}.md#{id.lower()})",
            clauses[id].clause.level.value,
            under(expectation)
            + text(expectation.reason)
            + (f" {link(expectation.link, 'link')}" if expectation.link else ""),
            expectation.since.isoformat(),
        )
        for id, expectation in known.items()
    ]
    yield table(("clause", "level", "what it does instead", "since"), rows)


def _findings(provider: Provider) -> Iterator[str]:
    found = findings.of_provider(provider.id)
    advice = _advice(provider.title)
    if not found and not advice:
        return
    yield "## If you use it"
    yield ""
    if found:
        yield "These of its deviations do harm: " + ", ".join(f"[{page.title}](../{page.path})" for page in found) + "."
        yield ""
    if advice:
        yield f"What to set, and what not to rely on: [advice](../{ADVICE}#{advice})."
        yield ""


def _advice(title: str) -> str:
    """Return the anchor of a backend on the page with advice, or "" where it has none."""
    path = PAGES / ADVICE
    for line in path.read_text(encoding="utf-8").split("\n") if path.exists() else ():
        if line.startswith("## ") and line[3:].rpartition(" ")[0] == title:
            return anchor(line[3:])
    return ""
