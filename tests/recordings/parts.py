"""Recorded answers about uploads in parts and about settings of a bucket."""

from __future__ import annotations

from collections.abc import Iterable

from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.wire.s3 import content_md5
from bucket_conformance.conformance.wire.transport import HttpResponse
from tests.exemplar.types import Request
from tests.recordings.model import fact

SMALL = b"test"
FULL = bytes(5 * 1024 * 1024)


def completes(request: Request) -> bool:
    return request.method == "POST" and "uploadId" in request.query


def begun(session: Session, key: str) -> str:
    root = session.wire.request("POST", key, query=(("uploads", ""),)).xml()
    assert root is not None
    return root.findtext("UploadId") or ""


def part(session: Session, key: str, upload: str, number: int, body: bytes) -> str:
    query = (("partNumber", str(number)), ("uploadId", upload))
    return session.wire.request("PUT", key, query=query, body=body).header("ETag") or ""


def completed(session: Session, key: str, upload: str, parts: Iterable[tuple[int, str]]) -> HttpResponse:
    listed = "".join(f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number, etag in parts)
    body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
    return session.wire.request("POST", key, query=(("uploadId", upload),), body=body)


@fact(
    "TestS3::test_multipart_complete_multipart_too_small",
    "complete-exc-too-small",
    "RT-015",
    shape=completes,
    status=400,
    code="EntityTooSmall",
    fields={"MinSizeAllowed": "5242880", "ProposedSize": "4", "PartNumber": "1"},
)
def a_small_part_before_the_last(session: Session, p: str) -> HttpResponse:
    upload = begun(session, p + "k")
    return completed(session, p + "k", upload, [(n, part(session, p + "k", upload, n, SMALL)) for n in (1, 2)])


@fact(
    "TestS3::test_multipart_complete_multipart_wrong_part",
    "complete-exc-wrong-part-number",
    "RT-016",
    shape=completes,
    status=400,
    code="InvalidPart",
)
def a_part_that_was_never_sent(session: Session, p: str) -> HttpResponse:
    upload = begun(session, p + "k")
    return completed(session, p + "k", upload, [(2, part(session, p + "k", upload, 1, SMALL))])


@fact(
    "TestS3::test_multipart_complete_multipart_wrong_part",
    "complete-exc-wrong-etag",
    "RT-016",
    shape=completes,
    status=400,
    code="InvalidPart",
)
def a_part_with_a_wrong_etag(session: Session, p: str) -> HttpResponse:
    upload = begun(session, p + "k")
    part(session, p + "k", upload, 1, SMALL)
    return completed(session, p + "k", upload, [(1, '"d41d8cd98f00b204e9800998ecf8427e"')])


@fact(
    "TestS3MultipartUploadChecksum::test_complete_multipart_parts_checksum_default",
    "complete-multipart-parts-checksum",
    "RT-016",
    shape=completes,
    status=400,
    code="InvalidPart",
)
def a_checksum_of_a_part_named_where_the_upload_was_begun_without(session: Session, p: str) -> HttpResponse:
    upload = begun(session, p + "k")
    query = (("partNumber", "1"), ("uploadId", upload))
    given = (("x-amz-checksum-crc32c", "45fn2Q=="),)
    sent = session.wire.request("PUT", p + "k", query=query, headers=given, body=b"aaa")
    etag, checksum = sent.header("ETag"), sent.header("x-amz-checksum-crc32c")
    named = f"<PartNumber>1</PartNumber><ETag>{etag}</ETag><ChecksumCRC32C>{checksum}</ChecksumCRC32C>"
    body = f"<CompleteMultipartUpload><Part>{named}</Part></CompleteMultipartUpload>".encode()
    return session.wire.request("POST", p + "k", query=(("uploadId", upload),), body=body)


@fact(
    "TestS3::test_complete_multipart_parts_order",
    "complete-multipart-unordered",
    "RT-016",
    shape=completes,
    status=400,
    code="InvalidPartOrder",
)
def parts_out_of_order(session: Session, p: str) -> HttpResponse:
    upload = begun(session, p + "k")
    sent = [(n, part(session, p + "k", upload, n, FULL if n == 1 else SMALL)) for n in (1, 2)]
    return completed(session, p + "k", upload, reversed(sent))


@fact(
    "TestS3::test_complete_multipart_parts_order",
    "complete-multipart-with-step-2",
    "RT-012",
    shape=completes,
    status=200,
)
def parts_with_gaps_between_their_numbers(session: Session, p: str) -> HttpResponse:
    upload = begun(session, p + "k")
    sent = [(n, part(session, p + "k", upload, n, FULL if n == 1 else SMALL)) for n in (1, 3)]
    return completed(session, p + "k", upload, sent)


def _no_such_upload(step: str, method: str, body: bytes) -> None:
    @fact(
        "TestS3::test_multipart_no_such_upload",
        step,
        "RT-014",
        shape=lambda request: request.method == method and "uploadId" in request.query,
        status=404,
        code="NoSuchUpload",
    )
    def an_upload_that_is_not(session: Session, p: str) -> HttpResponse:
        query = (("uploadId", "fakeid"),) if method != "PUT" else (("partNumber", "1"), ("uploadId", "fakeid"))
        return session.wire.request(method, p + "k", query=query, body=body)


_no_such_upload("upload-exc", "PUT", SMALL)
_no_such_upload(
    "complete-exc",
    "POST",
    b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>",
)


def put_lifecycle(session: Session, rule: str) -> HttpResponse:
    body = f"<LifecycleConfiguration><Rule>{rule}</Rule></LifecycleConfiguration>".encode()
    digest = (("Content-MD5", content_md5(body)),)
    return session.wire.request("PUT", query=(("lifecycle", ""),), headers=digest, body=body)


@fact(
    "TestS3BucketLifecycle::test_put_bucket_lifecycle_conf_exc",
    "wrong-filter-and-plus-prefix",
    "LIFE-002",
    shape=lambda request: request.method == "PUT" and "lifecycle" in request.query,
    status=400,
    code="MalformedXML",
)
def a_rule_with_a_prefix_beside_a_filter(session: Session, p: str) -> HttpResponse:
    both = f"<Prefix>{p}</Prefix><Filter><Prefix>{p}</Prefix></Filter>"
    return put_lifecycle(session, f"<ID>r</ID>{both}<Status>Enabled</Status><Expiration><Days>7</Days></Expiration>")


@fact(
    "TestS3BucketLifecycle::test_delete_bucket_lifecycle_configuration",
    "get-bucket-lifecycle-conf",
    "LIFE-001",
    shape=lambda request: request.method == "GET" and "lifecycle" in request.query,
    status=200,
    fields={"Rule/ID": "wholebucket", "Rule/Expiration/Days": "7", "Rule/Status": "Enabled", "Rule/Filter/Prefix": ""},
)
def a_rule_read_back(session: Session, p: str) -> HttpResponse:
    rule = "<ID>wholebucket</ID><Filter><Prefix></Prefix></Filter><Status>Enabled</Status>"
    try:
        put_lifecycle(session, rule + "<Expiration><Days>7</Days></Expiration>")
        return session.wire.request("GET", query=(("lifecycle", ""),))
    finally:
        session.wire.request("DELETE", query=(("lifecycle", ""),))


def versioning(session: Session, *statuses: str) -> HttpResponse:
    for status in statuses:
        body = f"<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>".encode()
        session.wire.request("PUT", query=(("versioning", ""),), body=body)
    return session.wire.request("GET", query=(("versioning", ""),))


def _versioning(step: str, *statuses: str) -> None:
    @fact(
        "TestS3BucketVersioning::test_bucket_versioning_crud",
        step,
        "LIFE-003",
        shape=lambda request: request.method == "GET" and "versioning" in request.query,
        status=200,
        file="api",
        fields={"Status": statuses[-1]},
    )
    def versioning_read_back(session: Session, p: str) -> HttpResponse:
        return versioning(session, *statuses)


_versioning("get-versioning-after-suspended", "Suspended")
_versioning("get-versioning-after-enabled", "Suspended", "Enabled")
