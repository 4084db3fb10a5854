"""The files of docs/deploy.md: valid by their schemas, with settings that the storage takes, tried on real servers."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError

from bucket_conformance.reference_impl import keys
from bucket_conformance.reference_impl.settings import SettingsError, load
from tests.reference_impl.bucket_world import moto_server, run

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FILES: Final = Path(__file__).parents[2] / "examples" / "deployment"
BUCKET: Final = "workflow-files"
MANIFESTS: Final = sorted((FILES / "kubernetes").glob("*.yaml"))
IDENTITY: Final = {"AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/workflow-files"}
ACTIONS: Final = ("s3:PutObject", "s3:GetObject", "s3:ListBucket", "s3:DeleteObject")
"""What ``check`` tries, in its order."""


def manifests(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def module(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", name, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_compose_file_is_one_by_the_schema() -> None:
    done = module("check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILES / "compose.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_the_manifests_are_those_of_kubernetes(path: Path) -> None:
    validator = Path(sys.executable).with_name("kubernetes-validate")
    done = subprocess.run([validator, "--strict", path], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" passed ") == len(manifests(path))


def test_a_mistake_in_a_manifest_is_found(tmp_path: Path) -> None:
    text = (FILES / "kubernetes" / "local-disk.yaml").read_text(encoding="utf-8")
    path = tmp_path / "wrong.yaml"
    path.write_text(text.replace("readOnlyRootFilesystem", "readOnlyRootFileSystem"), encoding="utf-8")
    validator = Path(sys.executable).with_name("kubernetes-validate")
    done = subprocess.run([validator, "--strict", path], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0


def variables_of(container: Mapping[str, Any], documents: list[dict[str, Any]]) -> dict[str, str]:
    """Return the environment of a container, with the config maps and secrets of the same file."""
    named = {(each["kind"], each["metadata"]["name"]): each for each in documents}
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        if "configMapRef" in source:
            found |= named["ConfigMap", source["configMapRef"]["name"]]["data"]
        else:
            found |= named["Secret", source["secretRef"]["name"]]["stringData"]
    return found | {each["name"]: each["value"] for each in container.get("env", [])}


def containers(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    spec = document.get("spec", {})
    spec = spec.get("jobTemplate", {}).get("spec", spec)
    return cast("list[dict[str, Any]]", spec.get("template", {}).get("spec", {}).get("containers", []))


@pytest.mark.parametrize(
    "path", [path for path in MANIFESTS if path.stem != "judge-bucket"], ids=lambda path: path.stem
)
def test_the_storage_takes_the_settings_of_each_container(path: Path) -> None:
    documents = manifests(path)
    checked = 0
    for container in (each for document in documents for each in containers(document)):
        variables = variables_of(container, documents)
        if "AP_LOCAL_URL_SECRET" in variables:
            with pytest.raises(SettingsError, match="AP_LOCAL_URL_SECRET"):
                load(variables)  # the text that has to be replaced
            variables["AP_LOCAL_URL_SECRET"] = "0123456789abcdef" * 4
        load(variables)
        checked += 1
        assert container["command"][:3] == ["python3", "-m", "bucket_conformance.reference_impl"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
    assert checked


def test_the_storage_takes_the_settings_of_the_compose_file() -> None:
    compose = yaml.safe_load((FILES / "compose.yaml").read_text(encoding="utf-8"))
    storage = dict(compose["services"]["storage"]["environment"])
    for name, given in storage.items():
        if given.startswith("${"):
            assert ":?set " in given
            storage[name] = "given-in-env-file"
    settings = load(storage)
    assert compose["services"]["bucket"]["command"][-1] == f"s3://{settings.bucket}"
    assert settings.endpoint == "http://s3" + compose["services"]["s3"]["command"][1]


@contextmanager
def users(policy: Mapping[str, Any] | None) -> Iterator[tuple[str, dict[str, str]]]:
    """Serve a bucket to a user who has this policy alone; yield the address and the user's AP_* variables."""
    with moto_server() as url:
        post(f"{url}/moto-api/reset")
        root = boto3.Session(aws_access_key_id="root", aws_secret_access_key="root", region_name="us-east-1")
        root.client("s3", endpoint_url=url).create_bucket(Bucket=BUCKET)
        iam = root.client("iam", endpoint_url=url)
        iam.create_user(UserName="storage")
        key = iam.create_access_key(UserName="storage")["AccessKey"]
        if policy is not None:
            iam.put_user_policy(UserName="storage", PolicyName="it", PolicyDocument=json.dumps(policy))
        enforce(url, "0")
        try:
            yield (
                url,
                {
                    "AP_FILE_STORAGE_LOCATION": "s3",
                    "AP_S3_BUCKET": BUCKET,
                    "AP_S3_ENDPOINT": url,
                    "AP_S3_ACCESS_KEY_ID": key["AccessKeyId"],
                    "AP_S3_SECRET_ACCESS_KEY": key["SecretAccessKey"],
                },
            )
        finally:
            enforce(url, "inf")


def enforce(url: str, after: str) -> None:
    """Make the server check permissions after this number of requests."""
    post(f"{url}/moto-api/reset-auth", after)


def post(url: str, text: str = "") -> None:
    request = urllib.request.Request(url, text.encode(), {"Content-Type": "text/plain"}, method="POST")
    urllib.request.urlopen(request).close()


def policy_of(*names: str) -> dict[str, Any]:
    """Return the statements of these files as one policy.

    moto 5.2 asks for the right to a batch delete at the bucket, where Amazon S3 asks at each object: each statement is
    widened by the bucket.
    """
    read = [json.loads((FILES / "iam" / f"{name}.json").read_text(encoding="utf-8")) for name in names]
    statements = [each for policy in read for each in policy["Statement"]]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {**each, "Resource": sorted({each["Resource"], f"arn:aws:s3:::{BUCKET}"})} for each in statements
        ],
    }


def without(policy: dict[str, Any], action: str) -> dict[str, Any]:
    kept = []
    for statement in policy["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        left = [each for each in actions if each != action]
        if left:
            kept.append({**statement, "Action": left})
    assert kept != policy["Statement"]
    return {**policy, "Statement": kept}


def test_the_policy_is_enough_for_every_command(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 9_000_000)  # in parts
    with users(policy_of("storage")) as (_, variables):
        for arguments in (
            ("check",),
            ("put", str(tmp_path / "a"), "project/p1/FILE/a"),
            ("get", "project/p1/FILE/a", str(tmp_path / "b")),
            ("ls",),
            ("usage",),
            ("migrate", "--from", "s3", "--to", "local", "--to-root", str(tmp_path / "copy")),
            ("rm", "project/p1/FILE/a", "project/p1/FILE/b"),
            ("retention", "sweep", "--days", "FILE=1"),
        ):
            if "--to-root" in arguments:
                (tmp_path / "copy").mkdir()
            done = run(*arguments, variables=variables, home=tmp_path)
            assert done.returncode == 0, (arguments, done.stderr.decode())


@pytest.mark.parametrize("action", ACTIONS)
def test_check_names_the_permission_that_is_missing(action: str, tmp_path: Path) -> None:
    with users(without(policy_of("storage"), action)) as (_, variables):
        done = run("check", variables=variables, home=tmp_path)
    assert done.returncode == 1
    assert f"missing permission {action}" in done.stderr.decode()


def test_retention_needs_its_own_policy(tmp_path: Path) -> None:
    apply = ("retention", "apply", "--days", "FLOW_RUN_LOG=30", "--project", "p1")
    with users(policy_of("storage")) as (_, variables):
        refused = run(*apply, variables=variables, home=tmp_path)
        assert refused.returncode == 1
        assert b"s3:GetLifecycleConfiguration" in refused.stderr
    with users(policy_of("storage", "retention")) as (_, variables):
        done = run(*apply, variables=variables, home=tmp_path)
        assert done.returncode == 0, done.stderr.decode()


@pytest.fixture
def client() -> Iterator[S3Client]:
    with moto_server() as url:
        post(f"{url}/moto-api/reset")
        root = boto3.Session(aws_access_key_id="root", aws_secret_access_key="root", region_name="us-east-1")
        made = root.client("s3", endpoint_url=url)
        made.create_bucket(Bucket=BUCKET)
        yield made
        made.close()


def rules_in(name: str) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads((FILES / "lifecycle" / f"{name}.json").read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", ["bucket", "versioned-bucket"])
def test_a_server_keeps_the_lifecycle_rules(client: S3Client, name: str) -> None:
    sent = rules_in(name)
    client.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration=cast("Any", sent))
    kept = client.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    assert [rule["ID"] for rule in kept] == [rule["ID"] for rule in sent["Rules"]]
    for rule, expected in zip(kept, sent["Rules"], strict=True):
        # A filter with an empty prefix selects every key, however the server writes that.
        assert {**rule, "Filter": None, "Prefix": None} == {**expected, "Filter": None, "Prefix": None}


def test_the_rule_for_one_project_meets_its_logs_and_the_old_ones_meet_nothing() -> None:
    key = keys.build("FLOW_RUN_LOG", "run-1", project_id="PROJECT_ID")
    prefixes = [rule["Filter"]["Prefix"] for rule in rules_in("bucket")["Rules"] if "Expiration" in rule]
    assert [key.startswith(prefix) for prefix in prefixes] == [True]
    assert not keys.build("FILE", "f", project_id="PROJECT_ID").startswith(prefixes[0])
    assert not key.startswith("FLOW_RUN_LOG/")


def test_a_rule_with_both_prefix_and_filter_is_refused(client: S3Client) -> None:
    rule = {
        "ID": "DeleteOldLogs",
        "Status": "Enabled",
        "Prefix": "project/",
        "Filter": {"Prefix": "FLOW_RUN_LOG/"},
        "Expiration": {"Days": 30},
    }
    with pytest.raises(ClientError, match="MalformedXML"):
        client.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration=cast("Any", {"Rules": [rule]}))
