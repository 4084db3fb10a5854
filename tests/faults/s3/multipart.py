"""Faults of an S3 server that show in uploads in parts and in copies."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from urllib.parse import quote, unquote

from tests.exemplar.payload import open_body
from tests.exemplar.types import Request, Response
from tests.faults.gateway import Forward, fault

_PART = re.compile(rb"<Part><PartNumber>(\d+)</PartNumber><ETag>(.*?)</ETag></Part>")


def _is_part(request: Request) -> bool:
    return request.method == "PUT" and {"uploadId", "partNumber"} <= request.query.keys()


def _is_completion(request: Request) -> bool:
    return request.method == "POST" and "uploadId" in request.query


def _is_abort(request: Request) -> bool:
    return request.method == "DELETE" and "uploadId" in request.query


def _bare(request: Request, method: str, body: bytes = b"") -> Request:
    bare = Request(method=method, target=request.path, headers=(("Host", request.header("host")),))
    return bare.with_body(body) if method == "PUT" else bare


def _keep_part(request: Request, forward: Forward) -> Response:
    """Forward a part and remember it, in the order of arrival."""
    answer = forward(request)
    if answer.status == 200:
        with forward.lock:
            parts = forward.memory.setdefault(request.query["uploadId"], [])
            parts.append((int(request.query["partNumber"]), open_body(request.unsigned(), None).body))
    return answer


def _join(request: Request, forward: Forward, bodies: list[bytes]) -> Response:
    """Complete the upload instead of the good server, with a body of the fault."""
    refused = forward.authentic(request)
    if refused is not None:
        return refused
    put = forward.trusted(_bare(request, "PUT", b"".join(bodies)))
    forward.trusted(_bare(request, "DELETE").with_query(uploadId=request.query["uploadId"]))
    etag = put.header("etag")
    body = f"<CompleteMultipartUploadResult><ETag>{html.escape(etag)}</ETag></CompleteMultipartUploadResult>"
    return Response(status=200, headers=(("Content-Type", "application/xml"),), body=body.encode())


def _kept(request: Request, forward: Forward) -> list[tuple[int, bytes]]:
    with forward.lock:
        return list(forward.memory.get(request.query["uploadId"], []))


@fault("joins-parts-by-arrival", "parts are joined in the order in which they came", breaks=["RT-012"])
def joins_parts_by_arrival(request: Request, forward: Forward) -> Response:
    if _is_part(request):
        return _keep_part(request, forward)
    if _is_completion(request):
        return _join(request, forward, [body for _, body in _kept(request, forward)])
    return forward(request)


@fault(
    "joins-parts-by-number-as-text",
    "parts are joined by their numbers as text: 10 before 9",
    breaks=["RT-012"],
    origin="parts kept as files and read in the order of a directory listing",
)
def joins_parts_as_text(request: Request, forward: Forward) -> Response:
    if _is_part(request):
        return _keep_part(request, forward)
    if _is_completion(request):
        parts = dict(_kept(request, forward))
        return _join(request, forward, [parts[number] for number in sorted(parts, key=str)])
    return forward(request)


@fault("keeps-first-of-repeated-part", "of a part that is sent again the first body is kept", breaks=["RT-012"])
def keeps_first_of_repeated_part(request: Request, forward: Forward) -> Response:
    if _is_part(request):
        return _keep_part(request, forward)
    if _is_completion(request):
        parts = dict(reversed(_kept(request, forward)))
        return _join(request, forward, [parts[number] for number in sorted(parts)])
    return forward(request)


@fault(
    "wants-equal-parts",
    "a completion whose parts but the last differ in size is refused",
    breaks=["RT-012"],
    origin="Cloudflare R2 wants all parts but the last of equal size",
)
def wants_equal_parts(request: Request, forward: Forward) -> Response:
    if _is_part(request):
        return _keep_part(request, forward)
    if _is_completion(request) and forward.authentic(request) is None:
        sizes = [len(body) for _, body in sorted(dict(_kept(request, forward)).items())]
        if len(set(sizes[:-1])) > 1 or any(size < sizes[-1] for size in sizes[:-1]):
            return Response(status=400, body=b"<Error><Code>InvalidPart</Code></Error>")
    return forward(request)


@fault(
    "joins-parts-at-equal-distances",
    "each part goes where it would be if all had the size of the first",
    breaks=["RT-012"],
)
def joins_at_equal_distances(request: Request, forward: Forward) -> Response:
    if _is_part(request):
        return _keep_part(request, forward)
    if _is_completion(request):
        bodies = [body for _, body in sorted(dict(_kept(request, forward)).items())]
        joined = bytearray()
        for number, body in enumerate(bodies):
            at = number * len(bodies[0])
            joined[at : at + len(body)] = body
        return _join(request, forward, [bytes(joined)])
    return forward(request)


@fault("lists-aborted-uploads", "an upload that was aborted is still listed", breaks=["RT-014"])
def lists_aborted_uploads(request: Request, forward: Forward) -> Response:
    if _is_abort(request):
        answer = forward(request)
        if answer.status == 204:
            with forward.lock:
                forward.memory.setdefault("aborted", []).append((request.key, request.query["uploadId"]))
        return answer
    if request.method == "GET" and "uploads" in request.query:
        answer = forward(request)
        with forward.lock:
            aborted = [each for each in forward.memory.get("aborted", []) if each[0] == request.query.get("prefix")]
        rows = "".join(f"<Upload><Key>{key}</Key><UploadId>{upload}</UploadId></Upload>" for key, upload in aborted)
        end = b"</ListMultipartUploadsResult>"
        return answer.with_body(answer.body.replace(end, rows.encode() + end))
    return forward(request)


@fault("abort-keeps-the-upload", "an abort is answered but not done: the upload id lives on", breaks=["RT-014"])
def abort_keeps_the_upload(request: Request, forward: Forward) -> Response:
    return Response(status=204) if _is_abort(request) and forward.authentic(request) is None else forward(request)


@fault("abort-stores-what-came", "an abort leaves the parts that came as the object", breaks=["RT-014"])
def abort_stores_what_came(request: Request, forward: Forward) -> Response:
    if _is_part(request):
        return _keep_part(request, forward)
    answer = forward(request)
    if _is_abort(request) and answer.status == 204:
        forward.trusted(_bare(request, "PUT", b"".join(body for _, body in _kept(request, forward))))
    return answer


@fault("abort-removes-the-object", "an abort removes the object that the key held before", breaks=["RT-014"])
def abort_removes_the_object(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    if _is_abort(request) and answer.status == 204:
        forward.trusted(_bare(request, "DELETE"))
    return answer


@fault(
    "joins-small-parts",
    "parts of any size are joined",
    breaks=["RT-015"],
    origin="servers that leave the least size of a part out",
)
def joins_small_parts(request: Request, forward: Forward) -> Response:
    if _is_part(request):
        return _keep_part(request, forward)
    answer = forward(request)
    if _is_completion(request) and b"EntityTooSmall" in answer.body:
        parts = dict(_kept(request, forward))
        return _join(request, forward, [parts[number] for number in sorted(parts)])
    return answer


@fault("completes-then-refuses-small-parts", "small parts are refused but joined nevertheless", breaks=["RT-015"])
def completes_then_refuses(request: Request, forward: Forward) -> Response:
    if _is_part(request):
        return _keep_part(request, forward)
    answer = forward(request)
    if _is_completion(request) and b"EntityTooSmall" in answer.body:
        parts = dict(_kept(request, forward))
        _join(request, forward, [parts[number] for number in sorted(parts)])
    return answer


def _completed_with(request: Request, forward: Forward, rows: list[tuple[int, bytes]]) -> Response:
    refused = forward.authentic(request)
    if refused is not None:
        return refused
    inner = b"".join(b"<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>" % row for row in rows)
    body = b"<CompleteMultipartUpload>" + inner + b"</CompleteMultipartUpload>"
    return forward.trusted(request.with_body(body))


def _named(request: Request) -> list[tuple[int, bytes]]:
    return [(int(number), etag) for number, etag in _PART.findall(request.body)]


def _known_etags(request: Request, forward: Forward) -> dict[int, bytes]:
    listing = forward.trusted(_bare(request, "GET").with_query(uploadId=request.query["uploadId"]))
    found = re.findall(rb"<PartNumber>(\d+)</PartNumber><ETag>(.*?)</ETag>", listing.body)
    return {int(number): etag for number, etag in found}


@fault("complete-ignores-etags", "the ETags that a completion names are not compared", breaks=["RT-016"])
def complete_ignores_etags(request: Request, forward: Forward) -> Response:
    if not _is_completion(request):
        return forward(request)
    known = _known_etags(request, forward)
    rows = [(number, known.get(number, etag)) for number, etag in _named(request)]
    return _completed_with(request, forward, rows)


@fault("complete-skips-missing-parts", "parts that were never sent are left out of the object", breaks=["RT-016"])
def complete_skips_missing_parts(request: Request, forward: Forward) -> Response:
    if not _is_completion(request):
        return forward(request)
    known = _known_etags(request, forward)
    return _completed_with(request, forward, [row for row in _named(request) if row[0] in known])


@fault("complete-sorts-parts", "parts that are named out of order are sorted", breaks=["RT-016"])
def complete_sorts_parts(request: Request, forward: Forward) -> Response:
    return _completed_with(request, forward, sorted(_named(request))) if _is_completion(request) else forward(request)


def _is_copy(request: Request) -> bool:
    return request.method == "PUT" and request.has_header("x-amz-copy-source") and not request.query.get("uploadId")


def _copies_from(request: Request, forward: Forward, source: str) -> Response:
    return forward.authentic(request) or forward.trusted(request.with_header("x-amz-copy-source", source))


@fault("copy-loses-metadata", "a copy keeps the bytes alone", breaks=["RT-013"])
def copy_loses_metadata(request: Request, forward: Forward) -> Response:
    if _is_copy(request) and not request.has_header("x-amz-metadata-directive"):
        return forward.authentic(request) or forward.trusted(request.with_header("x-amz-metadata-directive", "REPLACE"))
    return forward(request)


@fault("copy-decodes-source-twice", "the source of a copy is percent-decoded twice", breaks=["RT-013"])
def copy_decodes_source_twice(request: Request, forward: Forward) -> Response:
    if _is_copy(request):
        once = unquote(request.header("x-amz-copy-source"))
        return _copies_from(request, forward, quote(unquote(once), safe="/-._~"))
    return forward(request)


@fault(
    "copy-takes-plus-for-space",
    "a plus in the source of a copy is read as a space",
    breaks=["RT-013"],
    origin="decoding a path by the rules of form data",
)
def copy_takes_plus_for_space(request: Request, forward: Forward) -> Response:
    if _is_copy(request):
        source = unquote(request.header("x-amz-copy-source")).replace("+", " ")
        return _copies_from(request, forward, quote(source, safe="/-._~"))
    return forward(request)


@fault("copy-makes-empty", "a copy is answered as done, and the target is empty", breaks=["RT-013"])
def copy_makes_empty(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    if _is_copy(request) and answer.status == 200:
        forward.trusted(_bare(request, "PUT", b""))
    return answer


@fault("copy-onto-itself-succeeds", "a copy onto itself that changes nothing is answered as done", breaks=["RT-017"])
def copy_onto_itself_succeeds(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    if _is_copy(request) and b"This copy request is illegal" in answer.body:
        return Response(status=200, body=b"<CopyObjectResult/>")
    return answer


@fault(
    "copy-onto-itself-empties",
    "a copy onto itself leaves an empty object",
    breaks=["RT-017"],
    origin="a target opened for writing before its source is read",
)
def copy_onto_itself_empties(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    source = unquote(request.header("x-amz-copy-source")).removeprefix("/")
    if _is_copy(request) and source == f"{request.bucket}/{request.key}":
        forward.trusted(_bare(request, "PUT", b""))
    return answer


@fault("replace-keeps-old-metadata", "REPLACE adds to the old metadata", breaks=["RT-017"])
def replace_keeps_old_metadata(request: Request, forward: Forward) -> Response:
    if not _is_copy(request) or request.header("x-amz-metadata-directive") != "REPLACE":
        return forward(request)
    refused = forward.authentic(request)
    if refused is not None:
        return refused
    old = forward.trusted(_bare(request, "HEAD"))
    kept = [pair for pair in old.headers if pair[0].lower().startswith("x-amz-meta-")]
    return forward.trusted(replace(request, headers=(*request.headers, *kept)))
