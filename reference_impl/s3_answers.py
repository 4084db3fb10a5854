"""Telling an answer that was cut off from one that says little: the SDK takes both as a success.

An answer whose connection ends within its head, or before the first byte of its body, reaches the SDK as a success with
fields missing: an empty listing, an upload without an id, an object without a size; and a refusal as one without a
reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.s3_errors import guarded

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_NEED_BODY: Final = frozenset({"ListObjectsV2", "CreateMultipartUpload", "CompleteMultipartUpload", "DeleteObjects"})
_NEED_HEADERS: Final[Mapping[str, tuple[str, ...]]] = {
    "HeadObject": ("content-length", "last-modified"),
    "UploadPart": ("etag",),
}
_WHOLE: Final[Mapping[str, re.Pattern[str]]] = {
    "content-length": re.compile(r"[0-9]+"),
    "last-modified": re.compile(r".*(GMT|UTC|Z|[+-]\d\d:?\d\d)"),
    "etag": re.compile(r'(W/)?".*"|[^"]+'),
}


def distrust_cut_answers(client: S3Client) -> None:
    """Let ``client`` take an answer that lacks what its kind must bear for a 500, which the SDK tries again.

    An SDK from before the event takes no notice; :func:`required` then still keeps such an answer from being believed.
    """
    client.meta.events.register("before-parse.s3.*", _distrust)


def _distrust(operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
    headers, body = response_dict["headers"], response_dict["body"]
    # What is left of a header must not reach the SDK's parser, which takes it for a number or a date, or fails over it.
    for field, whole in _WHOLE.items():
        if field in headers and not whole.fullmatch(headers[field]):
            del headers[field]
    if not isinstance(body, bytes):
        return  # a body still to be read, which is watched while it is
    name, length, status = operation_model.name, headers.get("content-length"), response_dict["status_code"]
    bodiless = operation_model.http.get("method") == "HEAD" or status in (204, 304)
    cut = not bodiless and length is not None and int(length) != len(body)
    if status == 200:
        cut |= name in _NEED_BODY and not body
        cut |= any(field not in headers for field in _NEED_HEADERS.get(name, ()))
    if cut:
        response_dict["status_code"] = 500


def required(answer: Mapping[str, Any], name: str, operation: str, key: str | None) -> Any:
    """Return ``answer[name]``; ``INTEGRITY`` where a sound answer would have it and this one does not."""
    value = answer.get(name)
    if value is None:
        raise StorageError(
            ErrorCode.INTEGRITY, operation, key, f"the answer has no {name}: it was cut off, or is not from S3"
        )
    return value


def require_length(
    client: S3Client,
    bucket: str,
    key: str,
    operation: str,
    *,
    etag: str | None,
    size: int,
    secrets: Callable[[], Iterable[str]],
) -> None:
    """Raise ``INTEGRITY`` unless ``size`` bytes are as many as the object has, by a second answer of the server.

    For a body that its ETag does not vouch for: a Content-Length that is too small makes a short body look whole. An
    object that was replaced or deleted since cannot be compared, and is let pass.
    """
    try:
        head = guarded(operation, key, lambda: client.head_object(Bucket=bucket, Key=key), secrets=secrets)
    except StorageError as error:
        if error.code is ErrorCode.NOT_FOUND:
            return
        raise
    if head.get("ETag") == etag and head.get("ContentLength") != size:
        raise StorageError(
            ErrorCode.INTEGRITY, operation, key, f"{size} bytes came of the {head.get('ContentLength')} that are stored"
        )
