"""What stands first in every format: fit or unfit, the harms, and the settings that were used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from msgspec import UNSET

from bucket_conformance.conformance.contract import Harm
from bucket_conformance.conformance.report.disclosure import harm_of
from bucket_conformance.conformance.report.document import CoreRecord, Header, Result, Section, core_of

HARM_ORDER: Final = tuple(sorted(Harm, key=lambda harm: harm.severity, reverse=True))
"""The worst first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer of a section. ``harms`` are those of all its deviations, the worst first."""

    core: CoreRecord
    harms: tuple[Harm, ...]
    settings: str

    @property
    def line(self) -> str:
        """Return the first line of every result."""
        return self.core.line


def answer(section: Section) -> Answer:
    """Return whether the backend of a section is fit for the storage system, computed from its results."""
    return Answer(
        core=core_of(section.results, contract=section.header.contract),
        harms=harms(section.results),
        settings=settings_line(section.header),
    )


def harm_position(harm: Harm | None) -> int:
    """Return the sort key of a harm: the worst first, none last."""
    return HARM_ORDER.index(harm) if harm is not None else len(HARM_ORDER)


def harms(results: Iterable[Result]) -> tuple[Harm, ...]:
    """Return the harms of the deviations, each once, the worst first."""
    found = {harm for result in results if (harm := harm_of(result)) is not None}
    return tuple(sorted(found, key=harm_position))


def settings_line(header: Header) -> str:
    """Return the settings that were used, in words: they are part of the answer."""
    used, parts = header.settings, []
    if used.region is not UNSET and used.region:
        parts.append(f"region {used.region}")
    if used.addressing is not UNSET:
        parts.append(f"{used.addressing}-style addresses")
    if used.checksums is not UNSET:
        parts.append(f"checksums {used.checksums.replace('_', ' ')}")
    if used.tls is not UNSET:
        parts.append("TLS" if used.tls else "no TLS")
    return ", ".join(parts) or "no client settings"
