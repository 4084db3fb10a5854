"""How a clause was decided: verdicts, their merge order, and the typed record of a deviation."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from bucket_conformance.conformance.contract import Harm
from bucket_conformance.conformance.history import Event


class Verdict(enum.StrEnum):
    """The outcome of one clause on one backend."""

    CONFORMS = "conforms"
    DEVIATES = "deviates"
    UNSUPPORTED = "unsupported"
    """The backend does not declare a capability that the clause requires."""
    INCONCLUSIVE = "inconclusive"
    """Time ran out, or repeated observations disagree; never counted as a pass."""
    ERROR = "error"
    """Our launch or harness failed; says nothing about the backend."""
    SKIPPED = "skipped"
    """The operator's choice, with the reason."""


MERGE_ORDER: Final = (
    Verdict.ERROR,
    Verdict.DEVIATES,
    Verdict.INCONCLUSIVE,
    Verdict.CONFORMS,
    Verdict.UNSUPPORTED,
    Verdict.SKIPPED,
)
"""Strongest first: of several verdicts on one clause, the strongest stands."""


def merge(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the strongest of the verdicts; ``SKIPPED`` for none at all."""
    return min(verdicts, key=MERGE_ORDER.index, default=Verdict.SKIPPED)


def share(counts: dict[Verdict, int]) -> float | None:
    """Return conforms / (conforms + deviates), or ``None`` where nothing was decided."""
    decided = counts.get(Verdict.CONFORMS, 0) + counts.get(Verdict.DEVIATES, 0)
    return counts.get(Verdict.CONFORMS, 0) / decided if decided else None


@dataclass(frozen=True, slots=True)
class Observation:
    """What was promised and what was seen, each as one short text; ``harm`` where what was seen does some."""

    promised: str
    observed: str
    harm: Harm | None = None


class Deviation(Exception):
    """Raised by a clause: what was observed is not what is promised.

    ``example`` replaces the generated arguments in the evidence where the clause knows a better one (the steps of a
    sequence, say). ``history``: what concurrent clients did, as far as it shows the deviation. ``harm``: what was
    observed does this harm, and is not only another answer than promised.
    """

    def __init__(
        self,
        *,
        promised: str,
        observed: str,
        example: str | None = None,
        history: Iterable[Event] = (),
        harm: Harm | None = None,
    ) -> None:
        super().__init__(f"promised: {promised}; observed: {observed}")
        self.observation = Observation(promised, observed, harm)
        self.example = example
        self.history = tuple(history)


class Moment(enum.StrEnum):
    """What a deviation hung on that the same requests, sent one after another, do not bring back."""

    SIDE_BY_SIDE = "the requests once ran side by side"
    KILLED = "a process was killed in the middle"


class Inconclusive(Exception):
    """Raised by a clause that could not decide; the message says why."""


class ViewError(Exception):
    """The backend's own view could not be had: it did not serve a plain request of ours.

    ``status`` is that of its answer, 0 where there was none.
    """

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status

    @property
    def is_backends_failure(self) -> bool:
        """Whether the backend itself says that it failed. A refusal (4xx) may be the fault of our request."""
        return self.status >= 500


def show(value: object, limit: int = 160) -> str:
    """Return a short, unambiguous text for a value in an observation; long bytes inside it are told by their number."""
    text = value if isinstance(value, str) and value.isprintable() else _spelled(value)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def _spelled(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return repr(bytes(value)) if len(value) <= 48 else f"{len(value)} bytes {bytes(value[:24])!r}…"
    if type(value) is tuple:
        return "(" + ", ".join(map(_spelled, value)) + (",)" if len(value) == 1 else ")")
    if type(value) is list:
        return "[" + ", ".join(map(_spelled, value)) + "]"
    if type(value) is dict:
        return "{" + ", ".join(f"{_spelled(key)}: {_spelled(item)}" for key, item in value.items()) + "}"
    return repr(value)


def compare(
    observed: object, promised: object, what: str = "", *, promise: str | None = None, harm: Harm | None = None
) -> None:
    """End of a clause: raise :class:`Deviation` unless ``observed == promised``.

    ``what`` names the thing compared ("status of the expired URL"); ``promise`` words the promise where the bare value
    would not explain itself; ``harm`` is what the difference does, if anything.
    """
    if observed == promised:
        return
    label = f"{what}: " if what else ""
    if isinstance(observed, bytes | bytearray) and isinstance(promised, bytes | bytearray):
        raise Deviation(
            promised=label + (promise or show(promised)),
            observed=label + _first_difference(observed, promised),
            harm=harm,
        )
    raise Deviation(promised=label + (promise or show(promised)), observed=label + show(observed), harm=harm)


def require(held: bool, *, promised: str, observed: str, harm: Harm | None = None) -> None:
    """End of a clause whose promise is no single value: raise :class:`Deviation` unless ``held``."""
    if not held:
        raise Deviation(promised=promised, observed=observed, harm=harm)


def _first_difference(observed: bytes | bytearray, promised: bytes | bytearray) -> str:
    if len(observed) != len(promised):
        return f"{show(observed)} ({len(observed)} bytes instead of {len(promised)})"
    at = next(i for i, (a, b) in enumerate(zip(observed, promised, strict=True)) if a != b)
    return f"{show(observed)}, first other byte at {at}: {observed[at]:#04x} instead of {promised[at]:#04x}"
