#!/usr/bin/env bash
# What: s3fs takes a key with brackets in rm() and cat() for a pattern: another object is deleted, and read.
# Where: s3fs 2026.9.0 with boto3 1.43.117 and moto 5.2.5 as the server
# Date: 2026-11-27
#
# Behaviour: fs.rm("example/report[1].txt") deletes the object report1.txt, which nobody named, and leaves
# report[1].txt where it is; no error. cat() returns the bytes of report1.txt. rm("example/what?") deletes what?
# together with whatx. rm_file() and cat_file() take the same names literally.
#
# Expected: a key is an opaque string in S3; an API that is given one whole key deletes that key or says that it
# is not there. Patterns are expected of glob() alone.
#
# Matters: keys with brackets come with every second upload of a browser ("report[1].txt", "report (1).txt") and
# from framework routes ("[id].js"). A cleanup by key then removes the data of somebody else and reports success.
# Use rm_file, cat_file and bulk delete of boto3 for keys that users choose.
#
# Output seen; the script compares it with what it sees now:
#= cat  report[1].txt -> {'example/report1.txt': b'content of report1.txt'}
#= cat_file report[1].txt -> b'content of report[1].txt'
#= rm   report[1].txt leaves ['report[1].txt']
#= rm_file report[1].txt leaves ['report1.txt']
#= rm   what? of what?, whatx leaves []
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


def put(*names):
    for name in keys():
        client.delete_object(Bucket="example", Key=name)
    for name in names:
        client.put_object(Bucket="example", Key=name, Body=b"content of " + name.encode())


fs = s3fs.S3FileSystem(endpoint_url=endpoint, use_listings_cache=False, skip_instance_cache=True)
put("report[1].txt", "report1.txt")
print("cat  report[1].txt ->", fs.cat("example/report[1].txt"))
print("cat_file report[1].txt ->", fs.cat_file("example/report[1].txt"))
fs.rm("example/report[1].txt")
print("rm   report[1].txt leaves", keys())
put("report[1].txt", "report1.txt")
fs.rm_file("example/report[1].txt")
print("rm_file report[1].txt leaves", keys())
put("what?", "whatx")
fs.rm("example/what?")
print("rm   what? of what?, whatx leaves", keys())
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
