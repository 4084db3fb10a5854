"""Faults of an S3 server that show in deleting."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote
from xml.sax.saxutils import escape

from tests.exemplar.types import Request, Response
from tests.faults.gateway import Forward, fault
from tests.faults.s3.patterns import with_digest


def _rewritten(request: Request, forward: Forward, change: Callable[[bytes], bytes]) -> Response:
    """Answer a batch delete that the good server would take, with its body changed."""
    if not request.is_batch_delete() or (body := change(request.body)) == request.body:
        return forward(request)
    return forward.authentic(request) or forward.trusted(with_digest(request, body))


def _each_key(change: Callable[[str], str]) -> Callable[[bytes], bytes]:
    def rewrite(body: bytes) -> bytes:
        def one(found: re.Match[str]) -> str:
            key = change(html.unescape(found[1]))
            return f"<Key>{escape(key, {chr(13): '&#13;'})}</Key>"

        return re.sub("<Key>(.*?)</Key>", one, body.decode(), flags=re.DOTALL).encode()

    return rewrite


@fault("delete-missing-gives-404", "deleting a key that is not there is answered 404 NoSuchKey", breaks=["DEL-020"])
def delete_missing_gives_404(request: Request, forward: Forward) -> Response:
    probe = Request(method="HEAD", target=request.path, headers=request.headers)
    asked = request.is_object("DELETE") and forward.authentic(request) is None
    if asked and forward.trusted(probe).status == 404:
        return Response(status=404, body=b"<Error><Code>NoSuchKey</Code></Error>")
    return forward(request)


@fault("delete-decodes-percent", "a batch delete percent-decodes the keys it names", breaks=["DEL-019"])
def delete_decodes_percent(request: Request, forward: Forward) -> Response:
    return _rewritten(request, forward, _each_key(unquote))


@fault(
    "delete-strips-leading-slash",
    "a batch delete takes a leading slash off the name below a prefix",
    breaks=["DEL-019"],
    origin="MinIO takes the first slash off each key of a batch",
)
def delete_strips_leading_slash(request: Request, forward: Forward) -> Response:
    return _rewritten(request, forward, _each_key(lambda key: key.replace("//", "/")))


@fault(
    "delete-collapses-spaces",
    "a batch delete reads spaces in a row as one",
    breaks=["DEL-019"],
    origin="white space of XML that is normalised",
)
def delete_collapses_spaces(request: Request, forward: Forward) -> Response:
    return _rewritten(request, forward, _each_key(lambda key: re.sub(" +", " ", key)))


@fault("delete-does-not-unescape", "a batch delete takes entities in a key literally", breaks=["DEL-007"])
def delete_does_not_unescape(request: Request, forward: Forward) -> Response:
    return _rewritten(request, forward, lambda body: body.replace(b"&", b"&amp;"))


@fault("delete-normalises-line-ends", "a carriage return in a key becomes a newline", breaks=["DEL-007"])
def delete_normalises_line_ends(request: Request, forward: Forward) -> Response:
    return _rewritten(request, forward, _each_key(lambda key: key.replace("\r\n", "\n").replace("\r", "\n")))


@fault(
    "delete-takes-999",
    "a batch of 1000 keys fails",
    breaks=["DEL-010", "DEL-015"],
    origin="https://github.com/apache/opendal/issues/2227",
)
def delete_takes_999(request: Request, forward: Forward) -> Response:
    if request.is_batch_delete() and request.body.count(b"<Object>") in (999, 1000):
        return Response(status=500, body=b"<Error><Code>InternalError</Code></Error>")
    return forward(request)


@fault(
    "delete-refuses-1001-too-late",
    "a batch of 1001 keys is refused after its first thousand were deleted",
    breaks=["DEL-010"],
)
def delete_refuses_too_late(request: Request, forward: Forward) -> Response:
    if request.is_batch_delete() and request.body.count(b"<Object>") > 1000 and forward.authentic(request) is None:
        objects = re.findall(b"<Object>.*?</Object>", request.body, re.DOTALL)[:1000]
        forward.trusted(with_digest(request, b"<Delete>" + b"".join(objects) + b"</Delete>"))
    return forward(request)


@fault("delete-answers-quietly", "a batch delete never names what it deleted", breaks=["DEL-011"])
def delete_answers_quietly(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    if not request.is_batch_delete():
        return answer
    return answer.with_body(re.sub(rb"<Deleted>.*?</Deleted>", b"", answer.body, flags=re.DOTALL))


@fault("delete-answer-is-not-escaped", "keys are written into the answer of a batch as they are", breaks=["DEL-011"])
def delete_answer_is_not_escaped(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    if not request.is_batch_delete() or answer.status != 200:
        return answer
    return answer.with_body(html.unescape(answer.body.decode()).encode())


@fault(
    "delete-ignores-content-md5",
    "a batch delete never compares Content-MD5",
    breaks=["DEL-012"],
    origin="MinIO deletes what a batch names whatever its Content-MD5",
)
def delete_ignores_md5(request: Request, forward: Forward) -> Response:
    if request.is_batch_delete() and request.header("Content-MD5") and forward.authentic(request) is None:
        return forward.trusted(with_digest(request, request.body))
    return forward(request)


@fault("delete-ignores-checksums", "a batch delete never compares x-amz-checksum-…", breaks=["DEL-012"])
def delete_ignores_checksums(request: Request, forward: Forward) -> Response:
    given = any(name.lower().startswith("x-amz-checksum-") for name, _ in request.headers)
    if request.is_batch_delete() and given and forward.authentic(request) is None:
        return forward.trusted(with_digest(request, request.body))
    return forward(request)


@fault(
    "delete-reads-xml-by-pattern",
    "keys are extracted from the body of a batch whatever surrounds them",
    breaks=["DEL-013"],
)
def delete_reads_by_pattern(request: Request, forward: Forward) -> Response:
    def well_formed(body: bytes) -> bytes:
        keys = re.findall(b"<Key>(.*?)<", body, re.DOTALL)
        objects = b"".join(b"<Object><Key>" + key + b"</Key></Object>" for key in keys)
        return b"<Delete>" + objects + b"</Delete>" if keys else body

    return _rewritten(request, forward, well_formed)


@fault("delete-empty-batch-is-fine", "a batch that names nothing is answered 200", breaks=["DEL-013"])
def delete_empty_is_fine(request: Request, forward: Forward) -> Response:
    if request.is_batch_delete() and b"<Key>" not in request.body and b"<Delete" in request.body:
        return forward.authentic(request) or Response(status=200, body=b"<DeleteResult/>")
    return forward(request)


@fault(
    "delete-batch-removes-versions", "a batch delete in a versioned bucket removes every version", breaks=["DEL-016"]
)
def delete_removes_versions(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    if not request.is_batch_delete() or answer.status != 200:
        return answer
    bare = replace(request.unsigned(), method="GET", body=b"", headers=(("Host", request.header("host")),))
    listing = forward.trusted(bare.with_query(drop=["delete"], versions="")).body.decode()
    for key, version in re.findall(r"<Version><Key>(.*?)</Key><VersionId>(.*?)</VersionId>", listing):
        if f"<Key>{key}</Key>" in request.body.decode():
            gone = bare.with_query(drop=["delete"], versionId=version).with_key(html.unescape(key))
            forward.trusted(replace(gone, method="DELETE"))
    return answer


@fault("delete-batch-tells-no-marker", "a batch delete does not name the markers it made", breaks=["DEL-016"])
def delete_tells_no_marker(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    return (
        answer.with_body(re.sub(rb"<(DeleteMarker\w*)>.*?</\1>", b"", answer.body))
        if request.is_batch_delete()
        else answer
    )


@fault(
    "delete-needs-no-digest",
    "a batch with neither Content-MD5 nor checksum is carried out",
    breaks=["DEL-018"],
)
def delete_needs_no_digest(request: Request, forward: Forward) -> Response:
    given = any(
        name.lower() == "content-md5" or name.lower().startswith("x-amz-checksum-") for name, _ in request.headers
    )
    if request.is_batch_delete() and not given and forward.authentic(request) is None:
        return forward.trusted(with_digest(request, request.body))
    return forward(request)


def _by_checksum_alone(request: Request) -> bool:
    names = {name.lower() for name, _ in request.headers}
    given = any(name.startswith("x-amz-checksum-") for name in names)
    return request.is_batch_delete() and given and "content-md5" not in names


@fault(
    "delete-wants-content-md5",
    "a batch with a right checksum and no Content-MD5 is refused",
    breaks=["DEL-025"],
    origin="OVHcloud, 2025-02: a checksum alone is 400",
)
def delete_wants_content_md5(request: Request, forward: Forward) -> Response:
    if _by_checksum_alone(request) and forward.authentic(request) is None:
        return Response(status=400, body=b"<Error><Code>InvalidRequest</Code></Error>")
    return forward(request)


@fault(
    "delete-with-a-checksum-does-nothing",
    "a batch with a checksum and no Content-MD5 is answered as carried out, and nothing is deleted",
    breaks=["DEL-025"],
)
def delete_with_a_checksum_does_nothing(request: Request, forward: Forward) -> Response:
    if not _by_checksum_alone(request) or forward.authentic(request) is not None:
        return forward(request)
    keys = re.findall(rb"<Key>(.*?)</Key>", request.body, re.DOTALL)
    rows = b"".join(b"<Deleted><Key>" + key + b"</Key></Deleted>" for key in keys)
    return Response(status=200, body=b"<DeleteResult>" + rows + b"</DeleteResult>")
