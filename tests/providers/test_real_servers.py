"""Real servers: each starts, serves the storage operations, signs URLs, and leaves nothing behind."""

from __future__ import annotations

import re
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from bucket_conformance.conformance.target import DiskRoot, S3Endpoint
from bucket_conformance.providers import discover
from bucket_conformance.providers.launch.probe import ask
from bucket_conformance.providers.provider import Running

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def client(running: Running) -> S3Client:
    endpoint = running.target
    assert isinstance(endpoint, S3Endpoint)
    return boto3.client(
        "s3",
        endpoint_url=endpoint.url,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
        region_name=endpoint.region,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def fetch(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.mark.parametrize(("provider_id", "version"), [("seaweedfs", "4.48"), ("moto", "5.2.5")])
def test_a_real_server_stores_serves_and_signs(state: Path, provider_id: str, version: str) -> None:
    with discover()[provider_id].choose().start(lambda line: None) as running:
        assert running.version == version
        s3 = client(running)
        s3.create_bucket(Bucket="a-bucket")
        s3.put_object(Bucket="a-bucket", Key="platform/p/FILE/a b+c", Body=b"the bytes")
        assert s3.get_object(Bucket="a-bucket", Key="platform/p/FILE/a b+c")["Body"].read() == b"the bytes"
        url = s3.generate_presigned_url("get_object", Params={"Bucket": "a-bucket", "Key": "platform/p/FILE/a b+c"})
        assert fetch(url) == (200, b"the bytes")
    assert list((state / "runs").iterdir()) == []


def test_seaweedfs_checks_signatures_and_keeps_its_data_over_a_restart(state: Path) -> None:
    with discover()["seaweedfs"].choose().start(lambda line: None) as running:
        assert isinstance(running.target, S3Endpoint)
        s3 = client(running)
        s3.create_bucket(Bucket="a-bucket")
        s3.put_object(Bucket="a-bucket", Key="k", Body=b"kept")
        url = s3.generate_presigned_url("get_object", Params={"Bucket": "a-bucket", "Key": "k"})
        status, body = fetch(re.sub(r"Signature=.{8}", "Signature=00000000", url))
        assert status == 403
        assert b"kept" not in body
        stranger = S3Endpoint(url=running.target.url, access_key="A" * 20, secret_key="B" * 40)
        assert ask(stranger).status == 403
        assert running.restart is not None
        running.restart()
        assert _read_when_it_can(s3, "a-bucket", "k") == b"kept"


def _read_when_it_can(s3: S3Client, bucket: str, key: str) -> bytes:
    """Read; retry after a 500, because the gateway starts before its volumes."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status < 500 or time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def test_the_local_disk_is_an_empty_folder_that_goes(state: Path) -> None:
    with discover()["local_disk"].choose().start(lambda line: None) as running:
        assert isinstance(running.target, DiskRoot)
        root = running.target.root
        assert list(root.iterdir()) == []
        (root / "file").write_bytes(b"x")
    assert not root.exists()
    assert running.version
