#!/usr/bin/env bash
# What: s3fs goes on answering exists(), size() and ls() from a listing that never expires.
# Where: s3fs 2026.9.0 with boto3 1.43.117 and moto 5.2.5 as the server
# Date: 2026-11-27
#
# Behaviour: after one ls() of a folder, exists() of an object that another client deleted stays True, exists() of
# one that another client added stays False, and size() stays the old one. No request is sent and no time limit
# ends it. cat() of the same key sends a request and gives the new bytes, so two calls on one object contradict
# each other.
#
# Expected: S3 is strongly consistent since 2020, and HEAD is cheap: exists() is expected to ask. A cache is
# expected to have an age.
#
# Matters: a worker that lists a folder and then waits for a marker object of another worker waits for ever, and
# one that checks before it writes overwrites. The store is blamed for being "eventually consistent". Pass
# use_listings_cache=False or call invalidate_cache().
#
# Output seen; the script compares it with what it sees now:
#= ls ['example/folder/gone', 'example/folder/old']
#= truth ['folder/new', 'folder/old']
#= ls ['example/folder/gone', 'example/folder/old']
#= exists(gone) True
#= exists(new) False
#= size(old) 10 and bytes that cat(old) gives 20
#= without the cache: exists(gone) False exists(new) True
set -euo pipefail
recorded=$(sed -n 's/^#= //p' "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

echo "+ pip install s3fs==2026.9.0 boto3==1.43.117 moto[server,s3]==5.2.5"
if command -v uv >/dev/null; then
    uv venv --quiet venv && install=(uv pip install --quiet --python venv/bin/python)
else
    python3 -m venv venv && install=(venv/bin/python -m pip install --quiet --disable-pip-version-check)
fi
"${install[@]}" s3fs==2026.9.0 boto3==1.43.117 "moto[server,s3]==5.2.5" >&2 || { echo "could not install" >&2; exit 3; }

cat >probe.py <<'PROBE'
import boto3
import s3fs
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
endpoint = "http://{}:{}".format(*server.get_host_and_port())
client = boto3.client("s3", endpoint_url=endpoint)
client.create_bucket(Bucket="example")


def keys():
    return sorted(entry["Key"] for entry in client.list_objects_v2(Bucket="example").get("Contents", []))

fs = s3fs.S3FileSystem(endpoint_url=endpoint, skip_instance_cache=True)
client.put_object(Bucket="example", Key="folder/old", Body=b"1" * 10)
client.put_object(Bucket="example", Key="folder/gone", Body=b"1")
print("ls", fs.ls("example/folder"))
client.put_object(Bucket="example", Key="folder/old", Body=b"2" * 20)
client.put_object(Bucket="example", Key="folder/new", Body=b"1")
client.delete_object(Bucket="example", Key="folder/gone")
print("truth", keys())
print("ls", fs.ls("example/folder"))
print("exists(gone)", fs.exists("example/folder/gone"))
print("exists(new)", fs.exists("example/folder/new"))
print("size(old)", fs.size("example/folder/old"), "and bytes that cat(old) gives", len(fs.cat("example/folder/old")))
fresh = s3fs.S3FileSystem(endpoint_url=endpoint, skip_instance_cache=True, use_listings_cache=False)
print("without the cache: exists(gone)", fresh.exists("example/folder/gone"), "exists(new)", fresh.exists("example/folder/new"))
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
