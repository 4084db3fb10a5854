#!/usr/bin/env bash
# What: moto keeps a lifecycle rule for large objects as a rule for every object.
# Where: moto 5.2.5 with boto3 1.43.117
# Date: 2026-11-27
#
# Behaviour: a rule with the filter ObjectSizeGreaterThan is answered 200 and read back with an empty filter,
# which means the whole bucket. Inside And, the size is dropped and prefix and tags stay. NewerNoncurrentVersions
# is dropped as well, so that "keep five old versions" becomes "keep none".
#
# Expected: a rule that is not understood is refused; one that is accepted is read back as it was put. Dropping a
# condition is the one direction that must not happen, since a rule with fewer conditions deletes more.
#
# Matters: tools that read the rules, change one and write them all back are tested against moto: the test passes,
# and a rule copied from what it returned expires the whole bucket on a real store.
#
# Output seen; the script compares it with what it sees now:
#= put {'Filter': {'ObjectSizeGreaterThan': 1048576}, 'Expiration': {'Days': 1}}
#= got {'Filter': {}, 'Expiration': {'Days': 1}}
#= put {'Filter': {'And': {'Prefix': 'tmp/', 'Tags': [{'Key': 'a', 'Value': 'b'}], 'ObjectSizeLessThan': 9}}, 'Expiration': {'Days': 1}}
#= got {'Filter': {'And': {'Prefix': 'tmp/', 'Tags': [{'Key': 'a', 'Value': 'b'}]}}, 'Expiration': {'Days': 1}}
#= put {'Filter': {'Prefix': 'tmp/'}, 'NoncurrentVersionExpiration': {'NoncurrentDays': 3, 'NewerNoncurrentVersions': 5}}
#= got {'Filter': {'Prefix': 'tmp/'}, 'NoncurrentVersionExpiration': {'NoncurrentDays': 3}}
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
rules = [
    {"Filter": {"ObjectSizeGreaterThan": 1048576}, "Expiration": {"Days": 1}},
    {"Filter": {"And": {"Prefix": "tmp/", "Tags": [{"Key": "a", "Value": "b"}], "ObjectSizeLessThan": 9}}, "Expiration": {"Days": 1}},
    {"Filter": {"Prefix": "tmp/"}, "NoncurrentVersionExpiration": {"NoncurrentDays": 3, "NewerNoncurrentVersions": 5}},
]
for rule in rules:
    client.put_bucket_lifecycle_configuration(
        Bucket="example", LifecycleConfiguration={"Rules": [{"ID": "rule", "Status": "Enabled", **rule}]}
    )
    stored = client.get_bucket_lifecycle_configuration(Bucket="example")["Rules"][0]
    print("put", rule)
    print("got", {name: stored[name] for name in rule})
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
