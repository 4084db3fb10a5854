"""Reads HTTP/1.1 messages for the faulty proxy: heads kept byte for byte, bodies by Content-Length only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Reader(Protocol):
    def readline(self, limit: int = -1, /) -> bytes: ...

    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """The head of a request; ``lines`` are its raw lines with their ends, the blank one excluded."""

    lines: tuple[bytes, ...]

    @property
    def method(self) -> str:
        return self.lines[0].split(b" ", 1)[0].decode("latin-1")

    @property
    def target(self) -> str:
        return self.lines[0].split(b" ")[1].decode("latin-1")

    def header(self, name: str) -> str:
        """Return the value of the first header called ``name`` (in any case), ``""`` where there is none."""
        return _header(self.lines, name)

    @property
    def length(self) -> int:
        """The announced length of the body, in bytes."""
        return int(self.header("content-length") or 0)

    def read_body(self, reader: Reader) -> bytes:
        """Read the announced body; ``ConnectionError`` if the client leaves in the middle of it."""
        if self.header("transfer-encoding"):
            raise NotImplementedError("the proxy reads bodies by Content-Length only; this request comes in chunks")
        body = reader.read(self.length) if self.length else b""
        if len(body) != self.length:
            raise ConnectionError(f"the client left after {len(body)} of {self.length} bytes")
        return body

    def raw(self, *, without: tuple[str, ...] = ()) -> bytes:
        """Return the head as it came, blank line included, but for the headers named ``without``."""
        kept = (line for line in self.lines if line.partition(b":")[0].decode("latin-1").lower() not in without)
        return b"".join(kept) + b"\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer of the server: its head, blank line included, and its whole body."""

    head: bytes
    body: bytes

    @property
    def status(self) -> int:
        return int(self.head.split(b" ", 2)[1])

    @property
    def closes(self) -> bool:
        return _header(self.head.splitlines(keepends=True), "connection").lower() == "close"

    @property
    def before_length(self) -> bytes:
        """The head up to its Content-Length line; all of it where there is none."""
        kept: list[bytes] = []
        for line in self.head.splitlines(keepends=True):
            if line.lower().startswith(b"content-length:"):
                break
            kept.append(line)
        return b"".join(kept)

    def raw(self) -> bytes:
        return self.head + self.body

    def with_length(self, length: int) -> bytes:
        """Return the head with its Content-Length replaced by ``length``."""
        lines = (
            b"Content-Length: %d\r\n" % length if line.lower().startswith(b"content-length:") else line
            for line in self.head.splitlines(keepends=True)
        )
        return b"".join(lines)


def read_head(reader: Reader) -> Message | None:
    """Read the head of a request; ``None`` where the client has left."""
    lines = _lines(reader)
    return Message(lines=lines) if lines else None


def read_answer(reader: Reader, method: str) -> Answer:
    """Read the answer to a request by ``method``; ``ConnectionError`` where the server breaks off."""
    lines = _lines(reader)
    if not lines:
        raise ConnectionError("the server hung up instead of answering")
    answer = Answer(head=b"".join(lines) + b"\r\n", body=b"")
    if method == "HEAD" or answer.status in (204, 304):
        return answer
    length = int(_header(lines, "content-length") or 0)
    body = reader.read(length) if length else b""
    if len(body) != length:
        raise ConnectionError(f"the server broke off after {len(body)} of {length} bytes")
    return Answer(head=answer.head, body=body)


def _header(lines: tuple[bytes, ...] | list[bytes], name: str) -> str:
    for line in lines[1:]:
        found, colon, value = line.decode("latin-1").partition(":")
        if colon and found.strip().lower() == name:
            return value.strip()
    return ""


def _lines(reader: Reader) -> tuple[bytes, ...]:
    lines: list[bytes] = []
    while (line := reader.readline(65_537)) not in (b"\r\n", b"\n", b""):
        lines.append(line)
    return tuple(lines)
