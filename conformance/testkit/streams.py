"""Streams to upload: one like a socket or a pipe (forward only, in pieces), and one that breaks on the way."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from bucket_conformance.conformance.strategies import KIB, pattern_bytes

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PIECE_BYTES: Final = 64 * KIB
"""Maximum length of a read, however much was requested, except where all of the rest was requested."""


class StreamBroke(Exception):
    """Raised by a breaking stream: an exception of the caller, which no storage knows."""


class OneWay(io.RawIOBase):
    """A stream of ``pattern_bytes(size, salt)`` that cannot seek and does not know its length.

    - ``breaks_after``: bytes after which reading raises :class:`StreamBroke`.
    - ``on_read``: called after each read.
    - ``largest``: the length of the longest piece so far, in bytes.
    """

    def __init__(
        self, size: int, salt: int = 0, *, breaks_after: int | None = None, on_read: Callable[[], None] | None = None
    ) -> None:
        super().__init__()
        self.largest = 0
        self._end = size if breaks_after is None else breaks_after
        self._breaks = breaks_after is not None
        # At least one period longer than any piece, so that every piece is a slice of it.
        self._pattern = pattern_bytes(PIECE_BYTES + 251, salt)
        self._salt = salt
        self._at = 0
        self._on_read = on_read

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        left = self._end - self._at
        if self._breaks and not left:
            raise StreamBroke(f"the stream broke after {self._at} bytes")
        if self._breaks and (size is None or size < 0):
            # A caller that reads everything must not believe that this was everything.
            self._at = self._end
            raise StreamBroke(f"the stream broke after {self._at} bytes")
        wanted = left if size is None or size < 0 else min(size, left, PIECE_BYTES)
        turn = self._at % 251
        whole = self._pattern if wanted <= PIECE_BYTES else pattern_bytes(turn + wanted, self._salt)
        piece = whole[turn : turn + wanted]
        self._at += wanted
        self.largest = max(self.largest, wanted)
        if self._on_read is not None:
            self._on_read()
        return piece

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        piece = self.read(len(view))
        view[: len(piece)] = piece
        return len(piece)

    def as_file(self) -> BinaryIO:
        """Return the stream with the type that the storage port names."""
        return cast(BinaryIO, self)
