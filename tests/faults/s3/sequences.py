"""Faults of an S3 server that show only after several requests to one key."""

from __future__ import annotations

import html
import re
from urllib.parse import unquote

from tests.exemplar.types import Request, Response
from tests.faults.gateway import Forward, fault
from tests.faults.s3.patterns import bare


def _removed(request: Request, answer: Response) -> list[tuple[str, str]]:
    """Return bucket and key of everything that this request deleted."""
    if answer.status >= 300:
        return []
    if request.is_object("DELETE"):
        return [(request.bucket, request.key)]
    if request.is_batch_delete():
        found = re.findall(r"<Key>([^<]*)</Key>", request.body.decode())
        return [(request.bucket, html.unescape(key)) for key in found]
    return []


@fault(
    "listing-misses-key-written-again",
    "a key that was deleted is never listed again, also when it is written again",
    breaks=["CON-010"],
    origin="an index that keeps a tombstone for good",
)
def listing_misses_key_written_again(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    with forward.lock:
        dead: set[tuple[str, str]] = forward.memory.setdefault("dead", set())
        dead.update(_removed(request, answer))
        if not request.is_listing() or answer.status != 200:
            return answer

        def kept(found: re.Match[bytes]) -> bytes:
            key = html.unescape(found[1].decode())
            if request.query.get("encoding-type") == "url":
                key = unquote(key)
            return b"" if (request.bucket, key) in dead else found[0]

    return answer.with_body(re.sub(rb"<Contents><Key>([^<]*)</Key>.*?</Contents>", kept, answer.body, flags=re.DOTALL))


@fault(
    "copy-reads-value-before-overwrite",
    "a copy of an overwritten object has the bytes that the overwrite replaced",
    breaks=["CON-010"],
    origin="a cache in front of reads that the copying does not ask to be refreshed",
)
def copy_reads_value_before_overwrite(request: Request, forward: Forward) -> Response:
    older: dict[tuple[str, str], bytes] = forward.memory.setdefault("older", {})
    place = (request.bucket, request.key)
    if request.is_object("PUT"):
        before = forward.trusted(bare(request, "GET"))
        answer = forward(request)
        if answer.status == 200 and before.status == 200:
            older[place] = before.body
        return answer
    answer = forward(request)
    for gone in _removed(request, answer):
        older.pop(gone, None)
    if request.method == "PUT" and request.has_header("x-amz-copy-source") and answer.status == 200:
        bucket, _, key = unquote(request.header("x-amz-copy-source")).removeprefix("/").partition("/")
        if (bucket, key) in older:
            forward.trusted(bare(request, "PUT").with_body(older[bucket, key]))
    return answer


@fault(
    "emptied-folder-still-listed",
    "a common prefix is still listed when the last key below it has been deleted",
    breaks=["CON-010"],
    origin="SeaweedFS 4 lists the folder until a later sweep",
)
def emptied_folder_still_listed(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    with forward.lock:
        dead: set[tuple[str, str]] = forward.memory.setdefault("dead", set())
        dead.update(_removed(request, answer))
        names = [key for bucket, key in sorted(dead) if bucket == request.bucket]
    prefix, delimiter = request.query.get("prefix", ""), request.query.get("delimiter", "")
    if not request.is_listing() or answer.status != 200 or not delimiter or "continuation-token" in request.query:
        return answer
    tails = [key.removeprefix(prefix) for key in names if key.startswith(prefix) and delimiter in key[len(prefix) :]]
    rows = [f"<Prefix>{prefix}{tail.partition(delimiter)[0]}{delimiter}</Prefix>" for tail in tails]
    known = answer.body.decode()
    more = "".join(f"<CommonPrefixes>{row}</CommonPrefixes>" for row in sorted(set(rows)) if row not in known)
    return answer.with_body(answer.body.replace(b"</ListBucketResult>", f"{more}</ListBucketResult>".encode()))


@fault(
    "delete-drops-open-uploads",
    "deleting an object also drops the uploads in parts that are under way for its key",
    breaks=["CON-010"],
    origin="a delete that removes the whole folder of a key",
)
def delete_drops_open_uploads(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    for _, key in _removed(request, answer):
        bucket = bare(request, "GET").with_key("").with_query(uploads="")
        listed = forward.trusted(bucket).body.decode()
        for found, upload in re.findall(r"<Key>([^<]*)</Key>\s*<UploadId>([^<]*)</UploadId>", listed):
            if html.unescape(found) == key:
                forward.trusted(bare(request, "DELETE").with_key(key).with_query(uploadId=upload))
    return answer


@fault(
    "create-remembers-deleted-keys",
    "a put with If-None-Match: * is refused for a key that was deleted",
    breaks=["CON-010"],
    origin="a delete marker that counts as an object",
)
def create_remembers_deleted_keys(request: Request, forward: Forward) -> Response:
    if request.is_object("PUT") and request.header("If-None-Match") == "*":
        with forward.lock:
            dead = (request.bucket, request.key) in forward.memory.get("dead", ())
        refused = forward.authentic(request)
        if dead and refused is None:
            return Response(status=412, body=b"<Error><Code>PreconditionFailed</Code></Error>")
    answer = forward(request)
    with forward.lock:
        forward.memory.setdefault("dead", set()).update(_removed(request, answer))
    return answer
