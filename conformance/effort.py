"""How thoroughly a run searches: its modes, and what each mode may spend on a clause."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final


class Mode(enum.StrEnum):
    """How thoroughly a run searches. Every mode tries every clause and all of its named boundary values."""

    QUICK = "quick"
    DEFAULT = "default"
    DEEP = "deep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What a run may spend on one case.

    - ``examples``: generated examples, in addition to the named ones.
    - ``case_s``: seconds for finding a deviation.
    - ``shrink_s``, ``shrink_requests``: seconds and requests for shrinking one; some endpoints bill each request.
    """

    mode: Mode
    examples: int
    case_s: float
    shrink_s: float
    shrink_requests: int = 1000


EFFORTS: Final = {
    Mode.QUICK: Effort(mode=Mode.QUICK, examples=2, case_s=1.0, shrink_s=1.0, shrink_requests=300),
    Mode.DEFAULT: Effort(mode=Mode.DEFAULT, examples=20, case_s=4.0, shrink_s=3.0),
    Mode.DEEP: Effort(mode=Mode.DEEP, examples=500, case_s=60.0, shrink_s=20.0, shrink_requests=10_000),
}


def deep(budget_s: float, cases: int) -> Effort:
    """Return an effort that distributes ``budget_s`` seconds over ``cases`` cases, at least 1 s each."""
    each = max(budget_s / max(cases, 1), 1.0)
    return Effort(
        mode=Mode.DEEP,
        examples=max(50, int(each * 40)),
        case_s=each,
        shrink_s=max(3.0, each / 2),
        shrink_requests=10_000,
    )
