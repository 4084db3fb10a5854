"""Checks that a response is a complete S3 response of its operation, because the SDK accepts almost anything.

A response that ends early, the page of a proxy, the document of another operation or an empty 200 looks like a success
to the SDK, with fields that are missing or repeated: an upload without an ETag, an empty listing, a list instead of a
string.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

from bucket_conformance.reference_impl.botocore_internals import sdk_error_handler
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.s3_codes import CUT_OFF, NOT_S3
from bucket_conformance.reference_impl.s3_errors import guarded

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["CUT_OFF", "NOT_S3", "distrust_answers", "require_length", "required"]

_SUCCESS: Final[Mapping[str, int]] = {
    "AbortMultipartUpload": 204,
    "CompleteMultipartUpload": 200,
    "CreateMultipartUpload": 200,
    "DeleteObject": 204,
    "DeleteObjects": 200,
    "GetObject": 200,
    "HeadObject": 200,
    "ListObjectsV2": 200,
    "PutObject": 200,
    "UploadPart": 200,
}
"""The status of success of each operation that the storage uses (https://docs.aws.amazon.com/AmazonS3/latest/API/)."""

_ALSO_SUCCESS: Final[Mapping[str, frozenset[int]]] = {
    "AbortMultipartUpload": frozenset({200}),
    "DeleteObject": frozenset({200}),
    "PutObject": frozenset({201, 204}),
    "UploadPart": frozenset({201, 204}),
}
"""Further statuses that some compatible servers use. They count only with a header of S3 (``x-amz-…``) and no body."""

_NEED_HEADERS: Final[Mapping[str, tuple[str, ...]]] = {
    "GetObject": ("etag",),
    "HeadObject": ("content-length", "last-modified", "etag"),
    "PutObject": ("etag",),
    "UploadPart": ("etag",),
}
_WHOLE: Final[Mapping[str, re.Pattern[str]]] = {
    "content-length": re.compile(r"[0-9]{1,19}", re.ASCII),
    "last-modified": re.compile(r".*(GMT|UTC|Z|[+-]\d\d:?\d\d)"),
    "etag": re.compile(r'(W/)?".*"|[^"]+'),
}


def _date(text: str) -> None:
    datetime.fromisoformat(text)


def _number(text: str) -> None:
    if not re.fullmatch(r"[0-9]{1,19}", text, re.ASCII):
        raise ValueError(text)


def _boolean(text: str) -> None:
    if text not in ("true", "false"):
        raise ValueError(text)


def _text(_: str) -> None:
    pass


def _filled(text: str) -> None:
    if not text:
        raise ValueError(text)


_ONE, _MAYBE, _ANY = (1, 1), (0, 1), (0, None)
_OTHER_OPERATIONS: Final = frozenset(
    {
        "AccessControlPolicy",
        "CompleteMultipartUploadResult",
        "CopyObjectResult",
        "CopyPartResult",
        "DeleteResult",
        "InitiateMultipartUploadResult",
        "ListAllMyBucketsResult",
        "ListBucketResult",
        "ListMultipartUploadsResult",
        "ListPartsResult",
        "ListVersionsResult",
        "html",
    }
)
"""Roots that tell what a document is. Of another root than S3's the fields decide: rclone begins an upload with
``InitiateMultipartUpload``, and no SDK reads the name of a root."""
_Leaf = Callable[[str], None]
_Fields = Mapping[str, tuple[tuple[int, int | None], "_Leaf | _Fields"]]

_DOCUMENTS: Final[Mapping[str, tuple[str, _Fields]]] = {
    "ListObjectsV2": (
        "ListBucketResult",
        {
            "IsTruncated": (_ONE, _boolean),
            "NextContinuationToken": (_MAYBE, _text),
            "EncodingType": (_MAYBE, _text),
            "KeyCount": (_MAYBE, _number),
            "MaxKeys": (_MAYBE, _number),
            "Name": (_MAYBE, _text),
            "Prefix": (_MAYBE, _text),
            "Delimiter": (_MAYBE, _text),
            "StartAfter": (_MAYBE, _text),
            "ContinuationToken": (_MAYBE, _text),
            "Contents": (
                _ANY,
                {
                    "Key": (_ONE, _filled),
                    "Size": (_ONE, _number),
                    "LastModified": (_ONE, _date),
                    "ETag": (_MAYBE, _text),
                },
            ),
        },
    ),
    "CreateMultipartUpload": ("InitiateMultipartUploadResult", {"UploadId": (_ONE, _filled)}),
    "CompleteMultipartUpload": ("CompleteMultipartUploadResult", {"ETag": (_ONE, _filled)}),
    "DeleteObjects": (
        "DeleteResult",
        {
            "Deleted": (_ANY, {"Key": (_ONE, _text)}),
            "Error": (_ANY, {"Key": (_ONE, _text), "Code": (_MAYBE, _text), "Message": (_MAYBE, _text)}),
        },
    ),
}
"""Root and fields, with how often each comes, of the documents that the storage reads."""


def distrust_answers(client: S3Client) -> None:
    """Make ``client`` treat a response that is not a complete response of its operation as an error.

    The error may be retried. An old SDK does not have the event and ignores this; :func:`required` then still rejects
    such a response.
    """
    sdks_own = sdk_error_handler()
    if sdks_own is not None:
        # It turns every response that it cannot read into a 500, which hides what the server answered.
        client.meta.events.unregister("before-parse.s3.*", sdks_own)
    client.meta.events.register_first("before-parse.s3.*", _distrust)


def _distrust(operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
    headers, body = response_dict["headers"], response_dict["body"]
    # A header that was cut off must not reach the SDK's parser, which would misread it or raise an error.
    for field, whole in _WHOLE.items():
        if field in headers and not whole.fullmatch(headers[field]):
            del headers[field]
    name, status, read = operation_model.name, response_dict["status_code"], isinstance(body, bytes)
    bodiless = operation_model.http.get("method") == "HEAD" or status in (204, 304)
    length = headers.get("content-length")
    if read and not bodiless and length is not None and int(length) != len(body):
        _refuse(response_dict, CUT_OFF, f"{len(body)} bytes came of the {length} that were promised")
    elif status < 300:
        wrong = _stranger(name, status, headers, body if read and not bodiless else b"")
        if wrong is not None:
            _refuse(response_dict, *wrong)


def _stranger(name: str, status: int, headers: Mapping[str, str], body: bytes) -> tuple[str, str] | None:
    """Return why the response does not belong to its operation, as error code and text; ``None`` if it does."""
    from_s3 = any(field.lower().startswith("x-amz-") for field in headers)
    if status != _SUCCESS.get(name, status) and not (status in _ALSO_SUCCESS.get(name, ()) and from_s3 and not body):
        return NOT_S3, f"{name} is answered with status {status}, not {_SUCCESS[name]}"
    root = None
    root_name, fields = _DOCUMENTS.get(name, ("a document", {}))
    if body and (name in _DOCUMENTS or name not in _SUCCESS or body.lstrip().startswith(b"<")):
        try:
            root = ET.fromstring(body)
        except (ET.ParseError, ValueError, LookupError):
            kind = "a cut-off or broken document" if body.lstrip().startswith(b"<") else "no XML"
            return CUT_OFF, f"{name} is answered with {kind} of {len(body)} bytes, instead of {root_name}"
        if _local(root) == "Error":
            # S3 reports a failed CompleteMultipartUpload like this, with status 200; the document names the error.
            return "", ""
    missing = [field for field in _NEED_HEADERS.get(name, ()) if field not in headers]
    if missing == ["etag"] and from_s3 and name in ("GetObject", "HeadObject"):
        # A second response then proves the size, see require_length.
        missing = []
    if missing:
        return NOT_S3, f"{name} is answered with status {status} but without {' and '.join(missing)}"
    if name not in _DOCUMENTS:
        return None
    if root is None:
        return CUT_OFF, f"{name} is answered with status {status} and nothing, instead of {root_name}"
    if _local(root) != root_name and (_local(root) in _OTHER_OPERATIONS or not _fills_one(root, fields)):
        return NOT_S3, f"{name} is answered with a document {_local(root)[:40]!r}, instead of {root_name}"
    wrong = _misfit(root, fields)
    return (NOT_S3, f"{name} is answered with a {root_name} that {wrong}") if wrong else None


def _local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _fills_one(root: ET.Element, fields: _Fields) -> bool:
    """Return whether ``root`` has at least one of ``fields``: what has none is no document of the operation."""
    return any(_local(child) in fields for child in root)


def _misfit(element: ET.Element, fields: _Fields) -> str | None:
    found: dict[str, list[ET.Element]] = {}
    for child in element:
        found.setdefault(_local(child), []).append(child)
    for name, ((least, most), kind) in fields.items():
        children = found.get(name, [])
        if len(children) < least or (most is not None and len(children) > most):
            return f"has {len(children)} times {name} in {_local(element)}"
        for child in children:
            if not callable(kind):
                wrong = _misfit(child, kind)
                if wrong is not None:
                    return wrong
                continue
            if len(child):
                return f"has elements within {name}"
            try:
                kind(child.text or "")
            except ValueError:
                return f"has {(child.text or '')[:40]!r} as {name}"
    return None


def _refuse(response_dict: dict[str, Any], code: str, said: str) -> None:
    if not isinstance(response_dict["body"], bytes):
        response_dict["body"].close()
        response_dict["body"] = b""
    response_dict["status_code"] = 500
    if code:
        words = f"<Error><Code>{code}</Code><Message>{escape(_shown(said))}</Message></Error>"
        response_dict["body"] = words.encode()


def _shown(text: str) -> str:
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def required(response: Mapping[str, Any], name: str, operation: str, key: str | None) -> Any:
    """Return ``answer[name]``; raise ``INTEGRITY`` if this response lacks a field that every S3 response has."""
    value = response.get(name)
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
    """Ask the server for the size of the object, and raise ``INTEGRITY`` if it is not ``size`` bytes.

    Used for a body that its ETag does not prove: a Content-Length that is too small makes a short body look complete.
    An object that was replaced or deleted meanwhile cannot be compared; it raises nothing.
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
