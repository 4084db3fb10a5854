"""How a clause was decided: the verdicts, their merge order, and the typed record of a deviation."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from bucket_conformance.conformance.contract import ConformanceError, Harm
from bucket_conformance.conformance.history import Event


class Verdict(enum.StrEnum):
    """The outcome of one clause on one backend."""

    CONFORMS = "conforms"
    DEVIATES = "deviates"
    UNSUPPORTED = "unsupported"
    """The backend lacks a capability that the clause requires, or refuses an operation that it needs."""
    INCONCLUSIVE = "inconclusive"
    """Time ran out, or repeated observations disagree. It never counts as a pass."""
    ERROR = "error"
    """The launch of the backend, or our own code, failed. This says nothing about the backend."""
    SKIPPED = "skipped"
    """The operator excluded the clause, and gave a reason."""


MERGE_ORDER: Final = (
    Verdict.ERROR,
    Verdict.DEVIATES,
    Verdict.INCONCLUSIVE,
    Verdict.CONFORMS,
    Verdict.UNSUPPORTED,
    Verdict.SKIPPED,
)
"""Strongest first. Where one clause has several verdicts, the strongest is its verdict."""


def merge(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the strongest of the verdicts, or ``SKIPPED`` where there are none."""
    return min(verdicts, key=MERGE_ORDER.index, default=Verdict.SKIPPED)


def share(counts: dict[Verdict, int]) -> float | None:
    """Return conforms / (conforms + deviates), from 0.0 to 1.0, or ``None`` where no clause was decided."""
    decided = counts.get(Verdict.CONFORMS, 0) + counts.get(Verdict.DEVIATES, 0)
    return counts.get(Verdict.CONFORMS, 0) / decided if decided else None


def percent(counts: dict[Verdict, int]) -> int | None:
    """Return the share in whole percent, rounded down (199 of 200 is not all); ``None`` where nothing was decided."""
    decided = counts.get(Verdict.CONFORMS, 0) + counts.get(Verdict.DEVIATES, 0)
    return 100 * counts.get(Verdict.CONFORMS, 0) // decided if decided else None


@dataclass(frozen=True, slots=True)
class Observation:
    """What was promised and what was seen, each as one short text; ``harm`` where what was seen does some.

    ``measured``: what was seen, as a number, where the clause measures one.
    """

    promised: str
    observed: str
    harm: Harm | None = None
    measured: int | None = None


class Deviation(Exception):
    """Raised by a clause: the backend did not do what is promised.

    ``example`` replaces the generated arguments in the evidence where the clause knows a better one (the steps of a
    sequence, say). ``history``: what concurrent clients did, as far as it shows the deviation. ``harm``: what was
    observed does this harm, and is not only another answer than promised. ``measured``: the number that was observed,
    where others decide by it.
    """

    def __init__(
        self,
        *,
        promised: str,
        observed: str,
        example: str | None = None,
        history: Iterable[Event] = (),
        harm: Harm | None = None,
        measured: int | None = None,
    ) -> None:
        super().__init__(f"promised: {promised}; observed: {observed}")
        self.observation = Observation(promised, observed, harm, measured)
        self.example = example
        self.history = tuple(history)


class Moment(enum.StrEnum):
    """Why the same requests, sent one after another, need not show the deviation again."""

    SIDE_BY_SIDE = "the requests once ran side by side"
    KILLED = "a process was killed in the middle"


class Inconclusive(Exception):
    """Raised by a clause that could not decide. The message says why."""


class NeedsRefused(BaseException):
    """Raised where a clause needs an operation that the backend refuses, and that another clause judges.

    The clause is then ``unsupported``, with ``operation`` and ``answer`` as its reason. It is no ``Exception``: neither
    a clause nor Hypothesis may take it for a broken promise, and no further example is tried.
    """

    def __init__(self, operation: str, answer: str) -> None:
        super().__init__(f"needs {operation}: {answer}")
        self.operation = operation
        self.answer = answer


class ViewError(ConformanceError):
    """Raised when the backend cannot be inspected: a plain S3 request of the suite failed.

    ``status`` is the HTTP status of the response, or 0 where there was no response.
    """

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status

    @property
    def is_backends_failure(self) -> bool:
        """Return whether the backend itself failed: it reports so (5xx), or it agreed and then sent no whole response.

        A 4xx may be the fault of our request.
        """
        return self.status >= 500 or 200 <= self.status < 300


def show(value: object, limit: int = 160) -> str:
    """Return a short, unambiguous text for a value in an observation, at most about ``limit`` characters long.

    Long byte strings, also inside lists, tuples and dictionaries, appear as their length and their first bytes.
    """
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
    """Raise :class:`Deviation` unless ``observed == promised``. A clause ends with this comparison.

    - ``what``: names the thing compared ("status of the expired URL").
    - ``promise``: a text for the promise, where the bare value would not explain itself.
    - ``harm``: the harm that a difference does, if any.

    For two byte strings the deviation names their lengths, or the first byte that differs.
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
    """Raise :class:`Deviation` unless ``held``. A clause ends with this where its promise is not a single value."""
    if not held:
        raise Deviation(promised=promised, observed=observed, harm=harm)


def _first_difference(observed: bytes | bytearray, promised: bytes | bytearray) -> str:
    if len(observed) != len(promised):
        return f"{show(observed)} ({len(observed)} bytes instead of {len(promised)})"
    at = next(i for i, (a, b) in enumerate(zip(observed, promised, strict=True)) if a != b)
    return f"{show(observed)}, first other byte at {at}: {observed[at]:#04x} instead of {promised[at]:#04x}"
