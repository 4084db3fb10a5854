"""What an answer to a GET says of the object: its bytes, that there is none, or nothing at all."""

from __future__ import annotations

from bucket_conformance.conformance.wire.transport import Answer

Stored = bytes | str | None
"""Bytes of an object; ``None``: there is none; a text: the answer, in a few words, that tells neither."""


def stored_in(answer: Answer) -> Stored:
    """Return what a whole GET was answered. The body of an error is nobody's object, nor is that of a 204."""
    if answer.status == 404:
        return None
    return answer.body if answer.status == 200 and answer.error is None else answer.summary


def tells(*seen: Stored) -> bool:
    """Whether each says what is stored; only then may a harm be claimed by it."""
    return not any(isinstance(each, str) for each in seen)


def is_lost(answer: Answer, before: bytes) -> bool:
    """Whether the answer shows that an object with the bytes ``before`` is gone, or replaced by another."""
    seen = stored_in(answer)
    return tells(seen) and seen != before
