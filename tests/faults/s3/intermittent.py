"""Faults that come and go: most requests are served as promised, and one in so many is not."""

from __future__ import annotations

from tests.exemplar.types import Request, Response
from tests.faults.gateway import Forward, fault


def _is_turn(forward: Forward, name: str, every: int) -> bool:
    """Return whether this is the last of ``every`` such requests."""
    with forward.lock:
        count = forward.memory[name] = forward.memory.get(name, 0) + 1
        return bool(count % every == 0)


@fault(
    "loses-one-write-in-forty",
    "one PUT in forty is answered as stored, and is not",
    breaks=["KEY-014"],
)
def loses_one_write(request: Request, forward: Forward) -> Response:
    if request.is_object("PUT") and not request.query and _is_turn(forward, "writes", 40):
        refused = forward.authentic(request)
        return refused or Response(status=200, headers=(("ETag", '"0"'),))
    return forward(request)


@fault(
    "flips-a-bit-of-one-read-in-two-hundred",
    "one GET in two hundred has a wrong bit in its body",
    breaks=["KEY-010"],
)
def flips_a_bit(request: Request, forward: Forward) -> Response:
    response = forward(request)
    if request.is_object("GET") and response.status == 200 and response.body and _is_turn(forward, "reads", 200):
        body = bytearray(response.body)
        body[len(body) // 2] ^= 1
        return response.with_body(bytes(body))
    return response


@fault(
    "serves-one-expired-url-in-fifty",
    "one use in fifty of a signed URL past its end is served",
    breaks=["URL-003"],
)
def serves_one_expired_url(request: Request, forward: Forward) -> Response:
    refused = forward.authentic(request)
    expired = refused is not None and b"Request has expired" in refused.body
    if expired and _is_turn(forward, "expired", 50):
        return forward.trusted(request)
    return forward(request)
