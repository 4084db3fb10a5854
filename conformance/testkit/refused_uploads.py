"""Uploads that the backend must reject without storing anything."""

from __future__ import annotations

import base64
import zlib
from typing import Final

from bucket_conformance.conformance.contract import Harm
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.testkit.needs import is_refusal
from bucket_conformance.conformance.verdict import NeedsRefused, require
from bucket_conformance.conformance.wire.aws_chunked import Framing, put_chunked
from bucket_conformance.conformance.wire.stored_bytes import Stored, stored_in, tells
from bucket_conformance.conformance.wire.transport import HttpResponse


def crc32_trailer(body: bytes) -> tuple[str, str]:
    """Return the name and the value of the trailer with the CRC-32 of a body."""
    return "x-amz-checksum-crc32", base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def before_refused_put(session: Session, overwrites: bool) -> bytes | None:
    """Return what a key holds before a PUT that must be rejected; ``None``: nothing."""
    return b"from before" if overwrites else None


TWIN: Final = b"in chunks as they should be"


def require_chunks_taken(session: Session, framing: Framing) -> None:
    """Raise ``NeedsRefused`` where a good body in this framing is refused: RT-009 judges that.

    The refusal of a bad one then proves nothing.
    """
    put = put_chunked(session.wire, session.fresh_key(), TWIN, framing, trailer=crc32_trailer(TWIN))
    if is_refusal(put.status):
        raise NeedsRefused(f"bodies in chunks ({framing.name})", f"PUT → {put.summary}")


def require_refused(session: Session, key: str, put: HttpResponse, before: bytes | None, what: str) -> None:
    """Raise ``Deviation`` unless the PUT was rejected and the key still holds ``before`` (``None``: nothing).

    A clause ends with this. ``what`` names the upload in the observation.
    """
    held = session.wire.get(key)
    left = stored_in(held)
    changed = Harm.LOSES_DATA if before is not None and not put.ok else Harm.STORES_WRONG_DATA
    require(
        is_refusal(put.status) and left == before,
        promised=f"{what} is refused (4xx, 501), and {'nothing' if before is None else 'the old value'} is stored",
        observed=f"{put.summary}, and {_stored(left, before)}",
        harm=changed if left != before and tells(left) else None,
    )


def _stored(left: Stored, before: bytes | None) -> str:
    if left is None:
        return "nothing is stored"
    if isinstance(left, str):
        return f"reading what is stored gives {left}"
    return "the old value is stored" if left == before else f"{len(left)} other bytes are stored"
