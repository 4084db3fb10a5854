"""The result of using a URL: one word where it is as it should be (served, refused), otherwise a description."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final

from bucket_conformance.conformance.contract import Harm
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.verdict import require
from bucket_conformance.conformance.wire.transport import Answer

SERVED: Final = "served"
REFUSED: Final = "refused"

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


def outcome(answer: Answer, content: bytes, *, hidden: Iterable[bytes] = (), words: Iterable[str] = ()) -> str:
    """Return ``SERVED`` for a 200 with exactly ``content``, ``REFUSED`` for a 4xx without any of it, or a description.

    - ``hidden``: further contents of which no part may appear.
    - ``words``: texts that may not appear as a whole.
    """
    if answer.status == 200 and answer.error is None and answer.body == content:
        return SERVED
    shown = leaked(answer, (content, *hidden), words)
    if 400 <= answer.status < 500 and answer.error is None and not shown:
        return REFUSED
    what = "the content in part" if shown == "content" else shown
    if answer.status == 200:
        return f"200 with {len(answer.body)} bytes" + (f", among them {what}" if shown else ", none of the content")
    return answer.summary + (f", showing {what}" if shown else "")


def bypass(*seen: object) -> Harm | None:
    """Return ``BYPASSES_AUTHENTICATION`` where a request that must be rejected was served, else ``None``.

    ``seen`` are results of :func:`outcome`, or words with which a clause says that a request took effect.
    """
    for one in seen:
        parts = [str(part) for part in (one if isinstance(one, tuple) else (one,))]
        if any(part in _GOT_THROUGH or part.endswith(_SHOWN) for part in parts):
            return Harm.BYPASSES_AUTHENTICATION
    return None


_GOT_THROUGH: Final = (SERVED, "changed", "stored")
_SHOWN: Final = tuple(f"{where} the content in part" for where in ("among them", "showing"))


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


def leaked(answer: Answer, contents: Iterable[bytes], words: Iterable[str] = ()) -> str:
    """Return what a response reveals: ``"content"``, ``"the true signature"`` or ''."""
    seen = answer.body + b"\n" + "\n".join(f"{name}: {value}" for name, value in answer.headers).encode("utf-8")
    for content in contents:
        if any(content[at : at + _WINDOW] in seen for at in range(0, len(content) - _WINDOW + 1, _WINDOW)):
            return "content"
    return "the true signature" if any(word.encode() in seen for word in words if word) else ""
