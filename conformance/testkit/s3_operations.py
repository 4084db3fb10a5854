"""The steps of a sequence of S3 requests: what each step sends, and what a plain mapping promises for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import quote

from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.strategies import pattern_bytes
from bucket_conformance.conformance.testkit.listings import grouped, keys_of, prefixes_of, walk
from bucket_conformance.conformance.testkit.model import Model
from bucket_conformance.conformance.testkit.multipart import Upload, completed
from bucket_conformance.conformance.verdict import Inconclusive
from bucket_conformance.conformance.wire.transport import HttpResponse

DONE: Final = "done"
ABSENT: Final = "absent"
REFUSED: Final = "refused"
NO_SUCH_ETAG: Final = '"00000000000000000000000000000000"'


@dataclass(frozen=True, slots=True)
class Put:
    """Store ``size`` bytes of the pattern ``salt``."""

    name: str
    size: int
    salt: int
    by_url: bool = False

    def __str__(self) -> str:
        how = " by signed URL" if self.by_url else ""
        return f"PUT {self.name}{how}: {self.size} bytes, pattern {self.salt}"


@dataclass(frozen=True, slots=True)
class Create:
    """Put only where the key is absent."""

    name: str
    size: int
    salt: int

    def __str__(self) -> str:
        return f"PUT {self.name} if nothing is there: {self.size} bytes, pattern {self.salt}"


@dataclass(frozen=True, slots=True)
class Update:
    """Put only where the ETag is the one that the last HEAD of the sequence returned."""

    name: str
    size: int
    salt: int

    def __str__(self) -> str:
        return f"PUT {self.name} if it is as the last HEAD saw it: {self.size} bytes, pattern {self.salt}"


@dataclass(frozen=True, slots=True)
class Get:
    """Download a key."""

    name: str
    by_url: bool = False

    def __str__(self) -> str:
        return f"GET {self.name}" + (" by signed URL" if self.by_url else "")


@dataclass(frozen=True, slots=True)
class Head:
    """Send a HEAD for a key."""

    name: str

    def __str__(self) -> str:
        return f"HEAD {self.name}"


@dataclass(frozen=True, slots=True)
class Range:
    """Read the bytes ``first`` to ``last``, both included, as far as they exist."""

    name: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"GET {self.name}, bytes {self.first} to {self.last}"


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete one key."""

    name: str

    def __str__(self) -> str:
        return f"DELETE {self.name}"


@dataclass(frozen=True, slots=True)
class DeleteBatch:
    """Delete several keys with one request."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"DeleteObjects {', '.join(self.names)}"


@dataclass(frozen=True, slots=True)
class Copy:
    """Copy a key on the server."""

    source: str
    target: str

    def __str__(self) -> str:
        return f"copy {self.source} to {self.target}"


@dataclass(frozen=True, slots=True)
class Begin:
    """Start a multipart upload. The steps after it refer to it by ``number``."""

    number: int
    name: str

    def __str__(self) -> str:
        return f"begin upload {self.number} of {self.name}"


@dataclass(frozen=True, slots=True)
class Part:
    """Upload the only part of a multipart upload, possibly again."""

    number: int
    size: int
    salt: int

    def __str__(self) -> str:
        return f"part 1 of upload {self.number}: {self.size} bytes, pattern {self.salt}"


@dataclass(frozen=True, slots=True)
class Complete:
    """Complete a multipart upload."""

    number: int

    def __str__(self) -> str:
        return f"complete upload {self.number}"


@dataclass(frozen=True, slots=True)
class Abort:
    """Abort a multipart upload."""

    number: int

    def __str__(self) -> str:
        return f"abort upload {self.number}"


@dataclass(frozen=True, slots=True)
class List:
    """List a prefix, page by page."""

    folder: str
    delimiter: str = ""
    page: int = 1000

    def __str__(self) -> str:
        by = f" by {self.delimiter}" if self.delimiter else ""
        return f"list {self.folder or 'everything'}{by}, pages of {self.page}"


Step = Put | Create | Update | Get | Head | Range | Delete | DeleteBatch | Copy | Begin | Part | Complete | Abort | List


def repaired(steps: list[Step]) -> list[Step]:
    """Return the steps without those of uploads that were not started, or that have no part when completed."""
    begun: set[int] = set()
    filled: set[int] = set()
    kept: list[Step] = []
    for step in steps:
        match step:
            case Begin():
                begun.add(step.number)
            case Part() if step.number in begun:
                filled.add(step.number)
            case Complete() if step.number in filled:
                begun.discard(step.number)
                filled.discard(step.number)
            case Abort() if step.number in begun:
                begun.discard(step.number)
                filled.discard(step.number)
            case Part() | Complete() | Abort():
                continue
        kept.append(step)
    return kept


@dataclass(slots=True)
class _Seen:
    """What the last HEAD of a key returned: its ETag, and which write it belongs to."""

    etag: str
    write: int
    body: bytes | None


class OperationState:
    """A new prefix of the bucket, and the model of what it must hold. Its ``with`` block aborts open uploads."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._wire = session.wire
        self._base = session.fresh_prefix()
        self._model = Model()
        self._writes = 0
        self._write_of: dict[str, int] = {}
        self._seen: dict[str, _Seen] = {}
        self._uploads: dict[int, tuple[str, Upload]] = {}
        self._parts: dict[int, bytes] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for begun in self._uploads.values():
            begun[1].abort()

    def step(self, step: Step) -> tuple[object, object]:
        """Carry out one step; return what the mapping promises for it and what the server did."""
        name = getattr(step, "name", "")
        key, held = self._base + name, self._model.get(name)
        match step:
            case Put():
                body = pattern_bytes(step.size, step.salt)
                self._hold(name, body)
                if step.by_url:
                    return DONE, _done(self._wire.fetch_presigned("PUT", key, body=body))
                return DONE, _done(self._wire.put(key, body))
            case Create():
                body = pattern_bytes(step.size, step.salt)
                if held is None:
                    self._hold(name, body)
                response = self._wire.put(key, body, (("If-None-Match", "*"),))
                return (DONE if held is None else REFUSED), _done(response)
            case Update():
                return self._update(step, key, held)
            case Get():
                response = self._wire.fetch_presigned("GET", key) if step.by_url else self._wire.get(key)
                return (ABSENT if held is None else held), (response.body if response.ok else _done(response))
            case Head():
                response = self._wire.head(key)
                if response.ok:
                    self._seen[name] = _Seen(response.header("etag") or "", self._write_of.get(name, 0), held)
                size = _size(response) if response.ok else _done(response)
                return (ABSENT if held is None else str(len(held))), size
            case Range():
                # Another clause decides ranges beyond the end.
                last = step.last if held is None else min(step.last, len(held) - 1)
                if last < step.first:
                    return DONE, DONE
                return (ABSENT if held is None else held[step.first : last + 1]), self._ranged(step.first, last, key)
            case Delete():
                self._model.delete([name])
                response = self._wire.delete(key)
                return DONE, (DONE if response.status == 404 else _done(response))
            case DeleteBatch():
                self._model.delete(step.names)
                keys = [self._base + each for each in step.names]
                response = self._wire.delete_objects(keys)
                if response.status in (405, 501):
                    # Another clause judges whether there are batches: here they stand for any way to delete.
                    return DONE, self._deleted_one_by_one(keys)
                return DONE, (_done(response) if not response.ok else _without_errors(response))
            case Copy():
                return self._copy(step)
            case Begin() | Part() | Complete() | Abort():
                return self._upload(step)
            case List():
                return self._listing(step)

    def _deleted_one_by_one(self, keys: list[str]) -> str:
        seen = (_done(response) for response in map(self._wire.delete, keys) if response.status != 404)
        return next((each for each in seen if each != DONE), DONE)

    def _hold(self, name: str, body: bytes) -> None:
        self._model.put(name, body)
        self._writes += 1
        self._write_of[name] = self._writes

    def _update(self, step: Update, key: str, held: bytes | None) -> tuple[object, object]:
        seen = self._seen.get(step.name)
        body = pattern_bytes(step.size, step.salt)
        same = seen is not None and held is not None and seen.write == self._write_of[step.name]
        if seen is not None and not same and held == seen.body:
            # The same bytes were written again; whether they get a new ETag is not specified.
            return DONE, DONE
        if same:
            self._hold(step.name, body)
        etag = seen.etag if seen is not None else NO_SUCH_ETAG
        observed = _done(self._wire.put(key, body, (("If-Match", etag),)))
        return (DONE if same else REFUSED), (REFUSED if observed == ABSENT else observed)

    def _ranged(self, first: int, last: int, key: str) -> object:
        response = self._wire.get(key, (("Range", f"bytes={first}-{last}"),))
        if not response.ok:
            return _done(response)
        # A server may ignore a range; another clause decides with which status it serves one.
        return response.body if len(response.body) == last - first + 1 else response.body[first : last + 1]

    def _copy(self, step: Copy) -> tuple[object, object]:
        held = self._model.get(step.source)
        source = quote(f"/{self._wire.bucket}/{self._base}{step.source}".encode(), safe="/-._~")
        response = self._wire.request("PUT", self._base + step.target, headers=[("x-amz-copy-source", source)])
        if held is None:
            return ABSENT, _done(response)
        self._hold(step.target, held)
        return DONE, (DONE if completed(response) else response.summary)

    def _upload(self, step: Begin | Part | Complete | Abort) -> tuple[object, object]:
        if isinstance(step, Begin):
            self._uploads[step.number] = (step.name, Upload(self._session, self._base + step.name))
            return DONE, DONE
        name, upload = self._uploads[step.number]
        if isinstance(step, Part):
            self._parts[step.number] = pattern_bytes(step.size, step.salt)
            return DONE, _done(upload.part(1, self._parts[step.number]))
        if isinstance(step, Complete):
            response = upload.complete()
            self._hold(name, self._parts[step.number])
            observed = DONE if completed(response) else response.summary
        else:
            response = upload.abort()
            observed = _done(response)
        del self._uploads[step.number]
        return DONE, observed

    def _listing(self, step: List) -> tuple[object, object]:
        prefix = self._base + step.folder
        parameters: dict[str, str | int] = {"prefix": prefix, "max_keys": step.page}
        names = [name.removeprefix(step.folder) for name in self._model.list(step.folder)]
        promised: tuple[list[str], list[str]] = (names, [])
        if step.delimiter:
            parameters["delimiter"] = step.delimiter
            promised = grouped(names, step.delimiter)
        pages = walk(self._session, most=len(names) + 3, **parameters)
        return promised, (sorted(keys_of(pages, prefix)), sorted(prefixes_of(pages, prefix)))


def _size(response: HttpResponse) -> str | None:
    """Return the size in a response. What is not a number is quoted, so that it is none of the words above."""
    size = response.header("content-length")
    return size if size is None or size.isdecimal() else f"a Content-Length of {size!r}"


def _done(response: HttpResponse) -> str:
    """Return a response in one word, or its status and error code where no word fits.

    Raises ``Inconclusive`` for a 503.
    """
    if response.status == 503:
        raise Inconclusive("the server was too busy (503) to answer every step")
    if response.ok:
        return DONE
    return {404: ABSENT, 412: REFUSED}.get(response.status, response.summary)


def _without_errors(response: HttpResponse) -> str:
    root = response.xml()
    codes = [] if root is None else [found.findtext("Code") or "" for found in root.iterfind("Error")]
    wrong = sorted(set(codes) - {"NoSuchKey"})
    return f"errors: {', '.join(wrong)}" if wrong else DONE
