"""The commands on single files: check, put, get, url, ls, rm, serve."""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

from bucket_conformance.reference_impl.api import CredentialsEndBeforeUrl, DeleteError, ObjectStat, Storage
from bucket_conformance.reference_impl.cli_output import Console, UsageError, count, plain
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.settings import LOCAL_URL_BASE, LOCAL_URL_SECRET, LOCATION

PIECE_BYTES: Final = 1024 * 1024


def check(storage: Storage, args: argparse.Namespace, console: Console) -> int:
    found = storage.check()
    document = {
        "location": found.location,
        "permissions": found.permissions,
        "duration_s": round(found.duration_s, 3),
        "warnings": found.warnings,
    }
    for warning in found.warnings:
        console.note(f"warning: {warning}")
    console.result(document, [f"{plain(found.location)}: ok ({', '.join(found.permissions)})"])
    return 0


def put(storage: Storage, args: argparse.Namespace, console: Console) -> int:
    with _input(args.file) as stream:
        stat = storage.upload(args.key, stream, content_type=args.content_type)
    console.result(_document(stat), [f"{plain(stat.key)}: {count(stat.size, 'byte')} stored"])
    return 0


@contextlib.contextmanager
def _input(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        # Unbuffered: a buffered one reads again and again by itself, and an interrupt between two of these reads would
        # wait for more input.
        yield getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
        return
    try:
        stream = Path(name).open("rb")  # noqa: SIM115
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}; name a file that can be read, or - for stdin") from None
    with stream:
        yield stream


def get(storage: Storage, args: argparse.Namespace, console: Console) -> int:
    if args.file == "-":
        if console.as_json:
            raise UsageError("get with --json needs a file: stdout cannot hold both the bytes and the result")
        with storage.open(args.key) as stream:
            shutil.copyfileobj(stream, sys.stdout.buffer, PIECE_BYTES)
        sys.stdout.buffer.flush()
        return 0
    # Entered first, so that a missing key leaves nothing at all behind.
    with storage.open(args.key) as stream, _output(args.file) as file:
        shutil.copyfileobj(stream, file, PIECE_BYTES)
        size = file.tell()
    document = {"key": args.key, "file": args.file, "size": size}
    console.result(document, [f"{plain(args.file)}: {count(size, 'byte')} written"])
    return 0


@contextlib.contextmanager
def _output(name: str) -> Iterator[BinaryIO]:
    """Open a new file that takes the name only when it is whole and on disk."""
    path = Path(os.path.realpath(name))
    if path.is_dir() or (path.exists() and not path.is_file()):
        raise UsageError(f"{name}: not a regular file; name one, or - for stdout")
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        file = temporary.open("xb")
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}; name a file in a folder that can be written") from None
    try:
        with file:
            yield cast(BinaryIO, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def url(storage: Storage, args: argparse.Namespace, console: Console) -> int:
    if args.upload and args.file_name is not None:
        raise UsageError("--file-name is for URLs that are read; leave it out with --upload")
    if not args.upload and args.content_type is not None:
        raise UsageError("--content-type binds an upload; give --upload with it")
    life = {} if args.expires is None else {"expires_in": args.expires}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CredentialsEndBeforeUrl)
        if args.upload:
            made = storage.signed_upload_url(args.key, content_type=args.content_type, **life)
        else:
            made = storage.signed_url(args.key, args.file_name, **life)
    for warning in caught:
        console.note(f"warning: {warning.message}")
    console.result({"key": args.key, "method": "PUT" if args.upload else "GET", "url": made}, [made])
    return 0


def ls(storage: Storage, args: argparse.Namespace, console: Console) -> int:
    for stat in storage.list(args.prefix):
        line = f"{stat.last_modified:%Y-%m-%dT%H:%M:%SZ} {stat.size:>12} {plain(stat.key)}"
        console.result(_document(stat), [line])
    return 0


def rm(storage: Storage, args: argparse.Namespace, console: Console) -> int:
    wanted = args.keys
    if wanted == ["-"]:
        wanted = _lines_of_stdin()
    code = 0
    try:
        result = storage.delete_files(wanted)
    except DeleteError as error:
        result, code = error.result, 1
    document = {
        "deleted": result.deleted,
        "failed": [
            {"key": one.key, "code": one.code.value, "backend_code": one.backend_code, "message": plain(one.message)}
            for one in result.failed
        ],
        "unknown": result.unknown,
        "requests": result.requests,
    }
    console.result(document, [f"{count(len(result.deleted), 'key')} deleted or never there"])
    for one in result.failed:
        said = " ".join(filter(None, (f"({one.backend_code})" if one.backend_code else "", one.message)))
        console.note(f"not deleted {one.key!r}: {one.code.value} {said}".rstrip())
    for key in result.unknown:
        console.note(f"unknown {key!r}: the request broke off; deleting it again is safe")
    return code


def _lines_of_stdin() -> list[str]:
    # Read as bytes: only a line feed ends a key, and what is no UTF-8 is the caller's mistake, in every locale.
    try:
        lines = sys.stdin.buffer.read().decode().split("\n")
    except UnicodeDecodeError as error:
        raise UsageError(f"stdin is not UTF-8 at byte {error.start}; write one key per line in UTF-8") from None
    return [line for line in lines if line]


def serve(storage: Storage, args: argparse.Namespace, console: Console) -> int:
    from bucket_conformance.reference_impl.local import LocalStorage

    if not isinstance(storage, LocalStorage):
        raise UsageError(f"serve is for local disk, whose URLs no other server honours; set {LOCATION}=local")
    try:
        storage.signer  # noqa: B018
    except StorageError as error:
        if error.code is not ErrorCode.UNSUPPORTED:
            raise
        raise UsageError(f"serve needs {LOCAL_URL_BASE} (its public address) and {LOCAL_URL_SECRET}") from None
    from bucket_conformance.reference_impl import signed_urls
    from bucket_conformance.reference_impl.url_connections import ServerLimits

    limits = ServerLimits(
        connections=args.max_connections,
        idle_s=args.idle_timeout,
        request_s=args.request_timeout,
        upload_bytes=args.max_upload_bytes,
    )

    def listening() -> None:
        console.note(f"serving {storage.root} by signed URL on {args.host}:{args.port}, for {storage.base_url}")

    try:
        signed_urls.serve(storage, args.host, args.port, limits=limits, listening=listening)
    except OSError as error:
        raise UsageError(f"cannot listen on {args.host}:{args.port}: {error.strerror}; choose another") from None
    # The server takes the interrupt for itself and returns only after one.
    raise KeyboardInterrupt


def _document(stat: ObjectStat) -> dict[str, object]:
    return {
        "key": stat.key,
        "size": stat.size,
        "last_modified": stat.last_modified.isoformat(),
        "etag": stat.etag,
        "content_type": stat.content_type,
    }
