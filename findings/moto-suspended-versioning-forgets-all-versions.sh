#!/usr/bin/env bash
# What: In moto, one PUT after versioning was suspended removes every older version of the key.
# Where: moto 5.2.5 with boto3 1.43.117
# Date: 2026-11-27
#
# Behaviour: two versions are stored, versioning is suspended, and the key is written again. Listing the versions
# shows one, named null; both older versions are gone, and GET by their ids answers 404.
#
# Expected: suspending stops new ids. Only a version named null is replaced; all versions with ids stay until they
# are deleted by id.
#
# Matters: backup and undelete tools are tested against moto because it is said to know versions. One that relies
# on kept versions fails the test without a fault of its own, and one that cleans up "what is left" passes where
# it would not on a real store.
#
# Output seen; the script compares it with what it sees now:
#= (named null, latest) while enabled [(False, True), (False, False)]
#= after suspending                   [(False, True), (False, False)]
#= after one more PUT                 [(True, True)]
#= the first by its id -> NoSuchVersion
set -euo pipefail
recorded=$(sed -n 's/^#= //p' "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

echo "+ pip install moto[server,s3]==5.2.5 boto3==1.43.117"
if command -v uv >/dev/null; then
    uv venv --quiet venv && install=(uv pip install --quiet --python venv/bin/python)
else
    python3 -m venv venv && install=(venv/bin/python -m pip install --quiet --disable-pip-version-check)
fi
"${install[@]}" "moto[server,s3]==5.2.5" boto3==1.43.117 >&2 || { echo "could not install" >&2; exit 3; }

cat >probe.py <<'PROBE'
import boto3
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
endpoint = "http://{}:{}".format(*server.get_host_and_port())
client = boto3.client("s3", endpoint_url=endpoint)
client.create_bucket(Bucket="example")


def versions():
    return [(entry["VersionId"] == "null", entry["IsLatest"]) for entry in client.list_object_versions(Bucket="example").get("Versions", [])]


client.put_bucket_versioning(Bucket="example", VersioningConfiguration={"Status": "Enabled"})
first = client.put_object(Bucket="example", Key="key", Body=b"1")["VersionId"]
client.put_object(Bucket="example", Key="key", Body=b"2")
print("(named null, latest) while enabled", versions())
client.put_bucket_versioning(Bucket="example", VersioningConfiguration={"Status": "Suspended"})
print("after suspending                  ", versions())
client.put_object(Bucket="example", Key="key", Body=b"3")
print("after one more PUT                ", versions())
try:
    print("the first by its id ->", client.get_object(Bucket="example", Key="key", VersionId=first)["Body"].read())
except client.exceptions.ClientError as error:
    print("the first by its id ->", error.response["Error"]["Code"])
server.stop()
PROBE

unset "${!AWS_@}"
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
export AWS_ACCESS_KEY_ID=examplekey AWS_SECRET_ACCESS_KEY=examplesecret AWS_DEFAULT_REGION=us-east-1
echo "+ venv/bin/python probe.py"
observed=$(HOME=$work timeout 120 venv/bin/python probe.py 2>errors) || { cat errors >&2; echo "could not run the probe to its end" >&2; exit 3; }
printf 'recorded:\n%s\n\nobserved:\n%s\n\n' "$recorded" "$observed"
if [ "$observed" != "$recorded" ]; then
    echo "CHANGED: lines with < were recorded, lines with > are seen now" >&2
    diff <(printf '%s\n' "$recorded") <(printf '%s\n' "$observed") >&2 || true
    exit 1
fi
echo "as recorded"
