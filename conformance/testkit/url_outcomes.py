"""What became of the use of a URL: served, refused, or what else was seen, and whether it got through."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final, Self

from bucket_conformance.conformance.contract import Harm
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.testkit.needs import is_refusal
from bucket_conformance.conformance.verdict import require
from bucket_conformance.conformance.wire.transport import HttpResponse


class Outcome(str):
    """What was seen, as observations show it. ``got_through``: a forbidden request had an effect.

    Only the suite sets ``got_through``: whatever a server writes is nothing but text.
    """

    __slots__ = ("got_through",)
    got_through: bool

    def __new__(cls, text: str, *, got_through: bool = False) -> Self:
        outcome = super().__new__(cls, text)
        outcome.got_through = got_through
        return outcome


SERVED: Final = Outcome("served", got_through=True)
REFUSED: Final = Outcome("refused")
CHANGED: Final = Outcome("changed", got_through=True)
"""Of what was there before: it is another one now."""
STORED: Final = Outcome("stored", got_through=True)
"""Of a key that held nothing: something is there now."""
AS_BEFORE: Final = Outcome("as before")

_WINDOW: Final = 16
"""This many consecutive bytes of an object's content are a leak; fewer may be chance."""

_NAMED: Final = 8
"""An observation names at most this many of the results that differ."""


def secret_content(session: Session) -> bytes:
    """Return 256 bytes that occur nowhere else, so that any part of them in a response is a leak."""
    name = session.fresh_id()
    return "".join(hashlib.sha256(f"{name} {part}".encode()).hexdigest() for part in range(4)).encode()


def stored(session: Session, key: str | None = None) -> tuple[str, bytes]:
    """Store new secret content; return its key (of the layout, unless given) and its bytes."""
    key = key or session.fresh_key()
    content = secret_content(session)
    session.populate([key], content)
    return key, content


def outcome(
    response: HttpResponse, content: bytes, *, hidden: Iterable[bytes] = (), words: Iterable[str] = ()
) -> Outcome:
    """Return ``SERVED`` for 200 with exactly ``content``, ``REFUSED`` for a 4xx or 501 without it, or what was seen.

    - ``hidden``: further contents of which no part may appear.
    - ``words``: texts that may not appear as a whole.
    """
    if response.status == 200 and response.error is None and response.body == content:
        return SERVED
    shown = leaked(response, (content, *hidden), words)
    if is_refusal(response.status) and response.error is None and not shown:
        return REFUSED
    what = "the content in part" if shown == "content" else shown
    if response.status == 200:
        text = f"200 with {len(response.body)} bytes" + (f", among them {what}" if shown else ", none of the content")
    else:
        text = response.summary + (f", showing {what}" if shown else "")
    return Outcome(text, got_through=shown == "content")


ALIVE: Final = "the good one"
"""Names the uses of an untampered URL among the results: where it is not served, a refusal proves nothing."""


def twins_served(seen: Mapping[str, object]) -> dict[str, object]:
    """Return what is promised of results by name: ``SERVED`` of the good URL, ``REFUSED`` of all others."""
    return {name: SERVED if name.startswith(ALIVE) else REFUSED for name in seen}


def tampered(seen: Mapping[str, object]) -> list[object]:
    """Return the results of all but the good URL."""
    return [value for name, value in seen.items() if not name.startswith(ALIVE)]


def bypass(*seen: object) -> Harm | None:
    """Return ``BYPASSES_AUTHENTICATION`` where a request that must be rejected was served, else ``None``.

    That is an :class:`Outcome` that got through, alone or within a tuple; no other text is looked at.
    """
    parts = [part for one in seen for part in (one if isinstance(one, tuple) else (one,))]
    through = any(isinstance(part, Outcome) and part.got_through for part in parts)
    return Harm.BYPASSES_AUTHENTICATION if through else None


def require_each(
    seen: Mapping[str, object], promised: Mapping[str, object] | object, what: str, *, harm: Harm | None = None
) -> None:
    """Raise ``Deviation`` unless each of many results is as promised; the observation names those that differ.

    A clause ends with this. ``promised`` is one value for all results, or one per name. ``harm`` is the harm that a
    difference does, if any.
    """
    by_name = promised if isinstance(promised, Mapping) else dict.fromkeys(seen, promised)
    wrong = [name for name, value in seen.items() if value != by_name[name]]
    named = [f"{name} → {_brief(seen[name])}" for name in wrong[:_NAMED]]
    if len(wrong) > _NAMED:
        named.append(f"and {len(wrong) - _NAMED} more")
    wanted = {_brief(by_name[name]) for name in wrong}
    each = wanted if len(wanted) == 1 else [f"{name} → {_brief(by_name[name])}" for name in wrong]
    require(
        not wrong,
        promised=f"{what}: " + "; ".join(each),
        observed=f"{len(wrong)} of {len(seen)} otherwise: " + "; ".join(named),
        harm=harm,
    )


def _brief(value: object) -> str:
    return ", ".join(str(part) for part in value) if isinstance(value, tuple) else str(value)


def leaked(response: HttpResponse, contents: Iterable[bytes], words: Iterable[str] = ()) -> str:
    """Return what a response reveals: ``"content"``, ``"the true signature"`` or ''."""
    seen = response.body + b"\n" + "\n".join(f"{name}: {value}" for name, value in response.headers).encode("utf-8")
    for content in contents:
        if any(content[at : at + _WINDOW] in seen for at in range(0, len(content) - _WINDOW + 1, _WINDOW)):
            return "content"
    return "the true signature" if any(word.encode() in seen for word in words if word) else ""
