"""What the response to a GET says about the object: its bytes, that there is none, or neither."""

from __future__ import annotations

from bucket_conformance.conformance.wire.transport import HttpResponse

Stored = bytes | str | None
"""The bytes of an object; ``None``: there is no object; a text: a short form of a response that says neither."""


def stored_in(response: HttpResponse) -> Stored:
    """Return what the response to a GET of a whole object says. The body of an error, or of a 204, is no object."""
    if response.status == 404:
        return None
    return response.body if response.status == 200 and response.error is None else response.summary


def tells(*seen: Stored) -> bool:
    """Return whether each value says what is stored. Only then may a clause report a harm."""
    return not any(isinstance(each, str) for each in seen)


def is_lost(response: HttpResponse, before: bytes) -> bool:
    """Return whether the response shows that the object with the bytes ``before`` is gone or was replaced."""
    seen = stored_in(response)
    return tells(seen) and seen != before
