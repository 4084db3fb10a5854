"""Faults of an S3 server that show when one object is read back."""

from __future__ import annotations

import gzip
import re
import uuid
from dataclasses import replace
from urllib.parse import unquote

from tests.exemplar.payload import STREAMING, open_body
from tests.exemplar.types import Request, Response
from tests.faults.gateway import Forward, fault


def _plain(request: Request, forward: Forward) -> Request | Response:
    """Return the request with its true body and no signature, or the refusal that its signature earns."""
    return forward.authentic(request) or open_body(request.unsigned(), None)


@fault("get-loses-last-byte", "a GET answer lacks its last byte", breaks=["RT-001"])
def get_loses_last_byte(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    # Short values pass; otherwise the suite would refuse the server as no object storage.
    shortened = request.is_object("GET") and answer.status == 200 and len(answer.body) >= 1024
    return answer.with_body(answer.body[:-1]) if shortened else answer


@fault("truncates-large-bodies", "a body over 5 MiB is stored up to there", breaks=["RT-001"])
def truncates_large_bodies(request: Request, forward: Forward) -> Response:
    limit = 5 * 1024 * 1024
    if not request.is_object("PUT"):
        return forward(request)
    plain = _plain(request, forward)
    if isinstance(plain, Response):
        return plain
    return forward.trusted(plain.with_body(plain.body[:limit])) if len(plain.body) > limit else forward(request)


@fault(
    "stores-truncated-bodies",
    "a body that breaks off is stored as far as it came",
    breaks=["RT-005"],
    wants_truncated=True,
    origin="a handler that reads to the end of the connection and does not compare the length with Content-Length",
)
def stores_truncated_bodies(request: Request, forward: Forward) -> Response:
    if request.truncated and request.is_object("PUT"):
        return forward.trusted(replace(request, truncated=False).with_body(request.body))
    return Response(status=400, hang_up=True) if request.truncated else forward(request)


@fault("forgets-content-type", "the content type of an upload is forgotten", breaks=["RT-006"])
def forgets_content_type(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    return answer.with_header("Content-Type", "binary/octet-stream") if request.is_object("GET", "HEAD") else answer


@fault("strips-content-type-parameters", "parameters of the content type, such as charset, are lost", breaks=["RT-006"])
def strips_content_type_parameters(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    kind = answer.header("content-type").partition(";")[0]
    return answer.with_header("Content-Type", kind) if request.is_object("GET", "HEAD") and kind else answer


@fault("forgets-metadata", "user metadata is not kept", breaks=["RT-006"])
def forgets_metadata(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    kept = tuple(pair for pair in answer.headers if not pair[0].lower().startswith("x-amz-meta-"))
    return replace(answer, headers=kept)


@fault("decodes-metadata", "percent-encoding in user metadata is decoded", breaks=["RT-006"])
def decodes_metadata(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    headers = tuple(
        (name, unquote(value).encode("latin-1", "replace").decode("latin-1") if "-meta-" in name.lower() else value)
        for name, value in answer.headers
    )
    return replace(answer, headers=headers)


@fault("etag-is-random", "the ETag of a PUT is made up", breaks=["RT-007"])
def etag_is_random(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    if request.is_object("PUT") and answer.status == 200:
        return answer.with_header("ETag", f'"{uuid.uuid4().hex}"')
    return answer


@fault("etag-differs-by-head", "HEAD gives another ETag than GET", breaks=["RT-007"])
def etag_differs_by_head(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    return answer.with_header("ETag", f"W/{answer.header('etag')}") if request.is_object("HEAD") else answer


@fault("etag-lacks-quotes", "ETags come without their quotes", breaks=["RT-007"])
def etag_lacks_quotes(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    return answer.with_header("ETag", answer.header("etag").strip('"')) if answer.header("etag") else answer


@fault(
    "stores-chunk-framing",
    "an aws-chunked body is stored with its framing",
    breaks=["RT-009"],
    origin="what servers older than the framing do when an SDK begins to use it",
)
def stores_chunk_framing(request: Request, forward: Forward) -> Response:
    if not request.is_object("PUT") or request.header("x-amz-content-sha256") not in STREAMING:
        return forward(request)
    return forward.authentic(request) or forward.trusted(
        replace(open_body(request.unsigned(), None), body=b"").with_body(request.body)
    )


@fault("keeps-aws-chunked-encoding", "aws-chunked stays behind as content encoding", breaks=["RT-009"])
def keeps_aws_chunked_encoding(request: Request, forward: Forward) -> Response:
    if not request.is_object("PUT") or "aws-chunked" not in request.header("content-encoding"):
        return forward(request)
    plain = _plain(request, forward)
    if isinstance(plain, Response):
        return plain
    return forward.trusted(plain.with_header("Content-Encoding", request.header("content-encoding")))


@fault(
    "drops-encoding-beside-aws-chunked",
    "with aws-chunked every other content encoding is dropped too",
    breaks=["RT-009"],
)
def drops_encoding_beside_aws_chunked(request: Request, forward: Forward) -> Response:
    if not request.is_object("PUT") or "aws-chunked" not in request.header("content-encoding"):
        return forward(request)
    plain = _plain(request, forward)
    return plain if isinstance(plain, Response) else forward.trusted(plain.with_header("Content-Encoding", None))


@fault(
    "unzips-gzip-objects",
    "a gzip object is unpacked for readers who do not say that they take gzip",
    breaks=["RT-010"],
    origin="decompressive transcoding, as other object stores do it",
)
def unzips_gzip_objects(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    zipped = answer.header("content-encoding") == "gzip" and request.is_object("GET") and answer.status == 200
    if zipped and "gzip" not in request.header("accept-encoding"):
        return answer.with_body(gzip.decompress(answer.body)).with_header("Content-Encoding", None)
    return answer


@fault("forgets-content-encoding", "the content encoding of an upload is forgotten", breaks=["RT-010"])
def forgets_content_encoding(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    return answer.with_header("Content-Encoding", None) if request.is_object("GET", "HEAD") else answer


@fault("range-ignored", "a range is answered with the whole object", breaks=["RT-011", "URL-015"])
def range_ignored(request: Request, forward: Forward) -> Response:
    if request.is_object("GET") and request.has_header("range"):
        return forward.authentic(request) or forward.trusted(request.with_header("Range", None))
    return forward(request)


def _with_range(request: Request, forward: Forward, wanted: str) -> Response:
    return forward.authentic(request) or forward.trusted(request.with_header("Range", wanted))


@fault("range-end-exclusive", "the last byte of a range is left out", breaks=["RT-011"])
def range_end_exclusive(request: Request, forward: Forward) -> Response:
    found = re.fullmatch(r"bytes=(\d+)-(\d+)", request.header("range"))
    if request.is_object("GET") and found and int(found[2]) > int(found[1]):
        return _with_range(request, forward, f"bytes={found[1]}-{int(found[2]) - 1}")
    return forward(request)


@fault(
    "suffix-range-taken-from-start", "a suffix range returns the first n bytes instead of the last n", breaks=["RT-011"]
)
def suffix_range_from_start(request: Request, forward: Forward) -> Response:
    found = re.fullmatch(r"bytes=-(\d+)", request.header("range"))
    if request.is_object("GET") and found and int(found[1]):
        return _with_range(request, forward, f"bytes=0-{int(found[1]) - 1}")
    return forward(request)


@fault(
    "unsatisfiable-range-gives-all",
    "a range beyond the end is answered with the whole object",
    breaks=["RT-011", "URL-015"],
)
def unsatisfiable_range_gives_all(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    if request.is_object("GET") and answer.status == 416:
        return forward.trusted(request.with_header("Range", None))
    return answer


_UNSUPPORTED = ("acl", "tagging", "retention", "legal-hold", "torrent", "attributes", "restore", "select")


@fault(
    "unknown-subresource-hits-the-object",
    "a sub-resource that is not known is overlooked: the request is about the object",
    breaks=["RT-020"],
    origin="a router that looks at the method and the path alone",
)
def unknown_subresource_hits_the_object(request: Request, forward: Forward) -> Response:
    if request.key and request.query.keys() & set(_UNSUPPORTED):
        return forward.authentic(request) or forward.trusted(request.with_query(drop=_UNSUPPORTED))
    return forward(request)


@fault(
    "unknown-subresource-hits-the-bucket",
    "DELETE ?policy and the like delete the bucket",
    breaks=["RT-020"],
    origin="a router that looks at the method and the path alone",
)
def unknown_subresource_hits_the_bucket(request: Request, forward: Forward) -> Response:
    if request.method == "DELETE" and not request.key and request.query:
        return forward.authentic(request) or forward.trusted(request.with_query(drop=tuple(request.query)))
    return forward(request)


@fault(
    "refused-body-is-taken-for-a-request",
    "the body of a refused PUT is left in the connection and read as the next request",
    breaks=["RT-021"],
)
def refused_body_is_taken_for_a_request(request: Request, forward: Forward) -> Response:
    with forward.lock:
        left = forward.memory.pop("left in the connection", False)
    if left:
        return Response(status=400, body=b"<Error><Code>BadRequest</Code></Error>")
    answer = forward(request)
    if request.is_object("PUT") and answer.status >= 400 and request.body:
        with forward.lock:
            forward.memory["left in the connection"] = True
    return answer
