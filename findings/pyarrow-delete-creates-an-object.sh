#!/usr/bin/env bash
# What: PyArrow creates an empty object wherever it deletes or moves the last one of a folder.
# Where: pyarrow 26.0.1 with boto3 1.43.117 and moto 5.2.5 as the server
# Date: 2026-11-27
#
# Behaviour: delete_file("example/a/b/key") deletes the object and then writes a new one of 0 bytes named "a/b/".
# move() does the same for the folder of its source. The bucket is not empty afterwards.
#
# Expected: deleting the only object of a bucket leaves an empty bucket; there are no folders in S3 that could be
# kept.
#
# Matters: the bucket cannot be deleted after a clean-up, a listing shows keys that no writer wrote, a bucket with
# versions keeps one more version for a deletion, and a deletion costs a write, which has another price and needs
# another permission.
#
# Output seen; the script compares it with what it sees now:
#= before delete_file [('a/b/key', 7)]
#= after delete_file  [('a/b/', 0)]
#= after move         [('a/b/', 0), ('key', 7), ('source/', 0)]
set -euo pipefail
recorded=$(sed -n 's/^#= //p' "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

echo "+ pip install pyarrow==26.0.1 boto3==1.43.117 moto[server,s3]==5.2.5"
if command -v uv >/dev/null; then
    uv venv --quiet venv && install=(uv pip install --quiet --python venv/bin/python)
else
    python3 -m venv venv && install=(venv/bin/python -m pip install --quiet --disable-pip-version-check)
fi
"${install[@]}" pyarrow==26.0.1 boto3==1.43.117 "moto[server,s3]==5.2.5" >&2 || { echo "could not install" >&2; exit 3; }

cat >probe.py <<'PROBE'
import boto3
import pyarrow.fs
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
endpoint = "http://{}:{}".format(*server.get_host_and_port())
client = boto3.client("s3", endpoint_url=endpoint)
client.create_bucket(Bucket="example")
arrow = pyarrow.fs.S3FileSystem(endpoint_override=endpoint.removeprefix("http://"), scheme="http")


def content():
    return [(entry["Key"], entry["Size"]) for entry in client.list_objects_v2(Bucket="example").get("Contents", [])]


client.put_object(Bucket="example", Key="a/b/key", Body=b"content")
print("before delete_file", content())
arrow.delete_file("example/a/b/key")
print("after delete_file ", content())
client.put_object(Bucket="example", Key="source/key", Body=b"content")
arrow.move("example/source/key", "example/key")
print("after move        ", content())
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
