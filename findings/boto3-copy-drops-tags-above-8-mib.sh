#!/usr/bin/env bash
# What: The managed copy of boto3 keeps the tags of a small object, and drops those of a large one.
# Where: boto3 1.44.8 (s3transfer 0.19.3) with moto 5.2.5 as the server
# Date: 2026-11-27
#
# Behaviour: client.copy() of an object under 8 MiB is one CopyObject: content type, metadata and tags come along.
# From 8 MiB on it is a multipart copy: content type and metadata come along (releases of earlier years lost these
# as well), the tags do not, without a word. TaggingDirective="COPY" brings them.
#
# Expected: one call has one meaning, whatever the size. Who remembers the older behaviour expects the metadata to
# be lost too; who reads that it was mended expects the tags to be kept.
#
# Matters: lifecycle rules, cost reports and access policies go by tags: large objects leave their rule by being
# copied, small ones do not, and tests with small objects never show it.
#
# Output seen; the script compares it with what it sees now:
#= 7 MiB {} -> text/csv {'owner': 'example'} tags [{'Key': 'keep', 'Value': 'yes'}]
#= 7 MiB {'TaggingDirective': 'COPY'} -> text/csv {'owner': 'example'} tags [{'Key': 'keep', 'Value': 'yes'}]
#= 9 MiB {} -> text/csv {'owner': 'example'} tags []
#= 9 MiB {'TaggingDirective': 'COPY'} -> text/csv {'owner': 'example'} tags [{'Key': 'keep', 'Value': 'yes'}]
set -euo pipefail
recorded=$(sed -n 's/^#= //p' "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

echo "+ pip install boto3==1.44.8 s3transfer==0.19.3 moto[server,s3]==5.2.5"
if command -v uv >/dev/null; then
    uv venv --quiet venv && install=(uv pip install --quiet --python venv/bin/python)
else
    python3 -m venv venv && install=(venv/bin/python -m pip install --quiet --disable-pip-version-check)
fi
"${install[@]}" boto3==1.44.8 s3transfer==0.19.3 "moto[server,s3]==5.2.5" >&2 || { echo "could not install" >&2; exit 3; }

cat >probe.py <<'PROBE'
import boto3
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
endpoint = "http://{}:{}".format(*server.get_host_and_port())
client = boto3.client("s3", endpoint_url=endpoint)
client.create_bucket(Bucket="example")
for size in (7, 9):
    client.put_object(
        Bucket="example", Key="source", Body=b"0" * (size * 2**20), Tagging="keep=yes", Metadata={"owner": "example"}, ContentType="text/csv"
    )
    for extra in ({}, {"TaggingDirective": "COPY"}):
        client.copy({"Bucket": "example", "Key": "source"}, "example", "target", ExtraArgs=extra)
        head = client.head_object(Bucket="example", Key="target")
        tags = client.get_object_tagging(Bucket="example", Key="target")["TagSet"]
        print(size, "MiB", extra, "->", head["ContentType"], head["Metadata"], "tags", tags)
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
