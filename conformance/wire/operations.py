"""The S3 operation of a request, by its method, path and query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_BUCKET: Final = {
    ("GET", ""): "ListObjects",
    ("GET", "list-type"): "ListObjectsV2",
    ("GET", "versions"): "ListObjectVersions",
    ("GET", "uploads"): "ListMultipartUploads",
    ("HEAD", ""): "HeadBucket",
    ("PUT", ""): "CreateBucket",
    ("DELETE", ""): "DeleteBucket",
    ("POST", "delete"): "DeleteObjects",
    ("PUT", "versioning"): "PutBucketVersioning",
    ("GET", "versioning"): "GetBucketVersioning",
    ("PUT", "lifecycle"): "PutBucketLifecycleConfiguration",
    ("GET", "lifecycle"): "GetBucketLifecycleConfiguration",
    ("DELETE", "lifecycle"): "DeleteBucketLifecycle",
}
_OBJECT: Final = {
    ("GET", ""): "GetObject",
    ("HEAD", ""): "HeadObject",
    ("PUT", ""): "PutObject",
    ("DELETE", ""): "DeleteObject",
    ("POST", "uploads"): "CreateMultipartUpload",
    ("PUT", "uploadId"): "UploadPart",
    ("POST", "uploadId"): "CompleteMultipartUpload",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
    ("GET", "uploadId"): "ListParts",
}
_SUB_RESOURCES: Final = frozenset(
    {
        "accelerate", "acl", "analytics", "attributes", "cors", "delete", "encryption", "intelligent-tiering",
        "inventory", "legal-hold", "lifecycle", "list-type", "location", "logging", "metrics", "notification",
        "object-lock", "ownershipControls", "policy", "policyStatus", "publicAccessBlock", "renameObject",
        "replication", "requestPayment", "restore", "retention", "select", "tagging", "torrent", "uploadId",
        "uploads", "versioning", "versions", "website",
    }
)  # fmt: skip
"""The query parameters that make another operation of a request."""


def operation(method: str, path: str, query: str, headers: Sequence[tuple[str, str]] = (), *, in_host: bool) -> str:
    """Return the name of the operation as Amazon S3 documents it, or method and sub-resource where it has none here.

    ``path`` begins below the path of the endpoint; ``in_host`` says whether the bucket is in the host name.
    """
    steps = path.strip("/").split("/", 1)
    bucket, key = ("", path.lstrip("/")) if in_host else (steps[0], steps[1] if len(steps) > 1 else "")
    names = [part.partition("=")[0] for part in query.split("&")]
    sub = next((name for name in names if name in _SUB_RESOURCES), "")
    if not bucket and not in_host:
        return "ListBuckets" if method == "GET" else method
    if key and method == "PUT" and any(name.lower() == "x-amz-copy-source" for name, _ in headers):
        return "UploadPartCopy" if sub == "uploadId" else "CopyObject"
    known = (_OBJECT if key else _BUCKET).get((method, sub))
    return known or f"{method} {'object' if key else 'bucket'}{f' ?{sub}' if sub else ''}"
