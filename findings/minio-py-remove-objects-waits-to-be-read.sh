#!/usr/bin/env bash
# What: remove_objects() of the MinIO client for Python deletes nothing until its result is read.
# Where: minio 7.2.20 (PyPI) with moto 5.2.5 as the server
# Date: 2026-11-27
#
# Behaviour: remove_objects() returns a generator of errors. As long as nobody iterates over it, no request is
# sent: the objects are all there, and no error is raised. remove_object(), for one key, acts at once.
#
# Expected: a method named like the request DeleteObjects sends it and returns what went wrong; an unread result
# costs nothing but the knowledge of errors.
#
# Matters: a deletion for a retention rule or at the request of a user looks done and never happened. Write
# list(client.remove_objects(...)) and look at what it holds.
#
# Output seen; the script compares it with what it sees now:
#= remove_objects() returned a generator and left ['a', 'b']
#= errors once it is read: [] and left []
set -euo pipefail
recorded=$(sed -n 's/^#= //p' "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

echo "+ pip install minio==7.2.20 boto3==1.43.117 moto[server,s3]==5.2.5"
if command -v uv >/dev/null; then
    uv venv --quiet venv && install=(uv pip install --quiet --python venv/bin/python)
else
    python3 -m venv venv && install=(venv/bin/python -m pip install --quiet --disable-pip-version-check)
fi
"${install[@]}" minio==7.2.20 boto3==1.43.117 "moto[server,s3]==5.2.5" >&2 || { echo "could not install" >&2; exit 3; }

cat >probe.py <<'PROBE'
import boto3
import minio
import minio.deleteobjects
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
endpoint = "http://{}:{}".format(*server.get_host_and_port())
client = boto3.client("s3", endpoint_url=endpoint)
client.create_bucket(Bucket="example")
for key in ("a", "b"):
    client.put_object(Bucket="example", Key=key, Body=b"content")


def keys():
    return [entry["Key"] for entry in client.list_objects_v2(Bucket="example").get("Contents", [])]


tool = minio.Minio(endpoint.removeprefix("http://"), "examplekey", "examplesecret", secure=False, region="us-east-1")
errors = tool.remove_objects("example", [minio.deleteobjects.DeleteObject(key) for key in ("a", "b")])
print("remove_objects() returned a", type(errors).__name__, "and left", keys())
print("errors once it is read:", list(errors), "and left", keys())
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
