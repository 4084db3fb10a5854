"""The lifecycle rules of docs/deploy.md on real servers: kept as sent, or refused as the page says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, cast

import pytest
from botocore.exceptions import ClientError

from bucket_conformance.providers import discover
from bucket_conformance.providers.launch.process import ProcessLaunch
from tests.providers.test_real_servers import client

RULES: Final = Path(__file__).parents[2] / "examples" / "deployment" / "lifecycle"
ENDS_UPLOADS: Final = "AbortIncompleteMultipartUpload"


@pytest.mark.parametrize("name", ["bucket", "versioned-bucket"])
@pytest.mark.parametrize("provider_id", ["seaweedfs", "minio", "ceph-rgw"])
def test_a_real_server_keeps_the_rules(state: Path, provider_id: str, name: str) -> None:
    launch = next(launch for launch in discover()[provider_id].launches if isinstance(launch, ProcessLaunch))
    if provider_id != "seaweedfs" and not (launch.environment and launch.environment.built):
        pytest.skip(f"not installed here; conformance install {provider_id}")
    sent: list[dict[str, Any]] = json.loads((RULES / f"{name}.json").read_text(encoding="utf-8"))["Rules"]
    with launch.start(lambda line: None) as running:
        s3 = client(running)
        s3.create_bucket(Bucket="a-bucket")
        if provider_id == "minio":
            with pytest.raises(ClientError, match="InvalidArgument"):
                s3.put_bucket_lifecycle_configuration(
                    Bucket="a-bucket", LifecycleConfiguration=cast("Any", {"Rules": sent})
                )
            sent = [rule for rule in sent if ENDS_UPLOADS not in rule]
        s3.put_bucket_lifecycle_configuration(Bucket="a-bucket", LifecycleConfiguration=cast("Any", {"Rules": sent}))
        kept = s3.get_bucket_lifecycle_configuration(Bucket="a-bucket")["Rules"]
    assert [_meaning(rule) for rule in _by_id(kept)] == [_meaning(rule) for rule in _by_id(sent)]


def _by_id(rules: Any) -> list[dict[str, Any]]:
    return sorted(rules, key=lambda rule: cast("str", rule["ID"]))


def _meaning(rule: dict[str, Any]) -> dict[str, Any]:
    """Return the rule with its prefix in one place: servers write an empty filter in several ways."""
    return {**rule, "Filter": None, "Prefix": rule.get("Filter", {}).get("Prefix") or rule.get("Prefix", "")}
