"""Requests are named by the operation that Amazon S3 documents, for both ways of addressing a bucket."""

from __future__ import annotations

import pytest

from bucket_conformance.conformance.wire.operations import operation


@pytest.mark.parametrize(
    ("method", "path", "query", "name"),
    [
        ("GET", "/", "", "ListBuckets"),
        ("PUT", "/b", "", "CreateBucket"),
        ("GET", "/b", "", "ListObjects"),
        ("GET", "/b/", "list-type=2&prefix=a", "ListObjectsV2"),
        ("POST", "/b", "delete", "DeleteObjects"),
        ("POST", "/b", "delete=", "DeleteObjects"),
        ("GET", "/b/k", "X-Amz-Signature=x", "GetObject"),
        ("GET", "/b/k", "response-content-type=x&x-id=GetObject", "GetObject"),
        ("PUT", "/b/a/b", "", "PutObject"),
        ("POST", "/b/k", "uploads", "CreateMultipartUpload"),
        ("PUT", "/b/k", "partNumber=1&uploadId=u", "UploadPart"),
        ("DELETE", "/b/k", "uploadId=u", "AbortMultipartUpload"),
        ("DELETE", "/b", "lifecycle", "DeleteBucketLifecycle"),
        ("DELETE", "/b/k", "tagging", "DELETE object ?tagging"),
        ("PUT", "/b", "website", "PUT bucket ?website"),
    ],
)
def test_an_operation_is_named(method: str, path: str, query: str, name: str) -> None:
    assert operation(method, path, query, in_host=False) == name


def test_a_copy_is_one_by_its_header_and_a_bucket_may_be_in_the_host() -> None:
    source = [("X-Amz-Copy-Source", "/b/k")]
    assert operation("PUT", "/b/k", "", source, in_host=False) == "CopyObject"
    assert operation("PUT", "/b/k", "partNumber=1&uploadId=u", source, in_host=False) == "UploadPartCopy"
    assert operation("PUT", "/k", "", in_host=True) == "PutObject"
    assert operation("GET", "/", "", in_host=True) == "ListObjects"
    assert operation("POST", "/", "delete", in_host=True) == "DeleteObjects"
