"""LocalStack keeps its objects in the folder of its run; by default all instances share one folder."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest

from bucket_conformance.conformance.target import S3Endpoint
from bucket_conformance.providers import localstack, localstack_as_shipped
from bucket_conformance.providers.launch.process import ProcessLaunch
from bucket_conformance.providers.provider import Provider

ITS_OWN_CHOICE = Path("/tmp/localstack-s3-storage")


@pytest.mark.parametrize("provider", [localstack.PROVIDER, localstack_as_shipped.PROVIDER], ids=lambda each: each.id)
def test_objects_lie_in_the_folder_of_the_run_and_go_with_it(state: Path, provider: Provider) -> None:
    if not localstack.ENVIRONMENT.built:
        pytest.skip("not installed here; conformance install localstack")
    launch = next(launch for launch in provider.launches if isinstance(launch, ProcessLaunch))
    before = sorted(ITS_OWN_CHOICE.glob("*"))
    with launch.start(lambda line: None) as running:
        assert isinstance(running.target, S3Endpoint)
        client = boto3.client(
            "s3",
            endpoint_url=running.target.url,
            region_name=running.target.region,
            aws_access_key_id=running.target.access_key,
            aws_secret_access_key=running.target.secret_key,
        )
        client.create_bucket(Bucket="where-it-lies")
        client.put_object(Bucket="where-it-lies", Key="a", Body=b"content")
        assert client.get_object(Bucket="where-it-lies", Key="a")["Body"].read() == b"content"
        client.close()
        assert [path.name for path in (state / "runs").glob("*/data/objects/*")] == ["where-it-lies"]
        assert sorted(ITS_OWN_CHOICE.glob("*")) == before
    assert list((state / "runs").iterdir()) == []
