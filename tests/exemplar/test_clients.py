"""A real SDK against the exemplary server."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.exemplar.raw_client import RawClient, boto_client
from tests.exemplar.server import Exemplar

HOSTILE = [
    "a b",
    " padded ",
    "a+b",
    "a%2Fb",
    "a%20b",
    "a//b",
    "a/./b",
    "a/../b",
    "/a",
    "a/",
    "a",
    "a/b",
    "e\u0301",
    "\u00e9",
    "\U0001f600",
    "\ufb00",
    "&<>'\";=?#~!()*",
    "tab\tnewline\ncr\r",
    "\x01",
    "k" * 1024,
]


@pytest.fixture(params=["when_required", "when_supported"])
def client(request: pytest.FixtureRequest) -> Iterator[Any]:
    with Exemplar() as server:
        made = boto_client(server.url, checksums=request.param)
        made.create_bucket(Bucket="bkt")
        yield made
        made.close()


def test_every_key_survives_put_get_copy_list_and_delete(client: Any) -> None:
    for key in HOSTILE:
        client.put_object(Bucket="bkt", Key=key, Body=key.encode(), Metadata={"m": "v"})
    for key in HOSTILE:
        assert client.get_object(Bucket="bkt", Key=key)["Body"].read() == key.encode()
        if len(key) < 1000:
            client.copy_object(Bucket="bkt", Key="copy-" + key, CopySource={"Bucket": "bkt", "Key": key})
            assert client.head_object(Bucket="bkt", Key="copy-" + key)["Metadata"] == {"m": "v"}
    listed = [item["Key"] for item in client.list_objects_v2(Bucket="bkt")["Contents"]]
    assert listed == sorted([*HOSTILE, *("copy-" + k for k in HOSTILE if len(k) < 1000)], key=str.encode)
    printable = [key for key in HOSTILE if key != "\x01"]
    named = client.delete_objects(Bucket="bkt", Delete={"Objects": [{"Key": key} for key in printable]})["Deleted"]
    assert [item["Key"] for item in named] == printable
    left = {item["Key"] for item in client.list_objects_v2(Bucket="bkt")["Contents"]}
    assert left == {"\x01", *("copy-" + k for k in HOSTILE if len(k) < 1000)}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_every_page_size_lists_every_key_once(client: Any, size: int) -> None:
    keys = [f"{a}/{b}" for a in "abc" for b in range(3)] + ["z", "a", "\U0001f600", "\ufb00"]
    for key in keys:
        client.put_object(Bucket="bkt", Key=key, Body=b"")
    for operation in ("list_objects_v2", "list_objects"):
        pages = client.get_paginator(operation).paginate(Bucket="bkt", PaginationConfig={"PageSize": size})
        assert [i["Key"] for page in pages for i in page.get("Contents", [])] == sorted(keys, key=str.encode)
        pages = list(
            client.get_paginator(operation).paginate(Bucket="bkt", Delimiter="/", PaginationConfig={"PageSize": size})
        )
        assert [p["Prefix"] for page in pages for p in page.get("CommonPrefixes", [])] == ["a/", "b/", "c/"]
        assert [i["Key"] for page in pages for i in page.get("Contents", [])] == ["a", "z", "\ufb00", "\U0001f600"]


def test_multipart_joins_parts_by_number(client: Any) -> None:
    body = bytes(range(256)) * 4096 * 12
    client.upload_fileobj(io.BytesIO(body), "bkt", "big")
    assert client.get_object(Bucket="bkt", Key="big")["Body"].read() == body
    assert client.head_object(Bucket="bkt", Key="big")["ETag"].endswith('-2"')


def test_an_unseekable_stream_is_stored_without_its_framing(client: Any) -> None:
    class Stream(io.RawIOBase):
        def __init__(self) -> None:
            self.inner = io.BytesIO(b"y" * 300_000)

        def read(self, size: int = -1) -> bytes:
            return self.inner.read(size)

        def readable(self) -> bool:
            return True

    client.upload_fileobj(Stream(), "bkt", "stream")
    got = client.get_object(Bucket="bkt", Key="stream")
    assert got["Body"].read() == b"y" * 300_000
    assert "aws-chunked" not in got.get("ContentEncoding", "")


def test_versions_can_be_brought_back_after_a_batch_delete(client: Any) -> None:
    client.put_bucket_versioning(Bucket="bkt", VersioningConfiguration={"Status": "Enabled"})
    first = client.put_object(Bucket="bkt", Key="k", Body=b"1")["VersionId"]
    client.put_object(Bucket="bkt", Key="k", Body=b"2")
    gone = client.delete_objects(Bucket="bkt", Delete={"Objects": [{"Key": "k"}]})["Deleted"][0]
    assert gone["DeleteMarker"] is True
    with pytest.raises(ClientError) as refused:
        client.get_object(Bucket="bkt", Key="k")
    assert refused.value.response["Error"]["Code"] == "NoSuchKey"
    assert client.get_object(Bucket="bkt", Key="k", VersionId=first)["Body"].read() == b"1"
    client.delete_object(Bucket="bkt", Key="k", VersionId=gone["DeleteMarkerVersionId"])
    assert client.get_object(Bucket="bkt", Key="k")["Body"].read() == b"2"
    versions = client.list_object_versions(Bucket="bkt")
    assert [v["IsLatest"] for v in versions["Versions"]] == [True, False]


def test_a_signed_url_of_the_sdk_uploads_with_metadata(client: Any) -> None:
    params = {"Bucket": "bkt", "Key": "a b+c/\u00e9", "Metadata": {"m": "v"}, "ContentType": "text/plain"}
    url = client.generate_presigned_url("put_object", Params=params, ExpiresIn=60)
    raw = RawClient(client.meta.endpoint_url)
    target = url.removeprefix(raw.url)
    headers = {"Content-Type": "text/plain"}
    if "x-amz-meta-m" in url.partition("SignedHeaders=")[2].partition("&")[0]:
        headers["x-amz-meta-m"] = "v"
    assert raw.send("PUT", target, b"body", **{"Content-Type": "text/html"}).code in (
        "SignatureDoesNotMatch",
        "AccessDenied",
    )
    assert raw.send("PUT", target, b"body", **headers).status == 200
    found = client.head_object(Bucket="bkt", Key=params["Key"])
    assert (found["Metadata"], found["ContentType"]) == ({"m": "v"}, "text/plain")
    raw.close()


def test_a_lifecycle_rule_is_given_back_as_stored(client: Any) -> None:
    rule = {"ID": "logs", "Status": "Enabled", "Filter": {"Prefix": "a&b/"}, "Expiration": {"Days": 30}}
    client.put_bucket_lifecycle_configuration(Bucket="bkt", LifecycleConfiguration={"Rules": [rule]})
    assert client.get_bucket_lifecycle_configuration(Bucket="bkt")["Rules"] == [rule]
    client.delete_bucket_lifecycle(Bucket="bkt")
    with pytest.raises(ClientError) as missing:
        client.get_bucket_lifecycle_configuration(Bucket="bkt")
    assert missing.value.response["Error"]["Code"] == "NoSuchLifecycleConfiguration"


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_a_composite_checksum_is_kept_with_a_multipart_object(client: Any, algorithm: str) -> None:
    upload = client.create_multipart_upload(Bucket="bkt", Key="m", ChecksumAlgorithm=algorithm)["UploadId"]
    target = {"Bucket": "bkt", "Key": "m", "UploadId": upload}
    part = client.upload_part(**target, PartNumber=1, Body=b"one", ChecksumAlgorithm=algorithm)
    field = f"Checksum{algorithm}"
    done = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"], field: part[field]}]}
    client.complete_multipart_upload(**target, MultipartUpload=done)
    assert client.head_object(Bucket="bkt", Key="m", ChecksumMode="ENABLED")[field].endswith("-1")
